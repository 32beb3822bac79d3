"""What a decision tells the world: ledger.md §6.

A result is a value; the same document gives the same bytes.  A receipt without
an account has no version, chain, entries, balances or later tier.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from streams.core.ids import event_id, result_id
from streams.core.postings import Entry
from streams.core.receipt import EpochMs, Money, Points

# Refusals that a person has to look at: the goods are back.
REVIEWED = ("RETURN_UNMATCHED",)

ResultStatus = Literal["ok", "refused", "deferred", "conflict"]
Kind = Literal["receipt", "adjustment", "tick", "status", "merge", "unmerge", "birth", "claim"]


class RulePaid(Struct, frozen=True, array_like=True):
    """What a rule paid, in one currency."""

    rule: str
    version: int
    points: Points


class LineResult(Struct, frozen=True, array_like=True):
    """
    What became of one line; all currencies in one sum.

    Attributes:
        clawed: Clawback due by this return line, written off or not.
    """

    n: int
    earned: Points = 0
    redeemed: Points = 0
    clawed: Points = 0
    reinstated: Points = 0


class Refund(Struct, frozen=True, array_like=True):
    """What the return lines give back: cash and gift in minor units, and points."""

    money: Money = 0
    gift: Money = 0
    points: Points = 0


class Balance(Struct, frozen=True, array_like=True):
    """
    An account's points of one currency at its mark.

    Attributes:
        held: Points that wait for the account to open.
        available: `max(0, active − debt)`, and 0 while the account is not open.
    """

    currency: str
    active: Points = 0
    pending: Points = 0
    held: Points = 0
    debt: Points = 0
    available: Points = 0


class Event(Struct, frozen=True, array_like=True):
    """
    Something that marketing may tell the member: figures, never text (ledger.md §10).

    Attributes:
        id: `N(result, ordinal)`.
        at: When it happens: `activates` and `expires` lie in the future.
        code: A rule, a refusal code, or a year, as the kind asks.
    """

    id: str
    kind: str
    at: EpochMs
    currency: str | None = None
    points: Points = 0
    lot: str | None = None
    code: str | None = None
    tier_from: str | None = None
    tier_to: str | None = None


class Result(Struct, frozen=True, array_like=True):
    """
    The answer to one document.

    Attributes:
        document: The id of the receipt, adjustment, tick, merge or change of status.
        code: Why it was refused or deferred; None when `ok`.
        account: The account it was booked on; the survivor of a merge.
        version: Of the account afterwards.
        sold_at: The document's event time.
        tier: The tier that earned the receipt.
        tier_after: The tier at the mark, afterwards.
        rules: In the order of posting.
        lines: In order of number; only lines that something happened to.
        flags: In the order of their causes.
        balances: In order of currency.
    """

    result_id: str
    document: str
    kind: Kind
    status: ResultStatus
    code: str | None = None
    account: str | None = None
    version: int | None = None
    chain: str | None = None
    sold_at: EpochMs | None = None
    tier: str | None = None
    tier_after: str | None = None
    rules: tuple[RulePaid, ...] = ()
    lines: tuple[LineResult, ...] = ()
    refund: Refund = Refund()
    flags: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    balances: tuple[Balance, ...] = ()
    events: tuple[Event, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Result)


def result_bytes(result: Result) -> bytes:
    """Write *result* as it is stored, to be answered again byte for byte."""
    return _encoder.encode(result)


def result_from(stored: bytes) -> Result:
    """Read a stored result."""
    return _decoder.decode(stored)


def refused(
    document: str,
    code: str,
    *,
    kind: Kind = "receipt",
    account: str | None = None,
    at: EpochMs = 0,
) -> Result:
    """
    Give the final result of a document that posts nothing.

    Its event asks for a review where goods came back for which nothing was found; *at* is
    the document's event time.
    """
    own = result_id(document, 1)
    events = (Event(event_id(own, 0), "review", at, code=code),) if code in REVIEWED else ()
    return Result(own, document, kind, "refused", code, account, events=events)


def deferred(document: str, code: str = "ORIGINAL_UNKNOWN") -> Result:
    """Give the first answer to a document that waits for what it names."""
    return Result(result_id(document, 0), document, "receipt", "deferred", code)


def conflict(document: str, digest: str, *, kind: Kind = "receipt") -> Result:
    """Give the answer to other content under a known id; the stored result stays."""
    return Result(result_id(document, digest), document, kind, "conflict", "CONFLICT")
