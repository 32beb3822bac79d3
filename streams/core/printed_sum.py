"""Points that a till printed as one sum, laid over the lines: ledger.md §5, promotions.md §6.

The caps and the order are those of a quote; what they leave no room for is refused.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account
from streams.core.conditions import holds
from streams.core.lots import drawable, spending_condition, spending_key, spending_order
from streams.core.programme import WHOLE_BP, Programme
from streams.core.receipt import Points, Receipt, RedeemRequest, SaleLine
from streams.core.redemption import Describe, usable_at
from streams.core.spending import UsableLot, capacity, spend


class Laid(Struct, frozen=True):
    """The receipt with the points on its lines, and what found no place."""

    receipt: Receipt
    refused: Points


def lay_sum(
    receipt: Receipt, points: Points, account: Account, programme: Programme, describe: Describe
) -> Laid:
    """
    Lay *points*, above 0, of the redemption currency over the lines of *receipt*.

    Args:
        receipt: Its lines carry no points.
        points: As printed.
        account: Whose lots pay; one that is not open pays nothing.
        programme: That serves the sale.
        describe: Attributes of a line's goods.
    """
    if account.status != "open":
        return Laid(receipt, points)
    terms = programme.redemption
    value = programme.points[terms.currency].value
    goods = [describe(line) for line in receipt.sales]
    kept_out = programme.excluded.redemption
    open_ = [kept_out is None or not holds(kept_out, each) for each in goods]
    caps = [
        capacity(line.amount, _listed(line), terms, value) if fits else 0
        for line, fits in zip(receipt.sales, open_, strict=True)
    ]
    lots = _usable(receipt, account, programme, goods, open_)
    debt = sum(each.points for each in account.debts if each.currency == terms.currency)
    net = sum(line.amount for line in receipt.sales)
    most = min(net * terms.receipt // WHOLE_BP // value, sum(lot.points for lot in lots) - debt)
    spending = spend(lots, caps, most, points)
    sales = tuple(
        replace(
            line,
            redeem=tuple(
                RedeemRequest(laid[place], lot.id, terms.currency)
                for lot, laid in zip(lots, spending.lines, strict=True)
                if laid.get(place)
            ),
        )
        for place, line in enumerate(receipt.sales)
    )
    return Laid(replace(receipt, sales=sales), points - sum(spending.totals))


def _listed(line: SaleLine) -> int:
    return line.amount if line.list is None else line.list


def _usable(
    receipt: Receipt,
    account: Account,
    programme: Programme,
    goods: list[Mapping[str, Any]],
    open_: list[bool],
) -> list[UsableLot]:
    """List the lots usable at the sale in spending order, and the lines that each fits."""
    terms = programme.redemption
    ranks = spending_order(terms.classes)
    at = usable_at(receipt)
    return [
        UsableLot(
            lot.id,
            drawable(lot, at),
            tuple(
                place
                for place, each in enumerate(goods)
                if open_[place] and holds(spending_condition(lot.spendable_on), each)
            ),
        )
        for lot in sorted(account.lots, key=lambda each: spending_key(each, ranks))
        if lot.currency == terms.currency and drawable(lot, at) > 0
    ]
