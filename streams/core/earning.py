"""What the campaigns pay for a sold receipt: promotions.md §4, as the ledger asks for it.

`campaign_rules` joins the parts: matching says which campaigns may apply and to
which lines, the thresholds are read on the printed nets, `accrual_choice`
chooses the claims, and what it awards becomes one `Accrual` a campaign.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from streams.core.accrual import Accrual, Facts, Limit, LineNet, Room, Rules
from streams.core.accrual_choice import Claim, Earner, award, choose
from streams.core.allocation import half_up
from streams.core.campaigns import (
    Campaign,
    FixedPoints,
    PointsPer,
    PointsPercent,
    PointsTimes,
)
from streams.core.conditions import Birth, birthday_year
from streams.core.masks import bits
from streams.core.matching import CampaignIndex, GoodsLine, Match, Occasion, member_attributes
from streams.core.programme import Programme
from streams.core.receipt import EpochMs, Money

WHOLE_BP = 10_000
UNIT_QUANTITY = 1_000  # Thousandths of the unit that a price is for.

Describe = Callable[[str], Mapping[str, Any]]
ByLine = tuple[tuple[int, int], ...]  # A figure by position of the line.


def campaign_rules(
    programme: Programme, index: CampaignIndex, product: Describe, store: Mapping[str, Any]
) -> Rules:
    """
    Make the ledger's rules of the compiled campaigns.

    Args:
        programme: Of the campaigns in *index*.
        index: Campaigns as of the sale.
        product: Attributes of a product by sku as of the sale; empty where unknown.
        store: Attributes of the place.
    """

    def rules(
        facts: Facts, lines: Sequence[LineNet], at: EpochMs, room: Room
    ) -> tuple[Accrual, ...]:
        matches = index.matches(
            _occasion(programme, facts, _goods(lines, product), at, store), "accrual"
        )
        if not matches:
            return ()
        on_net = programme.earn_on == "net"
        bases = [line.amount if on_net else line.net for line in lines]
        earners = _earners(
            programme,
            matches,
            lines,
            bases,
            room,
            key_of=lambda campaign: _birthday_key(programme, campaign, facts, at),
        )
        if any(line.campaigns for line in lines):
            earners = _beside_discounts(index, at, lines, earners)
        choice = choose(earners, bases, nodes=programme.nodes)
        campaigns = {match.campaign.campaign: match.campaign for match in matches}
        return tuple(
            _accrual(
                campaigns[earner.id],
                points,
                tuple((lines[line].n, share) for line, share in shares),
                tuple((lines[line].n, weight) for line, weight in weights),
                _birthday_key(programme, campaigns[earner.id], facts, at),
            )
            for earner, points, shares, weights in _awards(choice.claims, bases)
            if points > 0
        )

    return rules


def _awards(
    claims: Sequence[Claim], bases: Sequence[Money]
) -> Iterator[tuple[Earner, int, ByLine, ByLine]]:
    """Yield what each claim awards: its points, their shares, and what these were spread by."""
    awards = award(claims, bases)
    basic = {
        (earner.currency, line): share
        for (earner, _, shares), (_, claimed) in zip(awards, claims, strict=True)
        if earner.lane == 0
        for line, share in zip(claimed, shares, strict=True)
    }
    for (earner, points, shares), (_, claimed) in zip(awards, claims, strict=True):
        by_basic = earner.kind == "times"
        weights = tuple(
            (line, basic.get((earner.currency, line), 0) if by_basic else bases[line])
            for line in claimed
        )
        yield earner, points, tuple(zip(claimed, shares, strict=True)), weights


def _goods(lines: Sequence[LineNet], product: Describe) -> tuple[GoodsLine, ...]:
    return tuple(
        GoodsLine(
            line.sku,
            half_up(line.list * UNIT_QUANTITY, line.qty),
            line.qty,
            line.list,
            product(line.sku),
        )
        for line in lines
    )


def _occasion(
    programme: Programme,
    facts: Facts,
    goods: tuple[GoodsLine, ...],
    at: EpochMs,
    store: Mapping[str, Any],
) -> Occasion:
    member: Mapping[str, Any] = {}
    if facts.account is not None:
        member = member_attributes(
            facts.attributes,
            at=at,
            zone=programme.zoneinfo,
            tier=facts.tier,
            born=facts.born,
            born_known_at=facts.born_known,
            purchases=facts.purchases,
        )
    return Occasion(
        at,
        goods,
        store,
        member,
        frozenset(facts.codes),
        frozenset(facts.offers),
        facts.channel,
        facts.payments,
    )


def _earners(
    programme: Programme,
    matches: Sequence[Match],
    lines: Sequence[LineNet],
    bases: Sequence[Money],
    room: Room,
    *,
    key_of: Callable[[Campaign], int | None],
) -> list[Earner]:
    """Keep the campaigns whose thresholds and counters allow them, and see them as claims."""
    lists = [line.list for line in lines]
    discounted = {at for at, line in enumerate(lines) if line.discounted}
    found = []
    for match in matches:
        campaign = match.campaign
        eligible = tuple(bits(match.lines))
        if not threshold_met(campaign, eligible, bases, lists):
            continue
        left = None
        if campaign.limits.member:
            headroom = room(campaign.campaign, member_limits(campaign, key_of(campaign)))
            if headroom.uses is not None and headroom.uses <= 0:
                continue
            left = headroom.points
        skipped = discounted if campaign.skip_discounted else ()
        claimable = tuple(line for line in eligible if bases[line] > 0 and line not in skipped)
        found.append(earner_of(programme, campaign, claimable, left))
    return with_foes(found, {match.campaign.campaign: match.campaign for match in matches})


def threshold_met(
    campaign: Campaign, eligible: Iterable[int], running: Sequence[Money], lists: Sequence[Money]
) -> bool:
    """Tell whether the campaign's `net` is reached; eligible lines count, claimable or not."""
    net = campaign.basket.net
    if net is None:
        return True
    figures = running if net.base == "running" else lists
    return net.met(sum(figures) if net.over == "all" else sum(figures[line] for line in eligible))


def earner_of(
    programme: Programme, campaign: Campaign, claimable: tuple[int, ...], left: int | None
) -> Earner:
    """See an accrual campaign as one receipt does; *left* is what its counters leave."""
    unit = programme.points[campaign.currency]
    match campaign.gives:
        case PointsPercent(percent=points):
            kind, per = "percent", WHOLE_BP * unit.unit
        case PointsTimes(times=times):
            kind, points, per = "times", times - 100, 100
        case PointsPer(points=points, each=per):
            kind = "per"
        case FixedPoints(points=points):
            kind, per = "points", 1
        case _:
            raise TypeError(f"{campaign.campaign} gives no points")
    return Earner(
        campaign.campaign,
        campaign.lane_index - len(programme.lanes),
        kind,
        points,
        per,
        campaign.currency,
        unit.value,
        claimable,
        campaign.limits.receipt_amount,
        left,
        campaign.when_short == "skip",
        campaign.needs is not None,
        campaign.priority,
        campaign.exclusive == "receipt",
        campaign.exclusive == "items",
    )


def with_foes(earners: list[Earner], campaigns: Mapping[str, Campaign]) -> list[Earner]:
    """Name in each earner the others that its own `not_with` rules out."""
    if not any(campaigns[each.id].not_with for each in earners):
        return earners
    return [
        replace(each, foes=frozenset(foes)) if foes else each
        for each in earners
        for foes in (
            [
                other.id
                for other in earners
                if other is not each and rules_out(campaigns[each.id], campaigns[other.id])
            ],
        )
    ]


def rules_out(one: Campaign, other: Campaign) -> bool:
    """Tell whether the `not_with` of *one* names *other* by id or tag."""
    return other.campaign in one.not_with or not one.not_with.isdisjoint(other.tags)


def _beside_discounts(
    index: CampaignIndex, at: EpochMs, lines: Sequence[LineNet], earners: list[Earner]
) -> list[Earner]:
    """Leave out what can't apply beside the discounts that the till printed."""
    live = {campaign.campaign: campaign for campaign in index.live(at)}
    printed = {name for line in lines for name in line.campaigns}
    discounts = [live[name] for name in sorted(printed) if name in live]
    return [
        earner
        for earner in earners
        if not any(
            rules_out(live[earner.id], discount) or rules_out(discount, live[earner.id])
            for discount in discounts
        )
    ]


def member_limits(campaign: Campaign, birthday_key: int | None = None) -> tuple[Limit, ...]:
    """Give the campaign's member limits as the ledger counts them, under its own birthday."""
    return tuple(
        Limit(
            each.per, each.uses, each.amount, key=birthday_key if each.per == "birthday" else None
        )
        for each in campaign.limits.member
    )


def _accrual(
    campaign: Campaign, points: int, shares: ByLine, weights: ByLine, birthday_key: int | None
) -> Accrual:
    return Accrual(
        campaign.campaign,
        campaign.version,
        points,
        campaign.currency,
        shares,
        campaign.lot,
        member_limits(campaign, birthday_key),
        None if campaign.limits.campaign_amount is None else campaign.campaign,
        birthday_key,
        weights,
        "nothing" if campaign.when_short == "skip" else "partial",
    )


def _birthday_key(
    programme: Programme, campaign: Campaign, facts: Facts, at: EpochMs
) -> int | None:
    window = campaign.birthday
    if window is None or facts.born is None:
        return facts.birthday_year
    birth = member_attributes(
        {}, at=at, zone=programme.zoneinfo, born=facts.born, born_known_at=facts.born_known
    )["birthday"]
    assert isinstance(birth, Birth)
    return birthday_year(window, birth)
