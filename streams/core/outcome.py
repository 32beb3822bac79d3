"""Closing a book into an account and a result: ledger.md §6."""

from msgspec.structs import replace

from streams.core.account import Account
from streams.core.balances import balances
from streams.core.book import Book
from streams.core.events import events_of
from streams.core.ids import result_id
from streams.core.qualifying import by_day
from streams.core.result import Kind, Result
from streams.core.tiers import tier_at


def finish(book: Book, account: Account, *, kind: Kind) -> tuple[Account, Result]:
    """
    Close *book*, whose other facts are those of *account*, into a version and its result.

    This is for everything but receipts, which tell more.
    """
    closed = by_day(book.close(account), book.policy)
    result = Result(
        result_id=result_id(book.document, 1),
        document=book.document,
        kind=kind,
        status="ok",
        account=closed.id,
        version=closed.version,
        chain=closed.chain,
        sold_at=book.at,
        tier_after=tier_at(closed, book.mark, book.policy),
        entries=tuple(book.entries),
        balances=balances(closed),
    )
    events = events_of(result, book.account, closed, book.policy, fresh=book.lots.fresh)
    return closed, replace(result, events=events)
