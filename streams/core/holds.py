"""Points and counters set aside for a basket before it is paid: ledger.md §8.

The front alone writes holds, one writer an account: it admits a hold only if all that
are open or confirmed, with the new one, fit what the account has.  A hold that is open
lapses by itself; a confirmed one stays until its receipt commits it or somebody frees
it, because the till may have taken the money.  All are values; time comes in.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.calendar import DAY_MS, MINUTE_MS
from streams.core.lots import Lot, drawable
from streams.core.receipt import EpochMs, Points
from streams.core.snapshot import Snapshot

OPEN_MS = 15 * MINUTE_MS  # How long an open hold lasts, unless the front says otherwise.
OPERATOR_MS = 7 * DAY_MS  # A confirmed hold may be freed by hand only after so long.
ENDED_KEPT = 64  # Ended holds of an account that are still told from unknown ones.

State = Literal["open", "confirmed", "committed", "released"]
Reason = Literal["cancelled", "replaced", "operator"]


class Allocation(Struct, frozen=True):
    """Points of one lot held for one line."""

    line: int
    lot: str
    points: Points


class Takes(Struct, frozen=True):
    """What a quote takes from the limits and budget of a campaign."""

    campaign: str
    uses: int
    amount: int


class Hold(Struct, frozen=True):
    """
    One basket's hold.

    Attributes:
        held_at: When it was admitted: a receipt's lots must be usable then.
        expires_at: From when an open hold has lapsed.
        store: Of an allowance, the one store that may spend it.
        confirmed_at: When it was confirmed; None while it is open.
    """

    hold_id: str
    account: str
    basket_id: str
    held_at: EpochMs
    snapshot_version: int
    expires_at: EpochMs
    alloc: tuple[Allocation, ...] = ()
    takes: tuple[Takes, ...] = ()
    replaces: str | None = None
    store: str | None = None
    state: State = "open"
    confirmed_at: EpochMs | None = None
    reason: Reason | None = None


class Holds(Struct, frozen=True):
    """The front's holds of one account, in the order of admission; the newest ended stay."""

    account: str
    holds: tuple[Hold, ...] = ()


class Decided(Struct, frozen=True):
    """
    The answer to the front.

    Attributes:
        holds: Unchanged where *code* says why not.
        code: HOLD_CONFLICT, HOLD_UNKNOWN, HOLD_ENDED, HOLD_EXCEEDS, HOLD_TOO_YOUNG, or None.
    """

    holds: Holds
    code: str | None = None


def reserving(holds: Holds, committed: Collection[str], at: EpochMs) -> Iterator[Hold]:
    """Yield the holds that set something aside at *at*, and are not *committed* already."""
    for each in holds.holds:
        lasts = each.state == "confirmed" or (each.state == "open" and at < each.expires_at)
        if lasts and each.hold_id not in committed:
            yield each


def admit(holds: Holds, hold: Hold, snapshot: Snapshot, at: EpochMs) -> Decided:
    """
    Admit *hold*, or say why not; the same again changes nothing.

    What it replaces is freed in the same step, and only if it is admitted.

    Args:
        holds: Of the account.
        hold: Open, with points above 0.
        snapshot: The account as the front has it.
        at: The front's logged time, which becomes the hold's admission.
    """
    hold = replace(hold, held_at=at, state="open", confirmed_at=None, reason=None)
    known = _find(holds, hold.hold_id)
    if known is not None:
        same = (known.basket_id, known.alloc, known.takes) == (
            hold.basket_id, hold.alloc, hold.takes
        )  # fmt: skip
        return Decided(holds, None if same else "HOLD_CONFLICT")
    committed = {each.hold_id for each in snapshot.holds}
    others = [each for each in reserving(holds, committed, at) if each.hold_id != hold.replaces]
    if not _fits(hold, others, snapshot, at):
        return Decided(holds, "HOLD_EXCEEDS")
    if hold.replaces is not None:
        holds = release(holds, hold.replaces, "replaced", at).holds
    return Decided(_tidy(replace(holds, holds=(*holds.holds, hold)), committed, at))


def confirm(holds: Holds, hold_id: str, at: EpochMs) -> Decided:
    """Confirm a hold just before payment: from now on it does not lapse."""
    hold = _find(holds, hold_id)
    if hold is None:
        return Decided(holds, "HOLD_UNKNOWN")
    if hold.state == "confirmed":
        return Decided(holds)
    if hold.state != "open" or at >= hold.expires_at:
        return Decided(holds, "HOLD_ENDED")
    return Decided(_with(holds, replace(hold, state="confirmed", confirmed_at=at)))


def release(holds: Holds, hold_id: str, reason: Reason, at: EpochMs) -> Decided:
    """Free a hold; an operator may free a confirmed one only after seven days."""
    hold = _find(holds, hold_id)
    if hold is None:
        return Decided(holds, "HOLD_UNKNOWN")
    if hold.state in ("committed", "released"):
        return Decided(holds, None if hold.state == "released" else "HOLD_ENDED")
    young = hold.confirmed_at is not None and at < hold.confirmed_at + OPERATOR_MS
    if reason == "operator" and young:
        return Decided(holds, "HOLD_TOO_YOUNG")
    return Decided(_with(holds, replace(hold, state="released", reason=reason)))


def seen(holds: Holds, snapshot: Snapshot, at: EpochMs) -> Holds:
    """Note which holds *snapshot* lists as committed: their points are posted there."""
    return _tidy(holds, {each.hold_id for each in snapshot.holds}, at)


def set_aside(
    holds: Holds, committed: Collection[str], at: EpochMs, *, beside: str | None = None
) -> tuple[Mapping[str, Points], Mapping[str, tuple[int, int]]]:
    """
    Sum what holds set aside: points by lot, and uses and amount by campaign.

    *beside* leaves out the basket that asks: a quote sees what other baskets leave.
    """
    points: dict[str, Points] = {}
    counted: dict[str, tuple[int, int]] = {}
    for hold in reserving(holds, committed, at):
        if hold.basket_id == beside:
            continue
        for each in hold.alloc:
            points[each.lot] = points.get(each.lot, 0) + each.points
        for take in hold.takes:
            uses, amount = counted.get(take.campaign, (0, 0))
            counted[take.campaign] = uses + take.uses, amount + take.amount
    return points, counted


def _fits(hold: Hold, others: list[Hold], snapshot: Snapshot, at: EpochMs) -> bool:
    lots = {lot.id: lot for lot in snapshot.lots}
    if snapshot.status != "open" or any(
        each.points < 1 or each.lot not in lots for each in hold.alloc
    ):
        return False
    aside, _ = set_aside(Holds(hold.account, (*others, hold)), (), at)
    wanted = {each.lot for each in hold.alloc}
    if any(aside[lot] > _usable(lots[lot], at) for lot in wanted):
        return False
    for currency in {lots[lot].currency for lot in wanted}:
        active = sum(_usable(lot, at) for lot in snapshot.lots if lot.currency == currency)
        debt = sum(each.points for each in snapshot.debts if each.currency == currency)
        held = sum(
            points
            for lot, points in aside.items()
            if lot in lots and lots[lot].currency == currency
        )
        if held > active - debt:
            return False
    return True


def _usable(lot: Lot, at: EpochMs) -> Points:
    """Give what a reader sees of *lot*: nothing where it is held, pending or ended."""
    return min(lot.remaining, drawable(lot, at))


def _find(holds: Holds, hold_id: str) -> Hold | None:
    return next((each for each in holds.holds if each.hold_id == hold_id), None)


def _with(holds: Holds, hold: Hold) -> Holds:
    return replace(
        holds,
        holds=tuple(hold if each.hold_id == hold.hold_id else each for each in holds.holds),
    )


def _tidy(holds: Holds, committed: Collection[str], at: EpochMs) -> Holds:
    """Mark what is committed, and drop the oldest ended holds beyond those kept."""
    marked = [
        replace(each, state="committed") if each.hold_id in committed else each
        for each in holds.holds
    ]
    lasting = {each.hold_id for each in reserving(holds, committed, at)}
    ended = [each.hold_id for each in marked if each.hold_id not in lasting]
    dropped = set(ended[:-ENDED_KEPT])
    return replace(holds, holds=tuple(each for each in marked if each.hold_id not in dropped))
