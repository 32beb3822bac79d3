"""What marketing may tell the member after a decision: ledger.md §10.

Events carry figures, never text.  They are read from the entries and from the
account before and after, so they can't say what the ledger doesn't.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from streams.core.account import Account
from streams.core.book import Note
from streams.core.ids import event_id
from streams.core.lots import Lot
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs
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


def events_of(
    result: Result,
    before: Account | None,
    after: Account,
    policy: LedgerPolicy,
    notes: Sequence[Note] = (),
) -> tuple[Event, ...]:
    """List the events of an `ok` *result*, in a fixed order, numbered from 0."""
    at = result.sold_at or 0
    found = _postings(result, at)
    found += _lots(before, after)
    found += _debts(before, after, at)
    told_tier = before is None or before.mark is None
    tier_before = None if before is None or told_tier else _tier(before, policy)
    if tier_before != result.tier_after:
        found.append(
            Event("", "tier_changed", at, tier_from=tier_before, tier_to=result.tier_after)
        )
    found += [Event("", "overdraft", at) for flag in result.flags if flag == "OVERDRAFT"]
    found += [
        Event("", "refused", at, code=flag) for flag in result.flags if flag == "REDEEM_REFUSED"
    ]
    found += [
        Event("", each.kind, at, currency=each.currency, points=each.points, code=each.code)
        for each in notes
    ]
    return numbered([*found, *reviews(result)], result.result_id)


def reviews(result: Result) -> list[Event]:
    """List what a person has to look at."""
    at = result.sold_at or 0
    return [Event("", "review", at, code=flag) for flag in result.flags if flag in REVIEWED]


def numbered(found: Sequence[Event], result: str) -> tuple[Event, ...]:
    """Give *found* their ids, from 0."""
    return tuple(replace(each, id=event_id(result, ordinal)) for ordinal, each in enumerate(found))


def _tier(account: Account, policy: LedgerPolicy) -> str | None:
    return tier_at(account, account.mark or 0, policy)


def _postings(result: Result, at: EpochMs) -> list[Event]:
    sums: dict[tuple[str, str], int] = {}
    for entry in result.entries:
        kind = TOLD.get(entry.kind)
        if (kind is not None and entry.to != "reversed") or entry.kind == "clawback":
            key = (kind or "clawed", entry.currency)
            sums[key] = sums.get(key, 0) + entry.points
    return [
        Event("", kind, at, currency=currency, points=points)
        for (kind, currency), points in sums.items()
    ]


def _lots(before: Account | None, after: Account) -> list[Event]:
    if before is not None and len(before.lots) == len(after.lots):
        return []
    had = set() if before is None else {lot.id for lot in before.lots}
    found: list[Event] = []
    for lot in after.lots:
        if not lot.remaining or lot.id in had:
            continue
        if lot.active_from > (after.mark or 0):
            found.append(_of_lot("activates", lot, lot.active_from))
        if lot.expires_at is not None:
            found.append(_of_lot("expires", lot, lot.expires_at))
    return found


def _of_lot(kind: str, lot: Lot, at: EpochMs) -> Event:
    return Event("", kind, at, currency=lot.currency, points=lot.remaining, lot=lot.id)


def _debts(before: Account | None, after: Account, at: EpochMs) -> list[Event]:
    was = {} if before is None else _owed(before)
    now = _owed(after)
    found = [
        Event("", "debt_opened", at, currency=currency, points=points)
        for currency, points in now.items()
        if not was.get(currency)
    ]
    found += [
        Event("", "debt_cleared", at, currency=currency, points=points)
        for currency, points in was.items()
        if not now.get(currency)
    ]
    return found


def _owed(account: Account) -> dict[str, int]:
    sums: dict[str, int] = {}
    for debt in account.debts:
        sums[debt.currency] = sums.get(debt.currency, 0) + debt.points
    return sums
