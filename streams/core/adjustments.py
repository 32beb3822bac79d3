"""Points given or taken by hand or by an import: ledger.md §10."""

from msgspec import Struct

from streams.core.account import Account
from streams.core.accrual import LotTerms
from streams.core.book import Book
from streams.core.calendar import LATEST, dates
from streams.core.ids import lot_id
from streams.core.lots import Lot, condition_text, drawable
from streams.core.outcome import finish
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs, Points
from streams.core.refusals import LARGEST
from streams.core.result import Result, refused


class Adjustment(Struct, frozen=True):
    """
    An adjustment.

    Attributes:
        id: Idempotency key: import name and business row key, never a file's hash.
        points: Above 0 gives, below 0 takes.
        actor: Who asks.
        approver: Who agrees, where the points are many.
        terms: Of the lot, when points are given.
        allow_debt: Whether points may be taken that are not there.
        person: The person of a household.
    """

    id: str
    account: str
    at: EpochMs
    points: Points
    currency: str = "P"
    actor: str = ""
    reason: str = ""
    approver: str | None = None
    terms: LotTerms = LotTerms()
    allow_debt: bool = False
    person: str | None = None


def adjust(
    account: Account, adjustment: Adjustment, *, policy: LedgerPolicy
) -> tuple[Account, Result]:
    """
    Decide *adjustment*, whose id is new.

    A refused one changes nothing: VALUE_RANGE, ACTOR_REQUIRED, APPROVAL_REQUIRED,
    INSUFFICIENT, the first that matches.
    """
    code = _refusal(adjustment, policy)
    if code is None:
        book = Book(
            account,
            adjustment.id,
            adjustment.at,
            policy,
            origin=adjustment.account,
            person=adjustment.person,
        )
        book.expire()
        if adjustment.points > 0:
            _give(book, adjustment)
        elif not _take(book, adjustment):
            code = "INSUFFICIENT"
    if code is not None:
        return account, refused(adjustment.id, code, kind="adjustment", account=account.id)
    book.expire(book.credited())
    return finish(book, account, kind="adjustment")


def _refusal(adjustment: Adjustment, policy: LedgerPolicy) -> str | None:
    size = abs(adjustment.points)
    if not 1 <= size <= LARGEST or not 0 <= adjustment.at <= LATEST:
        return "VALUE_RANGE"
    if not adjustment.actor or not adjustment.reason:
        return "ACTOR_REQUIRED"
    if size > policy.adjust_limit and adjustment.approver in (None, "", adjustment.actor):
        return "APPROVAL_REQUIRED"
    return None


def _give(book: Book, adjustment: Adjustment) -> None:
    terms = adjustment.terms
    active_from, expires_at = dates(terms, adjustment.at, book.policy.zone)
    book.credit(
        Lot(
            id=lot_id(adjustment.id, "adjust"),
            currency=adjustment.currency,
            class_=terms.class_,
            origin=book.origin,
            active_from=active_from,
            expires_at=expires_at,
            credited=adjustment.points,
            remaining=adjustment.points,
            closed_at=book.account.closed_at,
            spendable_on=condition_text(terms.spendable_on),
            document=adjustment.id,
            rule="adjust",
            person=adjustment.person,
        ),
        "adjustment",
    )


def _take(book: Book, adjustment: Adjustment) -> bool:
    """Take the points in spending order; tell whether there was cover for them."""
    at, currency = adjustment.at, adjustment.currency
    wanted = -adjustment.points
    lots = [lot for lot in book.in_spending_order() if lot.currency == currency]
    cover = sum(drawable(lot, at) for lot in lots) - book.owed(currency)
    if wanted > cover and not adjustment.allow_debt:
        return False
    for lot in lots:
        points = min(wanted, drawable(lot, at))
        if points > 0:
            book.draw(lot, points, "adjustment")
            wanted -= points
    if wanted:
        book.owe(wanted, currency, origin=book.origin, to="reversed")
    return True
