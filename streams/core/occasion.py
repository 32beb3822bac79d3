"""What campaigns are asked, and what they answer: an occasion, a match or a refusal.

Values that are made for each receipt are kept from the garbage collector (`gc=False`): none
of them can be part of a cycle.
"""

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.core.campaigns import Campaign
from streams.core.conditions import AttributeMap, Birth
from streams.core.receipt import EpochMs, Money, Points, Thousandths
from streams.core.runs import local

Reason = Literal[
    "not_running", "who", "where", "code", "offer", "limit", "budget", "goods", "channel",
    "payment", "threshold",
]  # fmt: skip


class GoodsLine(Struct, frozen=True, gc=False):
    """
    A line as conditions see it.

    Attributes:
        price: Minor units per 1000 thousandths.
        list: The line's amount before discounts.
        attributes: The product's, without sku, price and quantity.
    """

    sku: str
    price: Money
    quantity: Thousandths
    list: Money
    attributes: AttributeMap = {}


class Left(Struct, frozen=True, gc=False):
    """What a campaign's counters leave for this receipt; None is without limit."""

    uses: int | None = None
    amount: Money | Points | None = None


class Occasion(Struct, frozen=True):
    """
    A basket with all that conditions may ask.

    Attributes:
        at: Event time.
        store: Attributes of the place.
        member: Attributes of the member, by `member_attributes`; empty without a member.
        codes: Ids of campaigns whose coupon was presented.
        offers: Ids of campaigns offered to this member.
        payments: Tenders planned.
        left: By campaign id, where a counter limits it.
    """

    at: EpochMs
    lines: tuple[GoodsLine, ...]
    store: AttributeMap = {}
    member: AttributeMap = {}
    codes: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    channel: str = ""
    payments: tuple[str, ...] = ()
    left: Mapping[str, Left] = {}


class Match(Struct, frozen=True, gc=False):
    """A campaign that may apply, and its eligible lines: bit i is the i-th line."""

    campaign: Campaign
    lines: int


class Refusal(Struct, frozen=True, gc=False):
    """
    The first reason why a campaign does not apply.

    Attributes:
        unknown: Names a tree asked for in vain, sorted; None where the reason is no tree.
    """

    reason: Reason
    unknown: tuple[str, ...] | None = None


def member_attributes(
    attributes: AttributeMap,
    *,
    at: EpochMs,
    zone: ZoneInfo,
    tier: str | None = None,
    born: tuple[int, int] | None = None,
    born_known_at: EpochMs | None = None,
    purchases: int | None = None,
) -> dict[str, Any]:
    """
    Gather what `who` may ask of a member.

    Args:
        attributes: The member's own.
        at: Event time, for the birthday.
        zone: The programme's.
        tier: The tier that earns this receipt.
        born: Month and day of birth.
        born_known_at: Since when that is known; None is always.
        purchases: Receipts before this one; None is unknown.
    """
    found = dict(attributes)
    if tier is not None:
        found["tier"] = tier
    if purchases is not None:
        found["purchase"] = purchases + 1
    if born is not None:
        known_on = None if born_known_at is None else local(born_known_at, zone).date()
        found["birthday"] = Birth(*born, known_on, local(at, zone).date())
    return found


def goods_attributes(line: GoodsLine) -> dict[str, Any]:
    """Gather what `goods` and `spendable_on` may ask of a line."""
    own = {"sku": line.sku, "price": line.price, "quantity": line.quantity}
    return {**line.attributes, **own}
