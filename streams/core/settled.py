"""What is kept of a settled receipt, for its returns and its repetition: ledger.md §3.

It holds every figure that a return divides: the money paid a line, the points
drawn a lot, the points earned a rule, and how much has come back already.
"""

from msgspec import Struct

from streams.core.accrual import Limit
from streams.core.receipt import EpochMs, Money, Points, Thousandths


class Draw(Struct, frozen=True, array_like=True):
    """Points that a line spent from one lot; lot None is an overdraft."""

    lot: str | None
    currency: str
    points: Points


class SettledLine(Struct, frozen=True, array_like=True):
    """
    A sold line.

    Attributes:
        list: Before discounts.
        amount: Due after discounts, before points.
        net: Paid in cash: the base of earning and tiers.
        gift: Paid by gift card.
        draws: What it spent, lot by lot, in the order of drawing.
        returned: How much of *qty* has come back.
        campaigns: Of the discounts printed, which a rule that is asked again must know.
        budgets: What printed discounts took of campaigns' budgets, by campaign.
    """

    n: int
    sku: str
    qty: Thousandths
    list: Money
    amount: Money
    net: Money
    gift: Money = 0
    draws: tuple[Draw, ...] = ()
    returned: Thousandths = 0
    campaigns: tuple[str, ...] = ()
    budgets: tuple[tuple[str, Money], ...] = ()


class Award(Struct, frozen=True, array_like=True):
    """
    What a rule paid.

    Attributes:
        points: Paid, at least 0.
        shares: Of each claimed line, by line number.
        clawed: Clawback due so far.
        limits: The limits it counted against.
        birthday_key: The birthday's year, where the rule pays once a birthday.
    """

    rule: str
    version: int
    lot: str
    currency: str
    points: Points
    shares: tuple[tuple[int, Points], ...]
    clawed: Points = 0
    limits: tuple[Limit, ...] = ()
    budget: str | None = None
    birthday_key: int | None = None


class SettledReceipt(Struct, frozen=True, array_like=True):
    """
    A receipt that has its final result.

    Attributes:
        id: The document.
        digest: Of the canonical document: the same again takes *result* again.
        result: The stored result, as `result.result_bytes` wrote it.
        ok: Whether it was booked; a refused receipt has nothing to give back.
        origin: The account it was keyed to; None without an account.
        tier: The tier that earned it.
        has_returns: Whether it holds returns, so that it cannot be voided.
        voided_by: The void that took it back.
        purchases: Receipts with a sale settled before it; this and the rest are what the
            rules knew, for a policy that asks them again.
        sold_as: Of a document that was split by owners: the part that sold its lines and
            keeps their record.  A return names the document, as its paper does.
    """

    id: str
    digest: str
    result: bytes
    ok: bool
    sold_at: EpochMs
    origin: str | None = None
    tier: str | None = None
    birthday_year: int | None = None
    lines: tuple[SettledLine, ...] = ()
    awards: tuple[Award, ...] = ()
    has_returns: bool = False
    voided_by: str | None = None
    person: str | None = None
    purchases: int = 0
    codes: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    store: str = ""
    channel: str = "store"
    sold_as: str | None = None


def split_sale(part: SettledReceipt, document: str) -> SettledReceipt:
    """Let *document* lead to the part that sold its lines; a split one holds returns."""
    return SettledReceipt(
        document,
        part.digest,
        part.result,
        ok=True,
        sold_at=part.sold_at,
        has_returns=True,
        sold_as=part.id,
    )
