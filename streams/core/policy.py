"""The ledger policies of a programme: ledger.md, bold words and their alternatives.

Every policy is a key of the programme document's `ledger`; what is not written
is the default.  Nothing about a particular chain is anywhere else.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from streams.core.accrual import LotTerms
from streams.core.calendar import CalendarError, dates, zone_of
from streams.core.receipt import Money, Points

MONTHS_MOST = 1_200
YEARS_MOST = 100
BOUNDED = (
    "no_receipt_days", "max_late_days", "skew_minutes", "park_days", "adjust_limit", "store_float",
)  # fmt: skip
DAYS_MOST = 36_600  # A hundred years; beyond it a date leaves the calendar.


UnknownMember = Literal["hold", "park", "anonymous"]
DocumentKind = Literal["sale", "return", "exchange", "void"]


class PolicyError(ValueError):
    """A ledger policy that is not known or not possible; says which key is wrong."""


class Reinstate(Struct, frozen=True, forbid_unknown_fields=True):
    """
    How redeemed points come back with returned goods.

    Attributes:
        mode: `original`: into their lot with its expiry.  `grace`: a lot that would end
            before *days* or *months* after the return is replaced by one that ends then.
            `reissue`: always a new lot, valid for *days* or *months*.
    """

    mode: Literal["original", "grace", "reissue"] = "original"
    days: int | None = None
    months: int | None = None

    def valid(self) -> dict[str, object]:
        """Give the term of a lot made by a return."""
        if self.days is not None:
            return {"days": self.days}
        return {"months": 12 if self.months is None else self.months}


class TierPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """
    How kept qualifying net makes a tier.

    Attributes:
        levels: Name and the least net, ascending.
        window: Months, rolling; `calendar`: best of last year and this; `lifetime`.
        upgrade: `after`: a receipt does not count for itself; `first`: it does.
        on_return: `withdraw`: returned net no longer counts; `keep`: it does.
    """

    levels: tuple[tuple[str, Money], ...]
    window: int | Literal["calendar", "lifetime"] = 12
    upgrade: Literal["after", "first"] = "after"
    on_return: Literal["withdraw", "keep"] = "withdraw"


class LedgerPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """
    The policies in force.

    Attributes:
        currency: The currency that covers money: `redemption.currency`.
        point_value: Minor units of one of its points.
        clawback: What happens to a clawback that the balance cannot give.
        claw_basis: What a return takes back of what was earned.
        no_receipt: Which purchase a return without a receipt is of.
        no_receipt_days: How old it may be, × 24 h.
        max_late_days: How late a receipt may arrive, × 24 h.
        skew_minutes: How far a till's clock may run ahead.
        park_days: How long a return waits for its sale, × 24 h.
        shares_years: After so many years a return of a sale counts as one without a receipt.
        adjust_limit: Above this an adjustment needs an approver.
        budget_quoted: Whether a confirmed quote may overshoot a budget, or has to ask first.
        limit_first: Whether the first in the log or the earliest event uses up a limit.
        gift_earns: Whether money paid by gift card earns points.
        surplus_expiry: Term of the lot in which an overdraft comes back.
        unknown_member: What becomes of a receipt whose identifiers nobody has registered: an
            account of its own holds what it earns, it waits, or it is nobody's.
        offline_unknown: What a store that is offline gives a member it can't find.
        store_float: Minor units that it may redeem for them, where it may.
        sources: Which kinds of documents a channel may send; one that is not named may send
            none.  None lets every channel send all.
        classes: The spending order.
    """

    zone: str = "Europe/Moscow"
    currency: str = "P"
    point_value: Money = 100
    clawback: Literal["unlimited", "within_balance", "only_pending"] = "unlimited"
    claw_basis: Literal["line_share", "recompute_kept", "proportional"] = "line_share"
    reinstate: Reinstate = Reinstate()
    no_receipt: Literal["newest", "lowest", "floor", "refuse"] = "newest"
    no_receipt_days: int = 60
    max_late_days: int = 30
    skew_minutes: int = 10
    park_days: int = 30
    shares_years: int = 5
    adjust_limit: Points = 10_000
    budget_short: Literal["partial", "nothing"] = "partial"
    budget_quoted: Literal["honour", "refuse"] = "honour"
    budget_on_return: Literal["release", "keep"] = "release"
    limit_on_return: Literal["release", "keep"] = "release"
    limit_first: Literal["log", "event"] = "log"
    gift_earns: bool = False
    surplus_expiry: dict[str, object] = field(default_factory=lambda: {"months": 12})
    unknown_member: UnknownMember = "hold"
    offline_unknown: Literal["earn_only", "store_float"] = "earn_only"
    store_float: Money = 0
    tier: TierPolicy | None = None
    sources: dict[str, tuple[DocumentKind, ...]] | None = None
    classes: tuple[str, ...] = ("specific", "birthday", "regular")


def ledger_policy(document: Mapping[str, Any] | None = None, **overrides: Any) -> LedgerPolicy:
    """
    Read the `ledger` section of a programme; *overrides* win over it.

    Raises:
        PolicyError: If a key is unknown or a value is not possible.
    """
    try:
        policy = msgspec.convert({**(document or {}), **overrides}, LedgerPolicy)
    except msgspec.ValidationError as error:
        raise PolicyError(f"ledger policy: {error}") from error
    fault = _fault(policy)
    if fault is not None:
        raise PolicyError(f"ledger policy: {fault}")
    return policy


def _fault(policy: LedgerPolicy) -> str | None:
    """Say what is impossible about *policy*, or None."""
    try:
        zone_of(policy.zone)
        dates(LotTerms(valid=policy.surplus_expiry), 0, policy.zone)
        dates(LotTerms(valid=policy.reinstate.valid()), 0, policy.zone)
    except CalendarError as error:
        return str(error)
    if policy.point_value < 1:
        return f"point_value is {policy.point_value}; a point is worth 1 minor unit or more"
    for key in BOUNDED:
        value = getattr(policy, key)
        if value < 0 or (key.endswith("_days") and value > DAYS_MOST):
            return f"{key} is {value}; write 0 to {DAYS_MOST}"
    if not 1 <= policy.shares_years <= YEARS_MOST:
        return f"shares_years is {policy.shares_years}; write 1 to {YEARS_MOST}"
    reinstate = policy.reinstate
    if reinstate.mode == "grace" and reinstate.days is None and reinstate.months is None:
        return "reinstate grace needs days or months"
    return None if policy.tier is None else _tier_fault(policy.tier)


def _tier_fault(tier: TierPolicy) -> str | None:
    nets = [net for _, net in tier.levels]
    if nets != sorted(set(nets)) or len({name for name, _ in tier.levels}) != len(nets):
        return "tier levels must ascend, each name once"
    if isinstance(tier.window, int) and not 1 <= tier.window <= MONTHS_MOST:
        return (
            f"tier window is {tier.window}; write 1 to {MONTHS_MOST} months, calendar or lifetime"
        )
    return None
