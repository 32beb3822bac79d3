"""Posting the points that a receipt spent: ledger.md §5, step 4.

The goods have left: what the lots can't give becomes debt.  A named lot is taken
whatever its `spendable_on`, because the quote checked that; other lots follow
in spending order where their condition holds.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streams.core.allocation import half_up
from streams.core.book import Book
from streams.core.conditions import holds
from streams.core.lots import Lot, drawable, spending_condition
from streams.core.receipt import EpochMs, Receipt, RedeemRequest, SaleLine
from streams.core.settled import Draw

# What is known of the goods of a line: product attributes besides sku, price, quantity.
Describe = Callable[[SaleLine], Mapping[str, Any]]
UNIT_QUANTITY = 1_000  # Thousandths of the unit that a price is for.
CLOSED_TO_REDEMPTION = ("blocked", "provisional")


def attributes_of(line: SaleLine) -> dict[str, Any]:
    """Give what a line says of itself: `sku`, `price` (list, of a whole unit) and `quantity`."""
    listed = line.amount if line.list is None else line.list
    price = half_up(listed * UNIT_QUANTITY, line.qty)
    return {"sku": line.sku, "price": price, "quantity": line.qty}


def usable_at(receipt: Receipt) -> EpochMs:
    """Give the instant at which lots must be usable: the hold's admission, else the sale."""
    if receipt.hold_id is not None and receipt.held_at is not None:
        return receipt.held_at
    return receipt.sold_at


def redeem(book: Book, receipt: Receipt, describe: Describe) -> dict[int, tuple[Draw, ...]]:
    """
    Post the redemptions of *receipt* by line, request and lot.

    Flags: OVERDRAFT once per short request; REDEEM_REFUSED once per line, nothing
    posted, where the account is blocked or nobody's yet.

    Returns:
        The draws of each line that redeemed, by line number, in the order of drawing.
    """
    draws: dict[int, tuple[Draw, ...]] = {}
    at = usable_at(receipt)
    for line in receipt.sales:
        if not line.redeem:
            continue
        if book.account.status in CLOSED_TO_REDEMPTION:
            book.flags.append("REDEEM_REFUSED")
            continue
        drawn: list[Draw] = []
        for request in line.redeem:
            drawn += _serve(book, line, request, at, describe)
        draws[line.n] = _joined(drawn)
    return draws


def _serve(
    book: Book, line: SaleLine, request: RedeemRequest, at: EpochMs, describe: Describe
) -> Iterator[Draw]:
    short = request.points
    for lot_id in _candidates(book, line, request, at, describe):
        lot = book.lots[lot_id]
        points = min(short, drawable(lot, at))
        if points <= 0:
            continue
        book.draw(lot, points, "redemption", line=line.n)
        yield Draw(lot.id, lot.currency, points)
        short -= points
        if not short:
            return
    book.flags.append("OVERDRAFT")
    book.owe(short, request.currency, origin=book.origin, to="spent", line=line.n)
    if not book.final:
        yield Draw(None, request.currency, short)


def _candidates(
    book: Book, line: SaleLine, request: RedeemRequest, at: EpochMs, describe: Describe
) -> Iterator[str]:
    """Give the lots to try, the named one first; each is read when its turn comes."""
    named = None if request.lot is None else book.lots.get(request.lot)
    if named is not None and named.currency == request.currency:
        yield named.id
    attributes: Mapping[str, Any] | None = None
    for lot in book.in_spending_order():
        if lot is named or lot.currency != request.currency or drawable(lot, at) <= 0:
            continue
        if lot.spendable_on is not None:
            attributes = describe(line) if attributes is None else attributes
            if not _fits(lot, attributes):
                continue
        yield lot.id


def _fits(lot: Lot, attributes: Mapping[str, Any]) -> bool:
    return holds(spending_condition(lot.spendable_on), attributes)


def _joined(drawn: list[Draw]) -> tuple[Draw, ...]:
    """Join the draws of one lot, in the order of their first: they come back as one."""
    points: dict[tuple[str | None, str], int] = {}
    for each in drawn:
        key = (each.lot, each.currency)
        points[key] = points.get(key, 0) + each.points
    return tuple(Draw(lot, currency, sum_) for (lot, currency), sum_ in points.items())
