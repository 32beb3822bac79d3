"""The outcomes of a part with sets.

Before the sets' lane every line goes its own way.  In it the sets are laid on exact
amounts; whatever they take, a line goes on by what it runs at in total, as it would
alone.  So a part is settled by one way into the lane for each line, one laying of
sets, and one way out for each line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from streams.core.line_ways import Start, Way
from streams.core.part import Outcome
from streams.core.set_gains import SetGains
from streams.core.set_lane import SetLane
from streams.core.set_part import ANY, SetPart


class SetWays:
    """
    Searches a part whose lines go on from *starts*.

    Attributes:
        most: The most that it is worth.
        whole: False when the nodes were spent before every outcome was found.
    """

    def __init__(
        self,
        part: SetPart,
        gains: SetGains,
        starts: Sequence[Start],
        count: Callable[[int], bool],
    ) -> None:
        self.part = part
        self.lines = part.lines
        self.starts = tuple(starts)
        self.count = count
        self.whole = True
        self.least = -1
        self.lanes: dict[tuple[int, ...], SetLane] = {}
        made = part.made
        self.entries = [part.entries(at, start) for at, start in enumerate(starts)]
        count(part.made - made)  # To list a way is as much work as a node.
        self.gains = gains
        self.most = sum([own.bare(ANY) for own in self.entries]) + part.gain
        self.losses: list[list[int]] = []
        self.good: list[Outcome] = []  # As `quick` gives them.

    def tighten(self) -> None:
        """Lower `most`, once and while there are nodes, to what the ways to lay sets allow."""
        if not self.losses and self.count(1):
            gains = self.gains
            self.count(gains.work)
            most, self.losses = gains.most_and_losses(self.entries, (ANY,) * len(self.entries))
            self.most = min(self.most, most)

    def best(self, guess: int, least: int, must: int) -> list[Outcome]:
        """List the outcomes not below *least* and the best less *guess*, best first."""
        found: list[Outcome] = []
        self.least = least
        self.tighten()
        if self.most < least:
            return []
        for lane in self._lanes((), self.most, self.losses):
            found += lane.outcomes(self.least, must, guess)
            self.whole &= lane.whole
            self.least = max([self.least, *[each.worth - guess for each in found]])
        if not self.whole:
            found += self.quick() if must < 0 else self._quick_with(must)
        return _sorted(each for each in found if each.worth >= self.least)

    def quick(self) -> list[Outcome]:
        """Give some good outcomes, whatever nodes are left."""
        if not self.good:
            first = self._lane((0,) * len(self.entries))
            self.good = [self._without_sets({}), *first.quick(), *first.dearest()]
        return self.good

    def _quick_with(self, must: int) -> list[Outcome]:
        """Give some outcomes that have an offer, whatever nodes are left: a set laid first."""
        if must in self.part.sets:
            return self._lane((0,) * len(self.entries)).quick_with(must)
        found = []
        for at, (line, start) in enumerate(zip(self.lines, self.starts)):
            ways = line.ways(start.at, start.running, start.off, 0)
            having = [way for way in ways if must in start.places or must in way.places]
            if having:
                found.append(self._without_sets({at: max(having, key=_worth)}))
        return found

    def _without_sets(self, given: Mapping[int, Way]) -> Outcome:
        """Give the best way of each line by itself, of some lines the one that is *given*."""
        ways = []
        for at, (line, start) in enumerate(zip(self.lines, self.starts)):
            way = given.get(at)
            if way is None:
                most = line.most(start.at, start.running, start.off)
                own = line.ways(start.at, start.running, start.off, most)
                way = max(own, key=_worth)
            ways.append((line, start, way))
        return Outcome(
            sum(way.worth for *_, way in ways),
            tuple(
                (place, line.own)
                for line, start, way in ways
                for place in (*start.places, *way.places)
            ),
        )

    def outcomes(self, least: int, must: int) -> list[Outcome]:
        """List the outcomes whose worth is not below *least*, best first."""
        found: list[Outcome] = []
        self.least = least
        for lane in self._lanes((), self.most, self.losses):
            found += lane.outcomes(least, must)
            self.whole &= lane.whole
        return _sorted(found)

    def _lanes(
        self, chosen: tuple[int, ...], most: int, losses: list[list[int]]
    ) -> Iterator[SetLane]:
        """
        Yield the lane for each way into it by which all lines together may reach `least`.

        The first lines enter as *chosen*; of the others, all by their best entry, or a first
        one by another.
        """
        if most < self.least:
            return
        if not losses:  # No node was left to bound the part.
            self.whole = False
            return
        gains, count = self.gains, len(self.entries)
        yield self._lane((*chosen, *[0] * (count - len(chosen))))
        for at in range(len(chosen), count):
            before = (*chosen, *[0] * (at - len(chosen)))
            for place in range(1, len(self.entries[at].own)):
                if most - losses[at][place] < self.least:
                    continue
                if not self.count(gains.work):
                    self.whole = False
                    return
                own = (*before, place)
                below, lost = gains.most_and_losses(self.entries, (*own, *[ANY] * (count - at - 1)))
                yield from self._lanes(own, below, lost)

    def _lane(self, choice: tuple[int, ...]) -> SetLane:
        known = self.lanes.get(choice)
        if known is None:
            entries = [own.own[place] for own, place in zip(self.entries, choice)]
            known = self.lanes[choice] = SetLane(self.part, entries, self.count)
        return known


def _worth(way: Way) -> int:
    return way.worth


def _sorted(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Order outcomes best first, and drop what was found twice."""
    distinct = {(each.effects, each.sets): each for each in outcomes}
    return sorted(distinct.values(), key=lambda each: -each.worth)
