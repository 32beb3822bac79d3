"""What one line can do on its way through the lanes: the tables of promotions.md §4.

A line that no set parts takes one campaign or none in each lane.  Its net never rises
when it runs at less, and a minor unit left counts no more than one taken, so the
largest discount in each lane is its best way; every other way leaves that one in some
lane.  Limited campaigns are not in the table: where they are claimed is settled before
(`takers`), and the line goes on from there.
"""

from collections.abc import Sequence
from typing import Final, final

from streams.core.allocation import spread
from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Offer, Unit

DEEP: Final = 1 << 30  # A depth after every lane.

# Place of the offer, basis points, fixed discount, fixed price; what does not apply is −1.
Effect = tuple[int, int, int, int]


@final
class Way:
    """
    One way of a line through the lanes, or from some lane on.

    Attributes:
        worth: At most what it counts.
        places: The offers it claims, in order of lanes.
    """

    def __init__(self, worth: int, places: tuple[int, ...] = ()) -> None:
        self.worth = worth
        self.places = places


@final
class Start:
    """
    Where a line goes on from, once it is settled what it has of limited campaigns.

    Attributes:
        at: The step it goes on with.
        running: What it runs at, and *runs* by unit.
        off: What was taken of it before.
        places: The offers it has claimed.
    """

    def __init__(
        self, at: int, running: int, off: int, places: tuple[int, ...], runs: tuple[int, ...]
    ) -> None:
        self.at = at
        self.running = running
        self.off = off
        self.places = places
        self.runs = runs

    def __hash__(self) -> int:
        return hash((self.at, self.running, self.off, self.places, self.runs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Start) and (
            self.at == other.at
            and self.running == other.running
            and self.off == other.off
            and self.places == other.places
            and self.runs == other.runs
        )


@final
class Step:
    """The effects of one lane on a line."""

    def __init__(self, depth: int, plain: tuple[Effect, ...]) -> None:
        self.depth = depth
        self.plain = plain


def effect_of(place: int, offer: Offer, whole: int, quantity: int) -> Effect:
    """Read a line effect on pieces of *whole* list amount and *quantity*."""
    if offer.kind == "percent":
        if not offer.by_list:
            return place, offer.figure, -1, -1
        return place, -1, (2 * whole * offer.figure + WHOLE_BP) // (2 * WHOLE_BP), -1
    figure = (2 * offer.figure * quantity + UNIT_QUANTITY) // (2 * UNIT_QUANTITY)
    if offer.kind == "amount":
        return place, -1, figure, -1
    if offer.by_list:
        return place, -1, whole - figure, -1
    return place, -1, -1, figure


def off_of(effect: Effect, running: int, floor: int) -> int:
    """Give the discount on *running*, limited to its room; below 0 is none."""
    _, percent, fixed, price = effect
    if percent >= 0:
        off = (2 * running * percent + WHOLE_BP) // (2 * WHOLE_BP)
    elif price >= 0:
        off = running - price
    else:
        off = fixed
    return min(off, running - floor)


def most_off(effects: Sequence[Effect], running: int, floor: int) -> int:
    """Give the largest discount of effects on *running*, or 0."""
    best = 0
    for effect in effects:
        off = off_of(effect, running, floor)
        if off > best:  # noqa: PLR1730 - A call would cost as much as the rest.
            best = off
    return best


class LineWays:
    """
    The ways of one line in one order of lanes.

    Attributes:
        steps: Lanes with an effect on it that nothing limits.
        tight: The limited effects on it, all of the lane at *tight_depth*.
        all_steps: By lane, all effects on it.
        keep: Worth of a minor unit left on it, undiscounted and discounted; at most *scale*.
        seen: Offers that something else sees, so that equals can't stand for them.
        start: Where it begins.
    """

    def __init__(  # noqa: PLR0917 - All that a table is made of.
        self,
        line: int,
        own: Sequence[int],
        units: Sequence[Unit],
        effects: Sequence[tuple[int, Sequence[tuple[int, Offer]]]],
        limited: frozenset[int],
        seen: frozenset[int],
        scale: int,
    ) -> None:
        self.line = line
        self.own = tuple(own)
        lists = tuple([units[u].list for u in own])
        self.floors = tuple([units[u].floor for u in own])
        self.whole = sum(lists)
        self.floor = sum(self.floors)
        self.scale = scale
        self.seen = seen
        self.keep = (0, 0)
        self.start = Start(0, self.whole, 0, (), lists)
        self.tight: tuple[Effect, ...] = ()
        self.tight_depth = 0
        quantity = sum([units[u].quantity for u in own])
        self.all_steps: list[tuple[int, list[Effect]]] = []
        steps = []
        for depth, offers in effects:
            here = [effect_of(place, offer, self.whole, quantity) for place, offer in offers]
            self.all_steps.append((depth, here))
            plain = [effect for effect in here if effect[0] not in limited]
            if len(plain) < len(here):
                self.tight = tuple([effect for effect in here if effect[0] in limited])
                self.tight_depth = depth
            if plain:
                steps.append(Step(depth, tuple(plain)))
        self.steps = tuple(steps)

    def lowest(self, depth: int) -> int:
        """Give the least it can run at when the lane at *depth* begins."""
        running = self.whole
        for at, effects in self.all_steps:
            if at >= depth:
                break
            running -= most_off(effects, running, self.floor)
        return running

    def after(self, runs: Sequence[int], off: int) -> tuple[int, ...]:
        """Give what each unit runs at after *off* is taken of the line: spread by room."""
        if len(runs) == 1:
            return (runs[0] - off,)
        shares = spread(off, [r - floor for r, floor in zip(runs, self.floors)])
        return tuple([r - share for r, share in zip(runs, shares)])

    def most(self, at: int, running: int, off: int) -> int:
        """Give the most it is worth from step *at* on, with *off* taken before."""
        floor, begun = self.floor, off
        whole = running
        for step in self.steps[at:] if at else self.steps:
            best = 0
            for _, percent, fixed, price in step.plain:
                if percent >= 0:
                    taken = (2 * running * percent + WHOLE_BP) // (2 * WHOLE_BP)
                elif price >= 0:
                    taken = running - price
                else:
                    taken = fixed
                if taken > best:  # noqa: PLR1730 - A call would cost as much as all the rest.
                    best = taken
            if floor and best > running - floor:
                best = running - floor
            elif best > running:
                best = running
            running -= best
            off += best
        worth = off * self.scale + self.keep[1] * running
        if not begun and self.keep[0] > self.keep[1]:
            return max(self.keep[0] * whole, worth)
        return worth

    def ways(self, at: int, running: int, off: int, least: int) -> list[Way]:
        """List the ways from step *at* on whose worth is not below *least*."""
        found = self._ways(at, running, off, least)
        if not off and self.keep[0] > self.keep[1]:
            found = [way for way in found if way.places]
            worth = self.keep[0] * running
            if worth >= least:
                found.append(Way(worth))
        return found

    def _ways(self, at: int, running: int, off: int, least: int) -> list[Way]:
        if at == len(self.steps):
            worth = off * self.scale + self.keep[1] * running
            return [Way(worth)] if worth >= least else []
        found = []
        if self._discounted(at + 1, running, off) >= least:
            found += self._ways(at + 1, running, off, least)
        for effect, taken in self.distinct(self.steps[at].plain, running):
            if self._discounted(at + 1, running - taken, off + taken) >= least:
                rest = self._ways(at + 1, running - taken, off + taken, least)
                found += [Way(way.worth, (effect[0], *way.places)) for way in rest]
        return found

    def _discounted(self, at: int, running: int, off: int) -> int:
        """Give the most it is worth, counted as a discounted line."""
        for step in self.steps[at:]:
            best = most_off(step.plain, running, self.floor)
            running -= best
            off += best
        return off * self.scale + self.keep[1] * running

    def distinct(self, effects: Sequence[Effect], running: int) -> list[tuple[Effect, int]]:
        """List the effects that give something, one of those that give the same unseen."""
        found, known = [], set()
        for effect in effects:
            taken = off_of(effect, running, self.floor)
            if taken <= 0 or (taken in known and effect[0] not in self.seen):
                continue
            if effect[0] not in self.seen:
                known.add(taken)
            found.append((effect, taken))
        return found

    def before(self, depth: int) -> list[Start]:
        """List every way up to the lane at *depth*, limited campaigns left aside."""
        found = [self.start]
        for number, step in enumerate(self.steps):
            if step.depth >= depth:
                break
            found = self.through(number, found)
        return found

    def through(self, number: int, found: Sequence[Start]) -> list[Start]:
        """Lead every start on through a step: with each of its effects, or none."""
        after = []
        for one in found:
            after.append(Start(number + 1, one.running, one.off, one.places, one.runs))
            for effect, taken in self.distinct(self.steps[number].plain, one.running):
                runs = self.after(one.runs, taken)
                places = (*one.places, effect[0])
                after.append(Start(number + 1, one.running - taken, one.off + taken, places, runs))
        return after

    def steps_before(self, depth: int) -> int:
        """Count its steps before the lane at *depth*."""
        return sum(step.depth < depth for step in self.steps)
