"""Merging accounts and undoing it: ledger.md §9.

The giver posts its half, becomes a pointer and emits one payload; the receiver
applies it once, by the merge's id.  Lots, debts, sales and counters keep their
origin, so that an unmerge can send an origin back as it stands.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import (
    Account,
    CommittedHold,
    Counter,
    Debt,
    Joined,
    Qualifying,
    RecentSale,
    TierFloor,
)
from streams.core.book import Book
from streams.core.lots import Lot, spending_key, spending_order
from streams.core.outcome import finish
from streams.core.policy import LedgerPolicy
from streams.core.postings import Entry
from streams.core.receipt import EpochMs
from streams.core.result import Result, refused
from streams.core.status import forfeit


class HandOver(Struct, frozen=True):
    """
    What one account gives another.

    Attributes:
        merge: The document's id; it is applied once.
        giver: The account that gives.
        origins: Whose lots, debts, sales and counters these are.
        entries: What the giver posted on the way, to be told by the receiver's result.
        recent: Sales young enough for a return without a receipt.
    """

    merge: str
    kind: Literal["merge", "unmerge"]
    giver: str
    at: EpochMs
    origins: tuple[str, ...]
    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()
    qualifying: tuple[Qualifying, ...] = ()
    tier_floor: TierFloor | None = None
    counters: tuple[Counter, ...] = ()
    recent: tuple[RecentSale, ...] = ()
    holds: tuple[CommittedHold, ...] = ()
    purchases: int = 0
    entries: tuple[Entry, ...] = ()


def merge_out(
    giver: Account, document: str, at: EpochMs, *, into: str, policy: LedgerPolicy
) -> tuple[Account, HandOver | Result]:
    """
    Make *giver* a pointer to *into*.

    Returns:
        The pointer and the payload, or the unchanged account and a refusal: MERGE_SELF
        when the two are one already.
    """
    joined = {each.account for each in giver.joined}
    if into in (giver.id, giver.merged_into) or into in joined:
        return giver, refused(document, "MERGE_SELF", kind="merge", account=giver.id)
    book = Book(giver, document, at, policy)
    book.expire()
    given = book.leave(giver)
    origins = (giver.id, *(origin for each in giver.joined for origin in each.origins))
    payload = HandOver(
        merge=document,
        kind="merge",
        giver=giver.id,
        at=at,
        origins=origins,
        lots=given.lots,
        debts=given.debts,
        qualifying=given.qualifying,
        tier_floor=given.tier_floor,
        counters=given.counters,
        recent=given.recent,
        holds=given.holds,
        purchases=given.purchases,
        entries=tuple(book.entries),
    )
    pointer = replace(
        given,
        lots=(),
        debts=(),
        qualifying=(),
        tier_floor=None,
        counters=(),
        recent=(),
        holds=(),
        purchases=0,
        merged_into=into,
        joined=(),
    )
    return pointer, payload


def merge_in(
    receiver: Account, payload: HandOver, *, policy: LedgerPolicy
) -> tuple[Account, Result | None]:
    """
    Take *payload* into *receiver*; again, it changes nothing and has no result.

    Points that waited in a blocked or provisional giver are released where the
    receiver is open; a receiver that is closed or erased forfeits all that comes.
    """
    if any(each.merge == payload.merge for each in receiver.joined):
        return receiver, None
    book = Book(receiver, payload.merge, payload.at, policy)
    book.entries += payload.entries
    book.expire()
    _post_transfers(book, payload.lots, payload.debts)
    held = receiver.status in ("blocked", "provisional")
    for lot in payload.lots:
        book.lots[lot.id] = replace(lot, held=lot.held and held) if lot.held else lot
    for debt in payload.debts:
        key = (debt.currency, debt.origin)
        book.debts[key] = book.debts.get(key, 0) + debt.points
    if book.final:
        forfeit(book, payload.at)
    counters = _united(receiver.counters, payload.counters)
    after = replace(
        receiver,
        qualifying=(*receiver.qualifying, *payload.qualifying),
        tier_floor=_higher(receiver.tier_floor, payload.tier_floor, book.mark, policy),
        counters=counters,
        recent=(*receiver.recent, *payload.recent),
        holds=(*receiver.holds, *payload.holds),
        purchases=receiver.purchases + payload.purchases,
        joined=(*receiver.joined, Joined(payload.giver, payload.origins, payload.merge)),
    )
    return finish(book, after, kind="merge")


def unmerge_out(
    survivor: Account,
    document: str,
    at: EpochMs,
    *,
    giver: str,
    receipts: frozenset[str] = frozenset(),
    policy: LedgerPolicy,
) -> tuple[Account, HandOver | None, Result]:
    """
    Send back what came from *giver*, as it stands; repayments stay.

    Args:
        survivor: The account into which *giver* was merged.
        document: The unmerge's id.
        at: Its event time.
        giver: The account to restore.
        receipts: Those of the survivor's recent sales that *giver* or what it had joined
            made, so that returns without a receipt follow them.
        policy: The programme's.

    Returns:
        The survivor, the payload for `unmerge_in` and the result; or the unchanged
        account, None and a refusal: NOT_MERGED.
    """
    origins = origins_of(survivor, giver)
    if not origins:
        return survivor, None, refused(document, "NOT_MERGED", kind="unmerge", account=survivor.id)
    book = Book(survivor, document, at, policy)
    book.expire()
    lots, debts = _take_out(book, frozenset(origins))
    qualifying = tuple(each for each in survivor.qualifying if each.origin in origins)
    sales = {each.receipt for each in qualifying if each.receipt} | receipts
    payload = HandOver(
        merge=document,
        kind="unmerge",
        giver=giver,
        at=at,
        origins=origins,
        lots=lots,
        debts=debts,
        qualifying=qualifying,
        counters=tuple(each for each in survivor.counters if each.origin in origins),
        recent=tuple(each for each in survivor.recent if each.receipt in sales),
        purchases=min(len(sales), survivor.purchases),
    )
    after = replace(
        survivor,
        qualifying=tuple(each for each in survivor.qualifying if each.origin not in origins),
        counters=tuple(each for each in survivor.counters if each.origin not in origins),
        recent=tuple(each for each in survivor.recent if each.receipt not in sales),
        purchases=survivor.purchases - payload.purchases,
        joined=_left_joined(survivor, giver, origins),
    )
    closed, result = finish(book, after, kind="unmerge")
    return closed, payload, result


def origins_of(survivor: Account, giver: str) -> tuple[str, ...]:
    """
    List whose points go back to *giver*; none where it was not merged.

    An account that another brought along goes back alone: what it had joined itself
    is no longer known.
    """
    for joined in survivor.joined:
        if joined.account == giver:
            return joined.origins
    brought = any(giver in joined.origins for joined in survivor.joined)
    return (giver,) if brought else ()


def _left_joined(survivor: Account, giver: str, origins: tuple[str, ...]) -> tuple[Joined, ...]:
    return tuple(
        replace(each, origins=tuple(origin for origin in each.origins if origin not in origins))
        for each in survivor.joined
        if each.account != giver
    )


def _take_out(book: Book, origins: frozenset[str]) -> tuple[tuple[Lot, ...], tuple[Debt, ...]]:
    """Post the lots and debts of *origins* out of *book*, and give them."""
    lots = tuple(
        lot for lot in map(book.lots.__getitem__, book.lots.ids()) if lot.origin in origins
    )
    debts = tuple(
        Debt(currency, origin, points)
        for (currency, origin), points in sorted(book.debts.items())
        if origin in origins
    )
    _post_transfers(book, lots, debts)
    for lot in lots:
        del book.lots[lot.id]
    for debt in debts:
        del book.debts[debt.currency, debt.origin]
    return lots, debts


def unmerge_in(pointer: Account, payload: HandOver) -> Account:
    """Restore the account that was a pointer; again, it changes nothing."""
    if pointer.merged_into is None:
        return pointer
    mark = payload.at if pointer.mark is None else max(pointer.mark, payload.at)
    return replace(
        pointer,
        mark=mark,
        merged_into=None,
        lots=payload.lots,
        debts=payload.debts,
        qualifying=payload.qualifying,
        counters=payload.counters,
        recent=payload.recent,
        purchases=payload.purchases,
        joined=tuple(
            Joined(origin, (origin,), payload.merge)
            for origin in payload.origins
            if origin != pointer.id
        ),
    )


def _post_transfers(book: Book, lots: tuple[Lot, ...], debts: tuple[Debt, ...]) -> None:
    """Post what moves: lots with points left in spending order, then debts."""
    ranks = spending_order(book.policy.classes)
    for lot in sorted(lots, key=lambda each: spending_key(each, ranks)):
        if lot.remaining:
            book.post("transfer", lot.remaining, lot)
    for debt in debts:
        book.post_bare(
            "transfer", debt.points, debt.currency, sides=("debt", "debt"), origin=debt.origin
        )


def _united(ours: tuple[Counter, ...], theirs: tuple[Counter, ...]) -> tuple[Counter, ...]:
    """Unite counters; those of one rule, period and origin add up."""
    found: dict[tuple[str, str, str, str], Counter] = {}
    for each in (*ours, *theirs):
        key = (each.rule, each.per, each.key, each.origin)
        other = found.get(key)
        found[key] = (
            each
            if other is None
            else replace(each, uses=each.uses + other.uses, points=each.points + other.points)
        )
    return tuple(found[key] for key in sorted(found))


def _higher(
    ours: TierFloor | None, theirs: TierFloor | None, mark: EpochMs, policy: LedgerPolicy
) -> TierFloor | None:
    """Keep the higher of the floors that last beyond *mark*; of equals, the longer one."""
    names = [] if policy.tier is None else [name for name, _ in policy.tier.levels]

    def rank(floor: TierFloor) -> tuple[bool, int, EpochMs]:
        level = names.index(floor.tier) if floor.tier in names else -1
        return mark < floor.until, level, floor.until

    return max((each for each in (ours, theirs) if each is not None), key=rank, default=None)
