"""The outcomes of a part with sets.

Before the sets' lane every line goes its own way.  In it the sets are laid on exact
amounts; whatever they take, a line goes on by what it runs at in total, as it would
alone.  So a part is settled by one way into the lane for each line, one laying of
sets, and one way out for each line.
"""

from collections.abc import Callable, Iterable, Iterator

from streams.core.part import Outcome
from streams.core.set_lane import SetLane
from streams.core.set_part import Entry, SetPart


class SetWays:
    """
    Searches a part; `prepare` has to come first.

    Attributes:
        whole: False when the nodes were spent before every outcome was found.
    """

    def __init__(self, part: SetPart, count: Callable[[int], bool]) -> None:
        self.part = part
        self.lines = part.lines
        self.count = count
        self.whole = True
        self.least = -1
        self.lanes: dict[tuple[Entry, ...], SetLane] = {}

    def prepare(self) -> int:
        """Weigh the ways into the lane; give the most that the part is worth."""
        self.part.weigh()
        self.rest = [0]
        for entries in reversed(self.part.entries):
            self.rest.append(self.rest[-1] + entries[0].most)
        self.rest.reverse()
        part = self.part
        bare = sum(max(entry.bare for entry in entries) for entries in part.entries)
        dearest = [(part.lists[u], 0, at) for u, at in part.line_of.items()]
        return min(self.rest[0], bare + part.packed(dearest))

    def best(self, guess: int, must: int) -> list[Outcome]:
        """List the outcomes not below the best less *guess*, best first; *must* is in all."""
        found: list[Outcome] = []
        self.least = -1
        if must < 0:
            first = self._lane(tuple(entries[0] for entries in self.part.entries))
            found = [self._without_sets(), *first.dearest()]
            self.least = max(each.priced for each in found) - guess
        for lane in self._lanes(0, 0, ()):
            found += lane.outcomes(self.least, must, guess)
            self.whole &= lane.whole
            self.least = max([self.least, *(each.priced - guess for each in found)])
        return _sorted(each for each in found if each.priced >= self.least)

    def _without_sets(self) -> Outcome:
        """Give the best way of each line by itself, to begin with."""
        ways = []
        for line in self.lines:
            own = line.ways(0, line.whole, 0, line.most(0, line.whole, 0))
            ways.append((line, max(own, key=lambda way: way.priced)))
        return Outcome(
            sum(way.priced for _, way in ways),
            sum(way.worth for _, way in ways),
            tuple((place, line.own) for line, way in ways for place in way.places),
            (),
            tuple((way.limited, way.taken, way.lost) for _, way in ways if way.limited >= 0),
        )

    def outcomes(self, least: int, must: int) -> list[Outcome]:
        """List the outcomes whose priced worth is not below *least*, best first."""
        found: list[Outcome] = []
        self.least = least
        for lane in self._lanes(0, 0, ()):
            found += lane.outcomes(least, must)
            self.whole &= lane.whole
        return _sorted(found)

    def _lanes(self, at: int, worth: int, chosen: tuple[Entry, ...]) -> Iterator[SetLane]:
        """Yield the lane for each way into it by which all lines together may reach `least`."""
        part = self.part
        if at == len(part.entries):
            bare = sum(entry.bare for entry in chosen)
            if bare + part.sets_gain(chosen) >= self.least:
                yield self._lane(chosen)
            return
        for entry in part.entries[at]:
            most = worth + entry.most
            if most + self.rest[at + 1] < self.least:
                return
            if not self.count(self.part.weight):
                self.whole = False
                return
            yield from self._lanes(at + 1, most, (*chosen, entry))

    def _lane(self, entries: tuple[Entry, ...]) -> SetLane:
        known = self.lanes.get(entries)
        if known is None:
            known = self.lanes[entries] = SetLane(self.part, entries, self.count)
        return known


def _sorted(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Order outcomes best first, and drop what was found twice."""
    distinct = {(each.effects, each.sets): each for each in outcomes}
    return sorted(distinct.values(), key=lambda each: -each.priced)
