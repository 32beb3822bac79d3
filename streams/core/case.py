"""A basket seen through the campaigns: the problem that a quote is the solution of.

Which campaigns may apply, to which lines, and under which limits is known before any
combination is chosen.  Lines are parted into pieces where a set could take some of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from streams.core.allocation import half_up
from streams.core.basket import Basket, BasketLine, Member
from streams.core.campaigns import (
    AmountOff,
    BasketOff,
    Campaign,
    PercentOff,
    SetOff,
    UnitPrice,
)
from streams.core.combination import WHOLE_BP, Offer, Unit
from streams.core.conditions import holds
from streams.core.earning import earner_of, rules_out
from streams.core.masks import bits
from streams.core.matching import CampaignIndex
from streams.core.occasion import (
    GoodsLine,
    Left,
    Match,
    Occasion,
    goods_attributes,
    member_attributes,
)
from streams.core.problem import Problem, Seed
from streams.core.programme import Programme
from streams.core.receipt import Money, Points

UNIT_QUANTITY = 1_000


class Case(Struct, frozen=True):
    """A basket seen through the compiled campaigns, ready to be solved."""

    programme: Programme
    index: CampaignIndex
    member: Member | None
    basket: Basket
    occasion: Occasion
    problem: Problem
    campaigns: Mapping[str, Campaign]

    @property
    def lists(self) -> tuple[Money, ...]:
        """List amount of every line."""
        return self.problem.lists


def units_of(line: BasketLine, place: int, line_most: int, *, parted: bool) -> list[Unit]:
    """Part a line into pieces, or keep it whole; a piece's list and floor round by themselves."""
    count = line.pieces
    quantity = UNIT_QUANTITY if count > 1 else line.quantity
    whole = half_up(line.price * quantity, UNIT_QUANTITY)
    floor = max(
        half_up(line.min_price * quantity, UNIT_QUANTITY), whole - whole * line_most // WHOLE_BP
    )
    floor = min(floor, whole)
    if parted:
        return [Unit(place, (piece,), quantity, whole, floor) for piece in range(count)]
    pieces = tuple(range(count))
    return [Unit(place, pieces, line.quantity, whole * count, floor * count)]


def see(programme: Programme, index: CampaignIndex, member: Member | None, basket: Basket) -> Case:
    """Join the basket with the campaigns that may apply to it."""
    goods = tuple(
        GoodsLine(line.sku, line.price, line.quantity, _list(line), line.attributes)
        for line in basket.lines
    )
    occasion = _occasion(programme, member, basket, goods)
    matches = index.matches(occasion)
    campaigns = {match.campaign.campaign: match.campaign for match in matches}
    left = occasion.left
    offers = [
        _offer(match, left.get(match.campaign.campaign, Left()), goods)
        for match in matches
        if match.campaign.kind == "discount"
    ]
    parted = {line for offer in offers if offer.kind == "set" for line in offer.lines}
    units = [
        unit
        for place, line in enumerate(basket.lines)
        for unit in units_of(line, place, programme.max_line_discount, parted=place in parted)
    ]
    seeds = [
        _seed(programme, match, left.get(match.campaign.campaign, Left()).amount)
        for match in matches
        if match.campaign.kind == "accrual"
    ]
    odds = {
        pair
        for one in campaigns.values()
        if one.not_with
        for other in campaigns.values()
        if one is not other and rules_out(one, other)
        for pair in ((one.campaign, other.campaign), (other.campaign, one.campaign))
    }
    lists = tuple(line.list for line in goods)
    problem = Problem(
        lists,
        tuple(units),
        tuple(offers),
        tuple(_with_foes(seeds, odds)),
        frozenset(odds),
        _lane_groups(programme),
        _receipt_cap(programme, lists),
        programme.nodes,
    )
    return Case(programme, index, member, basket, occasion, problem, campaigns)


def _list(line: BasketLine) -> Money:
    quantity = UNIT_QUANTITY if line.pieces > 1 else line.quantity
    return half_up(line.price * quantity, UNIT_QUANTITY) * line.pieces


def _receipt_cap(programme: Programme, lists: Sequence[Money]) -> Money | None:
    if programme.max_receipt_discount >= WHOLE_BP:
        return None
    return sum(lists) * programme.max_receipt_discount // WHOLE_BP


def _lane_groups(programme: Programme) -> tuple[tuple[int, ...], ...]:
    groups, at = [], 0
    for group in programme.discount_lanes:
        groups.append(tuple(range(at, at + len(group))))
        at += len(group)
    return tuple(groups)


def _occasion(
    programme: Programme, member: Member | None, basket: Basket, goods: tuple[GoodsLine, ...]
) -> Occasion:
    who: Mapping[str, Any] = {}
    if member is not None:
        who = member_attributes(
            member.attributes,
            at=basket.at,
            zone=programme.zoneinfo,
            born=member.born,
            born_known_at=member.born_known,
            purchases=member.purchases,
        )
    return Occasion(
        basket.at,
        goods,
        basket.place,
        who,
        frozenset(basket.codes.values()),
        frozenset() if member is None else member.offers,
        basket.channel,
        basket.payments,
        {} if member is None else member.left,
    )


KINDS: dict[type, str] = {
    PercentOff: "percent",
    AmountOff: "amount",
    UnitPrice: "price",
    BasketOff: "basket",
    SetOff: "set",
}


def _offer(match: Match, left: Left, goods: Sequence[GoodsLine]) -> Offer:
    campaign = match.campaign
    gives = campaign.gives
    kind = KINDS[type(gives)]
    lines = tuple(bits(match.lines))
    net = campaign.basket.net
    offer = Offer(
        campaign.campaign,
        campaign.lane_index,
        kind,
        _figure(campaign),
        lines,
        campaign.base == "list",
        net if net is not None and net.base == "running" else None,
        campaign.limits.receipt_amount,
        left.amount,
        campaign.when_short == "skip",
        campaign.needs is not None,
        campaign.priority,
        campaign.exclusive == "receipt",
        campaign.exclusive == "items",
    )
    if not isinstance(gives, SetOff):
        return offer
    reward = gives.reward
    attributes = {line: goods_attributes(goods[line]) for line in lines}
    groups = tuple(
        (group.take, frozenset(line for line in lines if holds(group.where, attributes[line])))
        for group in gives.groups
    )
    effect = next(
        name for name in ("percent", "amount", "price") if getattr(reward, name) is not None
    )
    return msgspec.structs.replace(
        offer,
        groups=groups,
        reward=effect,
        cheapest=reward.cheapest,
        group=None if reward.group is None else reward.group - 1,
        rewarded=reward.share == "rewarded",
        sets_most=campaign.limits.receipt_sets,
    )


def _figure(campaign: Campaign) -> int:
    match campaign.gives:
        case PercentOff(percent=figure) | AmountOff(amount=figure) | UnitPrice(price=figure):
            return figure
        case BasketOff(amount=figure):
            return figure
        case SetOff(reward=reward):
            figures = (reward.percent, reward.amount, reward.price)
            return next(figure for figure in figures if figure is not None)
        case _:
            raise TypeError(f"{campaign.campaign} gives no discount")


def _seed(programme: Programme, match: Match, left: Points | None) -> Seed:
    campaign = match.campaign
    net = campaign.basket.net
    return Seed(
        earner_of(programme, campaign, tuple(bits(match.lines)), left),
        # List amounts have been asked already, of the whole receipt and not of a part of it.
        net if net is not None and net.base == "running" else None,
        campaign.skip_discounted,
    )


def _with_foes(seeds: Iterable[Seed], odds: set[tuple[str, str]]) -> list[Seed]:
    found = []
    for seed in seeds:
        foes = frozenset(other for one, other in odds if one == seed.earner.id)
        earner = msgspec.structs.replace(seed.earner, foes=foes) if foes else seed.earner
        found.append(msgspec.structs.replace(seed, earner=earner))
    return found
