"""Closing a book into an account and a result: ledger.md §6."""

from collections.abc import Mapping

from msgspec.structs import replace

from streams.core.account import Account
from streams.core.balances import balances
from streams.core.book import Book
from streams.core.events import events_of
from streams.core.ids import result_id
from streams.core.qualifying import by_day
from streams.core.receipt import Points
from streams.core.result import Kind, LineResult, Refund, Result, RulePaid
from streams.core.settled import Award, Draw
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


def finish_receipt(
    book: Book,
    account: Account,
    *,
    tier: str | None,
    awards: tuple[Award, ...],
    lines: tuple[LineResult, ...],
    refund: Refund,
) -> tuple[Account, Result]:
    """Close *book*, whose other facts are those of *account*, and tell all of its receipt."""
    closed = by_day(book.close(account), book.policy)
    result = Result(
        result_id=result_id(book.document, 1),
        document=book.document,
        kind="receipt",
        status="ok",
        account=closed.id,
        version=closed.version,
        chain=closed.chain,
        sold_at=book.at,
        tier=tier,
        tier_after=tier_at(closed, book.mark, book.policy),
        rules=tuple([RulePaid(each.rule, each.version, each.points) for each in awards]),
        lines=lines,
        refund=refund,
        flags=tuple(book.flags),
        entries=tuple(book.entries),
        balances=balances(closed),
    )
    events = events_of(
        result, book.account, closed, book.policy, fresh=book.lots.fresh, notes=book.notes
    )
    return closed, replace(result, events=events)


def line_results(
    awards: tuple[Award, ...],
    draws: Mapping[int, tuple[Draw, ...]],
    clawed: Mapping[int, Points],
    reinstated: Mapping[int, Points],
) -> tuple[LineResult, ...]:
    """Sum by line what happened; lines that nothing happened to are left out."""
    earned: dict[int, Points] = {}
    for award in awards:
        for n, share in award.shares:
            earned[n] = earned.get(n, 0) + share
    redeemed = {n: sum(each.points for each in drawn) for n, drawn in draws.items()}
    touched = {*earned, *redeemed, *clawed, *(n for n, points in reinstated.items() if points)}
    return tuple(
        [
            LineResult(
                n, earned.get(n, 0), redeemed.get(n, 0), clawed.get(n, 0), reinstated.get(n, 0)
            )
            for n in sorted(touched)
        ]
    )
