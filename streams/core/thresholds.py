"""Thresholds on running amounts that a combination put together from parts may miss.

What such a threshold counts is spread over parts.  For each outcome of a part it is told
how much of that it leaves at most, and whose campaign it claims, so that a joining can
leave out what misses one.
"""

from collections.abc import Mapping, Sequence
from typing import final

from streams.core.combination import Claim, Offer
from streams.core.discounting import discount_lane
from streams.core.joining import Option
from streams.core.line_ways import LineWays, Start
from streams.core.part import Outcome
from streams.core.task import Task


@final
class Thresholds:
    """
    What thresholds count of the outcomes of parts.

    Args:
        task: That is solved.
        lanes: Its lanes in use, in order.
        places: Of the offers whose thresholds they are.
        starts: What some lines go on from, by line.
    """

    def __init__(
        self,
        task: Task,
        lanes: Sequence[int],
        places: Sequence[int],
        starts: Mapping[int, Start],
    ) -> None:
        self.task = task
        self.lanes = lanes
        self.places = places
        self.starts = starts

    @property
    def needs(self) -> list[int]:
        """The least by which each is met."""
        found = []
        for place in self.places:
            net = self.task.offers[place].net
            assert net is not None
            found.append(net.bound + net.strict)
        return found

    def option(self, outcome: Outcome, lines: Sequence[LineWays]) -> Option:
        """See what the thresholds count of an outcome of the part that has *lines*."""
        uses = 0
        for number, place in enumerate(self.places):
            offer = self.task.offers[place]
            if any(own == place for own, _ in outcome.effects) or any(
                claim.offer is offer for claim in outcome.sets
            ):
                uses |= 1 << number
        counts = [self._counted(outcome, self.task.offers[own], lines) for own in self.places]
        return Option(outcome, counts, uses)

    def _counted(self, outcome: Outcome, offer: Offer, lines: Sequence[LineWays]) -> int:
        """Give what an offer's threshold counts of an outcome, at most."""
        here = [line for line in lines if _counts(offer, line.line)]
        if not here:
            return 0
        running = list(self.task.start.running)
        for line in lines:
            if line.line in self.starts:
                for u, own in zip(line.own, self.starts[line.line].runs):
                    running[u] = own
        for claims in self._before(offer, outcome):
            result = discount_lane(claims, self.task.units, running, None)
            if result is None:
                break
            running = [r - off for r, off in zip(running, result.off)]
        return sum([running[u] for line in here for u in line.own])

    def _before(self, offer: Offer, outcome: Outcome) -> list[list[Claim]]:
        """List an outcome's claims lane by lane before an offer's, but for those of starts."""
        task, before = self.task, self.lanes[: self.lanes.index(offer.lane)]
        claims: dict[int, list[Claim]] = {lane: [] for lane in before}
        for place, units in outcome.effects:
            start = self.starts.get(task.units[units[0]].line)
            lane = task.offers[place].lane
            if lane in claims and (start is None or place not in start.places):
                claims[lane].append(Claim(task.offers[place], units))
        for claim in outcome.sets:
            if claim.offer.lane in claims:
                claims[claim.offer.lane].append(claim)
        return [own for own in claims.values() if own]


def _counts(offer: Offer, line: int) -> bool:
    """Tell whether an offer's threshold counts a line."""
    return offer.net is not None and (offer.net.over == "all" or line in offer.lines)
