"""Merging and undoing it, where whole histories don't look: ledger.md §9."""

import pytest

from streams.core.account import (
    Account,
    CommittedHold,
    Counter,
    Debt,
    Qualifying,
    RecentSale,
    TierFloor,
)
from streams.core.lots import Lot
from streams.core.merging import merge_in, merge_out, unmerge_in, unmerge_out
from streams.core.policy import ledger_policy

POLICY = ledger_policy({"tier": {"levels": [["silver", 100], ["gold", 200]]}})


def lot(name, points, origin, **more):
    """Make a lot of P that is active since 0."""
    return Lot(name, "P", "regular", origin, 0, None, points, points, **more)


def full(name, **more):
    """Make an account that has something of everything that moves."""
    return Account(
        name,
        version=3,
        mark=10,
        lots=(lot(f"L{name}", 7, name),),
        debts=(Debt("Q", name, 4),),
        qualifying=(Qualifying(5, 300, name, receipt=f"s{name}"),),
        tier_floor=TierFloor("silver", 99),
        counters=(Counter("r", "ever", "", name, 2, 20),),
        recent=(RecentSale(5, f"s{name}"),),
        holds=(CommittedHold(f"h{name}", 6),),
        purchases=5,
        **more,
    )


def merged(giver, receiver, name="m", at=20):
    """Merge; give the pointer, the survivor and the result."""
    pointer, payload = merge_out(giver, name, at, into=receiver.id, policy=POLICY)
    survivor, result = merge_in(receiver, payload, policy=POLICY)
    return pointer, survivor, result


def test_a_pointer_keeps_its_books_and_nothing_else():
    """Version and chain stay where they are; all that counts has gone."""
    pointer, survivor, _ = merged(full("A"), full("B"))
    assert pointer == Account("A", version=3, mark=20, merged_into="B")
    assert survivor.purchases == 10
    assert [each.receipt for each in survivor.recent] == ["sB", "sA"]
    assert [each.hold_id for each in survivor.holds] == ["hB", "hA"]
    assert [each.origin for each in survivor.qualifying] == ["B", "A"]
    assert survivor.debts == (Debt("Q", "A", 4), Debt("Q", "B", 4))


def test_lots_and_debts_are_posted_as_transfers():
    """Lots in spending order, then debts; both stay on their side."""
    giver = full("A", offers=("x",))
    _, _, result = merged(giver, Account("B"))
    assert [(e.kind, e.from_, e.to, e.points, e.lot, e.origin) for e in result.entries] == [
        ("transfer", "lot", "lot", 7, "LA", "A"),
        ("transfer", "debt", "debt", 4, None, "A"),
    ]
    assert result.kind == "merge"


def test_counters_of_one_origin_add_up_and_others_stay_apart():
    """Limits count on; an unmerge can still tell whose uses they were."""
    other = Account("B", counters=(
        Counter("r", "ever", "", "A", 1, 5), Counter("r", "ever", "", "B", 4, 40),
        Counter("r", "day", "2026-01-01", "A", 9, 9),
    ))  # fmt: skip
    _, survivor, _ = merged(full("A"), other)
    assert survivor.counters == (
        Counter("r", "day", "2026-01-01", "A", 9, 9),
        Counter("r", "ever", "", "A", 3, 25),
        Counter("r", "ever", "", "B", 4, 40),
    )


def test_an_unmerge_restores_what_had_been_merged_before():
    """A had taken C in; apart from B again it still holds C's points, and can give them back."""
    _, first, _ = merged(full("C"), full("A"), "m1", 20)
    pointer, survivor, _ = merged(first, full("B"), "m2", 30)
    survivor, payload, result = unmerge_out(survivor, "u", 40, giver="A", policy=POLICY)
    restored = unmerge_in(pointer, payload)

    assert {each.origin for each in restored.lots} == {"A", "C"}
    assert {each.origin for each in survivor.lots} == {"B"}
    assert (restored.merged_into, restored.mark, result.kind) == (None, 40, "unmerge")
    assert [(each.account, each.origins) for each in restored.joined] == [("C", ("C",))]
    assert unmerge_in(restored, payload) == restored
    _, payload, _ = unmerge_out(restored, "v", 50, giver="C", policy=POLICY)
    assert {each.origin for each in payload.lots} == {"C"}


def test_a_payload_is_taken_once():
    """A repeated hand-over changes nothing and has no result."""
    _, payload = merge_out(full("A"), "m", 20, into="B", policy=POLICY)
    survivor, _ = merge_in(full("B"), payload, policy=POLICY)
    assert merge_in(survivor, payload, policy=POLICY) == (survivor, None)


@pytest.mark.parametrize(("status", "held"), [("open", False), ("blocked", True)])
def test_points_that_waited_go_on_waiting_where_the_survivor_is_blocked(status, held):
    """And are free where it is open."""
    giver = Account("A", status="blocked", version=1, lots=(lot("L", 7, "A", held=True),))
    _, survivor, _ = merged(giver, Account("B", status=status))
    assert [each.held for each in survivor.lots] == [held]
