"""
What tills take off, as the ledger counts it: promotions.md §7, ledger.md §7.

Discounts are the till's, and stand as printed.  They use up the limits of the member and
the budgets of campaigns all the same; goods that come back give a budget back what they
had taken of it.
"""

from collections.abc import Iterable, Mapping

from streams.core.accrual import Facts, HasBudget, Limit, LimitsOf
from streams.core.allocation import cum
from streams.core.book import Book
from streams.core.limits import count
from streams.core.receipt import EpochMs, LineDiscount, Money, Receipt
from streams.core.returns import Piece, sold_line
from streams.core.settled import SettledReceipt


def no_limits(_name: str, _facts: Facts, _at: EpochMs) -> tuple[Limit, ...]:
    """Count printed discounts nowhere."""
    return ()


def count_discounts(book: Book, receipt: Receipt, facts: Facts, limits_of: LimitsOf) -> None:
    """Count what the till has taken off: a use a campaign, and the amounts as printed."""
    printed = _printed([each for line in receipt.sales for each in line.discounts])
    for name, amount in sorted(printed.items()):
        limits = limits_of(name, facts, receipt.sold_at)
        if limits:
            count(
                book.counters,
                book.account.counters,
                name,
                limits,
                receipt.sold_at,
                zone=book.policy.zone,
                origin=book.origin,
                uses=1,
                points=amount,
                birthday_key=facts.birthday_year,
            )


def no_budget(_name: str, _at: EpochMs) -> bool:
    """Give no discount a budget."""
    return False


def taken_of_budgets(
    discounts: Iterable[LineDiscount], at: EpochMs, has_budget: HasBudget
) -> tuple[tuple[str, Money], ...]:
    """Give what printed *discounts* took of budgets, as printed, in order of campaign."""
    printed = _printed(discounts)
    return tuple([(name, printed[name]) for name in sorted(printed) if has_budget(name, at)])


def given_back(
    pieces: Iterable[Piece], originals: Mapping[str, SettledReceipt]
) -> Mapping[str, Money]:
    """Give what *pieces* free of the budgets that discounts had taken, by campaign."""
    freed: dict[str, Money] = {}
    for piece in pieces:
        sold = sold_line(originals[piece.original], piece.line)
        after = piece.before + piece.quantity
        for name, amount in sold.budgets:
            step = cum(amount, after, sold.qty) - cum(amount, piece.before, sold.qty)
            freed[name] = freed.get(name, 0) + step
    return freed


def _printed(discounts: Iterable[LineDiscount]) -> dict[str, Money]:
    """Sum what the till has taken off by campaign."""
    printed: dict[str, Money] = {}
    for each in discounts:
        printed[each.campaign] = printed.get(each.campaign, 0) + each.amount
    return printed
