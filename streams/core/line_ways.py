"""What one line can do on its way through the lanes: the tables of promotions.md §4.

A line that no set parts takes one campaign or none in each lane.  Its net never rises
when it runs at less, and a minor unit left counts no more than one taken, so the
largest discount in each lane is its best way; every other way leaves that one in some
lane.  Limited campaigns break the rule, because what they take has a price.
"""

from collections.abc import Sequence

from msgspec import Struct

from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Offer, Unit

# Place of the offer, basis points, fixed discount, fixed price; what does not apply is −1.
Effect = tuple[int, int, int, int]


class Way(Struct, frozen=True, gc=False):
    """
    One way of a line through the lanes, or from some lane on.

    Attributes:
        priced: Worth less the price of what a limited campaign takes.
        worth: At most what it counts, uncut.
        net: What it leaves.
        places: The offers it claims, in order of lanes.
        limited: The limited one among them, or −1.
        taken: What that takes uncut.
        lost: At least what is lost if that is cut to nothing; a part loses its part.
    """

    priced: int
    worth: int
    net: int
    places: tuple[int, ...] = ()
    limited: int = -1
    taken: int = 0
    lost: int = 0


class Step(Struct, frozen=True, gc=False):
    """The effects of one lane on a line; *limited* ones have a price each."""

    depth: int
    plain: tuple[Effect, ...]
    limited: tuple[Effect, ...]


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


class LineWays:
    """
    The ways of one line in one order of lanes.

    Attributes:
        steps: Lanes with an effect on it.
        straight: Whether what it is worth is straight in what a limited effect takes.
        keep: Worth of a minor unit left on it, undiscounted and discounted; at most *scale*.
        seen: Offers that something else sees, so that equals can't stand for them.
        prices: By limited offer, what a minor unit that it takes costs.
    """

    def __init__(  # noqa: PLR0917 - All that a table is made of.
        self,
        line: int,
        own: Sequence[int],
        units: Sequence[Unit],
        by_depth: Sequence[Sequence[tuple[int, Offer]]],
        limited: frozenset[int],
        seen: frozenset[int],
        scale: int,
    ) -> None:
        self.line = line
        self.own = tuple(own)
        self.whole = sum(units[u].list for u in own)
        self.floor = sum(units[u].floor for u in own)
        self.scale = scale
        self.seen = seen
        self.keep = (0, 0)
        self.prices: dict[int, int] = {}
        quantity = sum(units[u].quantity for u in own)
        steps = []
        for depth, offers in enumerate(by_depth):
            here = [effect_of(p, o, self.whole, quantity) for p, o in offers if line in o.lines]
            if here:
                plain = tuple(effect for effect in here if effect[0] not in limited)
                tight = tuple(effect for effect in here if effect[0] in limited)
                steps.append(Step(depth, plain, tight))
        self.steps = tuple(steps)
        self.straight = self._is_straight()

    def _is_straight(self) -> bool:
        """Tell whether no discount after a limited one ends at 0, so that parts stay parts."""
        limited = [number for number, step in enumerate(self.steps) if step.limited]
        if not limited or self.floor:
            return not self.floor
        least = self.lowest(len(self.steps))
        return all(e[2] <= least for step in self.steps[limited[0] + 1 :] for e in step.plain)

    def lowest(self, steps: int) -> int:
        """Give the least it can run at after so many steps."""
        running = self.whole
        for step in self.steps[:steps]:
            offs = [off_of(e, running, self.floor) for e in (*step.plain, *step.limited)]
            running -= max([0, *offs])
        return running

    def most(self, at: int, running: int, off: int) -> int:
        """Give the most it is worth, priced, from step *at* on, with *off* taken before."""
        if not off and self.keep[0] > self.keep[1]:
            return max(self.keep[0] * running, self._most(at, running, 0))
        return self._most(at, running, off)

    def _most(self, at: int, running: int, off: int) -> int:
        floor = self.floor
        for number in range(at, len(self.steps)):
            step = self.steps[number]
            best = 0
            for effect in step.plain:
                best = max(best, off_of(effect, running, floor))
            if step.limited:
                found = self._most(number + 1, running - best, off + best)
                for effect in step.limited:
                    taken = off_of(effect, running, floor)
                    if taken > 0:
                        found = max(found, self._priced(number, running, off, effect, taken))
                return found
            running -= best
            off += best
        return off * self.scale + self.keep[1] * running

    def gain_of(self, place: int) -> tuple[int, int]:
        """Give what a limited effect adds to the best way without it, and what it takes."""
        running, off = self.whole, 0
        for number, step in enumerate(self.steps):
            best = max([0, *(off_of(e, running, self.floor) for e in step.plain)])
            if step.limited:
                own = next(e for e in step.limited if e[0] == place)
                taken = off_of(own, running, self.floor)
                if taken <= 0:
                    return 0, 0
                others = [self._most(number + 1, running - best, off + best)]
                for effect in step.limited:
                    other = off_of(effect, running, self.floor)
                    if effect is not own and other > 0:
                        others.append(self._priced(number, running, off, effect, other))
                worth = self._most(number + 1, running - taken, off + taken)
                return worth - max(others), taken
            running -= best
            off += best
        return 0, 0

    def _priced(self, number: int, running: int, off: int, effect: Effect, taken: int) -> int:
        """
        Weigh a limited effect at a step: at its price, or as if it were cut to nothing.

        Cut to a part it is between the two, as what follows is straight in what it takes,
        but for a minor unit of rounding a step.  Not so at a floor: there the cut may cost
        nothing.
        """
        worth = self._most(number + 1, running - taken, off + taken)
        if not self.straight:
            return worth + self._margin(number)
        bare = self._most(number + 1, running, off)
        return max(bare, worth - self.prices[effect[0]] * taken) + self._margin(number)

    def _margin(self, number: int) -> int:
        return self.scale * (1 + len(self.steps) - number)

    def ways(self, at: int, running: int, off: int, least: int) -> list[Way]:
        """List the ways from step *at* on whose priced worth is not below *least*."""
        found = self._ways(at, running, off, least)
        if not off and self.keep[0] > self.keep[1]:
            found = [way for way in found if way.places]
            worth = self.keep[0] * running
            if worth >= least:
                found.append(Way(worth, worth, running))
        return found

    def _ways(self, at: int, running: int, off: int, least: int) -> list[Way]:
        if at == len(self.steps):
            worth = off * self.scale + self.keep[1] * running
            return [Way(worth, worth, running)] if worth >= least else []
        step = self.steps[at]
        found = []
        if self._most(at + 1, running, off) >= least:
            found += self._ways(at + 1, running, off, least)
        for effect, taken in self.distinct(step.plain, running):
            if self._most(at + 1, running - taken, off + taken) >= least:
                rest = self._ways(at + 1, running - taken, off + taken, least)
                found += [_before(effect[0], way) for way in rest]
        for effect in step.limited:
            taken = off_of(effect, running, self.floor)
            if taken > 0:
                found += self._limited_ways(at, running, off, effect, taken, least)
        return found

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

    def _limited_ways(  # noqa: PLR0917 - The state of a walk through the lanes.
        self, at: int, running: int, off: int, effect: Effect, taken: int, least: int
    ) -> list[Way]:
        margin = self._margin(at)
        price = self.prices[effect[0]]
        found = []
        for places in self._claims(at + 1, running, running - taken, off + taken, least - margin):
            worth, net = self._followed(places, at + 1, running - taken, off + taken)
            bare = worth
            if self.straight:
                bare, _ = self._followed(places, at + 1, running, off)
            priced = max(bare, worth - price * taken) + margin
            if priced >= least:
                own = (effect[0], *places)
                way = Way(priced, worth + margin, net, own, effect[0], taken, worth - bare)
                found.append(way)
        return found

    def _claims(
        self, at: int, bare: int, running: int, off: int, least: int
    ) -> list[tuple[int, ...]]:
        """
        List what can be claimed after a limited effect so that, uncut, it is worth *least*.

        Cut, the line may run anywhere up to *bare*; so what gives nothing uncut counts too,
        and effects that give the same uncut don't stand for each other.
        """
        if self._most(at, running, off) < least:
            return []
        if at == len(self.steps):
            return [()]
        found = list(self._claims(at + 1, bare, running, off, least))
        for effect in self.steps[at].plain:
            most = off_of(effect, bare, self.floor)
            if most > 0:
                taken = max(0, off_of(effect, running, self.floor))
                rest = self._claims(at + 1, bare, running - taken, off + taken, least)
                found += [(effect[0], *each) for each in rest]
        return found

    def _followed(self, places: Sequence[int], at: int, running: int, off: int) -> tuple[int, int]:
        """Give the worth and the net of claiming just *places* from step *at* on."""
        for step in self.steps[at:]:
            for effect in step.plain:
                if effect[0] in places:
                    taken = max(0, off_of(effect, running, self.floor))
                    running -= taken
                    off += taken
        return off * self.scale + self.keep[1] * running, running


def _before(place: int, way: Way) -> Way:
    return Way(
        way.priced, way.worth, way.net, (place, *way.places), way.limited, way.taken, way.lost
    )
