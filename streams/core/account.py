"""The value that the settle stage keeps for one account: ledger.md §6.

An account is a value; every decision makes a new one.  It holds what any
document of the account may need, so that no decision reads another receipt
than those that the document names.
"""

from typing import Literal

from msgspec import Struct

from streams.core.lots import Lot
from streams.core.receipt import Attribute, EpochMs, Money, Points

Status = Literal["provisional", "open", "blocked", "closed", "erased"]


class Debt(Struct, frozen=True, array_like=True):
    """Points owed in one currency by one origin, above 0."""

    currency: str
    origin: str
    points: Points


class QualifyingReturn(Struct, frozen=True, array_like=True):
    """Net money given back at an instant."""

    at: EpochMs
    net: Money


class Qualifying(Struct, frozen=True, array_like=True):
    """
    What a sale, or the sales of one past day, count towards tiers.

    Attributes:
        sold_at: The sale's instant; of several, the earliest.
        origin: The account that bought.
        receipt: The sale; empty once a day's sales are one.
    """

    sold_at: EpochMs
    net: Money
    origin: str
    returns: tuple[QualifyingReturn, ...] = ()
    receipt: str = ""


class Counter(Struct, frozen=True, array_like=True):
    """
    What one rule has used of its limits in one period.

    Attributes:
        per: day, week, month, birthday or ever.
        key: The period: a date, an ISO week, a month, a birthday's year, or empty.
        ends_at: When the period is over; None is never.
    """

    rule: str
    per: str
    key: str
    origin: str
    uses: int = 0
    points: Points = 0
    ends_at: EpochMs | None = None


class RecentSale(Struct, frozen=True, array_like=True):
    """A sale that a return without a receipt might be of."""

    sold_at: EpochMs
    receipt: str


class CommittedHold(Struct, frozen=True, array_like=True):
    """A hold whose redemption is posted, so that the front stops counting it."""

    hold_id: str
    at: EpochMs


class TierFloor(Struct, frozen=True, array_like=True):
    """A tier granted by hand, until an instant."""

    tier: str
    until: EpochMs


class Born(Struct, frozen=True, array_like=True):
    """Month and day of birth, and since when known (None: always).  Never published."""

    month: int
    day: int
    known_at: EpochMs | None = None


class Joined(Struct, frozen=True, array_like=True):
    """
    An account that was merged into this one.

    Attributes:
        account: The account that is a pointer now.
        origins: It and what had been merged into it before.
        merge: The merge's document id, applied once.
    """

    account: str
    origins: tuple[str, ...]
    merge: str


class Account(Struct, frozen=True, array_like=True):
    """
    An account.

    Attributes:
        version: Rises by one with every `ok` result.
        chain: Hash of the last posting; empty before the first.
        mark: Greatest event time seen; None before the first.
        closed_at: When it was closed or erased.
        lots: In order of id.
        debts: In order of currency and origin.
        qualifying: In order of arrival.
        recent: Sales young enough for a return without a receipt.
        purchases: Receipts with a sale settled so far.
        merged_into: Where this account's documents go, once it is a pointer.
        joined: The accounts merged into this one.
        born: A member fact, erased with the member, as are *attributes* and *offers*.
        identifiers: Digests that name the member, in the order of their claims, so that
            erasing finds where they are kept.  Never published.
    """

    id: str
    version: int = 0
    chain: str = ""
    mark: EpochMs | None = None
    status: Status = "open"
    closed_at: EpochMs | None = None
    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()
    qualifying: tuple[Qualifying, ...] = ()
    tier_floor: TierFloor | None = None
    counters: tuple[Counter, ...] = ()
    recent: tuple[RecentSale, ...] = ()
    holds: tuple[CommittedHold, ...] = ()
    purchases: int = 0
    merged_into: str | None = None
    joined: tuple[Joined, ...] = ()
    born: Born | None = None
    attributes: dict[str, Attribute] = {}
    offers: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
