"""Lots: points that were credited together and end together (ledger.md §4).

A lot is a value.  `credited = remaining + spent + expired + reversed + repaid`
always holds, and `absorbed ≤ expired`.  Whether a lot is pending, active, held
or ended is a reading at an instant, not a state.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from streams.core.conditions import TRUE, Condition, parse
from streams.core.receipt import EpochMs, Points

FOREVER: EpochMs = 1 << 62  # Later than any instant a document may carry.


class Lot(Struct, frozen=True, array_like=True, rename={"class_": "class"}):
    """
    Points of one currency, credited by one document.

    Attributes:
        id: Derived: ledger.md §1.
        class_: Its place in the spending order.
        origin: The account that earned it; a merge leaves it.
        active_from: From when the points can be spent.
        expires_at: From when they cannot any more; None is never.
        credited: Points at the start.
        remaining: Points that can still move.
        absorbed: Of the expired points, those that clawbacks have already used up.
        held: Whether the points wait for a blocked or provisional account to open.
        closed_at: When a closing account ended the lot; None while it did not.
        reissued: Whether a return made it, so that no return makes it anew.
        spendable_on: A condition as canonical JSON; None is everything.
        document: The document that credited it.
        rule: The accrual campaign, `adjust`, or empty for a reissued lot.
        version: The campaign's version; 0 where there is none.
        person: The member of a household who earned it.
    """

    id: str
    currency: str
    class_: str
    origin: str
    active_from: EpochMs
    expires_at: EpochMs | None
    credited: Points
    remaining: Points
    spent: Points = 0
    expired: Points = 0
    reversed: Points = 0
    repaid: Points = 0
    absorbed: Points = 0
    held: bool = False
    closed_at: EpochMs | None = None
    reissued: bool = False
    spendable_on: str | None = None
    document: str = ""
    rule: str = ""
    version: int = 0
    person: str | None = None


def end_of(lot: Lot) -> EpochMs:
    """Give the instant from which *lot* is ended, by its term or by a closed account."""
    expires_at = FOREVER if lot.expires_at is None else lot.expires_at
    return expires_at if lot.closed_at is None else min(expires_at, lot.closed_at)


def drawable(lot: Lot, at: EpochMs) -> Points:
    """
    Give the points that can be drawn from *lot* at the instant *at*.

    Points that expired only after *at* count, less what clawbacks absorbed of them.
    A lot that is held, pending or ended at *at* gives nothing.
    """
    if lot.held or not lot.active_from <= at < end_of(lot):
        return 0
    return lot.remaining + lot.expired - lot.absorbed


def active_points(lots: Sequence[Lot], currency: str, at: EpochMs) -> Points:
    """Sum what is active at *at* in *currency*: not held, begun and not ended."""
    return sum(
        lot.remaining
        for lot in lots
        if lot.currency == currency
        and not lot.held
        and lot.remaining
        and lot.active_from <= at < end_of(lot)
    )


def spending_order(classes: Sequence[str]) -> dict[str, int]:
    """Rank classes for spending; a class that is not listed comes after all of them."""
    return {name: rank for rank, name in enumerate(classes)}


def spending_key(lot: Lot, ranks: dict[str, int]) -> tuple[int, EpochMs, str]:
    """Order lots for spending: class, then end (never last), then id."""
    expires_at = FOREVER if lot.expires_at is None else lot.expires_at
    return ranks.get(lot.class_, len(ranks)), expires_at, lot.id


@lru_cache(maxsize=4_096)
def spending_condition(spendable_on: str | None) -> Condition:
    """Compile a lot's `spendable_on`; the same text is compiled once."""
    return TRUE if spendable_on is None else parse(msgspec.json.decode(spendable_on))


def condition_text(document: dict[str, Any] | None) -> str | None:
    """Write a `spendable_on` condition as canonical JSON; None stays None."""
    if document is None:
        return None
    return msgspec.json.encode(document, order="deterministic").decode()
