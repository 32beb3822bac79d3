"""Settling a receipt: ledger.md §5, its steps in their order.

A pure function of the account, the receipt, the settled records of what it gives
back, and what the programme and its campaigns say.  The caller stores what comes out in
one transaction; the same input gives the same bytes.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account
from streams.core.accrual import Facts, HasBudget, LimitsOf, Rules
from streams.core.allocation import spread
from streams.core.book import Book
from streams.core.clawback import claw
from streams.core.crediting import BudgetLeft, credit, line_nets, unlimited
from streams.core.digest import receipt_digest
from streams.core.discounts import (
    count_discounts,
    given_back,
    no_budget,
    no_limits,
    taken_of_budgets,
)
from streams.core.events import reviews
from streams.core.ids import result_id
from streams.core.limits import rivals_of
from streams.core.memory import remember
from streams.core.outcome import finish_receipt, line_results
from streams.core.policy import LedgerPolicy
from streams.core.precedence import Precedence
from streams.core.receipt import Money, Points, Receipt
from streams.core.redemption import Describe, attributes_of, redeem
from streams.core.refusals import covered
from streams.core.result import Refund, Result, deferred, refused, result_bytes
from streams.core.returns import Piece, Returns, find, give_back
from streams.core.settled import Award, Draw, SettledLine, SettledReceipt
from streams.core.tiers import tier_at


class Rulebook(Struct, frozen=True):
    """
    What the programme and its campaigns say.

    Attributes:
        policy: The programme's, as of the sale.
        rules: What campaigns pay, as of any sale.
        budget_left: What each budget leaves this partition.
        limits_of: Which limits printed discounts count in.
        has_budget: Whether a printed discount counts in a budget.
        describe: Attributes of a line's goods, for `spendable_on`.
    """

    policy: LedgerPolicy
    rules: Rules
    budget_left: BudgetLeft = unlimited
    limits_of: LimitsOf = no_limits
    has_budget: HasBudget = no_budget
    describe: Describe = attributes_of


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
    rulebook: Rulebook,
    *,
    originals: Mapping[str, SettledReceipt],
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
        rulebook: What serves the sale.
        originals: The settled records of `returns.originals_of`, where there are.
        origin: The account that the receipt was keyed to, before merges.
        person: The person of a household.
        digest: Of the whole document, when *receipt* is a part.
        flags: Raised on the way here, such as IDENTITY_MISMATCH.
    """
    policy = rulebook.policy
    digest = digest or receipt_digest(receipt)
    found = find(receipt, originals, account=account, policy=policy)
    if found.code == "ORIGINAL_UNKNOWN":
        return Settlement(account, deferred(receipt.id))
    if found.code is not None:
        return _refuse(account, receipt, found.code, digest)
    if flags:
        found = replace(found, flags=(*flags, *found.flags))
    if account is None:
        return _settle_money(receipt, found, rulebook, originals=originals, digest=digest)
    book = Book(account, receipt.id, receipt.sold_at, policy, origin=origin, person=person)
    return _settle_on(book, receipt, found, rulebook, originals=originals, digest=digest)


def _settle_on(
    book: Book,
    receipt: Receipt,
    found: Returns,
    rulebook: Rulebook,
    *,
    originals: Mapping[str, SettledReceipt],
    digest: str,
) -> Settlement:
    """Book a receipt on an account."""
    policy, known = rulebook.policy, dict(originals)
    book.flags += found.flags
    book.expire()
    given = give_back(book, receipt, found.pieces, known)
    clawed = claw(book, found.pieces, known, rulebook.rules).lines
    draws = redeem(book, receipt, rulebook.describe)
    lines = sold_lines(receipt, draws, rulebook)
    after = remember(book, receipt, lines, back=given.nets, originals=known)
    tier = tier_at(_tier_basis(book.account, after, policy), receipt.sold_at, policy)
    late = bool(rivals_of(receipt, book.account, policy))
    precedence = Precedence(book, receipt, known) if late else None
    awards = _earn(book, receipt, lines, rulebook, tier=tier, precedence=precedence)
    book.expire(book.credited())

    by_line = line_results(awards, draws, clawed, given.reinstated)
    closed, result = finish_receipt(
        book, after, tier=tier, awards=awards, lines=by_line, refund=given.refund
    )
    own = _settled(receipt, digest, result, lines=lines, awards=awards, book=book)
    changed = _changed(receipt, found.pieces) | (precedence.changed if precedence else {})
    records = (*[known[each] for each in changed], own)
    budgets = _budgets(book.budgets, lines, found.pieces, originals, policy)
    return Settlement(closed, result, records, budgets)


def _settle_money(
    receipt: Receipt,
    found: Returns,
    rulebook: Rulebook,
    *,
    originals: Mapping[str, SettledReceipt],
    digest: str,
) -> Settlement:
    """Book the money of a receipt that nobody's card came with."""
    known = dict(originals)
    given = give_back(None, receipt, found.pieces, known)
    refused_lines = tuple("REDEEM_REFUSED" for line in receipt.sales if line.redeem)
    lines = sold_lines(receipt, {}, rulebook)
    result = Result(
        result_id=result_id(receipt.id, 1),
        document=receipt.id,
        kind="receipt",
        status="ok",
        sold_at=receipt.sold_at,
        refund=given.refund,
        flags=(*found.flags, *refused_lines),
    )
    result = replace(result, events=reviews(result))
    own = _settled(receipt, digest, result, lines=lines, awards=(), book=None)
    records = (*(known[each] for each in _changed(receipt, found.pieces)), own)
    budgets = _budgets({}, lines, found.pieces, originals, rulebook.policy)
    return Settlement(None, result, records, budgets)


def _refuse(account: Account | None, receipt: Receipt, code: str, digest: str) -> Settlement:
    result = refused(receipt.id, code, account=None if account is None else account.id)
    return Settlement(account, result, (refused_record(receipt, result, digest),))


def refused_record(receipt: Receipt, result: Result, digest: str) -> SettledReceipt:
    """Keep the refusal of *receipt*, so that its repetition is answered alike."""
    stored = result_bytes(result)
    return SettledReceipt(receipt.id, digest, stored, ok=False, sold_at=receipt.sold_at)


def sold_lines(
    receipt: Receipt, draws: Mapping[int, tuple[Draw, ...]], rulebook: Rulebook
) -> tuple[SettledLine, ...]:
    """Divide what was paid for each line into cash and gift card."""
    policy, sales = rulebook.policy, receipt.sales
    paid = [line.amount - covered(line, policy) if line.redeem else line.amount for line in sales]
    gifts = spread(receipt.gift_card, paid) if receipt.gift_card else (0,) * len(paid)
    found = []
    for line, due, gift in zip(sales, paid, gifts, strict=True):
        campaigns: tuple[str, ...] = ()
        budgets: tuple[tuple[str, Money], ...] = ()
        if line.discounts:
            campaigns = tuple([each.campaign for each in line.discounts])
            budgets = taken_of_budgets(line.discounts, receipt.sold_at, rulebook.has_budget)
        listed = line.amount if line.list is None else line.list
        found.append(
            SettledLine(
                line.n, line.sku, line.qty, listed, line.amount, due - gift, gift,
                draws.get(line.n, ()), 0, campaigns, budgets,
            )
        )  # fmt: skip
    return tuple(found)


def _changed(receipt: Receipt, pieces: tuple[Piece, ...]) -> dict[str, None]:
    """Name the originals whose records change, in the order of mention."""
    changed = dict.fromkeys([piece.original for piece in pieces])
    return changed if receipt.void_of is None else changed | {receipt.void_of: None}


def _budgets(
    awarded: Mapping[str, Points],
    lines: tuple[SettledLine, ...],
    pieces: tuple[Piece, ...],
    originals: Mapping[str, SettledReceipt],
    policy: LedgerPolicy,
) -> tuple[tuple[str, Points], ...]:
    """Sum what awards and printed discounts took of budgets, less what came back."""
    taken = dict(awarded)
    for line in lines:
        for name, amount in line.budgets:
            taken[name] = taken.get(name, 0) + amount
    if pieces and policy.budget_on_return == "release":
        for name, amount in given_back(pieces, originals).items():
            taken[name] = taken.get(name, 0) - amount
    return tuple(sorted([each for each in taken.items() if each[1]]))


def _tier_basis(before: Account, after: Account, policy: LedgerPolicy) -> Account:
    """Give the account whose tier earns: with the receipt in it, or without."""
    first = policy.tier is not None and policy.tier.upgrade == "first"
    return after if first else before


def _earn(
    book: Book,
    receipt: Receipt,
    lines: tuple[SettledLine, ...],
    rulebook: Rulebook,
    *,
    tier: str | None,
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
    count_discounts(book, receipt, facts, rulebook.limits_of)
    nets = line_nets(lines, gift_earns=book.policy.gift_earns)
    return credit(
        book, receipt, nets, rules=rulebook.rules, facts=facts,
        budget_left=rulebook.budget_left, precedence=precedence,
    )  # fmt: skip


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


__all__ = ["Refund", "Rulebook", "Settlement", "refused_record", "settle_receipt", "sold_lines"]
