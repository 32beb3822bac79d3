"""A purse says of its lots what looking at each of them says, however it came about."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from streams.core.lots import FOREVER, Lot, end_of, spending_key, spending_order
from streams.core.purse import OpenPurse, Purse

CLASSES = ("birthday", "regular")
TIMES = st.integers(0, 20)
LOTS = st.builds(
    Lot,
    id=st.sampled_from([f"L{n}" for n in range(30)]),
    currency=st.sampled_from(["P", "SVC"]),
    class_=st.sampled_from([*CLASSES, "other"]),
    origin=st.just("a"),
    active_from=TIMES,
    expires_at=TIMES | st.none(),
    credited=st.just(9),
    remaining=st.integers(0, 3),
    expired=st.integers(0, 1),
    held=st.booleans(),
    closed_at=TIMES | st.none(),
)


def sums(lots, at):
    """Sum as ledger.md §6 says."""
    found = {lot.currency: [0, 0, 0] for lot in lots}
    for lot in lots:
        if end_of(lot) > at:
            found[lot.currency][2 if lot.held else int(lot.active_from > at)] += lot.remaining
    return {currency: tuple(each) for currency, each in found.items()}


class AnyHistory(RuleBasedStateMachine):
    """Open the purse, change lots, close it, ask; beside it a dictionary of the lots."""

    def __init__(self):
        super().__init__()
        self.purse = Purse()
        self.lots = {}
        self.open = OpenPurse(self.purse)
        self.came = []

    @rule(lot=LOTS)
    def put(self, lot):
        """A lot comes, or changes in what a lot can change in."""
        old = self.lots.get(lot.id)
        if old is None:
            self.came.append(lot.id)
        else:
            lot = replace(
                old, remaining=lot.remaining, expired=lot.expired, closed_at=lot.closed_at,
                held=lot.held,
            )  # fmt: skip
        self.lots[lot.id] = self.open[lot.id] = lot

    @precondition(lambda self: self.lots)
    @rule(data=st.data())
    def take_out(self, data):
        """A lot goes, as by an unmerge."""
        gone = data.draw(st.sampled_from(sorted(self.lots)))
        del self.lots[gone]
        del self.open[gone]
        self.came = [each for each in self.came if each != gone]

    @rule(at=TIMES)
    def close(self, at):
        """A document is settled."""
        self.purse = self.open.closed(at)
        assert self.purse == self.in_order()
        self.open = OpenPurse(self.purse)
        self.came = []

    @rule(at=TIMES, data=st.data())
    def ask(self, at, data):
        """Everything that is kept is asked for, and so is carried on."""
        lots = self.in_order()
        closed = self.open.closed(data.draw(TIMES))
        assert dict(closed.sums(at)) == sums(lots, at)
        ends = [end_of(lot) for lot in lots if lot.remaining]
        assert closed.soonest == min(ends, default=FOREVER)
        ranks = spending_order(CLASSES)
        keys = sorted(spending_key(lot, ranks) for lot in lots if lot.remaining or lot.expired)
        assert self.open.in_spending_order(CLASSES) == keys

    @rule(at=TIMES)
    def warm(self, at):
        """The purse before is asked, so that what follows is made of what it kept."""
        self.purse.sums(at)
        assert self.purse.soonest >= 0
        self.purse.in_spending_order(CLASSES)

    @rule(mark=TIMES)
    def end(self, mark):
        """What has ended is found, open or closed."""
        ended = {lot.id for lot in self.lots.values() if lot.remaining and end_of(lot) <= mark}
        assert {lot.id for lot in self.open.ended(mark)} == ended
        assert {lot.id for lot in self.open.closed(mark).ended(mark)} == ended

    @invariant()
    def every_lot_is_found(self):
        """By its id, as it stands, and no other."""
        assert sorted(self.open.values(), key=lambda lot: lot.id) == list(self.in_order())
        assert self.open.ids() == sorted(self.lots)
        for lot_id in (f"L{n}" for n in range(30)):
            assert self.open.get(lot_id) == self.lots.get(lot_id)
            assert (lot_id in self.open) is (lot_id in self.lots)
        assert [lot_id for lot_id in self.open.fresh if lot_id in self.came] == list(
            self.open.fresh
        )

    def in_order(self):
        """Give the lots by id."""
        return tuple(self.lots[lot_id] for lot_id in sorted(self.lots))


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestAnyHistory = AnyHistory.TestCase


@given(st.lists(LOTS, unique_by=lambda lot: lot.id))
def test_a_purse_is_its_lots(lots):
    """It equals their tuple, and is not made twice."""
    lots = tuple(sorted(lots, key=lambda lot: lot.id))
    purse = Purse.of(lots)
    assert purse == lots
    assert Purse.of(purse) is purse
    assert purse.after({}, {}, at=0) is purse


def test_a_lot_that_is_not_there_is_an_error():
    """As in any mapping."""
    with pytest.raises(KeyError):
        OpenPurse(Purse())["L1"]


def test_a_receipt_that_touches_few_lots_looks_at_few():
    """What is read off a purse of a thousand lots is carried on, new lots included."""
    lots = [replace(LOT, id=f"L{n:04}") for n in range(1000)]
    purse = Purse(lots)
    assert dict(purse.sums(5)) == {"P": (1000, 0, 0)}
    opened = OpenPurse(purse)
    opened["N1"] = replace(LOT, id="N1", active_from=7)
    opened["N2"] = replace(LOT, id="N2", active_from=9)
    closed = opened.closed(7)
    assert closed._reading.at == 7
    assert dict(closed.sums(7)) == {"P": (1001, 1, 0)}
    assert closed._reading.until == 9


LOT = Lot("L", "P", "regular", "a", 0, 20, 1, 1)
