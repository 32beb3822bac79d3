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

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import Choice, Earner
from streams.core.accrual_count import award
from streams.core.allocation import spread
from streams.core.basket import Basket, Member, MemberLot
from streams.core.calendar import dates
from streams.core.campaigns import Campaign
from streams.core.case import Case, see
from streams.core.combination import WHOLE_BP, Claim
from streams.core.conditions import holds
from streams.core.discounting import by_line, discount_lane
from streams.core.matching import CampaignIndex
from streams.core.net_accruals import earners_on
from streams.core.occasion import goods_attributes
from streams.core.optimum import Solver
from streams.core.programme import Programme
from streams.core.receipt import EpochMs, Money, Points
from streams.core.runs import runs_until
from streams.core.spending import Spending, UsableLot, capacity, spend
from streams.core.task import Combination

SEMANTICS = 1  # The version of promotions.md.
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
    laid = [each for each in spending.lines if each]
    paid = [
        net - unit.value * sum(each.get(line, 0) for each in laid)
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
        found.update(by_line(result.shares, problem.units))
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
