"""The best of one lane on a line that nothing ties to others, where no points are earned.

So most lines are when lanes are looked at one by one: of such a line the search has
nothing to weigh but which of its effects takes most.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import final

from streams.core.accrual_claims import NO_CHOICE
from streams.core.combination import Claim, Offer
from streams.core.discounting import discounted
from streams.core.line_ways import effect_of, off_of
from streams.core.problem import Problem
from streams.core.task import Position, Solution, nothing


@final
class LoneLines:
    """
    The lines of a problem that are decided alone.

    Attributes:
        any: Whether there can be some: of one lane, without points, a cap or exclusions.
        effects: By line, its offers, those that ties prefer first.
        start: Where lines run at their list amounts.
    """

    def __init__(
        self, problem: Problem, units_of: Mapping[int, Sequence[int]], start: Position
    ) -> None:
        self.units = problem.units
        self.units_of = units_of
        self.start = start
        self.effects: dict[int, list[Offer]] = {}
        lanes = {offer.lane for offer in problem.offers}
        self.any = (
            len(lanes) == 1 and problem.cap is None and not problem.seeds and not problem.odds
        )
        if self.any:
            for offer in sorted(problem.offers, key=lambda each: each.rank):
                for line in offer.lines:
                    self.effects.setdefault(line, []).append(offer)

    def best(self, lines: Sequence[int]) -> Solution | None:
        """Give the best of a component; None where that takes a search."""
        if not self.any or len(lines) > 1:
            return None
        offers = self.effects.get(lines[0], [])
        if not all(_is_plain(offer) for offer in offers):
            return None
        units, own = self.units, tuple(self.units_of.get(lines[0], ()))
        whole = sum([units[u].list for u in own])
        floor = sum([units[u].floor for u in own])
        quantity = sum([units[u].quantity for u in own])
        best, most = None, 0
        for offer in offers:  # Of those that take as much, the first is what ties prefer.
            off = off_of(effect_of(0, offer, whole, quantity), whole, floor)
            if off > most:
                best, most = offer, off
        if best is None:
            return nothing(self.start)
        claim = Claim(best, own)
        lists = self.start.running
        running = list(lists)
        for unit, off in discounted(claim, units, lists, lists).items():
            running[unit] -= off
        return Solution(
            (Fraction(most), most, -best.coded, 1, best.priority),
            (claim,),
            NO_CHOICE,
            Position(tuple(running), 0, 0, frozenset(), frozenset(), most, (claim,)),
        )


def _is_plain(offer: Offer) -> bool:
    """Tell whether an offer is an effect whose discount on a line depends on nothing else."""
    return (
        offer.kind not in ("set", "basket")
        and offer.limit is None
        and offer.net is None
        and not offer.items
    )
