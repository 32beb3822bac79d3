"""The core without Kafka: matching, settling, and the best combination.

Settling is measured against a plain loop of fastavro over the same receipts, in the same
rounds: a receipt of 8 lines at 200 campaigns on an account of 10 lots.  It takes what the
stage gives it, values, and ends with values: account, result, settled record.  The
account is one that the stage keeps between batches, with what was worked out of it; beside
that stands one that was just read from its bytes.  Growth is measured on the same receipts
with more lots and more lines.  Times are CPU of this
thread; ratios are medians of the ratios of one round.

    python benchmarks/core.py [--quick]
"""

import gc
import io
import json
import random
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fastavro
from msgspec import Struct

from schemas.catalogue import catalogue
from schemas.codec import HEADER, committed
from streams.core.account import Account, Qualifying, RecentSale
from streams.core.accrual import Rules
from streams.core.calendar import DAY_MS
from streams.core.campaigns import load_campaign
from streams.core.digest import receipt_digest
from streams.core.earning import campaign_rules
from streams.core.ids import lot_id
from streams.core.lots import Lot
from streams.core.matching import CampaignIndex
from streams.core.policy import LedgerPolicy, ledger_policy
from streams.core.programme import load_programme
from streams.core.receipt import LineDiscount, Receipt, RedeemRequest, SaleLine
from streams.core.settlement import Rulebook, Settlement, settle_receipt
from streams.core.state import account_bytes, account_from

SEED = 20170501
CAMPAIGNS = 200
BRANDS = 400  # So that a receipt meets as many campaigns as in the real shop, five or six.
LINES = 8
LOTS = 10
SKUS = 2_000
NOW = 1_772_450_000_000  # Monday, 2 March 2026, in the afternoon of Moscow.
PAST_SALES = 12
DECODE_GOAL = 1.6  # 80 µs where decoding costs 50.
LOT_GOAL = 0.7
GROWTH_GOAL = 2.0

PROGRAMME = load_programme(
    {
        "programme": "bench",
        "version": 1,
        "zone": "Europe/Moscow",
        "points": {"bonus": {"unit": 100, "value": 100}, "SVC": {"unit": 100, "value": 1}},
        "points_lanes": ["base", "service", "goods", "time", "member"],
        "excluded": {"points": {"category": "tobacco"}},
    }
)
LANES = ("goods", "goods", "goods", "time", "member")


class Workload(Struct, frozen=True):
    """Receipts of one shape, the account that they all meet, and what serves them."""

    receipts: tuple[Receipt, ...]
    digests: tuple[str, ...]
    account: Account
    stored: bytes
    policy: LedgerPolicy
    rules: Rules

    def settle(self, place: int) -> Settlement:
        """Settle one receipt on the account."""
        return self._settled(self.account, place)

    def settle_anew(self, place: int) -> Settlement:
        """Settle one receipt on the account as read from its bytes."""
        return self._settled(account_from(self.stored), place)

    def _settled(self, account: Account, place: int) -> Settlement:
        return settle_receipt(
            account,
            self.receipts[place],
            Rulebook(self.policy, self.rules),
            originals={},
            digest=self.digests[place],
        )


def index() -> CampaignIndex:
    """Compile a shop's mix: points on everything, and campaigns by brand in three lanes."""
    dice = random.Random(SEED)
    lot = {"valid": {"months": 12}}
    documents = [
        {"campaign": "base", "lane": "base", "gives": {"points_percent": 100}, "lot": lot},
        {
            "campaign": "service",
            "lane": "service",
            "gives": {"points_percent": 50},
            "currency": "SVC",
            "lot": {"valid": {"end_of_month": 2}},
        },
    ]
    for place in range(CAMPAIGNS - len(documents)):
        brands = [f"brand-{(place + step) % BRANDS}" for step in range(dice.randint(1, 2))]
        goods: dict[str, Any] = {"brand": brands}
        if dice.randrange(4) == 0:
            goods["not"] = {"category": ["socks", "wax"]}
        gives: dict[str, Any] = {"points_percent": dice.randint(1, 10) * 100}
        if dice.randrange(6) == 0:
            gives = {"points_per": {"points": 10, "each": 50_000}}
        if dice.randrange(6) == 0:
            gives = {"points": dice.randint(1, 10) * 10}
        document = {
            "campaign": f"c{place}",
            "lane": dice.choice(LANES),
            "goods": goods,
            "gives": gives,
            "lot": {"delay": {"days": 14}, "valid": {"days": 90}},
        }
        if dice.randrange(4) == 0:
            document["who"] = {"tier": ["silver", "gold"]}
        documents.append(document)
    return CampaignIndex(
        PROGRAMME, [load_campaign({"version": 1, **each}, PROGRAMME) for each in documents]
    )


def workload(campaigns: CampaignIndex, *, lines: int, lots: int, count: int) -> Workload:
    """Make *count* receipts of *lines* lines and an account of *lots* lots."""
    dice = random.Random(SEED + 1)
    products: dict[str, dict[str, Any]] = {
        f"sku-{sku}": {
            "brand": f"brand-{dice.randrange(BRANDS)}",
            "category": dice.choice(("ski", "boots", "wax", "socks", "jacket", "tobacco")),
            "size": dice.randrange(36, 46),
        }
        for sku in range(SKUS)
    }
    tier = {"levels": [["silver", 10_000_00], ["gold", 50_000_00]]}
    policy = ledger_policy({"tier": tier}, currency="bonus", point_value=100)
    receipts = tuple(receipt(dice, number, lines) for number in range(count))

    def product(sku: str) -> Mapping[str, Any]:
        return products[sku]

    digests = tuple(map(receipt_digest, receipts))
    rules = campaign_rules(PROGRAMME, campaigns, product, {"store": "S-0417"})
    cold = account(dice, lots)
    first = Workload(receipts, digests, cold, account_bytes(cold), policy, rules)
    warm = first.settle(0).account
    assert warm is not None
    return Workload(receipts, digests, warm, account_bytes(warm), policy, rules)


def receipt(dice: random.Random, number: int, lines: int) -> Receipt:
    """Make a receipt: a quarter of the lines is discounted, every fifth receipt spends points."""
    sold = []
    for n in range(1, lines + 1):
        amount = dice.randint(50, 3000) * 100
        taken = amount // 10 if dice.randrange(4) == 0 else 0
        spends = n == 1 and number % 5 == 0
        sold.append(
            SaleLine(
                n,
                f"sku-{dice.randrange(SKUS)}",
                1000,
                amount,
                amount + taken,
                (LineDiscount("shelf", 1, taken),) if taken else (),
                (RedeemRequest(20, None, "bonus"),) if spends else (),
            )
        )
    at = NOW + number * 1000
    return Receipt(f"r{number}", "S-0417", "1", at, at + 5000, tuple(sold))


def account(dice: random.Random, lots: int) -> Account:
    """Make a member who comes often: a few lots are pending, none ends for weeks."""
    found = []
    for place in range(lots):
        at = NOW - (place % 60 + 1) * DAY_MS
        found.append(
            Lot(
                id=lot_id(f"past-{place}", "base"),
                currency="SVC" if place % 4 == 0 else "bonus",
                class_="regular",
                origin="m1",
                active_from=at + (DAY_MS * 90 if place % 9 == 0 else 0),
                expires_at=at + 365 * DAY_MS,
                credited=100,
                remaining=dice.randint(10, 100),
                document=f"past-{place}",
                rule="base",
                version=1,
            )
        )
    sales = [(NOW - (PAST_SALES - each) * 7 * DAY_MS, f"past-{each}") for each in range(PAST_SALES)]
    return Account(
        "m1",
        version=40,
        chain="0" * 64,
        mark=NOW - DAY_MS,
        lots=tuple(sorted(found, key=lambda lot: lot.id)),
        qualifying=tuple(Qualifying(at, 350_000, "m1", (), name) for at, name in sales),
        recent=tuple(RecentSale(at, name) for at, name in sales),
        purchases=PAST_SALES,
    )


def decoder(receipts: Sequence[Receipt]) -> Callable[[int], Any]:
    """Make the plain loop's body: fastavro reads one of the same receipts, as tills send it."""
    schema = next(each for each in catalogue() if each.record == "Receipt")
    codec = committed()
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema.tree)))
    bodies = [codec.encode("Receipt", till(each))[HEADER.size :] for each in receipts]
    return lambda place: fastavro.schemaless_reader(io.BytesIO(bodies[place]), parsed)


def till(receipt: Receipt) -> dict[str, Any]:
    """Write a receipt as the till does."""
    return {
        "id": receipt.id,
        "store": receipt.store,
        "till": receipt.till,
        "sold_at": receipt.sold_at,
        "identifiers": [{"kind": "card", "value": "9800000000011"}],
        "lines": [
            {
                "n": line.n,
                "sku": line.sku,
                "qty": line.qty,
                "kind": "sale",
                "amount": line.amount,
                "list": line.list,
                "discounts": line.discounts,
                "redeem": line.redeem,
            }
            for line in receipt.sales
        ],
    }


def cpu(work: Callable[[int], Any], count: int, times: int) -> float:
    """Measure µs of CPU a call."""
    start = time.thread_time_ns()
    for _ in range(times):
        for place in range(count):
            work(place)
    return (time.thread_time_ns() - start) / count / times / 1000


def settling(*, quick: bool) -> dict[str, dict[str, Any]]:
    """Measure settling against decoding, and its growth with lots and lines."""
    count, rounds, times = (60, 3, 1) if quick else (200, 9, 2)
    campaigns = index()
    make = partial(workload, campaigns, count=count)
    by_lots = {lots: make(lines=LINES, lots=lots) for lots in (LOTS, 100, 1000)}
    by_lines = {lines: make(lines=lines, lots=LOTS) for lines in (1, LINES, 20, 40)}
    decode = decoder(by_lots[LOTS].receipts)
    works: dict[str, Callable[[int], Any]] = {
        "decode": decode,
        **{f"{lots} lots": load.settle for lots, load in by_lots.items()},
        **{f"{lots} lots anew": load.settle_anew for lots, load in by_lots.items()},
        **{f"{lines} lines": load.settle for lines, load in by_lines.items()},
    }
    for work in works.values():
        cpu(work, count, 1)
    gc.collect()
    gc.freeze()  # As a worker does when it is warm.
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(cpu(work, count, times))
    return settled_measures(taken)


def settled_measures(taken: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Write the measures of settling."""

    def of_round(ratio: Callable[[dict[str, float]], float]) -> float:
        rounds = [dict(zip(taken, each, strict=True)) for each in zip(*taken.values(), strict=True)]
        return statistics.median(map(ratio, rounds))

    middle = {name: statistics.median(each) for name, each in taken.items()}
    by_decode = of_round(lambda each: each["10 lots"] / each["decode"])
    a_lot = of_round(lambda each: (each["1000 lots"] - each["10 lots"]) / 990)
    anew = of_round(lambda each: (each["1000 lots anew"] - each["10 lots anew"]) / 990)
    growth = of_round(lambda each: each["1000 lots"] / each["10 lots"])
    first = of_round(lambda each: (each["20 lines"] - each["1 lines"]) / 19)
    second = of_round(lambda each: (each["40 lines"] - each["20 lines"]) / 20)
    return {
        f"settle {LINES} lines, {CAMPAIGNS} campaigns, {LOTS} lots": measure(
            middle["10 lots"],
            "µs a receipt; beside: fastavro decodes it",
            baseline=middle["decode"],
            ratio=by_decode,
            goal=f"≤ {DECODE_GOAL}× decoding",
            met=by_decode <= DECODE_GOAL,
        ),
        "settle, a lot more": measure(
            a_lot, "µs a lot", goal=f"≤ {LOT_GOAL} µs", met=a_lot <= LOT_GOAL
        ),
        "settle, 1,000 lots": measure(
            middle["1000 lots"],
            "µs a receipt; beside: of 10 lots",
            baseline=middle["10 lots"],
            ratio=growth,
            goal=f"≤ {GROWTH_GOAL:.0f}× of 10",
            met=growth <= GROWTH_GOAL,
        ),
        "settle, 1,000 lots read from their bytes": measure(
            middle["1000 lots anew"],
            "µs a receipt; beside: of 10 lots",
            baseline=middle["10 lots anew"],
            ratio=of_round(lambda each: each["1000 lots anew"] / each["10 lots anew"]),
        ),
        "settle, a lot more read from its bytes": measure(
            anew, "µs a lot", goal=f"≤ {LOT_GOAL} µs", met=anew <= LOT_GOAL
        ),
        "settle, a line more": measure(
            second,
            "µs a line, from 20 to 40; beside: from 1 to 20",
            baseline=first,
            ratio=second / first,
            goal="affine: ≤ 1.3×",
            met=second / first <= 1.3,
        ),
    }


def measure(
    value: float,
    unit: str,
    *,
    goal: str | None = None,
    met: bool | None = None,
    baseline: float | None = None,
    ratio: float | None = None,
) -> dict[str, Any]:
    """Write one measure."""
    return {
        "value": round(value, 2),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 2),
        "ratio": None if ratio is None else round(ratio, 2),
        "goal": goal,
        "met": met,
    }


def beside(name: str, *, quick: bool) -> dict[str, dict[str, Any]]:
    """Run another benchmark of this folder."""
    found: dict[str, dict[str, Any]] = runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))[
        "run"
    ](quick=quick)
    return found


def run(*, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Measure the core: settling first, while the heap is small."""
    return {
        **settling(quick=quick),
        **beside("core_matching", quick=quick),
        **beside("combination", quick=quick),
    }


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
