"""Whether a receipt is the quote it names, and what follows: promotions.md §7.

A receipt that equals its quote is booked as quoted, even if a campaign has ended or
spent its budget since.  Any other stands as printed; what its discounts differ from
those due then is the store's variance, never the member's.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from streams.core.accrual import Accrual, Facts, LineNet, Room, Rules
from streams.core.case import Case
from streams.core.earning import birthday_key, member_limits
from streams.core.policy import LedgerPolicy
from streams.core.quote import Quote
from streams.core.receipt import EpochMs, Money, Points, Receipt, SaleLine


class QuotedLine(Struct, frozen=True):
    """A line as a till prints it: maps as sorted pairs without zeros."""

    n: int
    sku: str
    qty: int
    list: Money
    amount: Money
    discounts: tuple[tuple[str, int, Money], ...]
    redeem: tuple[tuple[str | None, Points], ...]


class Quoted(Struct, frozen=True):
    """
    A quote as a receipt is compared with it.

    Attributes:
        account: None without a member.
        good_until: The first instant at which it no longer holds.
        gift_card: Planned money that earns nothing, minor units.
        accruals: What it promised to pay.
    """

    id: str
    account: str | None
    good_until: EpochMs
    lines: tuple[QuotedLine, ...]
    codes: tuple[str, ...]
    payments: tuple[str, ...]
    gift_card: Money
    accruals: tuple[Accrual, ...]


class Variance(Struct, frozen=True):
    """What a store took off a line by one campaign, and what was due; they differ."""

    line: int
    campaign: str
    printed: Money
    due: Money


def quoted(case: Case, quote: Quote, facts: Facts) -> Quoted:
    """Keep of *quote* what its receipt will be compared with; *facts* name the birthday."""
    versions = dict(quote.versions)
    lines = tuple(
        QuotedLine(
            own.line,
            basket.sku,
            basket.quantity,
            own.list,
            own.net,
            tuple((name, versions[name], off) for name, off in sorted(own.discounts.items())),
            tuple(sorted(own.redeemed.items())),
        )
        for own, basket in zip(quote.lines, case.basket.lines, strict=True)
    )
    return Quoted(
        quote.id,
        None if case.member is None else case.member.id,
        quote.good_until,
        tuple(sorted(lines, key=lambda line: line.n)),
        tuple(sorted(case.basket.codes)),
        tuple(sorted(case.basket.payments)),
        case.basket.non_earning_tender,
        tuple(_promised(case, quote, name, facts) for name in sorted(quote.earn)),
    )


def _promised(case: Case, quote: Quote, name: str, facts: Facts) -> Accrual:
    campaign = case.campaigns[name]
    key = birthday_key(case.programme, campaign, facts, case.basket.at)
    return Accrual(
        name,
        campaign.version,
        quote.earn[name],
        campaign.currency,
        tuple((line.line, line.earn[name]) for line in quote.lines if name in line.earn),
        campaign.lot,
        member_limits(campaign, key),
        None if campaign.limits.campaign_amount is None else name,
        key,
        quoted=True,
    )


def difference(quote: Quoted, receipt: Receipt, account: str | None) -> str | None:
    """
    Name the first thing in which *receipt* is not *quote*, or None.

    These are, in turn: quote_id, account, lines, codes, tenders, good_until.
    """
    lines = tuple(sorted(map(_printed, receipt.sales), key=lambda line: line.n))
    pairs = (
        ("quote_id", receipt.quote_id == quote.id),
        ("account", account == quote.account),
        ("lines", lines == quote.lines and not receipt.returns),
        ("codes", tuple(sorted(receipt.codes)) == quote.codes),
        (
            "tenders",
            (tuple(sorted(receipt.payments)), receipt.gift_card)
            == (quote.payments, quote.gift_card),
        ),
        ("good_until", receipt.sold_at < quote.good_until),
    )
    return next((name for name, same in pairs if not same), None)


def _printed(line: SaleLine) -> QuotedLine:
    redeem: dict[str | None, Points] = {}
    for each in line.redeem:
        redeem[each.lot] = redeem.get(each.lot, 0) + each.points
    return QuotedLine(
        line.n,
        line.sku,
        line.qty,
        line.amount if line.list is None else line.list,
        line.amount,
        tuple(sorted((each.campaign, each.version, each.amount) for each in line.discounts)),
        tuple(sorted(redeem.items(), key=lambda each: each[0] or "")),
    )


def as_quoted(quote: Quoted) -> Rules:
    """Give rules that pay what *quote* promised, whatever the nets and counters are by now."""

    def rules(
        _facts: Facts, _lines: Sequence[LineNet], _at: EpochMs, _room: Room
    ) -> tuple[Accrual, ...]:
        return quote.accruals

    return rules


def payable(quote: Quoted, receipt: Receipt, account: str | None, at: EpochMs) -> str | None:
    """Give PRICE_CHANGED, before payment, where the till has to ask for a new quote."""
    if at >= quote.good_until or difference(quote, receipt, account) is not None:
        return "PRICE_CHANGED"
    return None


def confirmable(
    quote: Quoted, left: Callable[[str], Points | None], policy: LedgerPolicy
) -> str | None:
    """
    Give BUDGET_SPENT where the programme does not honour a quote beyond its budgets.

    Args:
        quote: To be confirmed.
        left: What is left of a budget; None is without limit.
        policy: The programme's.
    """
    if policy.budget_quoted == "honour":
        return None
    for accrual in quote.accruals:
        rest = None if accrual.budget is None else left(accrual.budget)
        if rest is not None and accrual.points > rest:
            return "BUDGET_SPENT"
    return None


def variances(due: Quote, receipt: Receipt) -> tuple[Variance, ...]:
    """Compare printed discounts with those of *due*, the quote as of the event time."""
    owed = {(line.line, name): off for line in due.lines for name, off in line.discounts.items()}
    printed: dict[tuple[int, str], Money] = {}
    for line in receipt.sales:
        for each in line.discounts:
            key = line.n, each.campaign
            printed[key] = printed.get(key, 0) + each.amount
    return tuple(
        Variance(*key, printed.get(key, 0), owed.get(key, 0))
        for key in sorted({*owed, *printed})
        if printed.get(key, 0) != owed.get(key, 0)
    )
