"""Ids are as ledger.md §1 defines them: everybody can derive them."""

from hashlib import sha256

from streams.core.calendar import instant
from streams.core.ids import entry_id, event_id, lot_id, reissued_id, result_id, tick_id


def derived(letter, *parts):
    """Derive an id by the specification's words."""
    return letter + sha256("\x1f".join(parts).encode()).hexdigest()[:20]


def test_each_kind_of_id_has_its_letter_and_its_parts():
    """Numbers are decimal, an instant is ISO UTC with Z."""
    assert lot_id("doc", "rule") == derived("L", "doc", "rule")
    assert reissued_id("r", 2, original="s", original_line=7, draw=0) == derived(
        "L", "r", "2", "s", "7", "0"
    )
    assert result_id("doc", 0) == derived("R", "doc", "0")
    assert result_id("doc", "d1") == derived("R", "doc", "d1")
    assert entry_id("R1", 3) == derived("E", "R1", "3")
    assert event_id("R1", 3) == derived("N", "R1", "3")
    at = instant("2026-03-02T12:00:00+03:00")
    assert tick_id("A", at) == derived("T", "A", "2026-03-02T09:00:00Z")
