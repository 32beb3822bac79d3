"""
What a till tells of: a sale, a return, an exchange, a void, as plain frozen values.

Money is whole minor units (cents), quantity whole thousandths of the sales unit (one
piece is 1000), an instant epoch milliseconds UTC.  Lines are numbered from 1 in the
order of print; an exchange prints what is given back first.  A value can be built with
anything in it: `problems` says what no till should send, and `fields` turns the rest
into the fields of `Receipt.1.avsc`.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

# The bounds of the service for one figure; what is outside would come back as refused.
FIGURE_MAX = 10**15
# What the service reads of an id; and the marks that it uses itself.
ID_LENGTH_MAX = 128
IDENTIFIER_LENGTH_MAX = 254
RESERVED = "#~"


class Discount(Struct, frozen=True):
    """What one campaign took off a line, as printed; *amount* is 0 or more."""

    campaign: str
    amount: int
    version: int = 1


class Redeem(Struct, frozen=True):
    """Points, 1 or more, that paid for a part of a line; the ledger chooses when *lot* is None."""

    points: int
    lot: str | None = None
    currency: str = "P"


class SaleLine(Struct, frozen=True):
    """
    Goods sold.

    Attributes:
        sku: Product id.
        amount: Due after discounts and before points.
        quantity: Thousandths, 1 or more.
        list: Due before discounts; None when nothing was taken off.
        discounts: What took *list* down to *amount*; they add up exactly.
        redeem: Points that paid for a part of *amount*.
    """

    sku: str
    amount: int
    quantity: int = 1000
    list: int | None = None
    discounts: tuple[Discount, ...] = ()
    redeem: tuple[Redeem, ...] = ()


class ReturnLine(Struct, frozen=True):
    """Goods given back; *receipt* and *line* name the sold line, both None without a receipt."""

    sku: str
    quantity: int = 1000
    receipt: str | None = None
    line: int | None = None


class Sale(Struct, frozen=True, kw_only=True):
    """
    Goods sold to one customer.

    Attributes:
        id: Unique for ever over all stores.
        sold_at: When the till closed the document.
        card: Card number as read; any of card, phone, email names the member, none of
            them makes the sale anonymous.
        gift_card: Part of the amount due that was paid by gift card.
        codes: Coupon codes presented.
        tenders: Kinds of tender: cash, card, gift_card…, never a number.
        offline: Whether the till had no connection to the loyalty service.
    """

    id: str
    store: str
    till: str
    sold_at: int
    lines: tuple[SaleLine, ...]
    card: str | None = None
    phone: str | None = None
    email: str | None = None
    gift_card: int = 0
    codes: tuple[str, ...] = ()
    tenders: tuple[str, ...] = ()
    channel: str = "store"
    offline: bool = False
    hold_id: str | None = None
    quote_id: str | None = None


class Return(Struct, frozen=True, kw_only=True):
    """Goods given back; points go to the owner of the original, whoever shows a card."""

    id: str
    store: str
    till: str
    sold_at: int
    lines: tuple[ReturnLine, ...]
    card: str | None = None
    phone: str | None = None
    email: str | None = None
    channel: str = "store"
    offline: bool = False


class Exchange(Struct, frozen=True, kw_only=True):
    """Goods given back and others sold, in one document."""

    id: str
    store: str
    till: str
    sold_at: int
    returned: tuple[ReturnLine, ...]
    sold: tuple[SaleLine, ...]
    card: str | None = None
    phone: str | None = None
    email: str | None = None
    gift_card: int = 0
    channel: str = "store"
    offline: bool = False


class Void(Struct, frozen=True, kw_only=True):
    """Take the whole document *receipt* back."""

    id: str
    store: str
    till: str
    sold_at: int
    receipt: str
    channel: str = "store"
    offline: bool = False


Document = Sale | Return | Exchange | Void


class _Original(Struct, frozen=True):
    """The record `Original` of the schema."""

    receipt: str
    line: int | None


class _Line(Struct, frozen=True):
    """The record `Line` of the schema, complete: the codec reads a struct in half the time."""

    n: int
    sku: str
    qty: int
    kind: str = "sale"
    amount: int = 0
    list: int | None = None
    discounts: tuple[Discount, ...] = ()
    redeem: tuple[Redeem, ...] = ()
    of: _Original | None = None


class DocumentError(ValueError):
    """A document that no till should send; *problems* names each field and what is wrong."""

    def __init__(self, document: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"document {document!r}: " + "; ".join(problems))
        self.problems = problems


def fields(document: Document) -> dict[str, Any]:
    """Write *document* as the fields of `Receipt.1.avsc`; those left out have their default."""
    plain: dict[str, Any] = {
        "id": document.id,
        "store": document.store,
        "till": document.till,
        "sold_at": document.sold_at,
        "channel": document.channel,
        "offline": document.offline,
        "lines": [_line(n, line) for n, line in enumerate(lines_of(document), 1)],
    }
    if isinstance(document, Void):
        return plain | {"void_of": document.receipt}
    plain["identifiers"] = [
        {"kind": kind, "value": value} for kind, value in _identifiers(document)
    ]
    if isinstance(document, Sale | Exchange):
        plain["gift_card"] = document.gift_card
    if isinstance(document, Sale):
        plain["codes"] = document.codes
        plain["payments"] = [{"tender": tender} for tender in document.tenders]
        plain["hold_id"] = document.hold_id
        plain["quote_id"] = document.quote_id
    return plain


def lines_of(document: Document) -> tuple[SaleLine | ReturnLine, ...]:
    """List the lines in the order of their numbers."""
    if isinstance(document, Void):
        return ()
    if isinstance(document, Exchange):
        return (*document.returned, *document.sold)
    return document.lines


def problems(document: Document) -> tuple[str, ...]:
    """
    Say what is wrong with *document*, in the order of its fields; empty when it is sound.

    The service checks all of this again and refuses with a code.  A till that asks here
    first hears of it while the customer is still there.
    """
    return tuple(_problems(document))


def check(document: Document) -> None:
    """
    Refuse a document that no till should send.

    Raises:
        DocumentError: With every problem found.
    """
    found = problems(document)
    if found:
        raise DocumentError(document.id, found)


def _line(n: int, line: SaleLine | ReturnLine) -> _Line:
    if isinstance(line, ReturnLine):
        of = None if line.receipt is None else _Original(line.receipt, line.line)
        return _Line(n, line.sku, line.quantity, "return", of=of)
    return _Line(
        n, line.sku, line.quantity, "sale", line.amount, line.list, line.discounts, line.redeem
    )


def _identifiers(document: Sale | Return | Exchange) -> Iterator[tuple[str, str]]:
    for kind, value in (
        ("card", document.card),
        ("phone", document.phone),
        ("email", document.email),
    ):
        if value is not None:
            yield kind, value


def _problems(document: Document) -> Iterator[str]:
    for name in ("id", "store", "till", "channel"):
        yield from _word(name, getattr(document, name))
    if any(mark in document.id for mark in RESERVED):
        yield f"id: holds one of {RESERVED}, which the service uses itself"
    if isinstance(document, Void):
        yield from _word("receipt", document.receipt)
        return
    for kind, value in _identifiers(document):
        if not 0 < len(value.strip()) <= IDENTIFIER_LENGTH_MAX:
            yield f"{kind}: 1 to {IDENTIFIER_LENGTH_MAX} characters"
    lines = lines_of(document)
    if not lines:
        yield "lines: at least one"
    for n, line in enumerate(lines, 1):
        yield from (f"line {n}: {problem}" for problem in _line_problems(line))
    if isinstance(document, Sale | Exchange):
        due = sum(line.amount for line in lines if isinstance(line, SaleLine))
        if not 0 <= document.gift_card <= max(due, 0):
            yield f"gift_card: 0 to what is due, {due}"


def _line_problems(line: SaleLine | ReturnLine) -> Iterator[str]:
    yield from _word("sku", line.sku)
    if not 1 <= line.quantity <= FIGURE_MAX:
        yield f"quantity: 1 to {FIGURE_MAX} thousandths, not {line.quantity}"
    if isinstance(line, ReturnLine):
        if (line.receipt is None) != (line.line is None):
            yield "receipt and line: both or none"
        elif line.receipt is not None:
            yield from _word("receipt", line.receipt)
        return
    if not 0 <= line.amount <= FIGURE_MAX:
        yield f"amount: 0 to {FIGURE_MAX}, not {line.amount}"
    listed = line.amount if line.list is None else line.list
    taken = sum(discount.amount for discount in line.discounts)
    if listed - taken != line.amount:
        yield f"discounts: list {listed} less {taken} is not amount {line.amount}"
    if any(discount.amount < 0 for discount in line.discounts):
        yield "discounts: each 0 or more"
    if any(not 1 <= each.points <= FIGURE_MAX for each in line.redeem):
        yield f"redeem: 1 to {FIGURE_MAX} points"


def _word(name: str, word: str) -> Iterator[str]:
    if not 0 < len(word) <= ID_LENGTH_MAX or not word.isprintable():
        yield f"{name}: 1 to {ID_LENGTH_MAX} printable characters"
