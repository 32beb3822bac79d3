"""What a member should hear of a result: figures and times, never text.

Marketing turns each result into notifications once.  Whoever delivers one reads the
account again first: a point that was spent meanwhile isn't announced as expiring.
"""

from collections.abc import Iterator

from msgspec import Struct

from streams.core.ids import derived
from streams.core.ownership import is_home
from streams.core.receipt import EpochMs
from streams.core.result import Event, Result

DAY_MS = 86_400_000
# A reminder has to leave time for a visit to the shop, and may not come before the
# points themselves are announced.
REMIND_DAYS = 7


class Notification(Struct, frozen=True):
    """
    Something to tell one member.

    Attributes:
        id: Derived from the result's event: the same result gives the same ids.
        kind: `bonus_credited`, `points_expiring`, `points_activating`, `points_spent`,
            `points_returned`, `debt_opened`, `tier_changed`.
        at: When it became true, epoch milliseconds.
        due_at: When it should be told; not before *at*.
        expires_at: When it is no longer worth telling; None is never.
        figures: Whole numbers to fill a text with: points, and so on.
        codes: Names to fill a text with: currency, lot, rule, tier.
    """

    id: str
    kind: str
    account: str
    receipt: str | None
    at: EpochMs
    due_at: EpochMs
    expires_at: EpochMs | None = None
    figures: dict[str, int] = {}
    codes: dict[str, str] = {}
    person: str | None = None


_KINDS = {
    "earned": "bonus_credited",
    "expires": "points_expiring",
    "activates": "points_activating",
    "redeemed": "points_spent",
    "reinstated": "points_returned",
    "debt_opened": "debt_opened",
    "tier_changed": "tier_changed",
}


def notifications(result: Result, *, remind_days: int = REMIND_DAYS) -> Iterator[Notification]:
    """
    Give what the owner of *result* should hear, in the order of its events.

    Refused, deferred and conflicting documents tell the member nothing, and neither
    does an account that no member has registered yet.
    """
    if result.status != "ok" or result.account is None or is_home(result.account):
        return
    for event in result.events:
        kind = _KINDS.get(event.kind)
        if kind is not None:
            yield _notification(kind, event, result, result.account, remind_days)


def _notification(
    kind: str, event: Event, result: Result, account: str, remind_days: int
) -> Notification:
    told_at = event.at
    said_at = result.sold_at if result.sold_at is not None else event.at
    expires_at = None
    if kind == "points_expiring":
        # A lot shorter than the reminder's notice is announced at once.
        told_at = max(said_at, event.at - remind_days * DAY_MS)
        expires_at = event.at
    figures = {"points": event.points}
    if event.kind in {"expires", "activates"}:
        figures["at"] = event.at
    named = {
        "currency": event.currency,
        "lot": event.lot,
        "code": event.code,
        "tier_from": event.tier_from,
        "tier_to": event.tier_to,
    }
    return Notification(
        id=derived("M", event.id),
        kind=kind,
        account=account,
        receipt=result.document if result.kind == "receipt" else None,
        at=said_at,
        due_at=max(told_at, said_at),
        expires_at=expires_at,
        figures=figures,
        codes={key: value for key, value in named.items() if value is not None},
    )
