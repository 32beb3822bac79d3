"""Crediting what a receipt earned: ledger.md §5, step 5.

Rules say what they pay on the nets; the ledger cuts to what the budget leaves,
makes one lot a rule, and keeps the shares of the lines for their returns.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from streams.core.accrual import (
    Accrual,
    Facts,
    Headroom,
    Limit,
    LineNet,
    Room,
    Rules,
)
from streams.core.allocation import spread
from streams.core.book import Book, Note
from streams.core.calendar import dates
from streams.core.ids import lot_id
from streams.core.limits import count, counter_key, headroom
from streams.core.lots import Lot, condition_text
from streams.core.precedence import Precedence
from streams.core.receipt import Points, Receipt
from streams.core.settled import Award, SettledLine

# Budget → points that it leaves this partition; None is without limit.
BudgetLeft = Callable[[str], Points | None]


def unlimited(_budget: str) -> None:
    """Leave every budget without limit."""


def line_nets(lines: Sequence[SettledLine], *, gift_earns: bool) -> list[LineNet]:
    """See sold *lines* as accrual does."""
    return [
        LineNet(
            sold.n,
            sold.sku,
            sold.qty,
            sold.net + sold.gift if gift_earns else sold.net,
            sold.list,
            sold.amount,
            sold.amount < sold.list,
            sold.campaigns,
        )
        for sold in lines
    ]


def credit(
    book: Book,
    receipt: Receipt,
    lines: Sequence[LineNet],
    *,
    rules: Rules,
    facts: Facts,
    budget_left: BudgetLeft,
    precedence: Precedence | None = None,
) -> tuple[Award, ...]:
    """
    Post the accruals of *receipt* in rule order.

    A budget that leaves less than a rule pays is paid out, or not touched, as the
    policy says; a rule that pays nothing leaves no trace.  With *precedence* later events
    give way where a limit is short.
    """
    counters = {counter_key(each): each for each in book.account.counters}
    zone = book.policy.zone

    def room(rule: str, limits: Sequence[Limit]) -> Headroom:
        return headroom(
            tuple((counters | book.counters).values()),
            rule,
            limits,
            receipt.sold_at,
            zone=zone,
            birthday_key=facts.birthday_year,
            free=None
            if precedence is None
            else lambda limit: precedence.spared(rule, limit, facts.birthday_year),
        )

    awards = []
    for paid in rules(facts, lines, receipt.sold_at, room):
        accrual = _within_budget(book, paid, budget_left)
        if accrual is not None:
            awards.append(_award(book, receipt, accrual, facts))
            if precedence is not None:
                precedence.give_way(awards[-1])
            _note(book, awards[-1], room)
    return tuple(awards)


def _note(book: Book, award: Award, room: Room) -> None:
    """Note a birthday that was paid, and limits of which nothing is left now."""
    if not award.limits:
        return
    if any(each.per == "birthday" for each in award.limits) and award.birthday_key is not None:
        book.notes.append(Note("birthday", str(award.birthday_key), award.currency, award.points))
    own = [each for each in award.limits if each.per != "birthday"]
    if own and 0 in ((left := room(award.rule, own)).uses, left.points):
        book.notes.append(Note("limit_reached", award.rule, award.currency))


def _within_budget(book: Book, accrual: Accrual, budget_left: BudgetLeft) -> Accrual | None:
    if accrual.points <= 0:
        return None
    if accrual.budget is None:
        return accrual
    left = budget_left(accrual.budget)
    taken = book.budgets.get(accrual.budget, 0)
    if left is not None and accrual.points + taken > left and not accrual.quoted:
        points = left - taken
        short = accrual.short or book.policy.budget_short
        points = 0 if short == "nothing" else max(0, points)
        lacking = accrual.points - points
        book.notes.append(Note("budget_short", accrual.rule, accrual.currency, lacking))
        if not points:
            return None
        weights = accrual.weights or accrual.shares
        shares = spread(points, [weight for _, weight in weights])
        cut = tuple((n, share) for (n, _), share in zip(weights, shares, strict=True))
        accrual = replace(accrual, points=points, shares=cut)
    book.budgets[accrual.budget or ""] = taken + accrual.points
    return accrual


def _award(book: Book, receipt: Receipt, accrual: Accrual, facts: Facts) -> Award:
    terms = accrual.terms
    active_from, expires_at = dates(terms, receipt.sold_at, book.policy.zone)
    lot = Lot(
        id=lot_id(book.document, accrual.rule),
        currency=accrual.currency,
        class_=terms.class_,
        origin=book.origin,
        active_from=active_from,
        expires_at=expires_at,
        credited=accrual.points,
        remaining=accrual.points,
        held=book.account.status in ("blocked", "provisional"),
        spendable_on=condition_text(terms.spendable_on),
        document=book.document,
        rule=accrual.rule,
        version=accrual.version,
        person=book.person,
    )
    book.credit(lot, "accrual")
    key = facts.birthday_year if accrual.birthday_key is None else accrual.birthday_key
    if accrual.limits:
        count(
            book.counters,
            book.account.counters,
            accrual.rule,
            accrual.limits,
            receipt.sold_at,
            zone=book.policy.zone,
            origin=book.origin,
            uses=1,
            points=accrual.points,
            birthday_key=key,
        )
    return Award(
        rule=accrual.rule,
        version=accrual.version,
        lot=lot.id,
        currency=accrual.currency,
        points=accrual.points,
        shares=accrual.shares,
        limits=accrual.limits,
        budget=accrual.budget,
        birthday_key=key,
    )
