"""
Receipts by the hundred thousand, with any figures: booked, refused or deferred.

The seed is printed with a failure, and the count with every run (`pytest -s`).  What
the ledger books keeps its laws, whatever the figures are.
"""

import random
import time

import pytest

from streams.core.accrual import LotTerms
from streams.core.adjustments import Adjustment
from streams.core.calendar import LATEST
from streams.core.history import History
from streams.core.lots import condition_text
from streams.core.policy import ledger_policy
from streams.core.receipt import (
    LineDiscount,
    Original,
    Receipt,
    RedeemRequest,
    ReturnLine,
    SaleLine,
)
from streams.core.simple_rules import simple_rules
from streams.core.status import StatusChange
from streams.core.vectors_ledger import receipt_from

pytestmark = pytest.mark.exhaustive

NOW = 1_770_000_000_000
DAY = 86_400_000
LONG = 500_000  # With as many documents and 100,000 quotes: more than a million in all.
FIGURES = (0, 1, -1, 2, 999, 1000, 10**15, 10**15 + 1, 2**63 - 1, -(2**63), 7, 350, 10**9)
INSTANTS = (NOW, NOW, NOW, NOW, NOW - DAY, NOW + DAY, 0, -1, LATEST, LATEST + 1, 2**63 - 1)
SKUS = ("x", "y", "", "ж" * 50)
RULES = (
    {"id": "base", "kind": "percent", "bp": 1_000, "lot": {"valid": {"months": 1}}},
    {
        "id": "step", "kind": "step", "points": 3, "step": 100, "budget": "b", "sku": ["x"],
        "limit": {"per": "week", "points": 1_000},
        "lot": {"class": "specific", "spendable_on": {"sku": "x"}, "delay": {"days": 1}},
    },
)  # fmt: skip
POLICIES = (
    {},
    {"clawback": "within_balance", "reinstate": {"mode": "grace", "days": 3}},
    {"claw_basis": "recompute_kept", "no_receipt": "lowest", "limit_first": "event"},
    {"claw_basis": "proportional", "clawback": "only_pending", "gift_earns": True,
     "tier": {"levels": [["a", 0], ["b", 10_000]], "window": "calendar"}},
)  # fmt: skip


class Dice(random.Random):
    """Draws whole receipts, half of them plausible."""

    def figure(self, *usual):
        """Draw a usual figure, or any."""
        return self.choice(usual) if self.random() < 0.93 else self.choice(FIGURES)

    def sale(self, n):
        """Draw a sold line whose sums are mostly right."""
        amount = self.figure(100, 2_500, 99_999)
        off = self.figure(0, 0, 0, 50)
        discounts = (LineDiscount("c", 1, off),) if off else ()
        listed = amount + off if self.random() < 0.95 else self.figure(1)
        redeem = ()
        if self.random() < 0.3:
            lot = self.choice([None, None, "no such lot"])
            currency = self.choice(["P", "P", "SVC"])
            redeem = (RedeemRequest(self.figure(1, 5, 20), lot, currency),)
        return SaleLine(n, self.choice(SKUS), self.figure(1, 1_000, 350), amount,
                        listed if discounts else None, discounts, redeem)  # fmt: skip

    def back(self, n, sold):
        """Draw a returned line, mostly of what was sold."""
        receipt, line = self.choice(sold) if sold else ("none", None)
        sku = line.sku if line is not None and self.random() < 0.95 else self.choice(SKUS)
        qty = self.figure(line.qty, 1) if line is not None else self.figure(1)
        number = line.n if line is not None else 1
        of = Original(receipt, self.figure(number, number))
        return ReturnLine(n, sku, qty, of if self.random() < 0.8 else None)

    def receipt(self, number, sold):
        """Draw a document: sales, returns, both, a void, or nothing."""
        at = self.choice(INSTANTS) if self.random() < 0.1 else NOW + number * 3_600_000
        accepted = at if self.random() < 0.95 else self.choice(INSTANTS)
        sales = tuple(self.sale(n) for n in range(1, self.choice([0, 1, 1, 1, 2, 3]) + 1))
        returns = ()
        if self.random() < 0.35:
            returns = tuple(self.back(10 + n, sold) for n in range(self.choice([1, 1, 2])))
            sales = sales if self.random() < 0.3 else ()
        void = self.choice(sold)[0] if sold and self.random() < 0.03 else None
        return Receipt(
            f"d{number if self.random() < 0.97 else number // 2}", "s", "t", at, accepted,
            sales=() if void else sales, returns=() if void else returns, void_of=void,
            gift_card=self.figure(0, 0, 0, 10), birthday_year=self.choice([None, 2026]),
            hold_id=self.choice([None, None, "h"]), held_at=self.choice([None, at - 60_000, -5]),
        )  # fmt: skip


def other(dice, history, number):
    """Feed something that is no receipt."""
    at = dice.choice(INSTANTS) if dice.random() < 0.1 else NOW + number * 3_600_000
    kind = dice.randrange(3)
    if kind == 0:
        points = dice.figure(5, 200, -3)
        terms = LotTerms(valid={"days": 3})
        history.adjust(Adjustment(f"a{number}", dice.choice("AB"), at, points, actor="ann",
                                  reason="x", approver="bob", terms=terms))  # fmt: skip
    elif kind == 1:
        history.tick(dice.choice("AB"), min(max(at, 0), LATEST))
    else:
        status = dice.choice(["open", "open", "blocked", "closed"])
        history.set_status(StatusChange(f"s{number}", dice.choice("AB"), status, at))


def fuzz(seed, count):
    """Feed *count* documents to histories of forty; each ends well within a second."""
    dice = Dice(seed)
    rules = simple_rules(RULES, point_value=100)
    statuses = {}
    slowest = number = fed = 0
    while fed < count:
        history = History(ledger_policy(dice.choice(POLICIES)), rules, budgets={"b": 5_000})
        sold = []
        for number in range(40):
            start = time.thread_time()
            receipt = dice.receipt(number, sold)
            try:
                answer = history.receive(receipt, dice.choice(["A", "A", "B", None]))
                if dice.random() < 0.1:
                    other(dice, history, number)
            except Exception as error:  # noqa: BLE001 - Any is what the fuzz looks for.
                pytest.fail(f"seed {seed}, document {fed}: {error!r} of {receipt}")
            slowest = max(slowest, time.thread_time() - start)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            if answer.status == "ok":
                sold += [(receipt.id, line) for line in receipt.sales]
            fed += 1
        keeps_its_laws(history, seed)
    print(f"{fed} receipts of seed {seed}: {statuses}; slowest {slowest * 1000:.0f} ms")  # noqa: T201 - The count is the result.
    assert slowest < 1, f"seed {seed}"
    assert min(statuses[each] for each in ("ok", "refused", "deferred", "conflict")) > fed // 500


def keeps_its_laws(history, seed):
    """Every lot balances, and nothing is below 0."""
    for account in history.accounts.values():
        for lot in account.lots:
            parts = (lot.remaining, lot.spent, lot.expired, lot.reversed, lot.repaid)
            assert (lot.credited, min(*parts, lot.absorbed) >= 0) == (sum(parts), True), seed
        assert all(debt.points > 0 for debt in account.debts), seed


def test_thousands_of_receipts_are_booked_refused_or_deferred():
    """The first look; its seed is the same."""
    fuzz(20170301, 3_000)


def test_a_tenth_of_the_long_run_of_receipts():
    """The run of every day; its seed is the same."""
    fuzz(20170302, LONG // 10)


@pytest.mark.soak
def test_half_a_million_receipts_are_booked_refused_or_deferred():
    """The long run takes a seed of the hour."""
    fuzz(int(time.time()) // 3600, LONG)


EVENT = {
    "type": "receipt",
    "id": "r",
    "account": "A",
    "sold_at": "2026-01-01T10:00:00Z",
    "lines": [
        {"n": 1, "sku": "x", "qty": 1000, "amount": 900, "list": 1000,
         "discounts": [{"campaign": "c", "amount": 100}], "redeem": [{"points": 1}]},
        {"n": 2, "sku": "x", "qty": 1000, "of": {"receipt": "r", "line": 1}},
    ],
}  # fmt: skip
VALUES = (None, True, 1.5, float("nan"), "", "x", "2026-02-30", -1, 10**30, [], {}, [1], {"a": 1})


def test_an_event_with_a_value_of_another_type_is_named():
    """A worked history that can't be read is a difference, never a crash."""
    for path in (("id",), ("sold_at",), ("accepted_at",), ("gift_card",), ("lines",),
                 ("lines", 0), ("lines", 0, "qty"), ("lines", 0, "redeem"),
                 ("lines", 0, "discounts"), ("lines", 1, "of"), ("lines", 1, "n")):  # fmt: skip
        for value in VALUES:
            event = {**EVENT, "lines": [dict(line) for line in EVENT["lines"]]}
            inner = event
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            try:
                receipt = receipt_from(event)
            except (ValueError, KeyError, TypeError):
                continue
            history = History(ledger_policy(), simple_rules(RULES, point_value=100))
            assert history.receive(receipt, "A").status in {"ok", "refused", "deferred"}


def test_a_condition_is_written_the_same_whatever_the_order_of_its_keys():
    """A lot carries it, and its bytes must not depend on who wrote it."""
    assert condition_text({"a": 1, "b": [2]}) == condition_text({"b": [2], "a": 1})
    assert condition_text(None) is None
