"""Matching at 10 to 10,000 campaigns, at equal hits, against the naive tree walk.

The walk asks each campaign's own trees and stops at the first answer that
decides, as anyone would write it.  Rounds of both are interleaved, and ratios
are medians of the ratios of one round.  Times are CPU of this thread.

    python benchmarks/core_matching.py [--quick]
"""

import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from streams.core.campaigns import Campaign, load_campaign
from streams.core.conditions import Atom, Bounds, Every, Tree
from streams.core.judging import judge, reachable
from streams.core.matching import CampaignIndex
from streams.core.occasion import GoodsLine, Match, Occasion, Refusal, goods_attributes
from streams.core.programme import Programme, load_programme
from streams.core.runs import instant, local, open_at

SIZES = (10, 200, 1000, 10_000)
LINES = 8
SKUS = 2_000
SEED = 20170301

PROGRAMME = load_programme(
    {
        "programme": "bench",
        "version": 1,
        "zone": "Europe/Moscow",
        "points": {"bonus": {"unit": 100, "value": 100}},
        "points_lanes": ["base"],
        "excluded": {"points": {"category": "tobacco"}},
    }
)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def campaign(dice: random.Random, place: int, size: int) -> Campaign:
    """
    Make one campaign of a shop's mix: by brand and category, price, tags, tier, region, time.

    Brands are as many as campaigns, so that a receipt meets equally many at any size.
    """
    brands = [f"brand-{(place + step) % size}" for step in range(dice.randint(1, 3))]
    goods: dict[str, Any] = {"brand": brands}
    extra = dice.randrange(5)
    if extra == 0:
        goods["price"] = {"from": dice.randrange(5) * 10_000}
    if extra == 1:
        goods["any"] = [{"tags": "winter"}, {"category": ["ski", "boots", "wax"]}]
    if extra == 2:
        goods["not"] = {"any": [{"outlet": True}, {"category": "socks"}]}
    document: dict[str, Any] = {"goods": goods}
    kind = dice.randrange(4)
    if kind == 0:
        document["who"] = {"any": [{"tier": ["silver", "gold"]}, {"segments": "vip"}]}
    if kind == 1:
        document["where"] = {"region": [f"R{dice.randrange(8)}" for _ in range(4)]}
    if kind == 2:
        hours = ["08:00", "23:00"]
        document["runs"] = {"from": "2026-01-01", "weekdays": dice.sample(WEEK, 5), "hours": hours}
    base = {"campaign": f"c{place}", "version": 1, "lane": "base", "gives": {"points": 5}}
    return load_campaign({**base, **document}, PROGRAMME)


def occasions(dice: random.Random, size: int, count: int) -> list[Occasion]:
    """Make receipts of 8 lines of products that are met again and again."""
    products = [
        {
            "brand": f"brand-{dice.randrange(size)}",
            "category": dice.choice(("ski", "boots", "wax", "socks", "jacket", "tobacco")),
            "tags": tuple(dice.sample(("winter", "kids", "eco", "new"), dice.randrange(3))),
            "outlet": dice.random() < 0.1,
            "size": dice.randrange(36, 46),
        }
        for _ in range(SKUS)
    ]
    prices = [dice.randrange(1, 60) * 1000 for _ in range(SKUS)]
    found = []
    for _ in range(count):
        lines = []
        for _ in range(LINES):
            sku = dice.randrange(SKUS)
            # A tenth of the lines has a price of the day.
            price = prices[sku] if dice.randrange(10) else dice.randrange(1, 60) * 1000
            lines.append(GoodsLine(f"sku-{sku}", price, 1000, price, products[sku]))
        at = instant("2026-03-02", PROGRAMME.zoneinfo) + dice.randrange(7 * 24 * 3600) * 1000
        member = {"tier": dice.choice(("blue", "silver", "gold")), "segments": ("new",)}
        store = {"region": f"R{dice.randrange(8)}", "store": "S-0417"}
        found.append(Occasion(at, tuple(lines), store, member, channel="store"))
    return found


def met(atom: Atom, attributes: dict[str, Any]) -> bool:
    """Decide an atom of this workload, whose attributes have the types that are asked for."""
    value, test = attributes.get(atom.attribute), atom.value
    if value is None:
        return atom.operator == "unknown"
    if isinstance(test, frozenset):
        hit = not test.isdisjoint(value) if isinstance(value, tuple) else value in test
        return hit is (atom.operator == "one_of")
    if isinstance(test, Bounds):
        low, high = test.low, test.high
        hit = (low is None or value >= low) and (high is None or value <= high)
        return hit is (atom.operator == "within")
    return atom.operator == "known"


def asked(tree: Tree, attributes: dict[str, Any]) -> bool:
    """Decide a tree as anyone would, stopping where the answer is known."""
    if isinstance(tree, Atom):
        return met(tree, attributes)
    if isinstance(tree, Every):
        for part in tree.parts:  # noqa: SIM110 - A loop is faster than a generator.
            if not asked(part, attributes):
                return False
        return True
    for part in tree.parts:  # noqa: SIM110 - As above.
        if asked(part, attributes):
            return True
    return False


def walk(
    programme: Programme, campaigns: Sequence[Campaign], occasion: Occasion
) -> tuple[Match, ...]:
    """Match by asking every campaign in turn; what all of them share is worked out once."""
    lines = [goods_attributes(line) for line in occasion.lines]
    member, store = dict(occasion.member), dict(occasion.store)
    now, at = local(occasion.at, programme.zoneinfo), occasion.at
    kept_out = programme.excluded.points
    sold = [
        (1 << place, attributes)
        for place, attributes in enumerate(lines)
        if kept_out is None or not asked(kept_out.tree, attributes)
    ]
    found = []
    for each in campaigns:
        runs = each.runs
        if (
            (runs.from_at is not None and at < runs.from_at)
            or (runs.until_at is not None and at >= runs.until_at)
            or ((runs.hours or runs.weekdays) and not open_at(runs.weekdays, runs.hours, now))
            or not asked(each.who.tree, member)
            or not asked(each.where.tree, store)
        ):
            continue
        mask, tree = 0, each.goods.tree
        for bit, attributes in sold:
            if asked(tree, attributes):
                mask |= bit
        if mask and reachable(each.basket, mask, occasion):
            found.append(Match(each, mask))
    return tuple(found)


def cpu(work: Callable[[Occasion], Any], receipts: Sequence[Occasion]) -> float:
    """Measure µs of CPU a receipt."""
    start = time.thread_time_ns()
    for receipt in receipts:
        work(receipt)
    return (time.thread_time_ns() - start) / len(receipts) / 1000


def run(quick: bool = False) -> dict[str, dict[str, Any]]:  # noqa: FBT001, FBT002 - All benchmarks run so.
    """Measure all sizes; each ratio is the walk's time by the index's in the same round."""
    rounds, count, walked, times = (3, 100, 4, 4) if quick else (7, 200, 10, 20)
    indexes, receipts, hits = {}, {}, {}
    for size in SIZES:
        dice = random.Random(SEED)
        campaigns = [campaign(dice, place, size) for place in range(size)]
        indexes[size] = CampaignIndex(PROGRAMME, campaigns)
        receipts[size] = occasions(dice, size, count)
        found = [indexes[size].matches(receipt) for receipt in receipts[size]]
        hits[size] = sum(map(len, found)) / count
        for receipt, matched in zip(receipts[size][:walked], found, strict=False):
            assert walk(PROGRAMME, indexes[size].campaigns, receipt) == matched
    gc.collect()
    gc.freeze()  # As a worker does when it is warm.
    fast: dict[int, list[float]] = {size: [] for size in SIZES}
    slow: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            index = indexes[size]
            fast[size].append(cpu(index.matches, receipts[size] * times))
            few = receipts[size][:walked]
            slow[size].append(cpu(lambda each, i=index: walk(PROGRAMME, i.campaigns, each), few))
    found = report(fast, slow, hits)
    found[f"explaining {EXPLAINED} campaigns"] = explaining(indexes[EXPLAINED], receipts[EXPLAINED])
    return found


EXPLAINED = 200


def explaining(index: CampaignIndex, receipts: Sequence[Occasion]) -> dict[str, Any]:
    """Measure the first reasons of all campaigns that don't apply, against judging each."""
    few = receipts[:20]

    def judged(receipt: Occasion) -> list[Match | Refusal]:
        return [judge(PROGRAMME, each, receipt) for each in index.campaigns]

    rounds = [(cpu(index.refusals, few), cpu(judged, few)) for _ in range(3)]
    return {
        "value": round(statistics.median(fast for fast, _ in rounds), 1),
        "unit": "µs a receipt",
        "baseline": round(statistics.median(slow for _, slow in rounds), 1),
        "ratio": round(statistics.median(slow / fast for fast, slow in rounds), 1),
        "goal": None,
        "met": True,
    }


GOALS = {10: None, 200: 50, 1000: None, 10_000: 1000}
GROWTH_MOST = 4.0


def report(
    fast: dict[int, list[float]], slow: dict[int, list[float]], hits: dict[int, float]
) -> dict[str, dict[str, Any]]:
    """Write the measures: value, unit, baseline, ratio, goal, met."""
    found: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        ratio = statistics.median(s / f for s, f in zip(slow[size], fast[size], strict=True))
        goal = GOALS[size]
        found[f"matching {size} campaigns"] = {
            "value": round(statistics.median(fast[size]), 2),
            "unit": f"µs a receipt of {LINES} lines, {hits[size]:.1f} hits",
            "baseline": round(statistics.median(slow[size]), 1),
            "ratio": round(ratio, 1),
            "goal": None if goal is None else f"≥ {goal}× the tree walk",
            "met": goal is None or ratio >= goal,
        }
    growth = statistics.median(b / a for a, b in zip(fast[10], fast[10_000], strict=True))
    found["matching growth 10 to 10,000 campaigns"] = {
        "value": round(statistics.median(fast[10_000]), 2),
        "unit": "µs a receipt",
        "baseline": round(statistics.median(fast[10]), 2),
        "ratio": round(growth, 2),
        "goal": f"≤ {GROWTH_MOST:.0f}× at equal hits",
        "met": growth <= GROWTH_MOST,
    }
    return found


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
