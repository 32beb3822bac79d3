"""The outcomes of a part that is one line: what `set_ways` is for lines that sets tie."""

from typing import final

from streams.core.line_ways import LineWays, Start
from streams.core.part import Outcome


@final
class LinePart:
    """A line that no set ties to others, as a part."""

    whole = True

    def __init__(self, line: LineWays, start: Start) -> None:
        self.lines = (line,)
        self.start = start
        self.most = line.most(start.at, start.running, start.off)

    def tighten(self) -> None:
        """Leave `most`, which is exact."""

    def best(self, guess: int, least: int, must: int) -> list[Outcome]:
        """List the outcomes not below *least* and the best less *guess*, best first."""
        if must < 0:
            return self.outcomes(max(least, self.most - guess), must)
        found = self.outcomes(least, must)
        return [each for each in found if each.worth >= found[0].worth - guess]

    def quick(self) -> list[Outcome]:
        """Give the best outcomes."""
        return self.outcomes(self.most, -1)

    def outcomes(self, least: int, must: int) -> list[Outcome]:
        """List the outcomes whose worth is not below *least*, best first."""
        line, start = self.lines[0], self.start
        ways = line.ways(start.at, start.running, start.off, least)
        found = [(way.worth, (*start.places, *way.places)) for way in ways]
        if must >= 0:
            found = [each for each in found if must in each[1]]
        found.sort(key=lambda each: (-each[0], each[1]))
        return [
            Outcome(worth, tuple([(place, line.own) for place in places]))
            for worth, places in found
        ]
