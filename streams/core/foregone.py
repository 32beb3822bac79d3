"""What can be told of a receipt's campaigns before any combination is weighed.

A threshold that no combination can miss is none, and a campaign whose threshold no
combination meets is out.  A limit that nothing can reach is none.  Of sets that are laid
alike, and of point campaigns that want the same lines of one lane, only the best can ever
be chosen.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec.structs import replace

from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Offer, Unit
from streams.core.problem import Problem, Seed


def foregone(problem: Problem, keep: str | None = None) -> Problem:
    """
    Leave out what can't matter: the best combination, its bound and ties stay the same.

    The campaign *keep* stays, though a better one is laid alike or wants the same lines.
    """
    offers = _undoubled(problem, keep)
    if any(offer.net for offer in offers):
        least = _Least(problem)
        offers = tuple(
            kept for offer in offers for kept in (_beyond_doubt(offer, least),) if kept is not None
        )
    if any(offer.limit is not None for offer in offers):
        offers = tuple(_unlimited(offer, problem.units) for offer in offers)
    seeds = _undominated(problem, keep)
    if offers == problem.offers and len(seeds) == len(problem.seeds):
        return problem
    return replace(problem, offers=offers, seeds=seeds)


def most_off(offer: Offer, units: Sequence[Unit], own: Sequence[int]) -> int:
    """Give the most that an offer can take of the units *own* of one line, whatever they run at."""
    whole = sum(units[u].list for u in own)
    room = whole - sum(units[u].floor for u in own)
    quantity = sum(units[u].quantity for u in own)
    if offer.kind == "percent" or (offer.kind == "set" and offer.reward == "percent"):
        if offer.kind == "set" and (offer.by_list or _has_floor(offer, units)):
            return room  # Others may have no room, so that a whole set's discount is borne here.
        return min(room, -(-whole * offer.figure // WHOLE_BP) + 2 * len(own))
    if offer.kind == "amount":
        return min(room, offer.figure * quantity // UNIT_QUANTITY + 1)
    if offer.kind == "price":
        return max(0, min(room, whole - offer.figure * quantity // UNIT_QUANTITY + 1))
    return room


def _has_floor(offer: Offer, units: Sequence[Unit]) -> bool:
    """Tell whether discounts have to leave something of a line that *offer* can claim."""
    return any(unit.floor for unit in units if unit.line in offer.lines)


def may_vanish(problem: Problem, seed: Seed) -> bool:
    """Tell whether discounts could leave nothing of every line that *seed* can claim."""
    for line in seed.earner.lines:
        own = [at for at, unit in enumerate(problem.units) if unit.line == line]
        most: dict[tuple[int, str], int] = {}
        for offer in problem.offers:
            if line in offer.lines:
                # A line has one effect a lane; sets share its pieces, and blocks add up.
                effect = offer.kind not in ("set", "basket")
                key = offer.lane, offer.id if offer.kind == "basket" else str(effect)
                taken = most_off(offer, problem.units, own)
                taken = min(taken, offer.figure) if offer.kind == "basket" else taken
                most[key] = max(most.get(key, 0), taken)
        if problem.lists[line] > sum(most.values()):
            return False
    return True


class _Least:
    """The least that lines can run at when a lane begins."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.group_of = {
            lane: place for place, group in enumerate(problem.groups) for lane in group
        }
        self.units_of: dict[int, list[int]] = {}
        for at, unit in enumerate(problem.units):
            self.units_of.setdefault(unit.line, []).append(at)
        self.known: dict[tuple[int, int], int] = {}

    def lists(self, offer: Offer) -> int:
        """Sum what *offer*'s threshold counts, at list amounts."""
        return sum(self.problem.lists[line] for line in self.lines(offer))

    def lines(self, offer: Offer) -> Sequence[int]:
        """List the lines that *offer*'s threshold counts."""
        assert offer.net is not None
        return range(len(self.problem.lists)) if offer.net.over == "all" else offer.lines

    def total(self, offer: Offer) -> int:
        """Give the least that *offer*'s threshold can find."""
        group = self.group_of[offer.lane]
        before = [
            other
            for other in self.problem.offers
            if other.lane != offer.lane and self.group_of[other.lane] <= group
        ]
        lines = self.lines(offer)
        found = sum(self.line(line, offer.lane, before) for line in lines)
        return found - sum(
            other.figure
            for other in before
            if other.kind == "basket" and not set(other.lines).isdisjoint(lines)
        )

    def line(self, line: int, lane: int, before: Sequence[Offer]) -> int:
        """Give the least a line can run at when *lane* begins, coupons left out."""
        known = self.known.get((line, lane))
        if known is not None:
            return known
        most: dict[int, int] = {}
        sets: dict[int, int] = {}
        own = self.units_of.get(line, [])
        for other in before:
            if other.kind == "basket" or line not in other.lines:
                continue
            taken = most_off(other, self.problem.units, own)
            lanes = sets if other.kind == "set" else most
            lanes[other.lane] = max(lanes.get(other.lane, 0), taken)
        least = max(0, self.problem.lists[line] - sum(most.values()) - sum(sets.values()))
        self.known[line, lane] = least
        return least


def _beyond_doubt(offer: Offer, least: _Least) -> Offer | None:
    """Drop a threshold that is always met; None where it never is."""
    net = offer.net
    if net is None:
        return offer
    if not net.met(least.lists(offer)):
        return None
    return replace(offer, net=None) if net.met(least.total(offer)) else offer


def _unlimited(offer: Offer, units: Sequence[Unit]) -> Offer:
    """Drop limits that the offer can't reach."""
    if offer.limit is None:
        return offer
    if offer.kind == "basket":
        whole = offer.figure
    else:
        lines: dict[int, list[int]] = {}
        for at, unit in enumerate(units):
            if unit.line in offer.lines:
                lines.setdefault(unit.line, []).append(at)
        whole = sum(most_off(offer, units, own) for own in lines.values())
    return offer if whole > offer.limit else replace(offer, cap=None, left=None)


def _undoubled(problem: Problem, keep: str | None) -> tuple[Offer, ...]:
    """
    Of sets that differ only in name, need of a code and priority, keep the one ties prefer.

    It can be laid wherever another is, for the same discount.  What limits or sees one of
    them tells them apart; a cap on the receipt does, as it is spread over campaigns.
    """
    if problem.cap is not None:
        return problem.offers
    named = {one for one, _ in problem.odds}
    best: dict[Offer, Offer] = {}
    doubles = set()
    for offer in sorted(problem.offers, key=lambda each: each.rank):
        bound = offer.limit is not None or offer.sets_most is not None
        if offer.kind != "set" or bound or offer.alone or offer.items:
            continue
        if offer.id in named or offer.id == keep:
            continue
        alike = replace(offer, id="", coded=False, priority=0)
        if best.setdefault(alike, offer) is not offer:
            doubles.add(offer.id)
    if not doubles:
        return problem.offers
    return tuple(offer for offer in problem.offers if offer.id not in doubles)


def _undominated(problem: Problem, keep: str | None) -> tuple[Seed, ...]:
    """Of the points by amount that want the same lines and that nothing limits, keep the best."""
    best: dict[object, tuple[tuple[Fraction, int, int], Seed]] = {}
    named = {one for one, _ in problem.odds}
    kept = []
    for seed in sorted(problem.seeds, key=lambda each: each.earner.id):
        own = seed.earner
        seen = own.limit is not None or own.alone or own.items or own.id in {*named, keep}
        if own.kind != "per" or seen or own.foes:
            kept.append(seed.earner.id)
            continue
        key = own.lane, own.lines, own.currency, own.value, seed.net, seed.skip_discounted
        merit = Fraction(own.points, own.per), -own.coded, own.priority
        if key not in best or merit > best[key][0]:
            best[key] = merit, seed
    kept += [seed.earner.id for _, seed in best.values()]
    return tuple(seed for seed in problem.seeds if seed.earner.id in kept)
