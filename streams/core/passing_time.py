"""Time goes on for one account: ledger.md §1 and §4.

A tick raises the mark and ends what has ended; it is a document only when it posts.
"""

from msgspec.structs import replace

from streams.core.account import Account
from streams.core.book import Book
from streams.core.ids import tick_id
from streams.core.outcome import finish
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs
from streams.core.result import Result


def tick(
    account: Account, at: EpochMs, *, policy: LedgerPolicy, keyed: str | None = None
) -> tuple[Account, Result | None]:
    """
    Let *account* reach the instant *at*.

    Args:
        account: The account.
        at: The tick's time.
        policy: The programme's.
        keyed: The account that the tick was addressed to, if it has been merged since.

    Returns:
        The account, and a result when something was posted.
    """
    book = Book(account, tick_id(keyed or account.id, at), at, policy)
    book.expire()
    if not book.entries:
        return replace(account, mark=book.mark), None
    return finish(book, account, kind="tick")
