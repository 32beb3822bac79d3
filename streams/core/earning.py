"""What the campaigns pay for a sold receipt: promotions.md §4, as the ledger asks for it.

`campaign_rules` joins the parts: matching says which campaigns may apply and to
which lines, the thresholds are read on the printed nets, `accrual_choice`
chooses the claims, and what it awards becomes one `Accrual` a campaign.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import lcm
from typing import Any

from msgspec.structs import replace

from streams.core.accrual import (
    Accrual,
    Facts,
    HasBudget,
    Limit,
    LimitsOf,
    LineNet,
    Room,
    Rules,
)
from streams.core.accrual_choice import choose
from streams.core.accrual_claims import Earner
from streams.core.accrual_count import awarded
from streams.core.allocation import half_up
from streams.core.campaigns import (
    Campaign,
    FixedPoints,
    PointsPer,
    PointsPercent,
    PointsTimes,
)
from streams.core.conditions import Birth, birthday_year
from streams.core.lanes import Offer, Rate, places, plain_claims, rate_of
from streams.core.matching import CampaignIndex
from streams.core.occasion import GoodsLine, Match, Occasion, member_attributes
from streams.core.programme import Programme
from streams.core.receipt import EpochMs, Money, Points

WHOLE_BP = 10_000
UNIT_QUANTITY = 1_000  # Thousandths of the unit that a price is for.

Describe = Callable[[str], Mapping[str, Any]]
ByLine = tuple[tuple[int, int], ...]  # A figure by number of the line.


class Earning:
    """
    The accrual campaigns of a programme, as the ledger's rules; what they share is kept.

    Args:
        programme: Of the campaigns in *index*.
        index: Campaigns as of any sale.
    """

    def __init__(self, programme: Programme, index: CampaignIndex) -> None:
        self.programme = programme
        self.index = index
        # A multiple of all that effects are counted by.
        self._scale = lcm(100, *(WHOLE_BP * each.unit for each in programme.points.values()))
        self._rates: dict[tuple[str, int], Rate] = {}

    def rate(self, campaign: Campaign) -> Rate:
        """See *campaign* as it is on every receipt."""
        key = campaign.campaign, campaign.version
        known = self._rates.get(key)
        if known is None:
            earner = earner_of(self.programme, campaign, (), None)
            known = rate_of(earner, self._scale, wary=bool(campaign.not_with))
            self._rates[key] = known
        return known

    def rules(self, product: Describe, store: Mapping[str, Any]) -> Rules:
        """
        Make the rules of one place.

        Args:
            product: Attributes of a product by sku as of the sale; empty where unknown.
            store: Attributes of the place.
        """

        def rules(
            facts: Facts, lines: Sequence[LineNet], at: EpochMs, room: Room
        ) -> tuple[Accrual, ...]:
            goods = _goods(lines, product)
            occasion = _occasion(self, facts, goods, at, store)
            matches = self.index.matches(occasion, "accrual")
            if not matches:
                return ()
            return _Sale(self, facts, lines, at, room).accruals(matches)

        return rules


def campaign_rules(
    programme: Programme, index: CampaignIndex, product: Describe, store: Mapping[str, Any]
) -> Rules:
    """Make the ledger's rules of compiled campaigns for one place; see `Earning`."""
    return Earning(programme, index).rules(product, store)


class _Sale:
    """The lines of one receipt, and what the campaigns that match them pay."""

    def __init__(
        self,
        earning: Earning,
        facts: Facts,
        lines: Sequence[LineNet],
        at: EpochMs,
        room: Room,
    ) -> None:
        self.earning = earning
        self.facts = facts
        self.lines = lines
        self.at = at
        self.room = room
        on_net = earning.programme.earn_on == "net"
        self.bases = [line.amount if on_net else line.net for line in lines]
        earning_lines = discounted = 0
        for place, line in enumerate(lines):
            if self.bases[place] > 0 and line.claimable:
                earning_lines |= 1 << place
            if line.discounted:
                discounted |= 1 << place
        self.earning_lines, self.discounted = earning_lines, discounted

    def accruals(self, matches: Sequence[Match]) -> tuple[Accrual, ...]:
        """Choose among *matches*, and pay."""
        matches = _beside_discounts(self.earning.index, self.at, self.lines, matches)
        campaigns = {match.campaign.campaign: match.campaign for match in matches}
        offers = self._offers(matches)
        claims, crossed = plain_claims(offers, self.bases)
        claimed = [(rate.earner, left, places(mask)) for rate, mask, left in claims]
        if crossed:
            claimed += self._weighed(crossed, campaigns)
            claimed.sort(key=lambda claim: (claim[0].lane, claim[0].id))
        return tuple(
            [
                self._accrual(campaigns[earner.id], points, own, shares, weights)
                for earner, points, own, shares, weights in awarded(claimed, self.bases)
                if points > 0
            ]
        )

    def _offers(self, matches: Sequence[Match]) -> list[Offer]:
        """Keep the campaigns whose thresholds and counters allow them."""
        lists: list[Money] | None = None
        found: list[Offer] = []
        for campaign, eligible in ((match.campaign, match.lines) for match in matches):
            if campaign.basket.net is not None:
                lists = [line.list for line in self.lines] if lists is None else lists
                if not threshold_met(campaign, places(eligible), self.bases, lists):
                    continue
            left = None
            if campaign.limits.member:
                limits = member_limits(campaign, self._birthday_key(campaign))
                headroom = self.room(campaign.campaign, limits)
                if headroom.uses is not None and headroom.uses <= 0:
                    continue
                left = headroom.points
            mask = eligible & self.earning_lines
            if campaign.skip_discounted:
                mask &= ~self.discounted
            rate = self.earning.rate(campaign)
            if mask and rate.able and left != 0 and rate.earner.cap != 0:
                found.append((rate, mask, left))
        return found

    def _weighed(
        self, offers: Sequence[Offer], campaigns: Mapping[str, Campaign]
    ) -> list[tuple[Earner, Points | None, tuple[int, ...]]]:
        """Ask the chooser, which weighs campaigns against each other."""
        earners = [
            replace(rate.earner, lines=places(mask), left=left) for rate, mask, left in offers
        ]
        choice = choose(
            with_foes(earners, campaigns), self.bases, nodes=self.earning.programme.nodes
        )
        return [(earner, earner.left, lines) for earner, lines in choice.claims]

    def _accrual(
        self,
        campaign: Campaign,
        points: Points,
        own: Sequence[int],
        shares: Sequence[Points],
        weights: Sequence[int],
    ) -> Accrual:
        key = self._birthday_key(campaign)
        budget = None if campaign.limits.campaign_amount is None else campaign.campaign
        return Accrual(
            campaign.campaign,
            campaign.version,
            points,
            campaign.currency,
            self._by_line(own, shares),
            campaign.lot,
            member_limits(campaign, key),
            budget,
            key,
            () if budget is None else self._by_line(own, weights),
            "nothing" if campaign.when_short == "skip" else "partial",
        )

    def _by_line(self, own: Sequence[int], figures: Sequence[int]) -> ByLine:
        lines = self.lines
        return tuple([(lines[place].n, each) for place, each in zip(own, figures, strict=True)])

    def _birthday_key(self, campaign: Campaign) -> int | None:
        if self.facts.born is None:
            return self.facts.birthday_year
        return birthday_key(self.earning.programme, campaign, self.facts, self.at)


def discount_limits(programme: Programme, index: CampaignIndex) -> LimitsOf:
    """Tell of a printed discount's campaign, by id, which limits of the member it counts in."""

    def limits_of(name: str, facts: Facts, at: EpochMs) -> tuple[Limit, ...]:
        campaign = index.version(name, at)
        if campaign is None or not campaign.limits.member:
            return ()
        return member_limits(campaign, birthday_key(programme, campaign, facts, at))

    return limits_of


def discount_budgets(index: CampaignIndex) -> HasBudget:
    """Tell of a printed discount's campaign, by id, whether it has a budget."""

    def has_budget(name: str, at: EpochMs) -> bool:
        campaign = index.version(name, at)
        return campaign is not None and campaign.limits.campaign_amount is not None

    return has_budget


def _goods(lines: Sequence[LineNet], product: Describe) -> tuple[GoodsLine, ...]:
    return tuple(
        [
            GoodsLine(
                line.sku,
                half_up(line.list * UNIT_QUANTITY, line.qty),
                line.qty,
                line.list,
                product(line.sku),
            )
            for line in lines
        ]
    )


def _occasion(
    earning: Earning,
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
            zone=earning.programme.zoneinfo,
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
        frozenset(earning.index.presented(facts.codes, at).values())
        if facts.codes
        else frozenset(),
        frozenset(facts.offers),
        facts.channel,
        facts.payments,
    )


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
    index: CampaignIndex, at: EpochMs, lines: Sequence[LineNet], matches: Sequence[Match]
) -> Sequence[Match]:
    """Leave out what can't apply beside the discounts that the till printed."""
    printed: set[str] = set()
    for line in lines:
        printed.update(line.campaigns)
    served = [index.version(name, at) for name in sorted(printed)]
    discounts = [each for each in served if each is not None]
    if not discounts:
        return matches
    return [
        match
        for match in matches
        if not any(
            rules_out(match.campaign, discount) or rules_out(discount, match.campaign)
            for discount in discounts
        )
    ]


def member_limits(campaign: Campaign, birthday_key: int | None = None) -> tuple[Limit, ...]:
    """Give the campaign's member limits as the ledger counts them, under its own birthday."""
    if not campaign.limits.member:
        return ()
    return tuple(
        Limit(
            each.per, each.uses, each.amount, key=birthday_key if each.per == "birthday" else None
        )
        for each in campaign.limits.member
    )


def birthday_key(programme: Programme, campaign: Campaign, facts: Facts, at: EpochMs) -> int | None:
    """Give the year of the birthday whose window in *campaign* holds *at*, or the receipt's."""
    window = campaign.birthday
    if window is None or facts.born is None:
        return facts.birthday_year
    birth = member_attributes(
        {}, at=at, zone=programme.zoneinfo, born=facts.born, born_known_at=facts.born_known
    )["birthday"]
    assert isinstance(birth, Birth)
    return birthday_year(window, birth)
