"""
The ledger against a naive model that moves one point at a time.

The model recomputes everything from the whole history after each step.  It knows
one regular class of lots that are pending at first, time that only goes on, returns of
whole lines, and each policy of clawback.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.core.accrual import LotTerms
from streams.core.balances import balances
from streams.core.calendar import dates
from streams.core.history import History
from streams.core.ids import lot_id, reissued_id
from streams.core.policy import ledger_policy
from streams.core.receipt import Original, Receipt, RedeemRequest, ReturnLine, SaleLine
from streams.core.simple_rules import simple_rules

START = 1_767_261_600_000
HOUR = 3_600_000
ZONE = "Europe/Moscow"
VALID = {"days": 6}
DELAY = {"hours": 30}
RULE = {"id": "all", "kind": "percent", "bp": 2000, "lot": {"delay": DELAY, "valid": VALID}}


class Pile:
    """One lot of the model: where each single point is."""

    def __init__(self, name, count, start, end):
        self.name = name
        self.start = start
        self.end = end
        self.points = ["here"] * count

    def take(self, where, to, wanted):
        """Move up to *wanted* single points; give how many."""
        moved = 0
        for place, point in enumerate(self.points):
            if moved < wanted and point == where:
                self.points[place] = to
                moved += 1
        return moved


class Model:
    """The account that a history leaves, point by point."""

    def __init__(self, events, clawback):
        self.piles, self.debt, self.sold, self.clawback = {}, 0, {}, clawback
        for event in events:
            getattr(self, event[0])(*event[1:])

    def expire(self, at):
        """End piles by (end, id); each pays debt before it expires."""
        for pile in sorted(self.piles.values(), key=lambda each: (each.end, each.name)):
            if pile.end <= at:
                self.debt -= pile.take("here", "repaid", self.debt)
                pile.take("here", "expired", len(pile.points))

    def sale(self, name, at, lines):
        """Spend line by line, then earn one lot."""
        self.expire(at)
        for n, amount, wanted in lines:
            drawn = []
            for pile in sorted(self.piles.values(), key=lambda each: (each.end, each.name)):
                if pile.start <= at < pile.end and len(drawn) < wanted:
                    moved = pile.take("here", "spent", wanted - len(drawn))
                    drawn += [pile.name] * moved
            short = wanted - len(drawn)
            self.debt += short
            self.sold[name, n] = [amount, drawn + [None] * short, 0]
        nets = [amount - 100 * wanted for _, amount, wanted in lines]
        points = (sum(nets) * 2 + 500) // 1000
        for (n, _, _), share in zip(lines, _largest_remainder(points, nets), strict=True):
            self.sold[name, n][2] = share
        if points:
            span = dates(LotTerms(delay=DELAY, valid=VALID), at, ZONE)
            pile = self.piles[lot_id(name, "all")] = Pile(lot_id(name, "all"), points, *span)
            self.debt -= pile.take("here", "repaid", self.debt)

    def back(self, name, at, sale, n):
        """Bring the line's points back to their piles, then claw what it earned."""
        self.expire(at)
        _, drawn, share = self.sold.pop((sale, n))
        for index, pile_name in enumerate(dict.fromkeys(drawn)):
            count = drawn.count(pile_name)
            if pile_name is None:
                fresh = reissued_id(name, 1, original=sale, original_line=n, draw=index)
                span = dates(LotTerms(valid={"months": 12}), at, ZONE)
                self.piles[fresh] = Pile(fresh, count, *span)
                continue
            pile = self.piles[pile_name]
            pile.take("spent", "expired" if pile.end <= at else "here", count)
        if share:
            self.claw(self.piles[lot_id(sale, "all")], share, at)

    def claw(self, pile, share, at):
        """Take the points of one pile, by the policy what it can't give."""
        if self.clawback == "only_pending" and at >= pile.start:
            return
        left = share - pile.take("here", "reversed", share)
        if pile.end <= at:
            left -= pile.take("expired", "absorbed", left)
        if self.clawback == "within_balance":
            left = min(left, max(0, self.active(at) - self.debt))
        self.debt += left

    def active(self, at):
        """Count the points that could be spent at *at*."""
        return sum(
            pile.points.count("here") for pile in self.piles.values() if pile.start <= at < pile.end
        )

    def tick(self, at):
        """Only time goes on."""
        self.expire(at)

    def figures(self):
        """Give remaining, spent, expired, reversed, repaid and absorbed of each pile."""
        found = {}
        for name, pile in self.piles.items():
            count = pile.points.count
            found[name] = (
                count("here"), count("spent"), count("expired") + count("absorbed"),
                count("reversed"), count("repaid"), count("absorbed"),
            )  # fmt: skip
        return found


def _largest_remainder(total, weights):
    whole = sum(weights) or 1
    shares = [0] * len(weights)
    exact = [total * weight for weight in weights]
    for _ in range(total):
        # One unit at a time to whoever lacks most of the exact share, by floors first.
        floors = [e // whole - s for e, s in zip(exact, shares, strict=True)]
        if any(lack > 0 for lack in floors):
            shares[next(i for i, lack in enumerate(floors) if lack > 0)] += 1
            continue
        rest = [e % whole if s == e // whole else -1 for e, s in zip(exact, shares, strict=True)]
        shares[rest.index(max(rest))] += 1
    return shares


class Ledger(RuleBasedStateMachine):
    """Sell, return and wait in any order; ledger and model agree on every point."""

    clawback = "unlimited"

    def __init__(self):
        super().__init__()
        policy = ledger_policy({"clawback": self.clawback})
        self.history = History(policy, simple_rules([RULE], point_value=100))
        self.events = []
        self.at = START
        self.out = []

    def _receive(self, **lines):
        name = f"d{len(self.events)}"
        receipt = Receipt(name, "s", "t", self.at, self.at, **lines)
        assert self.history.receive(receipt, "A").status == "ok"
        return name

    @rule(
        amounts=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=3),
        hours=st.integers(0, 60),
    )
    def sell(self, amounts, hours):
        """Sell up to three lines, spending at most what each costs."""
        self.at += hours * HOUR
        lines = [(n, 100 * a, min(a, p)) for n, (a, p) in enumerate(amounts, 1)]
        name = self._receive(
            sales=tuple(
                SaleLine(n, "x", 1000, amount, redeem=(RedeemRequest(p),) if p else ())
                for n, amount, p in lines
            )
        )
        self.out += [(name, n) for n, _, _ in lines]
        self.events.append(("sale", name, self.at, lines))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), hours=st.integers(0, 200))
    def give_back(self, data, hours):
        """Return one whole line."""
        self.at += hours * HOUR
        sale, n = data.draw(st.sampled_from(self.out))
        self.out.remove((sale, n))
        name = self._receive(returns=(ReturnLine(1, "x", 1000, Original(sale, n)),))
        self.events.append(("back", name, self.at, sale, n))

    @rule(hours=st.integers(1, 200))
    def wait(self, hours):
        """Let a tick pass."""
        self.at += hours * HOUR
        self.history.tick("A", self.at)
        self.events.append(("tick", self.at))

    @invariant()
    def every_point_is_where_the_model_has_it(self):
        """Lots, debt and balance are those of the model, recomputed from all events."""
        model = Model(self.events, self.clawback)
        account = self.history.account("A")
        assert model.figures() == {
            lot.id: (
                lot.remaining, lot.spent, lot.expired, lot.reversed, lot.repaid, lot.absorbed
            )
            for lot in account.lots
        }  # fmt: skip
        assert model.debt == sum(debt.points for debt in account.debts)
        for balance in balances(account):
            assert balance.active == model.active(self.at)
            assert balance.available == max(0, balance.active - model.debt)


class WithinBalance(Ledger):
    """What the balance can't give is written off."""

    clawback = "within_balance"


class OnlyPending(Ledger):
    """What has become active is never taken back."""

    clawback = "only_pending"


EFFORT = settings(max_examples=30, stateful_step_count=20)
TestLedger = Ledger.TestCase
TestLedger.settings = EFFORT
TestWithinBalance = WithinBalance.TestCase
TestWithinBalance.settings = EFFORT
TestOnlyPending = OnlyPending.TestCase
TestOnlyPending.settings = EFFORT
