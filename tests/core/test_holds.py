"""Holds, one writer an account: what is set aside never exceeds what is there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.account import Account, CommittedHold, Debt
from streams.core.history import History
from streams.core.holds import (
    ENDED_KEPT,
    OPEN_MS,
    OPERATOR_MS,
    Allocation,
    Hold,
    Holds,
    Takes,
    admit,
    confirm,
    release,
    reserving,
    seen,
    set_aside,
)
from streams.core.lots import Lot
from streams.core.policy import ledger_policy
from streams.core.receipt import Receipt, RedeemRequest, SaleLine
from streams.core.snapshot import snapshot

AT = 1_770_000_000_000
EMPTY = Holds("A")


def lot(name, points, *, start=AT, end=None, held=False, currency="P"):
    """Build a lot."""
    return Lot(name, currency, "regular", "A", start, end, points, points, held=held)


def account(*lots, debt=0, status="open", holds=()):
    """Publish an account."""
    debts = (Debt("P", "A", debt),) if debt else ()
    value = Account("A", 1, mark=AT, lots=lots, debts=debts, status=status, holds=holds)
    return snapshot(value, ledger_policy())


def hold(name, *alloc, basket="b", replaces=None, takes=(), expires_at=AT + OPEN_MS):
    """Build a hold; *alloc* are lot and points."""
    held = tuple(Allocation(1, each, points) for each, points in alloc)
    return Hold(name, "A", basket, 0, 1, expires_at, held, takes, replaces)


@pytest.mark.parametrize(
    ("shown", "wanted", "code"),
    [
        (account(lot("x", 100)), [("x", 100)], None),
        (account(lot("x", 100)), [("x", 101)], "HOLD_EXCEEDS"),
        (account(lot("x", 100), debt=1), [("x", 100)], "HOLD_EXCEEDS"),
        (account(lot("x", 100), lot("y", 1), debt=1), [("x", 100)], None),
        (account(lot("x", 60), lot("y", 60)), [("x", 61)], "HOLD_EXCEEDS"),
        (account(lot("x", 60), lot("y", 60)), [("x", 30), ("x", 31)], "HOLD_EXCEEDS"),
        (account(lot("x", 100, start=AT + 1)), [("x", 1)], "HOLD_EXCEEDS"),
        (account(lot("x", 100, end=AT)), [("x", 1)], "HOLD_EXCEEDS"),
        (account(lot("x", 100, held=True)), [("x", 1)], "HOLD_EXCEEDS"),
        (account(lot("x", 100), status="blocked"), [("x", 1)], "HOLD_EXCEEDS"),
        (account(lot("x", 100)), [("y", 1)], "HOLD_EXCEEDS"),
        (account(lot("x", 100)), [("x", 0)], "HOLD_EXCEEDS"),
        (account(lot("x", 100), lot("s", 9, currency="SVC"), debt=95), [("x", 5)], None),
    ],
)
def test_a_hold_is_admitted_if_it_fits_lots_and_debt(shown, wanted, code):
    """Per lot, and in all less the debt of the currency."""
    decided = admit(EMPTY, hold("h", *wanted), shown, AT)

    assert decided.code == code
    assert len(decided.holds.holds) == (code is None)


def test_holds_count_while_they_are_open_or_confirmed():
    """An open one lapses at its instant and can't be confirmed then; a confirmed one stays."""
    shown = account(lot("x", 100))
    holds = admit(EMPTY, hold("h", ("x", 60)), shown, AT).holds
    second = hold("i", ("x", 60), expires_at=AT + 2 * OPEN_MS)
    assert admit(holds, second, shown, AT + OPEN_MS - 1).code == "HOLD_EXCEEDS"
    assert confirm(holds, "h", AT + OPEN_MS).code == "HOLD_ENDED"
    assert admit(holds, second, shown, AT + OPEN_MS).code is None

    confirmed = confirm(holds, "h", AT + OPEN_MS - 1).holds
    assert confirm(confirmed, "h", AT + 9 * OPEN_MS).code is None
    assert admit(confirmed, second, shown, AT + OPEN_MS).code == "HOLD_EXCEEDS"
    assert release(confirmed, "h", "operator", AT + OPERATOR_MS).code == "HOLD_TOO_YOUNG"
    at = AT + OPEN_MS - 1 + OPERATOR_MS
    freed = release(confirmed, "h", "operator", at)
    assert freed.code is None
    assert not list(reserving(freed.holds, (), at))


def test_a_hold_replaces_another_in_one_step_or_leaves_it():
    """Otherwise another basket could take the points between."""
    shown = account(lot("x", 100))
    holds = admit(EMPTY, hold("h", ("x", 80)), shown, AT).holds
    kept = admit(holds, hold("i", ("x", 101), replaces="h"), shown, AT)
    assert (kept.code, kept.holds) == ("HOLD_EXCEEDS", holds)
    swapped = admit(holds, hold("i", ("x", 100), replaces="h"), shown, AT).holds
    assert [(each.hold_id, each.state) for each in swapped.holds] == [
        ("h", "released"),
        ("i", "open"),
    ]
    assert swapped.holds[0].reason == "replaced"


def test_the_same_again_changes_nothing_and_other_content_is_a_conflict():
    """A repeated message of the till must not set points aside twice."""
    shown = account(lot("x", 100))
    holds = admit(EMPTY, hold("h", ("x", 60)), shown, AT).holds
    assert admit(holds, hold("h", ("x", 60)), shown, AT + 1) == admit(
        holds, hold("h", ("x", 60)), shown, AT
    )
    assert admit(holds, hold("h", ("x", 59)), shown, AT).code == "HOLD_CONFLICT"
    assert confirm(holds, "g", AT).code == "HOLD_UNKNOWN"
    assert release(holds, "g", "cancelled", AT).code == "HOLD_UNKNOWN"
    freed = release(holds, "h", "cancelled", AT).holds
    assert release(freed, "h", "cancelled", AT).code is None
    assert confirm(freed, "h", AT).code == "HOLD_ENDED"


def test_what_other_baskets_set_aside_is_summed():
    """Points by lot; uses and amounts by campaign; the basket that asks is left out."""
    shown = account(lot("x", 100))
    gift = (Takes("gift", 1, 40),)
    holds = admit(EMPTY, hold("h", ("x", 60), takes=gift), shown, AT).holds
    holds = admit(holds, hold("i", ("x", 5), takes=gift, basket="c"), shown, AT).holds
    assert set_aside(holds, (), AT) == ({"x": 65}, {"gift": (2, 80)})
    assert set_aside(holds, (), AT, beside="c") == ({"x": 60}, {"gift": (1, 40)})
    assert set_aside(holds, {"h"}, AT, beside="c") == ({}, {})


def test_a_committed_hold_counts_nowhere_twice():
    """The receipt posts the redemption and lists the hold in the same account value."""
    history = History(ledger_policy())
    history.accounts["A"] = Account("A", 1, mark=AT, lots=(lot("x", 100),))
    shown = snapshot(history.account("A"), history.policy)
    holds = confirm(admit(EMPTY, hold("h", ("x", 70)), shown, AT).holds, "h", AT).holds
    line = SaleLine(1, "s", 1000, 9_000, redeem=(RedeemRequest(70, "x"),))
    late = AT + 60_000
    history.receive(Receipt("r", "s", "t", late, late, sales=(line,), hold_id="h", held_at=AT), "A")
    after = snapshot(history.account("A"), history.policy)

    assert after.holds == (CommittedHold("h", late),)
    assert admit(holds, hold("i", ("x", 30), basket="c"), after, late).code is None
    assert admit(holds, hold("i", ("x", 31), basket="c"), after, late).code == "HOLD_EXCEEDS"
    noted = seen(holds, after, late)
    assert noted.holds[0].state == "committed"
    assert release(noted, "h", "cancelled", late).code == "HOLD_ENDED"


def test_ended_holds_are_forgotten_but_the_newest():
    """A till may ask once more; nobody asks about last year's."""
    shown = account(lot("x", 100))
    holds = EMPTY
    for number in range(ENDED_KEPT + 5):
        holds = admit(holds, hold(f"h{number}", ("x", 100)), shown, AT).holds
        holds = release(holds, f"h{number}", "cancelled", AT).holds
    assert len(holds.holds) <= ENDED_KEPT + 1
    assert confirm(holds, "h0", AT).code == "HOLD_UNKNOWN"
    assert confirm(holds, f"h{ENDED_KEPT + 4}", AT).code == "HOLD_ENDED"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admit", "confirm", "cancel", "receipt", "wait"]),
        st.integers(0, 7),
        st.integers(1, 90),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(STEPS)
def test_while_every_till_confirms_nothing_is_overdrawn(steps):
    """Receipts of confirmed holds never meet a short lot, in whatever order they come."""
    history = History(ledger_policy())
    lots = (lot("x", 100), lot("y", 60, end=AT + 40 * 60_000))
    history.accounts["A"] = Account("A", 1, mark=AT, lots=lots)
    holds, at = EMPTY, AT
    for number, (kind, which, points) in enumerate(steps):
        shown = snapshot(history.account("A"), history.policy)
        holds = seen(holds, shown, at)
        name = f"h{which}"
        found = next((each for each in holds.holds if each.hold_id == name), None)
        if kind == "admit":
            lot_id = "xy"[which % 2]
            wanted = hold(f"h{which}", (lot_id, points), basket=name, expires_at=at + OPEN_MS)
            holds = admit(holds, wanted, shown, at).holds
        elif kind == "confirm":
            holds = confirm(holds, name, at).holds
        elif kind == "cancel":
            holds = release(holds, name, "cancelled", at).holds
        elif kind == "wait":
            at += points * 30_000
        elif found is not None and found.state == "confirmed":
            redeem = tuple(RedeemRequest(each.points, each.lot) for each in found.alloc)
            line = SaleLine(1, "s", 1000, 10_000, redeem=redeem)
            receipt = Receipt(
                f"r{number}", "s", "t", at, at, sales=(line,), hold_id=name, held_at=found.held_at
            )
            assert history.receive(receipt, "A").status == "ok"
            assert history.results[f"r{number}"].flags == ()
    assert not history.account("A").debts


def test_a_lapsed_hold_may_be_admitted_under_another_id_only():
    """Its own id is spent: the till's copy of it may still be on the way."""
    shown = account(lot("x", 100))
    holds = admit(EMPTY, hold("h", ("x", 60)), shown, AT).holds
    later = AT + OPEN_MS
    again = replace(hold("h", ("x", 60)), expires_at=later + OPEN_MS)
    holds = admit(holds, again, shown, later).holds
    assert confirm(holds, "h", later).code == "HOLD_ENDED"
