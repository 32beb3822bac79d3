"""Settling a receipt: ledger.md §5, its steps in their order.

A pure function of the account, the receipt, the settled records of what it gives
back, the rules and the policy.  The caller stores what comes out in one
transaction; the same input gives the same bytes.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account, CommittedHold, RecentSale
from streams.core.accrual import Facts, HasBudget, LimitsOf, Rules
from streams.core.allocation import spread
from streams.core.balances import balances
from streams.core.book import Book
from streams.core.calendar import DAY_MS
from streams.core.clawback import claw
from streams.core.crediting import (
    BudgetLeft,
    count_discounts,
    credit,
    discounts_taken,
    line_nets,
    no_budget,
    no_limits,
    unlimited,
)
from streams.core.digest import receipt_digest
from streams.core.events import events_of, numbered, reviews
from streams.core.ids import result_id
from streams.core.limits import rivals_of
from streams.core.policy import LedgerPolicy
from streams.core.precedence import Precedence
from streams.core.qualifying import by_day, with_return, with_sale
from streams.core.receipt import Points, Receipt
from streams.core.redemption import Describe, attributes_of, redeem
from streams.core.refusals import covered
from streams.core.result import (
    LineResult,
    Refund,
    Result,
    RulePaid,
    deferred,
    refused,
    result_bytes,
)
from streams.core.returns import Given, Piece, find, give_back
from streams.core.settled import Award, Draw, SettledLine, SettledReceipt
from streams.core.tiers import tier_at


class Settlement(Struct, frozen=True):
    """
    What a decision changes.

    Attributes:
        account: The account afterwards, unchanged where nothing is posted; None without one.
        result: The answer; already within its own settled record.
        settled: Records to store: changed originals, then the document's own.  A deferred
            document has none.
        budgets: Points, or a discount's money, taken from campaign budgets, in order of
            name; below 0 given back.
    """

    account: Account | None
    result: Result
    settled: tuple[SettledReceipt, ...] = ()
    budgets: tuple[tuple[str, Points], ...] = ()


def settle_receipt(
    account: Account | None,
    receipt: Receipt,
    *,
    policy: LedgerPolicy,
    rules: Rules,
    originals: Mapping[str, SettledReceipt],
    budget_left: BudgetLeft = unlimited,
    limits_of: LimitsOf = no_limits,
    has_budget: HasBudget = no_budget,
    describe: Describe = attributes_of,
    origin: str | None = None,
    person: str | None = None,
    digest: str | None = None,
    flags: tuple[str, ...] = (),
) -> Settlement:
    """
    Decide *receipt*, whose form was found good and whose id is new.

    Args:
        account: Its account: of the originals, when it only returns; None without one.
        receipt: The document, or one owner's part of it.
        policy: The programme's, as of the sale.
        rules: What campaigns pay, as of any sale.
        originals: The settled records of `returns.originals_of`, where there are.
        budget_left: What each budget leaves this partition.
        limits_of: Which limits printed discounts count in.
        has_budget: Whether a printed discount counts in a budget.
        describe: Attributes of a line's goods, for `spendable_on`.
        origin: The account that the receipt was keyed to, before merges.
        person: The person of a household.
        digest: Of the whole document, when *receipt* is a part.
        flags: Raised on the way here, such as IDENTITY_MISMATCH.
    """
    digest = digest or receipt_digest(receipt)
    found = find(receipt, originals, account=account, policy=policy)
    if found.code == "ORIGINAL_UNKNOWN":
        return Settlement(account, deferred(receipt.id))
    if found.code is not None:
        return _refuse(account, receipt, found.code, digest)

    known = dict(originals)
    taken = discounts_taken(receipt, has_budget)
    if account is None:
        settled = _settle_without_account(
            receipt, found.pieces, flags=found.flags, known=known, policy=policy, digest=digest
        )
        return replace(settled, budgets=tuple(sorted(taken.items())))

    book = Book(account, receipt.id, receipt.sold_at, policy, origin=origin, person=person)
    book.flags += (*flags, *found.flags)
    book.expire()
    given = give_back(book, receipt, found.pieces, known)
    clawed = claw(book, found.pieces, known, rules).lines
    draws = redeem(book, receipt, describe)
    lines = sold_lines(receipt, policy, draws)
    after = _remember(book, receipt, lines, given, known)
    tier = tier_at(_tier_basis(account, after, policy), receipt.sold_at, policy)
    precedence = Precedence(book, receipt, known) if rivals_of(receipt, account, policy) else None
    awards = _earn(
        book, receipt, lines, tier=tier, rules=rules, budget_left=budget_left,
        limits_of=limits_of, precedence=precedence,
    )  # fmt: skip
    book.expire(book.credited())

    closed = by_day(book.close(after), policy)
    by_line = _line_results(awards, draws, clawed, given.reinstated)
    result = _result(book, closed, awards, by_line, given.refund, tier=tier)
    own = _settled(receipt, digest, result, lines=lines, awards=awards, book=book)
    changed = _changed(receipt, found.pieces) | (precedence.changed if precedence else {})
    return Settlement(
        closed,
        result,
        (*(known[each] for each in changed), own),
        tuple(sorted((name, points) for name, points in (book.budgets | taken).items() if points)),
    )


def _result(
    book: Book,
    closed: Account,
    awards: tuple[Award, ...],
    lines: tuple[LineResult, ...],
    refund: Refund,
    *,
    tier: str | None,
) -> Result:
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
        rules=tuple(RulePaid(each.rule, each.version, each.points) for each in awards),
        lines=lines,
        refund=refund,
        flags=tuple(book.flags),
        entries=tuple(book.entries),
        balances=balances(closed),
    )
    events = events_of(
        result, book.account, closed, book.policy, fresh=book.lots.fresh, notes=book.notes
    )
    return replace(result, events=events)


def _changed(receipt: Receipt, pieces: tuple[Piece, ...]) -> dict[str, None]:
    """Name the originals whose records change, in the order of mention."""
    changed = dict.fromkeys(piece.original for piece in pieces)
    return changed if receipt.void_of is None else changed | {receipt.void_of: None}


def sold_lines(
    receipt: Receipt, policy: LedgerPolicy, draws: Mapping[int, tuple[Draw, ...]]
) -> tuple[SettledLine, ...]:
    """Divide what was paid for each line into cash and gift card."""
    paid = [line.amount - covered(line, policy) for line in receipt.sales]
    gifts = spread(receipt.gift_card, paid) if receipt.gift_card else (0,) * len(paid)
    return tuple(
        SettledLine(
            n=line.n,
            sku=line.sku,
            qty=line.qty,
            list=line.amount if line.list is None else line.list,
            amount=line.amount,
            net=due - gift,
            gift=gift,
            draws=draws.get(line.n, ()),
            campaigns=tuple(each.campaign for each in line.discounts),
        )
        for line, due, gift in zip(receipt.sales, paid, gifts, strict=True)
    )


def _refuse(account: Account | None, receipt: Receipt, code: str, digest: str) -> Settlement:
    result = refused(receipt.id, code, account=None if account is None else account.id)
    return Settlement(account, result, (refused_record(receipt, result, digest),))


def refused_record(receipt: Receipt, result: Result, digest: str) -> SettledReceipt:
    """Keep the refusal of *receipt*, so that its repetition is answered alike."""
    stored = result_bytes(result)
    return SettledReceipt(receipt.id, digest, stored, ok=False, sold_at=receipt.sold_at)


def _settle_without_account(
    receipt: Receipt,
    pieces: tuple[Piece, ...],
    *,
    flags: tuple[str, ...],
    known: dict[str, SettledReceipt],
    policy: LedgerPolicy,
    digest: str,
) -> Settlement:
    """Book the money of a receipt that nobody's card came with."""
    given = give_back(None, receipt, pieces, known)
    refused_lines = tuple("REDEEM_REFUSED" for line in receipt.sales if line.redeem)
    lines = sold_lines(receipt, policy, {})
    result = Result(
        result_id=result_id(receipt.id, 1),
        document=receipt.id,
        kind="receipt",
        status="ok",
        sold_at=receipt.sold_at,
        refund=given.refund,
        flags=(*flags, *refused_lines),
    )
    result = replace(result, events=numbered(reviews(result), result.result_id))
    own = _settled(receipt, digest, result, lines=lines, awards=(), book=None)
    changed = _changed(receipt, pieces)
    return Settlement(None, result, (*(known[each] for each in changed), own))


def _remember(
    book: Book,
    receipt: Receipt,
    lines: tuple[SettledLine, ...],
    given: Given,
    known: Mapping[str, SettledReceipt],
) -> Account:
    """Note in the account what later tiers, searches and holds ask for."""
    account, policy = book.account, book.policy
    qualifying = account.qualifying
    for name, net in given.nets.items():
        original = known[name]
        qualifying = with_return(
            qualifying,
            receipt=name,
            sold_at=original.sold_at,
            origin=original.origin or book.origin,
            at=receipt.sold_at,
            net=net,
            zone=policy.zone,
        )
    recent, purchases = account.recent, account.purchases
    if lines:
        net = sum(each.net + each.gift if policy.gift_earns else each.net for each in lines)
        qualifying = with_sale(
            qualifying, receipt=receipt.id, sold_at=receipt.sold_at, net=net, origin=book.origin
        )
        oldest = book.mark - (policy.no_receipt_days + 2 * policy.max_late_days) * DAY_MS
        recent = (
            *(each for each in recent if each.sold_at >= oldest),
            RecentSale(receipt.sold_at, receipt.id),
        )
        purchases += 1
    holds = account.holds
    if receipt.hold_id is not None:
        oldest = book.mark - 2 * policy.max_late_days * DAY_MS
        holds = (
            *(each for each in holds if each.at >= oldest),
            CommittedHold(receipt.hold_id, receipt.sold_at),
        )
    return replace(account, qualifying=qualifying, recent=recent, purchases=purchases, holds=holds)


def _tier_basis(before: Account, after: Account, policy: LedgerPolicy) -> Account:
    """Give the account whose tier earns: with the receipt in it, or without."""
    first = policy.tier is not None and policy.tier.upgrade == "first"
    return after if first else before


def _earn(
    book: Book,
    receipt: Receipt,
    lines: tuple[SettledLine, ...],
    *,
    tier: str | None,
    rules: Rules,
    budget_left: BudgetLeft,
    limits_of: LimitsOf,
    precedence: Precedence | None,
) -> tuple[Award, ...]:
    account = book.account
    if not lines or book.final:
        return ()
    born = account.born
    facts = Facts(
        account=account.id,
        tier=tier,
        birthday_year=receipt.birthday_year,
        born=None if born is None else (born.month, born.day),
        born_known=None if born is None else born.known_at,
        attributes=account.attributes,
        purchases=account.purchases,
        offers=account.offers,
        codes=receipt.codes,
        payments=receipt.payments,
        store=receipt.store,
        channel=receipt.channel,
    )
    count_discounts(book, receipt, facts, limits_of)
    nets = line_nets(lines, gift_earns=book.policy.gift_earns)
    return credit(
        book, receipt, nets, rules=rules, facts=facts, budget_left=budget_left,
        precedence=precedence,
    )  # fmt: skip


def _line_results(
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
    back = {*clawed, *(n for n, points in reinstated.items() if points)}
    return tuple(
        LineResult(n, earned.get(n, 0), redeemed.get(n, 0), clawed.get(n, 0), reinstated.get(n, 0))
        for n in sorted({*earned, *redeemed, *back})
    )


def _settled(
    receipt: Receipt,
    digest: str,
    result: Result,
    *,
    lines: tuple[SettledLine, ...],
    awards: tuple[Award, ...],
    book: Book | None,
) -> SettledReceipt:
    return SettledReceipt(
        id=receipt.id,
        digest=digest,
        result=result_bytes(result),
        ok=True,
        sold_at=receipt.sold_at,
        origin=None if book is None else book.origin,
        tier=result.tier,
        birthday_year=receipt.birthday_year,
        lines=lines,
        awards=awards,
        has_returns=bool(receipt.returns) or receipt.void_of is not None,
        person=None if book is None else book.person,
        purchases=0 if book is None else book.account.purchases,
        codes=receipt.codes,
        payments=receipt.payments,
        store=receipt.store,
        channel=receipt.channel,
    )


__all__ = ["Refund", "Settlement", "refused_record", "settle_receipt", "sold_lines"]
