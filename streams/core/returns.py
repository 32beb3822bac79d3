"""What a document gives back: ledger.md §3 and §5, step 2.

A return line finds its pieces: quantities of sold lines.  Every figure that comes
back is cumulative, `cum(x, all returned) − cum(x, returned before)`, so that the
parts of a line always add up to the whole.
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account
from streams.core.accrual import LotTerms
from streams.core.allocation import cum
from streams.core.book import Book
from streams.core.calendar import DAY_MS, MONTHS, dates, local_date, months_on
from streams.core.ids import reissued_id
from streams.core.limits import rivals_of
from streams.core.lots import Lot, end_of
from streams.core.policy import LedgerPolicy
from streams.core.receipt import Money, Points, Receipt, ReturnLine, Thousandths
from streams.core.result import Refund
from streams.core.settled import Draw, SettledLine, SettledReceipt

COMMON_YEAR_MS = 365 * DAY_MS  # No year is shorter: a sale younger than so many needs no calendar.


class Piece(Struct, frozen=True):
    """
    Quantity of one sold line that comes back by one return line.

    Attributes:
        n: The returning line; of a void, the original's.
        line: The sold line's number.
        before: What had come back already.
        quantity: What comes back now, above 0.
    """

    n: int
    original: str
    line: int
    before: Thousandths
    quantity: Thousandths


class Returns(Struct, frozen=True):
    """
    The pieces of a document, in order of its lines, or why it is refused.

    Attributes:
        flags: NO_ACCOUNT, once per line without a receipt where there is no account.
    """

    pieces: tuple[Piece, ...] = ()
    code: str | None = None
    flags: tuple[str, ...] = ()


def originals_of(
    receipt: Receipt, account: Account | None, policy: LedgerPolicy
) -> tuple[str, ...]:
    """
    List the receipts whose settled records a decision on *receipt* needs.

    These are the originals that it names, then, for a return without a receipt, the
    account's sales of the days that count.
    """
    wanted: dict[str, None] = {}
    if receipt.void_of is not None:
        wanted[receipt.void_of] = None
    for line in receipt.returns:
        if line.of is not None:
            wanted[line.of.receipt] = None
    searching = policy.no_receipt in ("newest", "lowest")
    if account is not None and searching and any(line.of is None for line in receipt.returns):
        oldest = receipt.sold_at - policy.no_receipt_days * DAY_MS
        for sale in account.recent:
            if oldest <= sale.sold_at <= receipt.sold_at:
                wanted[sale.receipt] = None
    if account is not None:
        wanted |= dict.fromkeys(rivals_of(receipt, account, policy))
    return tuple(wanted)


def gather(
    receipt: Receipt,
    account: Account | None,
    policy: LedgerPolicy,
    record_of: Callable[[str], SettledReceipt | None],
) -> tuple[Receipt, dict[str, SettledReceipt]]:
    """
    Read the settled records that a decision on *receipt* needs.

    A line whose original is older than the line shares are kept counts as one without a
    receipt, one whose original was split by owners is of the part that sold it; the
    receipt is given back so changed.
    """
    wanted = originals_of(receipt, account, policy)
    found = {name: each for name in wanted if (each := record_of(name)) is not None}
    receipt = _of_parts(receipt, found)
    for line in receipt.returns:
        if line.of is not None and line.of.receipt not in found:
            part = record_of(line.of.receipt)
            if part is not None:
                found[part.id] = part
    seen = _without_forgotten(receipt, found, policy)
    if seen is not receipt:
        for name in originals_of(seen, account, policy):
            each = None if name in found else record_of(name)
            if each is not None:
                found[name] = each
    return seen, found


def _of_parts(receipt: Receipt, originals: Mapping[str, SettledReceipt]) -> Receipt:
    """Name the part that sold a line where its document was split."""
    parts = {name: each.sold_as for name, each in originals.items() if each.sold_as is not None}
    if not parts:
        return receipt
    returns = tuple(
        replace(line, of=replace(line.of, receipt=parts[line.of.receipt]))
        if line.of is not None and line.of.receipt in parts
        else line
        for line in receipt.returns
    )
    return replace(receipt, returns=returns)


def _without_forgotten(
    receipt: Receipt, originals: Mapping[str, SettledReceipt], policy: LedgerPolicy
) -> Receipt:
    if not receipt.returns:
        return receipt
    months = policy.shares_years * MONTHS
    today = local_date(receipt.sold_at, policy.zone)
    old = {
        name
        for name, each in originals.items()
        if receipt.sold_at - each.sold_at > policy.shares_years * COMMON_YEAR_MS
        and months_on(local_date(each.sold_at, policy.zone), months) < today
    }
    if not any(line.of is not None and line.of.receipt in old for line in receipt.returns):
        return receipt
    returns = tuple(
        replace(line, of=None) if line.of is not None and line.of.receipt in old else line
        for line in receipt.returns
    )
    return replace(receipt, returns=returns)


def find(
    receipt: Receipt,
    originals: Mapping[str, SettledReceipt],
    *,
    account: Account | None,
    policy: LedgerPolicy,
) -> Returns:
    """
    Find what *receipt* gives back, or the first code, in order of codes, that refuses it.

    Args:
        receipt: The document.
        originals: The settled records of `originals_of`; a missing or refused one parks.
        account: Whose returns without a receipt are looked for.
        policy: The programme's.
    """
    if not receipt.returns and receipt.void_of is None:
        return Returns()
    named = [line.of.receipt for line in receipt.returns if line.of is not None]
    if receipt.void_of is not None:
        named.append(receipt.void_of)
    if any(each not in originals or not originals[each].ok for each in named):
        return Returns(code="ORIGINAL_UNKNOWN")
    if receipt.void_of is not None:
        return _void(originals[receipt.void_of])
    code = _refusal(receipt, originals, policy)
    if code is not None:
        return Returns(code=code)
    return _pieces(receipt, originals, account, policy)


def _pieces(
    receipt: Receipt,
    originals: Mapping[str, SettledReceipt],
    account: Account | None,
    policy: LedgerPolicy,
) -> Returns:
    pieces: list[Piece] = []
    flags: list[str] = []
    returned: dict[tuple[str, int], Thousandths] = {}
    # What the document returns by receipt, above or below, is not there to be searched.
    named: dict[tuple[str, int], Thousandths] = {}
    for line in receipt.returns:
        if line.of is not None:
            key = (line.of.receipt, line.of.line)
            named[key] = named.get(key, 0) + line.qty
    for line in receipt.returns:
        if line.of is not None:
            named[line.of.receipt, line.of.line] -= line.qty
            sold = sold_line(originals[line.of.receipt], line.of.line)
            found = [(line.of.receipt, sold, line.qty)]
        elif account is None:
            flags.append("NO_ACCOUNT")
            continue
        else:
            found = _without_receipt(
                receipt, line, originals, account=account, policy=policy, taken=(returned, named)
            )
        for original, sold, quantity in found:
            already = returned.get((original, sold.n), 0)
            pieces.append(Piece(line.n, original, sold.n, sold.returned + already, quantity))
            returned[original, sold.n] = already + quantity
    return Returns(tuple(pieces), flags=tuple(flags))


def _void(original: SettledReceipt) -> Returns:
    if original.has_returns:
        return Returns(code="VOID_HAS_RETURNS")
    if original.voided_by is not None:
        return Returns(code="VOID_REPEATED")
    return Returns(
        tuple(
            Piece(line.n, original.id, line.n, line.returned, line.qty - line.returned)
            for line in original.lines
            if line.qty > line.returned
        )
    )


def _refusal(
    receipt: Receipt, originals: Mapping[str, SettledReceipt], policy: LedgerPolicy
) -> str | None:
    known = [(line, line.of) for line in receipt.returns if line.of is not None]
    if any(all(sold.n != of.line for sold in originals[of.receipt].lines) for _, of in known):
        return "RETURN_UNKNOWN_LINE"
    pairs = [(line, of, sold_line(originals[of.receipt], of.line)) for line, of in known]
    if any(sold.sku != line.sku for line, _, sold in pairs):
        return "RETURN_MISMATCH"
    back: dict[tuple[str, int], Thousandths] = {}
    for line, of, sold in pairs:
        key = (of.receipt, of.line)
        back[key] = back.get(key, sold.returned) + line.qty
        if back[key] > sold.qty:
            return "RETURN_EXCEEDS"
    if policy.no_receipt == "refuse" and len(known) < len(receipt.returns):
        return "RETURN_NO_RECEIPT"
    return None


def sold_line(original: SettledReceipt, n: int) -> SettledLine:
    """Find the sold line *n* of *original*, which is there."""
    return next(line for line in original.lines if line.n == n)


def _without_receipt(
    receipt: Receipt,
    line: ReturnLine,
    originals: Mapping[str, SettledReceipt],
    *,
    account: Account,
    policy: LedgerPolicy,
    taken: tuple[Mapping[tuple[str, int], Thousandths], ...],
) -> list[tuple[str, SettledLine, Thousandths]]:
    """
    Find the purchases that a line without a receipt is of; none if they don't suffice.

    Args:
        receipt: The document.
        line: The line.
        originals: The account's recent sales, and others.
        account: Whose purchases are searched.
        policy: The programme's.
        taken: What other lines of the document give back of each sold line.
    """
    if policy.no_receipt == "floor":
        return []
    oldest = receipt.sold_at - policy.no_receipt_days * DAY_MS
    recent = {each.receipt for each in account.recent}
    candidates = [
        (
            original,
            sold,
            sold.qty - sold.returned - sum(each.get((original.id, sold.n), 0) for each in taken),
        )
        for original in originals.values()
        if original.ok and original.id in recent and oldest <= original.sold_at <= receipt.sold_at
        for sold in original.lines
        if sold.sku == line.sku
    ]
    candidates.sort(key=lambda each: (-each[0].sold_at, each[0].id, each[1].n))
    if policy.no_receipt == "lowest":
        # Net per unit, compared exactly; the stable sort keeps the newest of equals first.
        scale = prod(sold.qty for _, sold, _ in candidates)
        candidates.sort(key=lambda each: each[1].net * (scale // each[1].qty))
    found = []
    left = line.qty
    for original, sold, out in candidates:
        quantity = min(left, out)
        if quantity > 0:
            found.append((original.id, sold, quantity))
            left -= quantity
    return found if not left else []


class Given(Struct, frozen=True):
    """
    What the pieces of a document gave back.

    Attributes:
        refund: In all.
        reinstated: Points, by return line.
        nets: Net money that no longer counts towards tiers, by original.
    """

    refund: Refund
    reinstated: dict[int, Points]
    nets: dict[str, Money]


def give_back(
    book: Book | None,
    receipt: Receipt,
    pieces: tuple[Piece, ...],
    originals: dict[str, SettledReceipt],
) -> Given:
    """
    Refund and reinstate *pieces* in order, and note in *originals* what is out no more.

    Without a book (no account) only money comes back.
    """
    money = gift = points = 0
    reinstated: dict[int, Points] = {}
    nets: dict[str, Money] = {}
    for piece in pieces:
        original = originals[piece.original]
        sold = sold_line(original, piece.line)
        cash, card = _step(sold.net, piece, sold.qty), _step(sold.gift, piece, sold.qty)
        money += cash
        gift += card
        counted = cash + card if book is not None and book.policy.gift_earns else cash
        nets[piece.original] = nets.get(piece.original, 0) + counted
        if book is not None:
            back = _reinstate_line(book, original, piece, sold)
            points += back
            reinstated[piece.n] = reinstated.get(piece.n, 0) + back
        originals[piece.original] = _returned(original, piece)
    if receipt.void_of is not None:
        voided = originals[receipt.void_of]
        originals[receipt.void_of] = replace(voided, voided_by=receipt.id)
    return Given(Refund(money, gift, points), reinstated, nets)


def _step(part: int, piece: Piece, whole: Thousandths) -> int:
    after = piece.before + piece.quantity
    return cum(part, after, whole) - cum(part, piece.before, whole)


def _returned(original: SettledReceipt, piece: Piece) -> SettledReceipt:
    return replace(
        original,
        lines=tuple(
            replace(line, returned=piece.before + piece.quantity) if line.n == piece.line else line
            for line in original.lines
        ),
    )


def _reinstate_line(
    book: Book, original: SettledReceipt, piece: Piece, sold: SettledLine
) -> Points:
    """Bring back, draw by draw, what the line had spent; give the points in all."""
    total = 0
    for index, draw in enumerate(sold.draws):
        points = _step(draw.points, piece, sold.qty)
        if points:
            _reinstate(book, _target(book, original, piece, index, draw), points, piece.n)
            total += points
    return total


def _reinstate(book: Book, lot: Lot, points: Points, n: int) -> None:
    """
    Move *points* from spent to *lot*.

    A lot that has ended by the mark expires them at once, paying no debt.
    """
    if lot.id in book.lots:
        lot = replace(lot, remaining=lot.remaining + points, spent=lot.spent - points)
    else:
        lot = replace(lot, credited=points, remaining=points)
    book.post("reinstatement", points, lot, line=n)
    if end_of(lot) <= book.mark:
        book.post("expiry", points, lot, line=n)
        lot = replace(lot, remaining=lot.remaining - points, expired=lot.expired + points)
    book.lots[lot.id] = lot


def _target(book: Book, original: SettledReceipt, piece: Piece, index: int, draw: Draw) -> Lot:
    """Give the lot that a draw comes back to: its own, or a new one as the policy says."""
    lot = None if draw.lot is None else book.lots.get(draw.lot)
    if lot is not None and (lot.reissued or not _is_replaced(book, lot)):
        return lot
    valid = book.policy.surplus_expiry if lot is None else book.policy.reinstate.valid()
    _, expires_at = dates(LotTerms(valid=valid), book.at, book.policy.zone)
    return Lot(
        id=reissued_id(
            book.document, piece.n, original=original.id, original_line=piece.line, draw=index
        ),
        currency=draw.currency,
        class_="regular" if lot is None else lot.class_,
        origin=(original.origin or book.origin) if lot is None else lot.origin,
        active_from=book.at,
        expires_at=expires_at,
        credited=0,
        remaining=0,
        closed_at=book.account.closed_at,
        reissued=True,
        spendable_on=None if lot is None else lot.spendable_on,
        document=book.document,
        person=original.person if lot is None else lot.person,
    )


def _is_replaced(book: Book, lot: Lot) -> bool:
    """Tell whether the policy brings the points of *lot* back in another lot."""
    policy = book.policy
    if policy.reinstate.mode != "grace":
        return policy.reinstate.mode == "reissue"
    _, ends_at = dates(LotTerms(valid=policy.reinstate.valid()), book.at, policy.zone)
    return ends_at is not None and end_of(lot) < ends_at


def steps_by_line(
    shares: Mapping[int, Points], pieces: tuple[Piece, ...], original: SettledReceipt
) -> Iterator[tuple[int, Points]]:
    """Give the step of each piece of *original*: return line, points of its share."""
    quantities = {line.n: line.qty for line in original.lines}
    for piece in pieces:
        if piece.original == original.id and piece.line in shares:
            yield piece.n, _step(shares[piece.line], piece, quantities[piece.line])
