"""Which lines claim limited campaigns, and what each line then has of them.

A limit ties all lines of its campaign together, and nothing else that lines do matters
to it.  So it is settled first: for every choice of the lines that claim, each line's
part of the limit is exact, and the lines go on apart.  Few choices come near the best:
what a line gains is at most straight between nothing and all of what it would take, and
a minor unit of a limit can be given a price.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, final

from streams.core.combination import Unit
from streams.core.depth import allow_depth
from streams.core.discounting import over_units
from streams.core.line_ways import DEEP, LineWays, Start, off_of

ROUNDS: Final = 3  # How often prices are adjusted.
LINES_A_NODE: Final = 16  # To weigh what one line claims is a node for so many that could.
PRICED_ALONE: Final = 3  # So many limited campaigns are priced in every mixture of nothing and all.


@final
class Taker:
    """
    A line's claim on a limited campaign.

    Attributes:
        place: The campaign.
        taken: What it takes uncut; of that, *most* is below the limit.
        start: Where the line is when it claims.
        at: The step it goes on with.
        bare: What it gains on the line's best without a claim, if it is cut to nothing.
        full: What it gains if it takes *most*.
        straight: Whether, cut to less, it gains no more than in proportion.
    """

    def __init__(
        self,
        *,
        line: int,
        place: int,
        taken: int,
        most: int,
        start: Start,
        at: int,
        bare: int,
        full: int,
        straight: bool,
    ) -> None:
        self.line = line
        self.place = place
        self.taken = taken
        self.most = most
        self.start = start
        self.at = at
        self.bare = bare
        self.full = full
        self.straight = straight

    def priced(self, price: int) -> int:
        """Give the most it gains, however it is cut, if a minor unit costs *price*."""
        if not self.straight:
            return max(self.bare, self.full)
        return max(self.bare, self.full - price * self.most)


Taking = tuple[Taker, ...]  # At most one a line, by line.


class Takers:
    """
    The lines that could claim, and the choices among them.

    Attributes:
        options: By line, its possible claims.
        spent: Whether nodes were spent before all choices were weighed.
    """

    def __init__(
        self,
        lines: Mapping[int, LineWays],
        limits: Mapping[int, int],
        units: Sequence[Unit],
        count: Callable[[int], bool],
    ) -> None:
        self.lines = lines
        self.limits = limits
        self.units = units
        self.count = count
        self.spent = False
        found = [self._of_line(line) for line in lines.values() if line.tight]
        self.options = [own for own in found if own]
        self.prices = self._prices()

    # --- Setting up -----------------------------------------------------------

    def _of_line(self, line: LineWays) -> list[Taker]:
        """List the ways a line can claim a limited campaign."""
        free = line.most(0, line.whole, 0)
        at = line.steps_before(line.tight_depth + 1)
        found = []
        for start in line.before(line.tight_depth):
            for effect in line.tight:
                taken = off_of(effect, start.running, line.floor)
                limit = self.limits[effect[0]]
                if taken <= 0 or limit <= 0:
                    continue
                most = min(taken, limit)
                # What follows rounds by less than a minor unit a step.
                margin = line.scale * (1 + len(line.steps) - at)
                bare = line.most(at, start.running, start.off) - free + margin
                full = line.most(at, start.running - most, start.off + most) - free + margin
                found.append(
                    Taker(
                        line=line.line,
                        place=effect[0],
                        taken=taken,
                        most=most,
                        start=start,
                        at=at,
                        bare=bare,
                        full=full,
                        straight=self._is_straight(line, at),
                    )
                )
        return found

    @staticmethod
    def _is_straight(line: LineWays, at: int) -> bool:
        """Tell whether no discount from a step on ends at 0, so that parts stay parts."""
        least = line.lowest(DEEP)
        later = line.steps[at:]
        return not line.floor and all(e[2] <= least for step in later for e in step.plain)

    def _prices(self) -> list[dict[int, int]]:
        """
        Give prices of the limits, those first at which what is claimed just fits.

        Any prices give a bound; these give a low one, others one for few and many claims.
        """
        prices = dict.fromkeys(self.limits, 0)
        for _ in range(ROUNDS if len(prices) > 1 else 1):
            for place in sorted(prices):
                prices[place] = self._price(place, prices)
        found = [dict.fromkeys(prices, 0)]
        if len(prices) <= PRICED_ALONE:
            scale = next((line.scale for line in self.lines.values()), 0)
            found = [{}]
            for place, price in prices.items():
                ends = sorted({0, price, scale})
                found = [{**one, place: each} for one in found for each in ends]
            found.remove(prices)
        return [prices, *found]

    def _price(self, place: int, prices: Mapping[int, int]) -> int:
        gains = []
        for own in self.options:
            here = [t for t in own if t.place == place]
            if not here:
                continue
            taker = max(here, key=lambda each: each.full)
            others = [t.priced(prices[t.place]) for t in own if t.place != place]
            gain = taker.full - max([0, *others])
            if gain > 0:
                gains.append((gain // taker.most, taker.most))
        gains.sort(reverse=True)
        left = self.limits[place]
        for rate, taken in gains:
            left -= taken
            if left < 0:
                return rate
        return 0

    def ends(self, line: int) -> list[tuple[Start, int]] | None:
        """
        List where a line may go on from: without a claim, and with all of each.

        With nothing of one it is where it also comes to without a claim; what lies between is
        between in all it is worth.  None where it may not be.

        Returns:
            Each start, and what it costs at prices.
        """
        own, prices = self.lines[line], self.prices[0]
        found = [(own.start, 0)]
        least: dict[object, int] = {}  # What a line costs at least that runs so.
        for taker in next((each for each in self.options if each[0].line == line), []):
            if any(
                percent < 0 for step in own.steps[taker.at :] for _, percent, _, _ in step.plain
            ):
                return None
            start, off = taker.start, taker.most
            end = Start(
                taker.at,
                start.running - off,
                start.off + off,
                (*start.places, taker.place),
                own.after(start.runs, off),
            )
            cost = prices[taker.place] * off
            if cost < least.get((end.at, end.runs), cost + 1):
                least[end.at, end.runs] = cost
                found.append((end, cost))
        return found

    # --- Choosing -------------------------------------------------------------

    def most(self) -> int:
        """Give what any choice gains at most."""
        tops = []
        for prices in self.prices:
            total = sum(price * self.limits[place] for place, price in prices.items())
            for own in self.options:
                total += max([0, *[t.priced(prices[t.place]) for t in own]])
            tops.append(total)
        return min(tops)

    def gain(self, taking: Taking) -> int:
        """Give the most that a choice gains: limits cut each campaign in proportion."""
        taken: dict[int, int] = {}
        for taker in taking:
            taken[taker.place] = taken.get(taker.place, 0) + taker.taken
        total = 0
        for taker in taking:
            limit, whole = self.limits[taker.place], taken[taker.place]
            if whole <= limit or not taker.straight:
                total += max(taker.bare, taker.full)
            else:
                has = -(-taker.taken * limit // whole) + 1
                if taker.full < taker.bare:  # It counts more undiscounted: the least it has.
                    has = taker.taken * limit // whole
                part = (taker.full - taker.bare) * min(has, taker.most)
                total += taker.bare - (-part // taker.most)
        return total

    def choices(self, enough: Callable[[int], bool]) -> Iterator[Taking]:
        """Yield every choice whose gain may be *enough*, a good one first."""
        if not self.options:
            yield ()
            return
        first = self._first()
        yield first
        for taking in _Choosing(self, enough).run():
            if taking != first and enough(self.gain(taking)):
                yield taking

    def _first(self) -> Taking:
        """Choose what is best at prices, then exchange one claim at a time."""
        prices = self.prices[0]
        chosen: list[Taker | None] = []
        for own in self.options:
            best = max(own, key=lambda t: t.full - prices[t.place] * t.most)
            gains = best.full - prices[best.place] * best.most > 0
            chosen.append(best if gains else None)
        worth = self.gain(_taking(chosen))
        nodes = 1 + len(self.options) // LINES_A_NODE
        better = True
        while better:
            better = False
            for at, own in enumerate(self.options):
                if not self.count(nodes):
                    break
                for taker in (None, *own):
                    if taker is chosen[at]:
                        continue
                    tried = [*chosen[:at], taker, *chosen[at + 1 :]]
                    gain = self.gain(_taking(tried))
                    if gain > worth:
                        chosen, worth, better = tried, gain, True
        return _taking(chosen)

    # --- What each line has ---------------------------------------------------

    def starts(self, taking: Taking) -> dict[int, Start]:
        """Give where the claiming lines go on: limits are cut as `discount_lane` cuts them."""
        shares: dict[int, dict[int, int]] = {}
        for taker in taking:
            line = self.lines[taker.line]
            after = line.after(taker.start.runs, taker.taken)
            own = shares.setdefault(taker.place, {})
            for u, before, left in zip(line.own, taker.start.runs, after):
                own[u] = before - left
        for place, own in shares.items():
            if sum(own.values()) > self.limits[place]:
                shares[place] = over_units(self.limits[place], own, self.units)
        found = {}
        for taker in taking:
            line, start = self.lines[taker.line], taker.start
            own = shares[taker.place]
            runs = [r - own.get(u, 0) for u, r in zip(line.own, start.runs)]
            running = sum(runs)
            found[taker.line] = Start(
                taker.at,
                running,
                start.off + start.running - running,
                (*start.places, taker.place),
                tuple(runs),
            )
        return found


def _taking(chosen: Sequence[Taker | None]) -> Taking:
    return tuple(taker for taker in chosen if taker is not None)


class _Choosing:
    """All choices of the lines that claim, those with most to gain first."""

    def __init__(self, takers: Takers, enough: Callable[[int], bool]) -> None:
        self.takers = takers
        self.enough = enough
        prices = takers.prices
        rows = []
        for own in takers.options:
            row: list[tuple[tuple[int, ...], Taker | None]] = [((0,) * len(prices), None)]
            row += [(tuple(t.priced(p[t.place]) for p in prices), t) for t in own]
            row.sort(key=lambda each: -each[0][0])
            rows.append(row)
        rows.sort(key=lambda row: abs(row[0][0][0] - row[1][0][0]), reverse=True)
        self.rows = rows
        costs = [sum(v * takers.limits[place] for place, v in p.items()) for p in prices]
        self.rest = [costs]
        for row in reversed(rows):
            best = [max(gains) for gains in zip(*[own for own, _ in row])]
            self.rest.append([r + b for r, b in zip(self.rest[-1], best)])
        self.rest.reverse()

    def run(self) -> Iterator[Taking]:
        """Yield what may be enough."""
        allow_depth(2 * len(self.rows))
        for chosen in self._choose(0, [0] * len(self.takers.prices), ()):
            yield tuple(sorted(chosen, key=lambda t: t.line))

    def _choose(self, at: int, gains: Sequence[int], chosen: Taking) -> Iterator[Taking]:
        top = min([g + r for g, r in zip(gains, self.rest[at])])
        if not self.enough(top):
            return
        if at == len(self.rows):
            yield chosen
            return
        if not self.takers.count(1):
            self.takers.spent = True
            return
        for own, taker in self.rows[at]:
            after = [g + o for g, o in zip(gains, own)]
            more = chosen if taker is None else (*chosen, taker)
            yield from self._choose(at + 1, after, more)
