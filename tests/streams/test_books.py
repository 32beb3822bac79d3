"""The auditor's books: what balances is passed, and each way not to balance is named."""

from itertools import permutations
from typing import Any

import msgspec
import pytest

from streams.core.ids import result_id
from streams.core.postings import Entry, chained
from streams.core.result import Result
from streams.reading.books import Books

ACCOUNT = "m-1"


def entry(kind: str, from_: str, to: str, points: int, document: str) -> Entry:
    """Move points of the one account, in the lot that is named after the document."""
    return Entry(kind, from_, to, points, "P", f"{document}/1", ACCOUNT, document, 1, 1_000)


def results(*entries: Entry) -> list[Result]:
    """One result of a receipt for each entry: version by version, the chain unbroken."""
    made: list[Result] = []
    link = ""
    for version, each in enumerate(entries, 1):
        link = chained(
            link, account=ACCOUNT, version=version, document=each.document, entries=[each]
        )
        made.append(
            Result(
                result_id=result_id(each.document, 1),
                document=each.document,
                kind="receipt",
                status="ok",
                account=ACCOUNT,
                version=version,
                chain=link,
                entries=(each,),
            )
        )
    return made


SALES = results(
    entry("accrual", "issued", "lot", 10, "r-1"),
    entry("accrual", "issued", "lot", 7, "r-2"),
    entry("expiry", "lot", "expired", 7, "r-3"),
)


def books_of(sales: list[Result], **changes: Any) -> Books:
    """Give books of receipts and of what was *published* for them: all, if not said."""
    books = Books()
    for each in sales:
        books.receipts[each.document] += 1
    for each in changes.get("published", sales):
        books.take_result(each)
    return books


def broken(books: Books) -> dict[str, tuple[str, ...]]:
    """The checks that fail, but for the snapshots', which these books have none of."""
    return {
        each.name: each.problems
        for each in books.checks()
        if not each.holds and not each.name.startswith("every published account")
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_results_balance_in_whatever_order_they_are_read(order):
    """Partitions are read side by side, so that one account's results may come mixed."""
    books = books_of(SALES, published=[SALES[at] for at in order])
    assert "account versions have no gaps and their chains hold" not in broken(books)
    assert books.totals()["P"]["outstanding"] == 10


def test_a_result_that_is_published_again_counts_once():
    """A sale sent twice is answered twice, and paid once."""
    once, twice = books_of(SALES[:2]), books_of(SALES[:2], published=[*SALES[:2], *SALES[:2]])
    assert broken(twice) == {}
    assert twice.totals() == once.totals() == {"P": {"issued": -17, "outstanding": 17, "debt": 0}}


def test_a_repeated_result_that_differs_is_named():
    """An answer may not change after it was given."""
    other = msgspec.structs.replace(SALES[0], tier="gold")
    assert broken(books_of(SALES[:1], published=[SALES[0], other])) == {
        "a result that is published again is the same": ("r-1: two results share an id and differ",)
    }


def test_a_receipt_without_a_result_is_named():
    """Nothing is lost."""
    assert broken(books_of(SALES[:2], published=SALES[:1])) == {
        "every receipt has exactly one final result": ("r-2: no result",)
    }


def test_a_result_without_a_receipt_is_named():
    """Nothing is made up."""
    books = books_of(SALES[:1], published=SALES[:2])
    assert broken(books) == {
        "every receipt has exactly one final result": ("r-2: a result without a receipt",)
    }


def test_a_version_that_is_missing_is_named():
    """A result that was lost leaves a gap in the versions."""
    found = broken(books_of(SALES[:2], published=SALES[1:2]))
    assert found["account versions have no gaps and their chains hold"] == (
        "m-1: version 1 is missing",
    )


def test_a_version_that_two_results_have_is_named():
    """Two writers of one account would give a version twice."""
    other = msgspec.structs.replace(SALES[1], result_id="another")
    found = broken(books_of(SALES[:2], published=[*SALES[:2], other]))
    assert found["account versions have no gaps and their chains hold"] == (
        "m-1: version 2 is there twice",
    )


def test_an_entry_that_was_changed_breaks_the_chain():
    """A point more, afterwards."""
    more = msgspec.structs.replace(SALES[0].entries[0], points=11)
    forged = msgspec.structs.replace(SALES[0], entries=(more,))
    assert broken(books_of(SALES[:2], published=[forged, SALES[1]])) == {
        "account versions have no gaps and their chains hold": (
            "m-1: the chain breaks at version 1",
        )
    }


def test_points_that_are_taken_from_nowhere_are_named():
    """What expires has to have been earned."""
    books = books_of(results(entry("expiry", "lot", "expired", 7, "r-3")))
    assert broken(books) == {
        "issued = spent + expired + reversed + outstanding - debt": ("m-1: lot r-3/1 is below 0",)
    }


def test_an_account_without_its_snapshot_is_named():
    """Its results lead to points that nobody can see."""
    failed = [each for each in books_of(SALES[:1]).checks() if not each.holds]
    assert [(each.name, each.problems) for each in failed] == [
        (
            "every published account is the fold of its results",
            ("m-1 P: the snapshot has 0 points and owes 0, its results lead to 10 and 0",),
        )
    ]
