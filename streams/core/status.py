"""Opening, blocking, closing and erasing an account: ledger.md §9."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account
from streams.core.book import Book
from streams.core.calendar import LATEST
from streams.core.lots import end_of
from streams.core.outcome import finish
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs
from streams.core.result import Result, refused


class StatusChange(Struct, frozen=True):
    """An account becomes open, blocked, closed or erased at an instant."""

    id: str
    account: str
    status: Literal["open", "blocked", "closed", "erased"]
    at: EpochMs


def set_status(
    account: Account, change: StatusChange, *, policy: LedgerPolicy
) -> tuple[Account, Result]:
    """
    Decide *change*, whose id is new.

    Opening releases held points with their expiry unchanged.  Closing and erasing are
    final and end every lot by `forfeit`; a closed account can still be erased, any
    other change of it is refused as STATUS_FINAL.
    """
    if not 0 <= change.at <= LATEST:
        return account, refused(change.id, "VALUE_RANGE", kind="status", account=account.id)
    final = account.status in ("closed", "erased")
    if final and change.status != "erased":
        return account, refused(change.id, "STATUS_FINAL", kind="status", account=account.id)
    book = Book(account, change.id, change.at, policy)
    book.expire()
    if change.status == "open":
        for lot in list(book.lots.values()):
            if lot.held:
                book.lots[lot.id] = replace(lot, held=False)
    closed_at = account.closed_at
    if change.status in ("closed", "erased") and not final:
        closed_at = change.at
        forfeit(book, change.at)
    after = replace(account, status=change.status, closed_at=closed_at)
    if change.status == "erased":
        after = forgotten(after)
    return finish(book, after, kind="status")


def forgotten(account: Account) -> Account:
    """Give *account* without what is known of its member: the opaque id and the books stay."""
    return replace(account, born=None, attributes={}, offers=(), identifiers=())


def forfeit(book: Book, at: EpochMs) -> None:
    """End every lot at *at*: pay debt from it, then forfeit the rest, in order of id."""
    for lot_id in book.lots.ids():
        lot = book.lots[lot_id]
        if end_of(lot) > at:
            lot = replace(lot, closed_at=at, held=False)
            book.lots[lot_id] = lot
        if lot.remaining:
            book.end(lot, "forfeit", at)
