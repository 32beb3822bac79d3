"""What a member hears of a result, and when."""

import pytest
from msgspec.structs import replace

from streams.core.ids import derived
from streams.core.notices import DAY_MS, Notification, notifications
from streams.core.result import Event, Result

SOLD = 100 * DAY_MS


def told(*events, **fields):
    """Give the notifications of a receipt with *events*."""
    result = Result("R1", "s", "receipt", "ok", account="A", sold_at=SOLD, events=events)
    return list(notifications(replace(result, **fields)))


def test_points_that_end_are_announced_a_week_before():
    """Not later than they end, and not before they are told of at all."""
    far = Event("N1", "expires", SOLD + 30 * DAY_MS, "P", 40, "L1")
    soon = Event("N2", "expires", SOLD + 3 * DAY_MS, "P", 5, "L2")
    first, second = told(far, soon)
    assert (first.kind, first.due_at) == ("points_expiring", SOLD + 23 * DAY_MS)
    assert (first.at, first.expires_at) == (SOLD, SOLD + 30 * DAY_MS)
    assert (second.due_at, second.expires_at) == (SOLD, SOLD + 3 * DAY_MS)
    assert first.figures == {"points": 40, "at": SOLD + 30 * DAY_MS}
    assert first.codes == {"currency": "P", "lot": "L1"}


def test_each_kind_of_event_has_its_name_and_its_words():
    """Other events tell the member nothing."""
    events = (
        Event("N1", "earned", SOLD, "P", 10), Event("N2", "activates", SOLD + 5, "P", 10, "L"),
        Event("N3", "tier_changed", SOLD, tier_from=None, tier_to="gold"),
        Event("N4", "clawed", SOLD, "P", 3), Event("N5", "review", SOLD, code="NO_ACCOUNT"),
        Event("N6", "redeemed", SOLD, "P", 2), Event("N7", "reinstated", SOLD, "P", 1),
        Event("N8", "debt_opened", SOLD, "P", 7),
    )  # fmt: skip
    found = told(*events)
    assert [each.kind for each in found] == [
        "bonus_credited", "points_activating", "tier_changed", "points_spent", "points_returned",
        "debt_opened",
    ]  # fmt: skip
    assert found[0] == Notification(
        derived("M", "N1"), "bonus_credited", "A", "s", SOLD, SOLD, None,
        {"points": 10}, {"currency": "P"},
    )  # fmt: skip
    assert (found[1].figures, found[1].due_at) == ({"points": 10, "at": SOLD + 5}, SOLD + 5)
    assert found[2].codes == {"tier_to": "gold"}


@pytest.mark.parametrize("fields", [{"status": "refused"}, {"account": None}, {"account": "~d"}])
def test_nobody_is_told_of_what_is_nobodys(fields):
    """Nor of a document that posted nothing."""
    assert told(Event("N1", "earned", SOLD, "P", 10), **fields) == []
