"""Entries and the hash chain: ledger.md §6.

A posting moves points between `issued, lot, spent, expired, reversed, debt`;
memos (absorb, unabsorb, writeoff) and transfers stay on one side.  The chain
binds every entry of an account to all before it.
"""

from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from streams.core.calendar import iso
from streams.core.receipt import EpochMs, Points

UNIT = "\x1f"
RECORD = "\x1e"

# Kind of posting → the sides it moves points between, where there is one pair only.
SIDES = {
    "accrual": ("issued", "lot"),
    "redemption": ("lot", "spent"),
    "reinstatement": ("spent", "lot"),
    "clawback": ("lot", "reversed"),
    "repay": ("lot", "debt"),
    "expiry": ("lot", "expired"),
    "forfeit": ("lot", "expired"),
    "unexpiry": ("expired", "lot"),
    "transfer": ("lot", "lot"),
    "absorb": ("expired", "expired"),
    "unabsorb": ("expired", "expired"),
}


class Entry(Struct, frozen=True, array_like=True, rename={"from_": "from"}):
    """
    One posting.

    Attributes:
        from_: The side that points leave.
        to: The side that they reach.
        lot: None for debts and some write-offs.
        origin: The account that earned the lot, or that owes the debt.
        document: The document that caused it.
        line: The document's line; None where it is of the whole document.
        at: When it counts: an expiry at the lot's end, others at the event.
        person: The person of a household; not part of the chain.
    """

    kind: str
    from_: str
    to: str
    points: Points
    currency: str
    lot: str | None
    origin: str
    document: str
    line: int | None
    at: EpochMs
    person: str | None = None


def chained(
    previous: str, *, account: str, version: int, document: str, entries: Sequence[Entry]
) -> str:
    """Give the hash of a result: hex SHA-256 of what it posts, after *previous*."""
    parts = [previous, account, str(version), document]
    if not entries:
        parts.append("")  # The entries are one more part, and an empty one is a part too.
    instants: dict[EpochMs, str] = {}
    for entry in entries:
        at = instants.get(entry.at)
        if at is None:
            at = instants[entry.at] = iso(entry.at)
        line = "" if entry.line is None else str(entry.line)
        parts.append(
            f"{entry.kind}{UNIT}{entry.from_}{UNIT}{entry.to}{UNIT}{entry.points}{UNIT}"
            f"{entry.currency}{UNIT}{entry.lot or ''}{UNIT}{entry.origin}{UNIT}"
            f"{entry.document}{UNIT}{line}{UNIT}{at}"
        )
    return sha256(RECORD.join(parts).encode()).hexdigest()
