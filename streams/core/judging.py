"""Whether one campaign applies to an occasion: promotions.md §3, condition by condition.

It walks the conditions in the order in which refusals are reported, and is the reference for
`matching`, which compiles all campaigns together.
"""

from collections.abc import Callable

from streams.core.campaigns import Basket, Campaign, Threshold
from streams.core.conditions import evaluate, holds
from streams.core.occasion import (
    GoodsLine,
    Left,
    Match,
    Occasion,
    Reason,
    Refusal,
    goods_attributes,
)
from streams.core.programme import Programme
from streams.core.runs import running


def judge(programme: Programme, campaign: Campaign, occasion: Occasion) -> Match | Refusal:
    """Decide whether *campaign* may apply, and say the first reason if not."""
    refusal = _refused(programme, campaign, occasion)
    if refusal is not None:
        return refusal
    lines, unknown = eligible(programme, campaign, occasion)
    if not lines:
        return Refusal("goods", unknown)
    reason = _basket_reason(campaign.basket, lines, occasion)
    return Match(campaign, lines) if reason is None else Refusal(reason)


def _refused(programme: Programme, campaign: Campaign, occasion: Occasion) -> Refusal | None:
    """Ask what does not depend on lines, in the order of reasons."""
    if not running(campaign.runs, occasion.at, programme.zoneinfo):
        return Refusal("not_running")
    who = evaluate(campaign.who, occasion.member)
    if not who.holds:
        return Refusal("who", who.unknown)
    where = evaluate(campaign.where, occasion.store)
    if not where.holds:
        return Refusal("where", where.unknown)
    reason: Reason | None = None
    left = occasion.left.get(campaign.campaign, Left())
    if campaign.needs == "code" and campaign.campaign not in occasion.codes:
        reason = "code"
    elif campaign.needs == "offer" and campaign.campaign not in occasion.offers:
        reason = "offer"
    elif left.uses is not None and left.uses <= 0:
        reason = "limit"
    elif left.amount is not None and left.amount <= 0:
        reason = "budget"
    return None if reason is None else Refusal(reason)


def eligible(
    programme: Programme, campaign: Campaign, occasion: Occasion
) -> tuple[int, tuple[str, ...]]:
    """Find the lines where `goods` is true and `excluded` is not, and names unknown to `goods`."""
    excluded = programme.excluded
    kept_out = excluded.discounts if campaign.kind == "discount" else excluded.points
    lines, unknown = 0, set[str]()
    for place, line in enumerate(occasion.lines):
        attributes = goods_attributes(line)
        verdict = evaluate(campaign.goods, attributes)
        unknown.update(verdict.unknown)
        if verdict.holds and not (kept_out is not None and holds(kept_out, attributes)):
            lines |= 1 << place
    return lines, tuple(sorted(unknown))


def _basket_reason(basket: Basket, lines: int, occasion: Occasion) -> Reason | None:
    if basket.channel and occasion.channel not in basket.channel:
        return "channel"
    if basket.payment and not any(tender in basket.payment for tender in occasion.payments):
        return "payment"
    return None if reachable(basket, lines, occasion) else "threshold"


def reachable(basket: Basket, lines: int, occasion: Occasion) -> bool:
    """
    Tell whether thresholds are met by list amounts and quantities.

    Running amounts are never above list amounts, so a running threshold that
    list amounts miss is missed by every combination.
    """
    net, quantity = basket.net, basket.quantity
    if net is not None and not net.met(_total(net, lines, occasion, lambda line: line.list)):
        return False
    if quantity is None:
        return True
    return quantity.met(_total(quantity, lines, occasion, lambda line: line.quantity))


def _total(
    threshold: Threshold, lines: int, occasion: Occasion, figure: Callable[[GoodsLine], int]
) -> int:
    everything = threshold.over == "all"
    return sum(
        figure(line)
        for place, line in enumerate(occasion.lines)
        if everything or lines >> place & 1
    )
