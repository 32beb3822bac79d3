"""From basket to quote: promotions.md §7.

A quote is the best combination of discounts and accruals on a basket, what of it
the member may pay with points, and what they will earn on the cash that is left.
It is a pure function of its documents, and its id is made of them: the same
basket gives the same quote on every machine.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from streams.core.accrual_choice import Choice, Earner, award, choose
from streams.core.allocation import half_up, spread
from streams.core.basket import Basket, BasketLine, Member, MemberLot
from streams.core.calendar import dates
from streams.core.campaigns import (
    AmountOff,
    BasketOff,
    Campaign,
    PercentOff,
    SetOff,
    UnitPrice,
)
from streams.core.combination import WHOLE_BP, Claim, Offer, Unit, discount_lane
from streams.core.conditions import holds
from streams.core.earning import earner_of, rules_out
from streams.core.masks import bits
from streams.core.matching import (
    CampaignIndex,
    GoodsLine,
    Left,
    Match,
    Occasion,
    goods_attributes,
    member_attributes,
)
from streams.core.optimum import Combination, Solver, earners_on
from streams.core.problem import Problem, Seed
from streams.core.programme import Programme
from streams.core.receipt import EpochMs, Money, Points
from streams.core.runs import runs_until
from streams.core.spending import Spending, UsableLot, capacity, spend

SEMANTICS = 1  # The version of promotions.md.
UNIT_QUANTITY = 1_000
MINUTE_MS = 60_000
USUAL_CURRENCY = "bonus"  # Of a lot that names none.

# A campaign, its points, the lines it claims and their shares.
Awarded = tuple[Earner, Points, tuple[int, ...], tuple[Points, ...]]


class QuoteLine(Struct, frozen=True):
    """A line of a quote; amounts in minor units, maps by campaign or lot without zeros."""

    line: int
    list: Money
    discounts: dict[str, Money]
    net: Money
    redeem_cap: Points
    redeemed: dict[str, Points]
    earn: dict[str, Points]


class NewLot(Struct, frozen=True):
    """Points that the basket will earn, and when they can be spent; None is never."""

    campaign: str
    points: Points
    currency: str
    active_from: EpochMs
    expires_at: EpochMs | None


class Quote(Struct, frozen=True):
    """
    What a till shows and prints.

    Attributes:
        id: First 32 hex digits of the digest of all that went in.
        combination: The claims, the objective and its certificate.
        lane_by_lane: What each lane in turn would have given.
        benefit: Discount and worth of the points awarded on net.
        lots: Points redeemed by usable lot, zeros included.
        most: The most that could be redeemed.
        new_lots: What the cash will earn.
        good_until: The first instant at which it no longer holds.
        versions: Of the live campaigns.
    """

    id: str
    lines: tuple[QuoteLine, ...]
    combination: Combination
    lane_by_lane: Combination
    benefit: Money
    to_pay: Money
    lots: dict[str, Points]
    most: Points
    earn: dict[str, Points]
    new_lots: tuple[NewLot, ...]
    good_until: EpochMs
    versions: tuple[tuple[str, int], ...]

    @property
    def discount(self) -> Money:
        """All discounts together."""
        return self.combination.merit[1]


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


# --- Seeing the basket ---------------------------------------------------------


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
    lines = tuple(bits(match.lines))
    return Seed(
        earner_of(programme, campaign, lines, left), campaign.basket.net, campaign.skip_discounted
    )


def _with_foes(seeds: Iterable[Seed], odds: set[tuple[str, str]]) -> list[Seed]:
    found = []
    for seed in seeds:
        foes = frozenset(other for one, other in odds if one == seed.earner.id)
        earner = msgspec.structs.replace(seed.earner, foes=foes) if foes else seed.earner
        found.append(msgspec.structs.replace(seed, earner=earner))
    return found


# --- Quoting -------------------------------------------------------------------


def quote(
    programme: Programme,
    campaigns: CampaignIndex | Iterable[Campaign],
    member: Member | None,
    basket: Basket,
) -> Quote:
    """
    Quote *basket*.

    Args:
        programme: That serves the event time.
        campaigns: All versions, or their compiled index.
        member: None buys without a card.
        basket: With attributes joined as of the event time.
    """
    if isinstance(campaigns, CampaignIndex):
        return finish(see(programme, campaigns, member, basket))
    return finish(see(programme, CampaignIndex(programme, campaigns), member, basket))


def finish(case: Case, solver: Solver | None = None) -> Quote:
    """Solve a case and make its quote."""
    solver = solver or Solver(case.problem)
    lane_by_lane = solver.by_lane()
    best = lane_by_lane
    if case.programme.optimise == "receipt":
        found = solver.best()
        assert found is not None
        best = found
    unit = case.programme.points[case.programme.redemption.currency]
    caps = _caps(case, best.nets)
    usable = _usable(case)
    spending = _spend(case, best.nets, usable, caps)
    paid = [
        net - unit.value * sum(each.get(line, 0) for each in spending.lines)
        for line, net in enumerate(best.nets)
    ]
    awards = _earned(case, best, paid)
    earned = [(earner, points) for earner, points, _, _ in awards if points]
    lots = dict(zip((lot.id for lot in usable), spending.totals, strict=True))
    live = tuple((each.campaign, each.version) for each in case.index.live(case.basket.at))
    return Quote(
        quote_id(case, live),
        _lines(case, best, caps, list(zip(usable, spending.lines, strict=True)), awards),
        best,
        lane_by_lane,
        _benefit(best),
        sum(paid),
        lots,
        spending.most,
        {earner.id: points for earner, points in earned},
        tuple(_new_lot(case, earner, points) for earner, points in earned),
        _good_until(case, best, lots),
        live,
    )


def _lines(
    case: Case,
    best: Combination,
    caps: Sequence[Points],
    redeemed: Sequence[tuple[UsableLot, Mapping[int, Points]]],
    awards: Sequence[Awarded],
) -> tuple[QuoteLine, ...]:
    off = discounts_of(case, best)
    return tuple(
        QuoteLine(
            own.line,
            case.lists[line],
            {name: amount for (name, at), amount in sorted(off.items()) if at == line if amount},
            best.nets[line],
            caps[line],
            {lot.id: laid[line] for lot, laid in redeemed if laid.get(line)},
            {
                earner.id: share
                for earner, _, claimed, shares in awards
                for at, share in zip(claimed, shares, strict=True)
                if at == line and share
            },
        )
        for line, own in enumerate(case.basket.lines)
    )


def discounts_of(case: Case, best: Combination) -> dict[tuple[str, int], Money]:
    """Evaluate the discount claims once more and give what each campaign takes off each line."""
    problem = case.problem
    running: Sequence[int] = [unit.list for unit in problem.units]
    found: dict[tuple[str, int], Money] = {}
    left = problem.cap
    for lane in best.order:
        claims = [claim for claim in best.claims if claim.offer.lane == lane]
        if not claims:
            continue
        result = discount_lane(claims, problem.units, running, left)
        assert result is not None
        found.update(result.by_line)
        running = [r - off for r, off in zip(running, result.off, strict=True)]
        left = None if left is None else left - sum(result.totals.values())
    assert tuple(running) == best.running
    return found


def _benefit(best: Combination) -> Money:
    awarded = award(best.accrual.claims, best.nets)
    return best.merit[1] + sum(points * earner.value for earner, points, _ in awarded)


def _caps(case: Case, nets: Sequence[Money]) -> list[Points]:
    """Find how many points each line can take."""
    terms = case.programme.redemption
    value = case.programme.points[terms.currency].value
    excluded = case.index.excluded(case.occasion.lines).redemption
    return [
        0 if excluded >> line & 1 else capacity(net, whole, terms, value)
        for line, (net, whole) in enumerate(zip(nets, case.lists, strict=True))
    ]


def _usable(case: Case) -> list[UsableLot]:
    """List the member's usable lots in spending order."""
    if case.member is None:
        return []
    terms = case.programme.redemption
    excluded = case.index.excluded(case.occasion.lines).redemption
    attributes = [goods_attributes(line) for line in case.occasion.lines]
    order = {name: place for place, name in enumerate(terms.classes)}

    def place(lot: MemberLot) -> tuple[int, bool, EpochMs, str]:
        return (
            order.get(lot.class_, len(order)),
            lot.expires_at is None,
            lot.expires_at or 0,
            lot.id,
        )

    return [
        UsableLot(
            lot.id,
            lot.points,
            tuple(
                line
                for line, own in enumerate(attributes)
                if not excluded >> line & 1 and holds(lot.spendable_on, own)
            ),
        )
        for lot in sorted(case.member.lots, key=place)
        if _is_usable(lot, case.programme, case.basket.at)
    ]


def _is_usable(lot: MemberLot, programme: Programme, at: EpochMs) -> bool:
    currency = programme.redemption.currency
    usual = USUAL_CURRENCY if USUAL_CURRENCY in programme.points else currency
    started = lot.active_from is None or lot.active_from <= at
    ended = lot.expires_at is not None and lot.expires_at <= at
    return (lot.currency or usual) == currency and started and not ended


def _spend(
    case: Case, nets: Sequence[Money], usable: Sequence[UsableLot], caps: Sequence[Points]
) -> Spending:
    terms = case.programme.redemption
    value = case.programme.points[terms.currency].value
    debt = 0 if case.member is None else case.member.debt
    receipt = min(
        sum(nets) * terms.receipt // WHOLE_BP // value, sum(lot.points for lot in usable) - debt
    )
    return spend(usable, caps, receipt, case.basket.redeem)


def _earned(case: Case, best: Combination, paid: Sequence[Money]) -> list[Awarded]:
    """Choose accrual claims again on the cash that is left, and award them."""
    bases: Sequence[Money] = best.nets
    choice: Choice = best.accrual
    if case.programme.earn_on == "cash":
        earns = case.programme.ledger.get("gift_earns", False)
        gift = 0 if earns else min(case.basket.non_earning_tender, sum(paid))
        bases = [cash - g for cash, g in zip(paid, spread(gift, paid), strict=True)]
        cut = frozenset(line for line, net in enumerate(best.nets) if net != case.lists[line])
        applied = {claim.offer.id for claim in best.claims}
        earners = earners_on(case.problem, case.problem.seeds, bases, cut, applied)
        choice = choose(earners, bases, nodes=case.problem.nodes)
    awards = award(choice.claims, bases)
    return [
        (earner, points, claimed, shares)
        for (earner, points, shares), (_, claimed) in zip(awards, choice.claims, strict=True)
    ]


def _new_lot(case: Case, earner: Earner, points: Points) -> NewLot:
    terms = case.campaigns[earner.id].lot
    active_from, expires_at = dates(terms, case.basket.at, case.programme.zone)
    return NewLot(earner.id, points, earner.currency, active_from, expires_at)


def _good_until(case: Case, best: Combination, lots: Mapping[str, Points]) -> EpochMs:
    at = case.basket.at
    ends = [at + case.programme.quote_minutes * MINUTE_MS]
    zone = case.programme.zoneinfo
    ends += [
        end
        for name in best.applied
        for end in (runs_until(case.campaigns[name].runs, at, zone),)
        if end is not None
    ]
    if case.member is not None:
        ends += [
            lot.expires_at
            for lot in case.member.lots
            if lots.get(lot.id) and lot.expires_at is not None
        ]
    return min(ends)


def quote_id(case: Case, live: Iterable[tuple[str, int]]) -> str:
    """Digest all that the quote depends on."""
    member = case.member
    content = [
        SEMANTICS,
        [case.programme.programme, case.programme.version],
        sorted([name, version] for name, version in live),
        None if member is None else [member.id, member.version],
        case.basket.document,
    ]
    canonical = msgspec.json.encode(content, order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:32]


def written_claims(case: Case, best: Combination) -> list[list[Any]]:
    """Write the claims as the last tie orders them, pieces as [line, piece]."""
    lanes = len(case.programme.lanes)
    numbers = [line.line for line in case.basket.lines]

    def of(claim: Claim) -> list[list[int]]:
        return sorted(
            [numbers[case.problem.units[unit].line], piece]
            for unit in claim.units
            for piece in case.problem.units[unit].pieces
        )

    found: list[list[Any]] = [
        [claim.offer.lane, claim.offer.id, of(claim)] for claim in best.claims
    ]
    for earner, lines in best.accrual.claims:
        for part in [lines] if earner.block else [(line,) for line in lines]:
            pieces = [
                [numbers[line], piece]
                for line in part
                for piece in range(case.basket.lines[line].pieces)
            ]
            found.append([lanes + earner.lane, earner.id, sorted(pieces)])
    return sorted(found)
