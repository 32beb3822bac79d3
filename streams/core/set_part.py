"""Lines that sets tie together, and what sets can add to them at most."""

from collections.abc import Sequence

from msgspec import Struct

from streams.core.combination import WHOLE_BP, Offer, Unit
from streams.core.line_ways import Effect, LineWays, Step, off_of

PIECES_A_NODE = 64  # Squared pieces of a part for which a node counts as one more.
ROUNDED = 2  # Minor units that rounding can add to a piece's part of a set, at most.

Piece = tuple[int, int, int]  # What it runs at, what effects take of it, place of its line.


class Entry(Struct, frozen=True, gc=False):
    """
    A line's way into the lane of the sets.

    Attributes:
        most: The most that the line is worth from there on, sets and prices included.
        bare: The same without sets.
        limited: The limited offer among *places*, or −1; *taken* is what it takes.
    """

    most: int
    bare: int
    running: int
    off: int
    places: tuple[int, ...]
    limited: int = -1
    taken: int = 0


class SetPart:
    """
    A part whose sets are all of the lane at *depth*.

    Attributes:
        into: By line, how many of its steps come before that lane.
        out: By line, how many come before the lane after it.
        straight: By line, whether what follows a limited effect is straight in what it takes.
        margin: What rounding can add to a straight line between two outcomes.
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
        self.depth = depth
        self.scale = lines[0].scale
        self.into = [sum(step.depth < depth for step in line.steps) for line in lines]
        self.out = [sum(step.depth <= depth for step in line.steps) for line in lines]
        self.line_of = {u: at for at, line in enumerate(lines) for u in line.own}
        self.lists = [unit.list for unit in units]
        self.floors = any(line.floor for line in lines)
        self.straight = [self._is_straight(at) for at in range(len(lines))]
        self.dearest = max(self.lists[u] for u in self.line_of)
        self.reach = {place: self._reach(offers[place]) for place in sets}
        # A node of a large part is more work: it counts for as many.
        self.weight = 1 + len(self.line_of) ** 2 // PIECES_A_NODE
        self.margin = self.scale * (4 * len(lines) + 6 * len(self.line_of))

    def weigh(self) -> None:
        """Weigh the ways into the lane, once rates and prices are set."""
        lines = self.lines
        # What a further minor unit of discount in the lane is worth, at most and at least.
        self.high = [self.scale - line.keep[1] for line in lines]
        self.low = [
            high * self._left(at, self.out[at]) // WHOLE_BP for at, high in enumerate(self.high)
        ]
        least = [
            high * self._left(at, self.into[at]) // WHOLE_BP for at, high in enumerate(self.high)
        ]
        self.lowest = min(least)
        limited = {e[0] for line in lines for step in line.steps for e in step.limited}
        self.several = len(limited) > 1
        self.entries = [self._entries(at) for at in range(len(lines))]

    def _is_straight(self, at: int) -> bool:
        line = self.lines[at]
        limited = [number for number, step in enumerate(line.steps) if step.limited]
        later = line.steps[limited[0] + 1 :] if limited else ()
        return not line.floor and all(e[2] < 0 for step in later for e in step.plain)

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
            if any(percent < 0 for _, percent, _, _ in (*each.plain, *each.limited)):
                return 0
            left = left * (WHOLE_BP - max(e[1] for e in (*each.plain, *each.limited))) // WHOLE_BP
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
        size = set_size(offer)
        room = running - line.floor // len(line.own)
        if self.floors or offer.by_list:
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
        return len(own) * max(self.share(place, at, dearest) for place in self.sets)

    def forgone(self, at: int, running: int) -> int:
        """Give the least that a piece of a line at *running* takes by effects beside sets."""
        line = self.lines[at]
        best = 0
        for step in line.steps[self.into[at] : self.out[at]]:
            best = max([0, *(off_of(e, running, line.floor) for e in step.plain)])
        return best // len(line.own)

    def sets_gain(self, entries: Sequence[Entry]) -> int:
        """Give what the sets can add to lines that enter so."""
        pieces = []
        for at, entry in enumerate(entries):
            own = self.lines[at].own
            left = self.forgone(at, entry.running)
            pieces += [(-(-entry.running // len(own)), left, at)] * len(own)
        return self.packed(pieces)

    def packed(self, pieces: list[Piece]) -> int:
        """Give what the sets can add to *pieces*: as many sets as there are pieces for."""
        pieces = sorted(pieces, reverse=True)
        # By how many pieces are used.
        best = [0] * (len(pieces) + 1)
        for place in self.sets:
            size = set_size(self.offers[place])
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
        size = set_size(offer)
        own = [piece for piece in pieces if self.lines[piece[2]].line in offer.lines]
        if offer.cheapest == 1 and offer.reward == "percent" and not offer.by_list:
            return self._cheapest_gains(offer, own)
        each = sorted(
            (
                self.high[at] * max(0, self.share(place, at, running) + 1 - left)
                for running, left, at in own
            ),
            reverse=True,
        )
        return [sum(each[: count * size]) for count in range(1, len(own) // size + 1)]

    def _cheapest_gains(self, offer: Offer, pieces: list[Piece]) -> list[int]:
        """
        Bound sets that reward their cheapest piece; *pieces* come dearest first.

        A set whose cheapest piece runs at c has n − 1 others that run at c or more, and
        each of them leaves what effects would take of it.  Of disjoint sets, the j-th
        dearest cheapest piece is not above the (j·n)-th dearest of all.
        """
        size = set_size(offer)
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

    def _entries(self, at: int) -> list[Entry]:
        line = self.lines[at]
        found: list[tuple[int, int, tuple[int, ...], int, int]] = [(line.whole, 0, (), -1, 0)]
        for step in line.steps[: self.into[at]]:
            after = list(found)
            for running, off, places, limited, taken in found:
                for effect, own in self._effects(line, step, running, cut=limited >= 0):
                    more = (*places, effect[0])
                    after.append((running - own, off + own, more, limited, taken))
                for effect in step.limited:
                    own = off_of(effect, running, line.floor)
                    if own > 0:
                        more = (*places, effect[0])
                        after.append((running - own, off + own, more, effect[0], own))
            found = after
        entries = [self._entry(at, *each) for each in found]
        entries.sort(key=lambda entry: (-entry.most, entry.places))
        return entries

    @staticmethod
    def _effects(
        line: LineWays, step: Step, running: int, *, cut: bool
    ) -> list[tuple[Effect, int]]:
        if not cut:
            return line.distinct(step.plain, running)
        # Cut, the line may run higher, where other effects give something, and not the same.
        return [(e, max(0, off_of(e, running, line.floor))) for e in step.plain]

    def _entry(  # noqa: PLR0917 - A state on the way into the lane.
        self, at: int, running: int, off: int, places: tuple[int, ...], limited: int, taken: int
    ) -> Entry:
        line = self.lines[at]
        count = len(line.own)
        piece = -(-running // count)
        share = max(self.share(place, at, piece) for place in self.sets)
        gain = self.high[at] * max(0, share + 1 - self.forgone(at, running)) * count
        bare = line.most(self.into[at], running, off) + ROUNDED * self.scale
        if limited >= 0:
            bare += self.margin + self._cut_gain(at, running, limited, taken, places, share * count)
        return Entry(bare + gain, bare, running, off, places, limited, taken)

    def _cut_gain(  # noqa: PLR0917 - A state on the way into the lane.
        self,
        at: int,
        running: int,
        limited: int,
        taken: int,
        places: tuple[int, ...],
        share: int,
    ) -> int:
        """Give what a limit's cut, or its price, can add to the line: see `set_cut`."""
        dearest, spread = max(self.high), max(self.high) - self.lowest
        steepest = max(self._steepest(self.offers[place]) for place in self.sets)
        each = self.lowest - -(-dearest * steepest // WHOLE_BP)
        after = places[places.index(limited) + 1 :]
        lost = each * taken
        if each > 0:
            lost = each * self.arriving(taken, after, low=True)
        if not self.straight[at]:
            lost = min(0, lost)
        price = self.lines[at].prices[limited] * taken
        if not any(self.offers[place].rewarded for place in self.sets) and not self.several:
            # The mean of what pieces cost moves no more than what they run at.
            back = self.arriving(taken, after, low=False)
            share = min(share, -(-share * back // max(1, running)))
        return spread * share - min(lost, price)

    @staticmethod
    def _steepest(offer: Offer) -> int:
        return offer.figure if offer.reward == "percent" else WHOLE_BP

    # --- What a minor unit becomes --------------------------------------------

    def arriving(self, amount: int, places: Sequence[int], *, low: bool) -> int:
        """Give what is left of *amount* more after these line effects, at least or at most."""
        for place in places:
            offer = self.offers[place]
            if offer.by_list or offer.kind == "amount":
                continue
            if offer.kind == "price":
                amount = 0 if low else amount
                continue
            left = amount * (WHOLE_BP - offer.figure)
            amount = left // WHOLE_BP if low else -(-left // WHOLE_BP)
        return amount


def set_size(offer: Offer) -> int:
    """Count the pieces of one set."""
    return sum(take for take, _ in offer.groups)
