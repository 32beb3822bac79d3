"""What marketing may tell the member after a decision: ledger.md §10.

Events carry figures, never text.  They are read from the entries and from the
account before and after, so they can't say what the ledger doesn't.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.core.account import Account
from streams.core.book import Note
from streams.core.ids import event_id
from streams.core.lots import Lot
from streams.core.policy import LedgerPolicy
from streams.core.purse import Purse
from streams.core.receipt import EpochMs, Points
from streams.core.result import Event, Result
from streams.core.tiers import tier_at

# Kind of posting → the event it is told as, one a document and currency.
TOLD = {
    "accrual": "earned",
    "adjustment": "earned",
    "redemption": "redeemed",
    "reinstatement": "reinstated",
    "clawback": "clawed",
}


# Flags that a person has to look at.
REVIEWED = ("IDENTITY_MISMATCH", "NO_ACCOUNT")


class Told(NamedTuple):
    """An event that has no number yet."""

    kind: str
    at: EpochMs
    currency: str | None = None
    points: Points = 0
    lot: str | None = None
    code: str | None = None
    tier_from: str | None = None
    tier_to: str | None = None


def events_of(
    result: Result,
    before: Account | None,
    after: Account,
    policy: LedgerPolicy,
    *,
    fresh: Iterable[str],
    notes: Sequence[Note] = (),
) -> tuple[Event, ...]:
    """
    List the events of an `ok` *result*, in a fixed order, numbered from 0.

    Args:
        result: The answer, without events.
        before: The account before it, None where there was none.
        after: The account afterwards.
        policy: The programme's.
        fresh: Ids of the lots that came with it.
        notes: What happened that no entry tells.
    """
    at = result.sold_at or 0
    found = _postings(result, at)
    found += _lots(after, fresh)
    found += _debts(before, after, at)
    told_tier = before is None or before.mark is None
    tier_before = None if before is None or told_tier else _tier(before, policy)
    if tier_before != result.tier_after:
        found.append(Told("tier_changed", at, tier_from=tier_before, tier_to=result.tier_after))
    flags = result.flags
    found += [Told("overdraft", at) for flag in flags if flag == "OVERDRAFT"]
    found += [Told("refused", at, code=flag) for flag in flags if flag == "REDEEM_REFUSED"]
    found += [Told(each.kind, at, each.currency, each.points, code=each.code) for each in notes]
    return numbered([*found, *reviews(result)], result.result_id)


def reviews(result: Result) -> list[Told]:
    """List what a person has to look at."""
    at = result.sold_at or 0
    return [Told("review", at, code=flag) for flag in result.flags if flag in REVIEWED]


def numbered(found: Iterable[Told], result: str) -> tuple[Event, ...]:
    """Make *found* events of *result*, with ids from 0."""
    return tuple([Event(event_id(result, ordinal), *each) for ordinal, each in enumerate(found)])


def _tier(account: Account, policy: LedgerPolicy) -> str | None:
    return tier_at(account, account.mark or 0, policy)


def _postings(result: Result, at: EpochMs) -> list[Told]:
    sums: dict[tuple[str, str], int] = {}
    for entry in result.entries:
        kind = TOLD.get(entry.kind)
        if (kind is not None and entry.to != "reversed") or entry.kind == "clawback":
            key = (kind or "clawed", entry.currency)
            sums[key] = sums.get(key, 0) + entry.points
    return [Told(kind, at, currency, points) for (kind, currency), points in sums.items()]


def _lots(after: Account, fresh: Iterable[str]) -> list[Told]:
    purse, mark = Purse.of(after.lots), after.mark or 0
    found: list[Told] = []
    for lot_id in sorted(fresh):
        lot = purse.find(lot_id)
        if lot is None or not lot.remaining:
            continue
        if lot.active_from > mark:
            found.append(_of_lot("activates", lot, lot.active_from))
        if lot.expires_at is not None:
            found.append(_of_lot("expires", lot, lot.expires_at))
    return found


def _of_lot(kind: str, lot: Lot, at: EpochMs) -> Told:
    return Told(kind, at, lot.currency, lot.remaining, lot.id)


def _debts(before: Account | None, after: Account, at: EpochMs) -> list[Told]:
    if not after.debts and (before is None or not before.debts):
        return []
    was = {} if before is None else _owed(before)
    now = _owed(after)
    found = [
        Told("debt_opened", at, currency, points)
        for currency, points in now.items()
        if not was.get(currency)
    ]
    found += [
        Told("debt_cleared", at, currency, points)
        for currency, points in was.items()
        if not now.get(currency)
    ]
    return found


def _owed(account: Account) -> dict[str, int]:
    sums: dict[str, int] = {}
    for debt in account.debts:
        sums[debt.currency] = sums.get(debt.currency, 0) + debt.points
    return sums
