"""Lines that sets tie together, and what sets can add to them at most."""

from collections.abc import Sequence
from typing import Final, final

from streams.core.combination import WHOLE_BP, Offer, Unit
from streams.core.line_ways import Effect, LineWays, Start, effect_of, most_off, off_of

ROUNDED: Final = 2  # Minor units that rounding can add to a piece's part of a set, at most.

Piece = tuple[int, int, int]  # What it runs at, what effects take of it, place of its line.


@final
class Entry:
    """
    A line's way into the lane of the sets.

    Attributes:
        bare: The most that the line is worth from there on, without sets.
        low: What a piece of it runs at, at least.
        runs: The same at most.
        lost: What a piece of it loses at least of what it is worth by being in a set.
        start: Where the line is.
    """

    def __init__(self, bare: int, low: int, runs: int, lost: int, start: Start) -> None:
        self.bare = bare
        self.low = low
        self.runs = runs
        self.lost = lost
        self.start = start

    def with_bare(self, bare: int) -> "Entry":
        """Give the same way with another worth."""
        return Entry(bare, self.low, self.runs, self.lost, self.start)


ANY: Final = -1  # A line may enter by any of its entries.


@final
class Entries:
    """
    Some ways of one line into the lane of the sets.

    Attributes:
        number: Their own among those of a part, so that bounds can be remembered by it.
        count: The line's pieces.
        own: The ways.
        low: What a piece runs at, at least, by whichever of them.
        high: The same at most.
        most: The most that the line is worth without sets.
        front: What a piece runs at and what it costs, by those that no other outdoes.
    """

    def __init__(self, number: int, count: int, own: list[Entry]) -> None:
        self.number = number
        self.count = count
        self.own = own
        low, runs, most = own[0].low, own[0].runs, own[0].bare
        for each in own:
            low, runs, most = min(low, each.low), max(runs, each.runs), max(most, each.bare)
        self.low = low
        self.high = runs
        self.most = most
        self.front = _front(own, most, count)
        self.known: dict[tuple[int, int], int] = {}

    def adds(self, choice: int, rate: int) -> int:
        """Give what a piece adds to a set that rewards it at *rate*, at most."""
        known = self.known.get((choice, rate))
        if known is None:
            if choice != ANY:
                entry = self.own[choice]
                known = rate * entry.runs - entry.lost
            else:
                known = max([rate * runs - cost for runs, cost in self.front])
            self.known[choice, rate] = known
        return known

    def bare(self, choice: int) -> int:
        """Give the most that the line is worth without sets."""
        return self.most if choice == ANY else self.own[choice].bare

    def runs(self, choice: int) -> tuple[int, int]:
        """Give the least and the most that a piece runs at."""
        if choice == ANY:
            return self.low, self.high
        return self.own[choice].low, self.own[choice].runs


def _by_bare(entry: Entry) -> tuple[int, tuple[int, ...]]:
    return -entry.bare, entry.start.places


def _front(entries: Sequence[Entry], bare: int, count: int) -> list[tuple[int, int]]:
    """
    List what a piece runs at and what it costs, for the entries that no other outdoes in both.

    It costs what it loses in a set, and its part of what the entry is worth less than *bare*,
    the most of them.
    """
    if len(entries) == 1:
        return [(entries[0].runs, entries[0].lost)]
    found: list[tuple[int, int]] = []
    for runs, cost in sorted([(-e.runs, e.lost + (bare - e.bare) // count) for e in entries]):
        if not found or cost < found[-1][1]:
            found.append((-runs, cost))
    return found


class SetPart:
    """
    A part whose sets are all of the lane at *depth*.

    Attributes:
        into: By line, how many of its steps come before that lane.
        out: By line, how many come before the lane after it.
        bare: Whether no line has a floor.
        partial: By line, the lane's effects on some of its first pieces, by how many.
        even: By line, whether what sets take of it adds up: what follows stays in proportion.
        high: By line, what a further minor unit of discount in the lane is worth at most.
        low: The same at least.
        worth: By line, what a minor unit of a set's discount is worth on it at most.
        gain: What the sets can add to the lines at most, however these enter.
        made: How many ways into the lane have been listed.
    """

    def __init__(
        self,
        lines: Sequence[LineWays],
        units: Sequence[Unit],
        offers: Sequence[Offer],
        sets: Sequence[int],
        depth: int,
    ) -> None:
        self.lines = tuple(lines)
        self.units = units
        self.offers = offers
        self.sets = tuple(sets)
        self.sizes = {place: set_size(offers[place]) for place in sets}
        self.depth = depth
        self.scale = lines[0].scale
        self.into = [line.steps_before(depth) for line in lines]
        self.out = [line.steps_before(depth + 1) for line in lines]
        self.line_of = {u: at for at, line in enumerate(lines) for u in line.own}
        self.lists = [unit.list for unit in units]
        self.bare = not any(line.floor for line in lines)
        self.even = [self._is_even(at) for at in range(len(lines))]
        self.partial = [self._partial(at) for at in range(len(lines))]
        self.dearest = max(self.lists[u] for u in self.line_of)
        self.reach = {place: self._reach(offers[place]) for place in sets}
        self.high: list[int] = []
        self.low: list[int] = []
        self.worth: list[int] = []
        self.gain = 0
        self.known: dict[tuple[int, Start], Entries] = {}
        self.numbered = 0
        self.made = 0

    def weigh(self) -> None:
        """Weigh a minor unit of each line, once rates are set."""
        self.high = [self.scale - line.keep[1] for line in self.lines]
        self.low = [
            high * self._left(at, self.out[at]) // WHOLE_BP for at, high in enumerate(self.high)
        ]
        self.worth = [
            low if self._is_even(at) else high
            for at, (low, high) in enumerate(zip(self.low, self.high))
        ]
        self.gain = self._most_gain()

    def _is_even(self, at: int) -> bool:
        """Tell whether nothing but percents of what runs comes after the sets."""
        later = self.lines[at].steps[self.out[at] :]
        return self.bare and all(percent >= 0 for s in later for _, percent, _, _ in s.plain)

    def _reach(self, offer: Offer) -> int:
        """Find the most that the cheapest piece of a set can be: its size-th dearest piece."""
        size = set_size(offer)
        lists = sorted(
            (self.lists[u] for line in self.lines if line.line in offer.lines for u in line.own),
            reverse=True,
        )
        return lists[size - 1] if size <= len(lists) else 0

    def _left(self, at: int, step: int) -> int:
        """Give the least part that a line's lanes from a step on leave, in basis points."""
        line = self.lines[at]
        if line.floor:
            return 0
        left = WHOLE_BP
        for each in line.steps[step:]:
            if any(percent < 0 for _, percent, _, _ in each.plain):
                return 0
            left = left * (WHOLE_BP - max(e[1] for e in each.plain)) // WHOLE_BP
        return left

    # --- What sets can take and add at most -----------------------------------

    def share(self, place: int, at: int, running: int) -> int:
        """
        Give the most that a piece at *running* of a line bears of a set.

        The k cheapest of n pieces are k/n of them all at most, and whoever bears the
        discount by room bears a part as large.  Beside the cheapest one at m, a piece at r
        bears m·r/(r + (n − 1)·m) at most, and m is not above the n-th dearest piece.
        """
        offer, line = self.offers[place], self.lines[at]
        if line.line not in offer.lines:
            return 0
        size = self.sizes[place]
        room = running - line.floor // len(line.own)
        if not self.bare or offer.by_list:
            return room
        if offer.reward == "amount":
            return min(room, offer.figure)
        if offer.reward == "price":
            whole = running + (size - 1) * self.dearest
            # A piece that is nothing already, alone in its set, has nothing to bear.
            return room - running * offer.figure // whole if whole else room
        weight, whole = 1, 1
        if offer.cheapest is not None and not offer.rewarded:
            weight, whole = offer.cheapest, size
            least = min(running, self.reach[place])
            if offer.cheapest == 1 and least:
                weight, whole = least, running + (size - 1) * least
        return min(room, -(-running * offer.figure * weight // (WHOLE_BP * whole)) + ROUNDED)

    def borne(self, at: int) -> int:
        """Give the most that sets take of a line."""
        own = self.lines[at].own
        dearest = max(self.lists[u] for u in own)
        # A price above what a piece runs at takes nothing of it, and gives nothing either.
        return len(own) * max([0, *[self.share(place, at, dearest) for place in self.sets]])

    def forgone(self, at: int, running: int) -> int:
        """Give the least that a piece of a line at *running* takes by effects beside sets."""
        line = self.lines[at]
        if line.keep[0] > line.keep[1]:
            return 0  # It may be worth most undiscounted, as it then is beside a set as well.
        best = 0
        for step in line.steps[self.into[at] : self.out[at]]:
            best = most_off(step.plain, running, line.floor)
        return best // len(line.own)

    def _most_gain(self) -> int:
        pieces = []
        for at, line in enumerate(self.lines):
            left = self.forgone(at, line.lowest(self.depth))
            pieces += [(self.lists[u], left, at) for u in line.own]
        return self.packed(pieces)

    def packed(self, pieces: list[Piece]) -> int:
        """Give what the sets can add to *pieces*: as many sets as there are pieces for."""
        pieces = sorted(pieces, reverse=True)
        # By how many pieces are used.
        best = [0] * (len(pieces) + 1)
        for place in self.sets:
            size = self.sizes[place]
            gains = self._gains(place, pieces)
            before = best
            best = list(before)
            for used in range(size, len(best)):
                for count in range(1, min(len(gains), used // size) + 1):
                    best[used] = max(best[used], before[used - count * size] + gains[count - 1])
        return max(best)

    def _gains(self, place: int, pieces: list[Piece]) -> list[int]:
        """Give what one set of an offer, two, and so on, can add at most."""
        offer = self.offers[place]
        size = self.sizes[place]
        own = [piece for piece in pieces if self.lines[piece[2]].line in offer.lines]
        if offer.cheapest == 1 and offer.reward == "percent" and not offer.by_list:
            return self._cheapest_gains(offer, size, own)
        each = sorted(
            (
                self.high[at] * max(0, self.share(place, at, running) + 1 - left)
                for running, left, at in own
            ),
            reverse=True,
        )
        return [sum(each[: count * size]) for count in range(1, len(own) // size + 1)]

    def _cheapest_gains(self, offer: Offer, size: int, pieces: list[Piece]) -> list[int]:
        """
        Bound sets that reward their cheapest piece; *pieces* come dearest first.

        A set whose cheapest piece runs at c has n − 1 others that run at c or more, and
        each of them leaves what effects would take of it.  Of disjoint sets, the j-th
        dearest cheapest piece is not above the (j·n)-th dearest of all.
        """
        if len(pieces) < size:
            return []
        high, low = max(self.high), min(self.low)
        found: list[int] = []
        least: list[int] = []  # The n − 1 smallest of what dearer pieces leave.
        rate = WHOLE_BP
        for running, left, _ in pieces:
            rate = min(rate, left * WHOLE_BP // running if running else 0)
            if len(least) == size - 1:
                off = (running + 1) * offer.figure // WHOLE_BP + ROUNDED
                found.append(max(0, high * off - low * (sum(least) + left)))
            least = sorted((*least, left))[: size - 1]
        found.sort(reverse=True)
        each = max(0, high * offer.figure - low * size * rate)
        apart = joint = 0
        gains = []
        for number, (running, _, _) in enumerate(pieces[size - 1 :: size]):
            apart += found[number]
            joint += (running + 1) * each // WHOLE_BP + ROUNDED * high
            gains.append(min(apart, joint))
        return gains

    # --- Into the lane --------------------------------------------------------

    def entries(self, at: int, start: Start) -> Entries:
        """List a line's ways from *start* into the lane, that of most worth without sets first."""
        known = self.known.get((at, start))
        if known is None:
            found = [start]
            for number in range(start.at, self.into[at]):
                found = self.lines[at].through(number, found)
            line, into = self.lines[at], self.into[at]
            own = []
            for one in found:
                bare = line.most(into, one.running, one.off) + ROUNDED * self.scale
                lost = self._lost(at, bare, one)
                own.append(Entry(bare, min(one.runs), max(one.runs), lost, one))
            own.sort(key=_by_bare)
            self.made += len(own)
            known = self.known[at, start] = self.gathered(at, own)
        return known

    def gathered(self, at: int, own: list[Entry]) -> Entries:
        """Take these ways of a line together."""
        self.numbered += 1
        return Entries(self.numbered, len(self.lines[at].own), own)

    def _lost(self, at: int, bare: int, start: Start) -> int:
        """Give what a piece of a line loses at least by being in a set, and not free."""
        line, out = self.lines[at], self.out[at]
        if out == self.into[at]:
            return 0
        count = len(line.own)
        found = []
        for left in range(count):
            running = start.running * left // count
            best = 0
            for effect in self.partial[at][left]:
                best = max(best, off_of(effect, running, 0) + ROUNDED)
            worth = line.most(out, start.running - best, start.off + best)
            # Its other pieces need not take an effect: undiscounted they may be worth more.
            worth = max(worth, line.most(out, start.running, start.off))
            found.append((bare - worth) // (count - left))
        return min(found)

    def _partial(self, at: int) -> list[list[Effect]]:
        """Read the lane's effects on a line as on none of its pieces, its first, two, and so on."""
        line = self.lines[at]
        steps = line.steps[self.into[at] : self.out[at]]
        return [
            [
                effect_of(
                    place,
                    self.offers[place],
                    sum([self.lists[u] for u in line.own[:left]]),
                    sum([self.units[u].quantity for u in line.own[:left]]),
                )
                for step in steps[:1]
                for place, *_ in (step.plain if left else ())
            ]
            for left in range(len(line.own))
        ]


def set_size(offer: Offer) -> int:
    """Count the pieces of one set."""
    return sum(take for take, _ in offer.groups)
