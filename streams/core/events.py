"""What marketing may tell the member after a decision: ledger.md §10.

Events carry figures, never text.  They are read from the entries and from the
account before and after, so they can't say what the ledger doesn't.
"""

from collections.abc import Mapping, Sequence

from streams.core.account import Account
from streams.core.book import Note
from streams.core.ids import event_id
from streams.core.lots import Lot
from streams.core.policy import LedgerPolicy
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


class Telling:
    """
    The events of one result, numbered from 0 as they are told.

    Attributes:
        at: When the result's document happened, as do most of its events.
        events: Those told so far.
    """

    __slots__ = ("at", "events", "result")

    def __init__(self, result: Result) -> None:
        self.result = result
        self.at = result.sold_at or 0
        self.events: list[Event] = []

    def tell(
        self,
        kind: str,
        at: EpochMs,
        currency: str | None = None,
        points: Points = 0,
        lot: str | None = None,
        *,
        code: str | None = None,
    ) -> None:
        """Tell an event; see `Event`."""
        number = event_id(self.result.result_id, len(self.events))
        self.events.append(Event(number, kind, at, currency, points, lot, code))

    def tell_tier(self, before: str | None, after: str | None) -> None:
        """Tell that the tier has changed."""
        number = event_id(self.result.result_id, len(self.events))
        self.events.append(Event(number, "tier_changed", self.at, tier_from=before, tier_to=after))


def events_of(
    result: Result,
    before: Account | None,
    after: Account,
    policy: LedgerPolicy,
    *,
    fresh: Mapping[str, Lot],
    notes: Sequence[Note] = (),
) -> tuple[Event, ...]:
    """
    List the events of an `ok` *result*, in a fixed order, numbered from 0.

    Args:
        result: The answer, without events.
        before: The account before it, None where there was none.
        after: The account afterwards.
        policy: The programme's.
        fresh: The lots that came with it, by id, as they stand afterwards.
        notes: What happened that no entry tells.
    """
    telling = Telling(result)
    _postings(telling)
    _lots(telling, after, fresh)
    _debts(telling, before, after)
    told_tier = before is None or before.mark is None
    tier_before = None if before is None or told_tier else _tier(before, policy)
    if tier_before != result.tier_after:
        telling.tell_tier(tier_before, result.tier_after)
    at = telling.at
    for _ in range(result.flags.count("OVERDRAFT")):
        telling.tell("overdraft", at)
    for _ in range(result.flags.count("REDEEM_REFUSED")):
        telling.tell("refused", at, code="REDEEM_REFUSED")
    for each in notes:
        telling.tell(each.kind, at, each.currency, each.points, code=each.code)
    _reviews(telling)
    return tuple(telling.events)


def reviews(result: Result) -> tuple[Event, ...]:
    """List what a person has to look at, where a *result* has no other events."""
    telling = Telling(result)
    _reviews(telling)
    return tuple(telling.events)


def _reviews(telling: Telling) -> None:
    for flag in telling.result.flags:
        if flag in REVIEWED:
            telling.tell("review", telling.at, code=flag)


def _tier(account: Account, policy: LedgerPolicy) -> str | None:
    return tier_at(account, account.mark or 0, policy)


def _postings(telling: Telling) -> None:
    sums: dict[tuple[str, str], int] = {}
    for entry in telling.result.entries:
        kind = TOLD.get(entry.kind)
        if (kind is not None and entry.to != "reversed") or entry.kind == "clawback":
            key = (kind or "clawed", entry.currency)
            sums[key] = sums.get(key, 0) + entry.points
    for (kind, currency), points in sums.items():
        telling.tell(kind, telling.at, currency, points)


def _lots(telling: Telling, after: Account, fresh: Mapping[str, Lot]) -> None:
    mark = after.mark or 0
    for lot_id in sorted(fresh):
        lot = fresh[lot_id]
        if not lot.remaining:
            continue
        if lot.active_from > mark:
            telling.tell("activates", lot.active_from, lot.currency, lot.remaining, lot_id)
        if lot.expires_at is not None:
            telling.tell("expires", lot.expires_at, lot.currency, lot.remaining, lot_id)


def _debts(telling: Telling, before: Account | None, after: Account) -> None:
    if not after.debts and (before is None or not before.debts):
        return
    was = {} if before is None else _owed(before)
    now = _owed(after)
    for currency, points in now.items():
        if not was.get(currency):
            telling.tell("debt_opened", telling.at, currency, points)
    for currency, points in was.items():
        if not now.get(currency):
            telling.tell("debt_cleared", telling.at, currency, points)


def _owed(account: Account) -> dict[str, int]:
    sums: dict[str, int] = {}
    for debt in account.debts:
        sums[debt.currency] = sums.get(debt.currency, 0) + debt.points
    return sums
