"""Taking back what returned goods had earned: ledger.md §5, step 3.

What is due is cumulative, so that the parts of a sale always add up to what it
earned.  A step comes from the lot it had been credited to; what that lot can't
give is the policy's business.
"""

from msgspec import Struct
from msgspec.structs import replace

from streams.core.accrual import Facts, Headroom, LineNet, Rules
from streams.core.allocation import cum, half_up
from streams.core.book import Book
from streams.core.limits import count
from streams.core.lots import Lot, active_points, end_of
from streams.core.receipt import Points
from streams.core.returns import Piece, steps_by_line
from streams.core.settled import Award, SettledReceipt


class Clawed(Struct, frozen=True):
    """
    The outcome of a document's clawbacks.

    Attributes:
        lines: Points due by return line, written off or not.
    """

    lines: dict[int, Points]


def claw(
    book: Book,
    pieces: tuple[Piece, ...],
    originals: dict[str, SettledReceipt],
    rules: Rules,
) -> Clawed:
    """
    Claw back for *pieces*, by original in order of first mention, then in rule order.

    Args:
        book: Of the account that owns the originals.
        pieces: What came back; *originals* count it as returned already.
        originals: Written to: what is due so far.
        rules: As they stood when the originals were sold, for `recompute_kept`.
    """
    lines: dict[int, Points] = {}
    by_share = book.policy.claw_basis == "line_share"
    for name in dict.fromkeys(piece.original for piece in pieces):
        original = originals[name]
        lowest = min(piece.n for piece in pieces if piece.original == name)
        awards = []
        for award in original.awards:
            due = min(award.points, max(award.clawed, _due(book, original, award, rules)))
            step = due - award.clawed
            if step:
                take(book, award, step)
                _release(book, original, award, step, whole=due == award.points)
                award = replace(award, clawed=due)  # noqa: PLW2901 - the award as it is now.
            if by_share:
                for n, points in steps_by_line(dict(award.shares), pieces, original):
                    lines[n] = lines.get(n, 0) + points
            else:
                # Listed also where rounding leaves nothing to take this time.
                lines[lowest] = lines.get(lowest, 0) + step
            awards.append(award)
        originals[name] = replace(original, awards=tuple(awards))
    return Clawed(lines)


def _due(book: Book, original: SettledReceipt, award: Award, rules: Rules) -> Points:
    """Give what has been due of *award* since the sale, by the policy's basis."""
    basis = book.policy.claw_basis
    if all(line.returned == line.qty for line in original.lines):
        return award.points
    if basis == "line_share":
        sold = {line.n: line for line in original.lines}
        return sum(cum(share, sold[n].returned, sold[n].qty) for n, share in award.shares)
    if basis == "proportional":
        amount = sum(line.amount for line in original.lines)
        if amount == 0:
            return 0
        back = sum(cum(line.amount, line.returned, line.qty) for line in original.lines)
        return half_up(award.points * back, amount)
    return award.points - _kept(book, original, award, rules)


def _kept(book: Book, original: SettledReceipt, award: Award, rules: Rules) -> Points:
    """
    Give what the rule would pay for what is kept of the lines that it claimed.

    Other lines that are kept count towards its thresholds, as they did at the sale.
    """
    claimed = {n for n, _ in award.shares}
    kept = []
    for line in original.lines:
        if line.returned == line.qty:
            continue
        base = line.net + line.gift if book.policy.gift_earns else line.net
        back = line.returned, line.qty
        kept.append(
            LineNet(
                n=line.n,
                sku=line.sku,
                qty=line.qty - line.returned,
                net=base - cum(base, *back),
                list=line.list - cum(line.list, *back),
                amount=line.amount - cum(line.amount, *back),
                discounted=line.amount < line.list,
                campaigns=line.campaigns,
                claimable=line.n in claimed,
            )
        )
    if not any(line.claimable for line in kept):
        return 0
    born = book.account.born
    facts = Facts(
        account=book.account.id,
        tier=original.tier,
        birthday_year=original.birthday_year,
        born=None if born is None else (born.month, born.day),
        born_known=None if born is None else born.known_at,
        attributes=book.account.attributes,
        offers=book.account.offers,
        codes=original.codes,
        purchases=original.purchases,
        payments=original.payments,
        store=original.store,
        channel=original.channel,
    )
    paid = rules(facts, kept, original.sold_at, lambda _rule, _limits: Headroom())
    return sum(
        each.points
        for each in paid
        if (each.rule, each.version, each.currency) == (award.rule, award.version, award.currency)
    )


def take(book: Book, award: Award, step: Points) -> None:
    """Take *step* from the lot of *award*, and by the policy what it can't give."""
    policy, at = book.policy, book.at
    lot = book.lots.get(award.lot)
    if lot is not None and policy.clawback == "only_pending" and at >= lot.active_from:
        book.post("writeoff", step, lot, sides=("reversed", "reversed"))
        return
    left = step
    if lot is not None:
        lot, left = _from_lot(book, lot, step)
    if not left:
        return
    origin = book.origin if lot is None else lot.origin
    owed = left
    if policy.clawback == "within_balance" and not book.final:
        lots = list(book.lots.values())
        balance = active_points(lots, award.currency, at) - book.owed(award.currency)
        owed = min(left, max(0, balance))
    if left > owed and lot is not None:
        book.post("writeoff", left - owed, lot, sides=("reversed", "reversed"))
    if owed:
        book.owe(owed, award.currency, origin=origin, to="reversed")


def _from_lot(book: Book, lot: Lot, step: Points) -> tuple[Lot, Points]:
    """Take what the lot itself can give; answer it, and what is left to owe."""
    before_end = book.at < end_of(lot)
    taken = min(step, lot.remaining + (lot.expired if before_end else 0))
    left = step - taken
    if taken:
        lot = book.draw(lot, taken, "clawback")
    if before_end:
        # What earlier clawbacks absorbed of points that never expired falls to the debt.
        fall = max(0, lot.absorbed - lot.expired)
        if fall:
            book.post("unabsorb", fall, lot)
            lot = replace(lot, absorbed=lot.expired)
            left += fall
    else:
        absorbed = min(left, lot.expired - lot.absorbed)
        if absorbed:
            book.post("absorb", absorbed, lot)
            lot = replace(lot, absorbed=lot.absorbed + absorbed)
            left -= absorbed
    book.lots[lot.id] = lot
    return lot, left


def _release(
    book: Book, original: SettledReceipt, award: Award, step: Points, *, whole: bool
) -> None:
    """Give limits and budget back what was clawed; a use once all of it was."""
    policy = book.policy
    if award.budget is not None and policy.budget_on_return == "release":
        book.budgets[award.budget] = book.budgets.get(award.budget, 0) - step
    if award.limits and policy.limit_on_return == "release":
        count(
            book.counters,
            book.account.counters,
            award.rule,
            award.limits,
            original.sold_at,
            zone=policy.zone,
            origin=original.origin or book.origin,
            uses=-1 if whole else 0,
            points=-step,
            birthday_key=award.birthday_key,
        )
