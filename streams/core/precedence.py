"""Which receipt a member's limit pays first: ledger.md §7.

Usually the first in the log wins, and a late receipt gets what is left.  Where the
programme lets the earliest event win, a late receipt takes its place in time: what
later ones had been paid beyond the limit is taken back from them, the latest first.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from streams.core.accrual import Limit
from streams.core.allocation import spread
from streams.core.book import Book
from streams.core.clawback import take
from streams.core.limits import count, counted, counter_key, period_of
from streams.core.receipt import Points, Receipt
from streams.core.settled import Award, SettledReceipt


class Later(Struct, frozen=True):
    """What a rule paid for a receipt whose event is later than the one in hand."""

    record: SettledReceipt
    award: Award


def later_awards(receipt: Receipt, records: Mapping[str, SettledReceipt], rule: str) -> list[Later]:
    """Give what *rule* paid for later events among *records*, the latest first."""
    found = [
        Later(record, award)
        for record in records.values()
        if record.ok and record.sold_at > receipt.sold_at
        for award in record.awards
        if award.rule == rule and award.limits and award.points > award.clawed
    ]
    found.sort(key=lambda each: (-each.record.sold_at, each.record.id))
    return found


class Precedence:
    """
    A late receipt among the later ones that used the same limits.

    Attributes:
        changed: Documents whose records gave way, in that order.
    """

    def __init__(self, book: Book, receipt: Receipt, records: dict[str, SettledReceipt]) -> None:
        """*records* is written to, where awards give way."""
        self.book = book
        self.receipt = receipt
        self.records = records
        self.changed: dict[str, None] = {}

    def spared(self, rule: str, limit: Limit, key: int | None) -> tuple[int, Points]:
        """Give uses and points that later events have of *limit*: they don't bind this one."""
        later = self._later(rule, limit, key)
        return len(later), sum(each.award.points - each.award.clawed for each in later)

    def give_way(self, award: Award) -> None:
        """Take back from later awards what limits no longer allow beside *award*, now counted."""
        for limit in award.limits:
            for each in self._later(award.rule, limit, award.birthday_key):
                uses, points = self._beyond(award, limit)
                due = each.award.points - each.award.clawed
                step = due if uses else min(points, due)
                if step > 0:
                    self.records[each.record.id] = _reduced(self.book, each, step)
                    self.changed[each.record.id] = None

    def _later(self, rule: str, limit: Limit, key: int | None) -> list[Later]:
        zone = self.book.policy.zone
        own = period_of(limit.per, self.receipt.sold_at, zone, birthday_key=limit.key or key).key
        return [
            each
            for each in later_awards(self.receipt, self.records, rule)
            if own
            == period_of(
                limit.per, each.record.sold_at, zone, birthday_key=each.award.birthday_key
            ).key
        ]

    def _beyond(self, award: Award, limit: Limit) -> tuple[int, Points]:
        """Give uses and points by which the counters exceed *limit* now."""
        counters = {counter_key(each): each for each in self.book.account.counters}
        used, given = counted(
            tuple((counters | self.book.counters).values()), award.rule, limit,
            self.receipt.sold_at, zone=self.book.policy.zone, birthday_key=award.birthday_key,
        )  # fmt: skip
        uses = 0 if limit.uses is None else used - limit.uses
        points = 0 if limit.points is None else given - limit.points
        return max(0, uses), max(0, points)


def _reduced(book: Book, later: Later, step: Points) -> SettledReceipt:
    """Take *step* from an award's lot, counters and budget; its returns know the rest alone."""
    record, award = later.record, later.award
    take(book, award, step)
    left = award.points - step
    count(
        book.counters, book.account.counters, award.rule, award.limits, record.sold_at,
        zone=book.policy.zone, origin=record.origin or book.origin,
        uses=0 if left > award.clawed else -1, points=-step, birthday_key=award.birthday_key,
    )  # fmt: skip
    if award.budget is not None:
        book.budgets[award.budget] = book.budgets.get(award.budget, 0) - step
    weights = [share for _, share in award.shares]
    shares = spread(left, weights)
    smaller = replace(
        award,
        points=left,
        shares=tuple((n, share) for (n, _), share in zip(award.shares, shares, strict=True)),
    )
    awards = tuple(smaller if each.lot == award.lot else each for each in record.awards)
    return replace(record, awards=awards)
