"""The sold receipt as the core sees it: ledger.md §2.

A receipt is a value.  Money is minor units, quantity is thousandths, points
are whole, instants are epoch milliseconds UTC.  Identifiers are keyed digests;
no phone, card or e-mail reaches this type.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Money = int
Points = int
Thousandths = int
EpochMs = int
Scalar = str | int | bool | tuple[str, ...]


class DecimalValue(Struct, frozen=True):
    """An exact decimal attribute: *unscaled* × 10^-*scale*."""

    unscaled: int
    scale: int


Attribute = str | int | bool | tuple[str, ...] | DecimalValue
Attributes = Mapping[str, Attribute]


class Identifier(Struct, frozen=True):
    """How the member was named at the till: a keyed digest, never the number itself."""

    kind: Literal["card", "phone", "email"]
    digest: str


class LineDiscount(Struct, frozen=True):
    """One campaign's discount on one line, as the till printed it."""

    campaign: str
    version: int
    amount: Money


class RedeemRequest(Struct, frozen=True):
    """Points that the till spent on a line; *lot* is None when the till named none."""

    points: Points
    lot: str | None = None
    currency: str = "P"


class SaleLine(Struct, frozen=True):
    """A sold line.  *amount* is due after discounts and before points."""

    n: int
    sku: str
    qty: Thousandths
    amount: Money
    list: Money | None = None
    discounts: tuple[LineDiscount, ...] = ()
    redeem: tuple[RedeemRequest, ...] = ()


class Original(Struct, frozen=True):
    """The sold line that a return line gives back."""

    receipt: str
    line: int


class ReturnLine(Struct, frozen=True):
    """A returned line; *of* is None when the customer has no receipt."""

    n: int
    sku: str
    qty: Thousandths
    of: Original | None = None


class Receipt(Struct, frozen=True):
    """
    One document of a till: a sale, a return, an exchange, or a void.

    Attributes:
        sold_at: When the till sold, epoch milliseconds.
        accepted_at: The Kafka timestamp of the record, epoch milliseconds.
        gift_card: What of the amount due was paid by gift card, minor units.
        void_of: The receipt that this document takes back whole.
        payments: Tenders used, for campaigns that ask for them.
    """

    id: str
    store: str
    till: str
    sold_at: EpochMs
    accepted_at: EpochMs
    sales: tuple[SaleLine, ...] = ()
    returns: tuple[ReturnLine, ...] = ()
    offline: bool = False
    identifiers: tuple[Identifier, ...] = ()
    hold_id: str | None = None
    held_at: EpochMs | None = None
    quote_id: str | None = None
    codes: tuple[str, ...] = ()
    gift_card: Money = 0
    void_of: str | None = None
    birthday_year: int | None = None
    payments: tuple[str, ...] = ()
    channel: str = "store"
