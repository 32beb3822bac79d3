"""The best combination and redemption on generated shop-like baskets.

Baskets mix line effects, sets, caps, thresholds and coupons as the worked examples
do.  Times are CPU of this thread, each basket solved once and alone; matching is
not counted.  The goals are for the best combination with its certificate; the
explanation, which solves the receipt once more for every campaign, is measured beside.

    python benchmarks/combination.py [--quick] [--check]

With `--check` it fails where a goal is missed.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from streams.core.basket import load_basket, load_member
from streams.core.campaigns import load_campaign
from streams.core.case import Case, see
from streams.core.explanation import explain
from streams.core.matching import CampaignIndex
from streams.core.optimum import Solver
from streams.core.programme import load_programme
from streams.core.spending import UsableLot, spend
from streams.core.task import Combination

SEED = 20170407
CATEGORIES = ("ski", "boots", "wax", "socks", "jacket", "helmet")
BRANDS = ("a", "b", "c", "d", "e")
PROGRAMME = load_programme(
    {
        "programme": "bench",
        "version": 1,
        "zone": "Europe/Moscow",
        "points": {"bonus": {"unit": 100, "value": 100}},
        "discount_lanes": ["brand", ["group", "city"], "coupon"],
        "points_lanes": ["base", "promo"],
    }
)


def basket(dice: random.Random, lines: int) -> dict[str, Any]:
    """Make a basket of *lines* lines: mostly single pieces, some of two or three."""
    return {
        "time": "2026-03-07T15:00:00+03:00",
        "channel": "store",
        "payments": ["card"],
        "codes": {"HELLO": "coupon-0"},
        "lines": [
            {
                "line": line + 1,
                "sku": f"s{line}",
                "price": dice.randint(5, 800) * 1000 - 10 * dice.randint(0, 50),
                "quantity": 1000 * dice.choice((1, 1, 1, 1, 2, 3)),
                "attributes": {
                    "category": dice.choice(CATEGORIES),
                    "brand": dice.choice(BRANDS),
                    "tags": dice.sample(("winter", "kids", "new", "eco"), dice.randint(0, 2)),
                },
            }
            for line in range(lines)
        ],
    }


def goods(dice: random.Random) -> dict[str, Any]:
    """Make a condition that about a third of the lines meet."""
    match dice.randrange(3):
        case 0:
            return {"brand": dice.sample(BRANDS, 2)}
        case 1:
            return {"category": dice.sample(CATEGORIES, 2)}
        case _:
            return {"tags": dice.choice(("winter", "kids", "new", "eco"))}


def effect(dice: random.Random, place: int, *, sets: bool) -> dict[str, Any]:
    """Make what one campaign gives and where it stands."""
    percent = 100 * dice.choice((5, 10, 10, 15, 20, 30))
    match place % 12:
        case 0:
            return {"gives": {"basket_off": 50_000}, "lane": "coupon", "needs": "code"}
        case 1:
            return {"gives": {"points_per": {"points": 50, "each": 100_000}}, "lane": "base"}
        case 2:
            return {"gives": {"points_percent": 500}, "lane": "promo", "goods": goods(dice)}
        case 3 if sets:
            return {
                "gives": {
                    "set": [{"take": 3}],
                    "reward": {"percent": 10_000, "of": {"cheapest": 1}},
                },
                "lane": "group",
                "goods": {"category": dice.choice(CATEGORIES)},
            }
        case 4 if sets:
            return {
                "gives": {"set": [{"take": 2}], "reward": {"percent": 5000, "of": {"cheapest": 1}}},
                "lane": "group",
                "goods": {"category": dice.choice(CATEGORIES)},
            }
        case 5:
            limits = {"receipt": {"amount": 150_000}}
            return {"gives": {"percent_off": percent}, "lane": "brand", "limits": limits}
        case 6:
            net = {"net": {"from": 500_000}}
            return {"gives": {"percent_off": percent}, "lane": "city", "basket": net}
        case 7:
            return {"gives": {"amount_off": 10_000}, "lane": "brand"}
        case _:
            lane = dice.choice(("brand", "brand", "group", "city"))
            return {"gives": {"percent_off": percent}, "lane": lane}


def campaigns(dice: random.Random, count: int, *, sets: bool) -> list[dict[str, Any]]:
    """Make *count* campaigns that all run."""
    found = []
    for place in range(count):
        own = effect(dice, place, sets=sets)
        name = f"coupon-{place}" if own["lane"] == "coupon" else f"c{place}"
        if own["lane"] in ("brand", "group", "city"):
            own.setdefault("goods", goods(dice))
        found.append({"campaign": name, "version": 1, **own})
    return found


def case(dice: random.Random, lines: int, count: int, *, sets: bool = True) -> Case:
    """Make a basket seen through its campaigns."""
    zone = PROGRAMME.zoneinfo
    documents = campaigns(dice, count, sets=sets)
    index = CampaignIndex(PROGRAMME, [load_campaign(each, PROGRAMME) for each in documents])
    member = load_member({"id": "m", "version": 1}, zone)
    return see(PROGRAMME, index, member, load_basket(basket(dice, lines), zone))


def solve(each: Case) -> tuple[float, Combination]:
    """Solve, and give the milliseconds of CPU it took."""
    start = time.thread_time()
    found = Solver(each.problem).best()
    took = (time.thread_time() - start) * 1000
    assert found is not None
    return took, found


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that *share* of all are not above."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(
    value: float, unit: str, goal: str | None = None, *, met: bool | None = None
) -> dict[str, Any]:
    """Write one measured figure; without a goal there is none to be met."""
    return {
        "value": round(value, 3),
        "unit": unit,
        "baseline": None,
        "ratio": None,
        "goal": goal,
        "met": met,
    }


class Goal(Struct, frozen=True):
    """What is asked of baskets of one size; None is not asked."""

    lines: int
    campaigns: int
    median_ms: float | None = None
    top_ms: float | None = None  # 99 of 100 are not above.
    longest_ms: float | None = None
    proven: float | None = None
    gap: float | None = None

    @property
    def name(self) -> str:
        """Size of the baskets."""
        return f"{self.lines}x{self.campaigns}"


GOALS = (
    Goal(12, 12, median_ms=1.0, top_ms=20.0, proven=0.99),
    Goal(12, 25, median_ms=10.0, proven=0.90),
    Goal(20, 25, longest_ms=50.0, gap=0.01),
    Goal(40, 100, longest_ms=50.0, gap=0.01),
)
LARGE = 12  # Lines above which a tenth of the rounds is enough.


def at_most(value: float, unit: str, goal: float | None) -> dict[str, Any]:
    """Write a figure that should not be above *goal*."""
    if goal is None:
        return measure(value, unit)
    return measure(value, unit, f"<= {goal}", met=value <= goal)


def at_least(value: float, unit: str, goal: float | None) -> dict[str, Any]:
    """Write a figure that should not be below *goal*."""
    if goal is None:
        return measure(value, unit)
    return measure(value, unit, f">= {goal}", met=value >= goal)


def combinations(rounds: int) -> dict[str, Any]:
    """Measure the best combination at each size."""
    found: dict[str, Any] = {}
    for goal in GOALS:
        dice = random.Random(SEED)
        count = rounds if goal.lines <= LARGE else max(3, rounds // 10)
        times, results = zip(
            *(solve(case(dice, goal.lines, goal.campaigns)) for _ in range(count)), strict=True
        )
        gap = statistics.median(float((r.bound - r.objective) / r.bound) for r in results)
        proven = sum(each.proven for each in results) / count
        name = goal.name
        found[f"{name} p50"] = at_most(statistics.median(times), "ms", goal.median_ms)
        found[f"{name} p99"] = at_most(percentile(times, 0.99), "ms", goal.top_ms)
        found[f"{name} longest"] = at_most(max(times), "ms", goal.longest_ms)
        found[f"{name} proven"] = at_least(proven, "share", goal.proven)
        found[f"{name} gap p50"] = at_most(gap, "share", goal.gap)
        nodes = statistics.median(each.nodes for each in results)
        found[f"{name} nodes p50"] = at_most(nodes, "nodes", None)
    return found


def explanations(rounds: int) -> dict[str, Any]:
    """Measure the explanation of baskets of 12 lines and 12 campaigns, on demand."""
    dice = random.Random(SEED)
    times = []
    for _ in range(rounds):
        own = case(dice, 12, 12)
        solver = Solver(own.problem)
        best = solver.best()
        assert best is not None
        start = time.thread_time()
        explain(own, best, solver)
        times.append((time.thread_time() - start) * 1000)
    return {"12x12 explanation p50": at_most(statistics.median(times), "ms", None)}


def long_baskets() -> dict[str, Any]:
    """Measure a basket of 3,000 lines with a coupon over all of them: nothing may hang."""
    took, _ = solve(case(random.Random(SEED), 3000, 3))
    return {"3000 lines with a coupon": at_most(took, "ms", 1000.0)}


def per_round(work: Callable[[], object], rounds: int) -> float:
    """Give the median microseconds of CPU of one call."""
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        times.append((time.thread_time() - start) * 1e6)
    return statistics.median(times)


def redemption(rounds: int) -> dict[str, Any]:
    """Measure a redemption of 8 lines over 10 and 1,000 lots that the receipt hardly touches."""
    caps = [300] * 8

    def lots(count: int) -> list[UsableLot]:
        return [UsableLot(f"{at:04}", 500, tuple(range(8))) for at in range(count)]

    few, many = lots(10), lots(1000)
    short = per_round(lambda: spend(few, caps, 2000, None), rounds)
    long = per_round(lambda: spend(many, caps, 2000, None), rounds)
    a_lot = (long - short) / 990
    return {
        "redemption, a lot": measure(a_lot, "us", "<= 0.7", met=a_lot <= 0.7),
        "redemption, 1000 lots": measure(
            long / short, "times 10 lots", "<= 2", met=long <= 2 * short
        ),
    }


def run(*, quick: bool) -> dict[str, dict[str, Any]]:
    """Measure all; *quick* takes a tenth of the rounds."""
    rounds = 30 if quick else 300
    found = combinations(rounds) | explanations(max(3, rounds // 30))
    return found | long_baskets() | redemption(rounds)


if __name__ == "__main__":
    measured = run(quick="--quick" in sys.argv)
    print(json.dumps(measured, indent=1))
    if "--check" in sys.argv and any(each["met"] is False for each in measured.values()):
        sys.exit(1)
