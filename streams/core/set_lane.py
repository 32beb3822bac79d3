"""The lane in which the sets of a part are laid, entered with exact amounts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, final

from streams.core.combination import Claim, Offer
from streams.core.discounting import discounted
from streams.core.laying import Layings, by_number, layings, told_apart
from streams.core.line_ways import Way, effect_of, off_of
from streams.core.packing import Packing
from streams.core.part import Effects, Outcome
from streams.core.set_part import Entry, SetPart

WAY: Final = 5  # Nodes that it takes to weigh a way to lay a set.
WAYS_A_NODE: Final = 16  # Ways to lay one more set that are looked at.
LINES_A_NODE: Final = 2  # Lines whose ways out of the lane a node lists.
# Kinds of pieces a set is laid from; of more, the dearest, and nothing is proven.
KINDS_MOST: Final = 12
KINDS_LATE: Final = 6  # The same when all nodes are spent, and a good combination is enough.

Out = tuple[Way, Effects]  # A line's way out of the lane, and all its effects.


@final
class Laid:
    """
    A set that is laid.

    Attributes:
        shares: What each unit bears of its discount.
        lines: The lines it has pieces of.
    """

    def __init__(self, claim: Claim, shares: dict[int, int], lines: frozenset[int]) -> None:
        self.claim = claim
        self.shares = shares
        self.lines = lines


class SetLane:
    """
    All that can happen in the lane, for one way into it of each line.

    Attributes:
        whole: False where sets can be laid in more ways than are tried.
    """

    def __init__(
        self, part: SetPart, entries: Sequence[Entry], count: Callable[[int], bool]
    ) -> None:
        self.part = part
        self.entries = tuple(entries)
        self.count = count
        self.running = list(part.lists)
        for line, entry in zip(part.lines, entries):
            for u, running in zip(line.own, entry.start.runs):
                self.running[u] = running
        self.laid: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Laid] = {}
        # What lines are worth by what sets have of them: many layings leave a line the same.
        self.values: dict[tuple[int, tuple[int, ...], int], int] = {}
        self.bare = [self._value(at, (), 0) for at in range(len(self.entries))]
        self.whole = count(1)
        self.apart = self._apart()
        self.layings = [self._layings(place) for place in part.sets]
        self.whole &= all(each.whole for each in self.layings)
        # To weigh the ways to lay sets is as much work as so many other nodes.
        self.whole &= count(sum([len(each.ways) for each in self.layings]) * WAY)
        self.kinds = self._kinds()
        # Ways to lay sets by what they add for their pieces, the offer's and their place.
        self.ranked: list[tuple[int, int, int]] = []
        # By offer and way: what it adds at most, and what it takes, as the packing writes it.
        self.steps: list[list[tuple[int, int]]] = []
        self.packing = self._packing()
        if self.packing is None:
            self.ranked = [
                (0, n, at) for n, own in enumerate(self.layings) for at in range(len(own.ways))
            ]
        self.ranked.sort()

    def _apart(self) -> dict[int, int]:
        """Tell pieces apart; no later lane has sets of these lines."""
        part = self.part
        own = {line.line: line.own for line in part.lines}
        sets = [part.offers[place] for place in part.sets if by_number(part.offers[place])]
        here = {line for offer in sets for line in offer.lines}
        return told_apart(here, (), own, self.running)

    def _layings(self, place: int) -> Layings:
        part = self.part
        offer = part.offers[place]
        able = [u for line in part.lines if line.line in offer.lines for u in line.own]
        return layings(
            offer,
            able,
            part.units,
            self.running,
            part.lists,
            apart=self.apart,
            kinds_most=KINDS_MOST if self.whole else KINDS_LATE,
        )

    def _kinds(self) -> list[tuple[int, ...]]:
        """Group the pieces of a line that run equal."""
        kinds: dict[tuple[int, int], list[int]] = {}
        for u, at in self.part.line_of.items():
            kinds.setdefault((at, self.running[u]), []).append(u)
        return [tuple(own) for own in kinds.values()]

    def _packing(self) -> Packing | None:
        """
        Weigh every way to lay a set by itself.

        A line is worth more by each set it is in, apart but for rounding, as long as all
        amounts stay in proportion and it counts the same discounted or not; None where they
        may not.
        """
        part = self.part
        dearer = any(line.keep[0] > line.keep[1] for line in part.lines)
        if dearer or not all(part.even):
            return None
        kind_of = {u: number for number, own in enumerate(self.kinds) for u in own}
        found = Packing(len(self.layings), [len(own) for own in self.kinds])
        for number, laying in enumerate(self.layings):
            steps = []
            for at, way in enumerate(laying.ways if self.whole else ()):
                claim = laying.claim(way, ())
                assert claim is not None
                laid = self._lay(number, claim)
                gain = sum([self._change(line, (laid,), self.bare) for line in laid.lines])
                gain += 4 * part.scale * len(claim.units)
                takes = found.number([(kind_of[u], 1) for u in claim.units])
                steps.append((gain, takes))
                if gain > 0:
                    self.ranked.append((-gain // len(claim.units), number, at))
                    found.add(number, gain, takes, at)
            self.steps.append(steps)
        return found

    def _lay(self, number: int, claim: Claim) -> Laid:
        """Evaluate a set by itself."""
        key = number, claim.units, claim.group
        known = self.laid.get(key)
        if known is None:
            part = self.part
            bases = part.lists if claim.offer.by_list else self.running
            shares = discounted(claim, part.units, self.running, bases)
            lines = frozenset([part.line_of[u] for u in claim.units])
            known = self.laid[key] = Laid(claim, shares, lines)
        return known

    # --- Laying sets ----------------------------------------------------------

    def outcomes(self, least: int, must: int, guess: int | None = None) -> list[Outcome]:
        """
        List the outcomes whose worth is not below *least*.

        Args:
            least: What they have to be worth.
            must: The offer that has to apply, or −1.
            guess: How far below the best of them is enough; None is without end.
        """
        self.must = must
        self.guess = guess
        self.least = least
        self.found: list[Outcome] = []
        if guess is not None and must < 0:
            self._reached(sum(self._greedy()[1]))
        free = 0 if self.packing is None else self.packing.all
        self._more(0, 0, (), self.bare, free)
        return self.found

    def quick(self) -> list[Outcome]:
        """Give a good outcome, whatever nodes are left."""
        first = [] if self.packing is None else self.packing.chosen()
        return self._only(*self._greedy(first))

    def quick_with(self, must: int) -> list[Outcome]:
        """Give a good outcome with a set of an offer, whatever nodes are left."""
        number, own = self.part.sets.index(must), self.part.offers[must]
        for at in range(len(self.layings[number].ways)):
            found = self._only(*self._greedy([(number, at)], kept=True))
            having = [each for each in found if any(c.offer is own for c in each.sets)]
            if having:
                return having
        return []

    def _only(self, laid: Sequence[Laid], values: Sequence[int]) -> list[Outcome]:
        self.must, self.guess = -1, None
        self.least = sum(values)
        self.found = []
        self._finish(tuple(laid), values)
        return self.found

    def _reached(self, worth: int) -> None:
        """Ask for no more than what is near the best."""
        if self.guess is not None and worth - self.guess > self.least:
            self.least = worth - self.guess

    def _greedy(
        self, first: Sequence[tuple[int, int]] = (), *, kept: bool = False
    ) -> tuple[list[Laid], list[int]]:
        """
        Lay the set that adds most for its pieces, again and again; before it, these.

        *kept* is whether the first is laid whatever it adds.
        """
        values, taken = self.bare, set[int]()
        laid: list[Laid] = []
        counts: dict[int, int] = {}
        for number, at in (*first, *[(number, at) for _, number, at in self.ranked]):
            own = self.layings[number]
            while counts.get(number, 0) != own.offer.sets_most:
                claim = own.claim(own.ways[at], taken)
                if claim is None:
                    break
                one = self._lay(number, claim)
                after = self._with(one, laid, values)
                if sum(after) <= sum(values) and (laid or not kept):
                    break
                values = after
                laid.append(one)
                taken.update(claim.units)
                counts[number] = counts.get(number, 0) + 1
        return laid, values

    def dearest(self) -> list[Outcome]:
        """
        Lay each offer's sets from the dearest pieces that are free, while they add something.

        It is what stands where there are too many ways to lay sets.
        """
        values, laid = self.bare, list[Laid]()
        free = sorted(self.part.line_of, key=lambda u: (-self.running[u], u))
        for number, own in enumerate(self.layings):
            left = own.offer.sets_most
            claim = self._dearest(own.offer, free)
            while claim is not None and left != 0:
                one = self._lay(number, claim)
                after = self._with(one, laid, values)
                if sum(after) <= sum(values):
                    break
                values = after
                laid.append(one)
                free = [u for u in free if u not in claim.units]
                left = None if left is None else left - 1
                claim = self._dearest(own.offer, free)
        return self._only(laid, values)

    def _dearest(self, offer: Offer, free: Sequence[int]) -> Claim | None:
        """Claim for each group the dearest of these pieces, dearest first; None of too few."""
        units = self.part.units
        taken: list[int] = []
        group: tuple[int, ...] = ()
        for number, (take, fits) in enumerate(offer.groups):
            own = [u for u in free if u not in taken and units[u].line in fits][:take]
            if len(own) < take:
                return None
            taken += own
            if offer.group == number:
                group = tuple(sorted(own))
        return Claim(offer, tuple(sorted(taken)), group)

    def _with(self, one: Laid, laid: Sequence[Laid], values: Sequence[int]) -> list[int]:
        """Give what lines are worth with one more set."""
        after = list(values)
        for line in one.lines:
            after[line] += self._change(line, (*laid, one), values)
        return after

    def _more(
        self, number: int, first: int, laid: tuple[Laid, ...], values: list[int], free: int
    ) -> None:
        """
        Lay further sets of one offer in the order of its ways, then the next offer's.

        Args:
            number: Of the offer.
            first: Its first way that may follow.
            laid: The sets so far.
            values: What lines are worth with them.
            free: The pieces that are left, as the packing writes them.
        """
        worth = sum(values)
        if number == len(self.layings):
            if worth >= self.least:
                self._finish(laid, values)
            return
        taken = {u for each in laid for u in each.claim.units}
        own = self.layings[number]
        if worth + self._most_more(number, taken, free) < self.least:
            return
        self.whole &= self.count(1 + (len(own.ways) - first) // WAYS_A_NODE)
        if not self.whole:
            return
        count = sum(each.claim.offer is own.offer for each in laid)
        if own.offer.sets_most is None or count < own.offer.sets_most:
            for at, left in self._ways_on(number, first, worth, free):
                claim = own.claim(own.ways[at], taken)
                if not self.whole:
                    break
                if claim is None:
                    continue
                one = self._lay(number, claim)
                self._more(number, at, (*laid, one), self._with(one, laid, values), left)
        self._more(number + 1, 0, laid, values, free)

    def _ways_on(self, number: int, first: int, worth: int, free: int) -> Iterator[tuple[int, int]]:
        """List the ways that may be enough, and the pieces that each leaves, before it is laid."""
        packing = self.packing
        if packing is None:
            for at in range(first, len(self.layings[number].ways)):
                yield at, 0
            return
        steps = self.steps[number]
        for at in range(first, len(steps)):
            gain, needs = steps[at]
            left = packing.without(free, needs)
            # What is asked for may have risen since the last one.
            if left >= 0 and worth + gain + packing.most(number, left) >= self.least:
                yield at, left

    def _most_more(self, number: int, taken: Collection[int], free: int) -> int:
        """Give what further sets of the offers from *number* on can add at most."""
        if self.packing is not None:
            return self.packing.most(number, free)
        part = self.part
        left = [part.forgone(at, e.start.running) for at, e in enumerate(self.entries)]
        pieces = [
            (self.running[u], left[at], at) for u, at in part.line_of.items() if u not in taken
        ]
        return part.packed(pieces)

    def _change(self, at: int, laid: Sequence[Laid], values: Sequence[int]) -> int:
        """Give what these sets change of the most that a line is worth."""
        return self._value(at, *self._of_line(at, laid)) - values[at]

    def _of_line(self, at: int, laid: Sequence[Laid]) -> tuple[tuple[int, ...], int]:
        """Give the units of a line that are in sets, and what they bear."""
        own = self.part.lines[at].own
        here = [each for each in laid if at in each.lines]
        units = tuple([u for each in here for u in each.claim.units if u in own])
        # A set gives only off what it has pieces of, so others bear nothing here.
        return units, sum([each.shares.get(u, 0) for each in here for u in own])

    def _value(self, at: int, taken: tuple[int, ...], share: int) -> int:
        """Give the most a line is worth with these units in sets, which bear *share*."""
        key = at, taken, share
        known = self.values.get(key)
        if known is None:
            known = self.values[key] = self._valued(at, taken, share)
        return known

    def _valued(self, at: int, taken: Collection[int], share: int) -> int:
        """Compute what `_value` gives."""
        part, entry = self.part, self.entries[at]
        line = part.lines[at]
        if not taken:
            return line.most(part.into[at], entry.start.running, entry.start.off)
        best = max([0, *[off for _, off, _ in self._free_effects(at, taken)]]) + share
        worth = line.most(part.out[at], entry.start.running - best, entry.start.off + best)
        if share or entry.start.off or line.keep[0] <= line.keep[1]:
            return worth
        # Its pieces in sets bear nothing, and undiscounted it may be worth more.
        return max(worth, line.most(part.out[at], entry.start.running, 0))

    def _free_effects(
        self, at: int, taken: Collection[int]
    ) -> list[tuple[int, int, tuple[int, ...]]]:
        """List the effects on the pieces of a line that no set has: place, discount, units."""
        part, units = self.part, self.part.units
        line = part.lines[at]
        if part.into[at] == part.out[at]:
            return []
        free = tuple([u for u in line.own if u not in taken])
        if not free:
            return []
        floor = sum([units[u].floor for u in free])
        whole = sum([units[u].list for u in free])
        quantity = sum([units[u].quantity for u in free])
        running = sum([self.running[u] for u in free])
        plain = line.steps[part.into[at]].plain
        effects = [effect_of(p, part.offers[p], whole, quantity) for p, *_ in plain]
        found, known = [], set()
        for effect in effects:
            off = off_of(effect, running, floor)
            if off > 0 and (off not in known or effect[0] in line.seen):
                if effect[0] not in line.seen:
                    known.add(off)
                found.append((effect[0], off, free))
        return found

    # --- Out of the lane ------------------------------------------------------

    def _finish(self, laid: tuple[Laid, ...], values: Sequence[int]) -> None:
        """List for each line its ways out, and combine those that together are enough."""
        total = sum(values)
        self.whole &= self.count(len(values) // LINES_A_NODE)
        options = [
            self._ways_out(at, laid, self.least - total + value) for at, value in enumerate(values)
        ]
        self._combine(options, laid, (), 0, total)

    def _ways_out(self, at: int, laid: Sequence[Laid], least: int) -> list[Out]:
        part, start = self.part, self.entries[at].start
        line = part.lines[at]
        before = tuple([(place, line.own) for place in start.places])
        taken, share = self._of_line(at, laid)
        if not taken:
            ways = line.ways(part.into[at], start.running, start.off, least)
            found = [(way, before) for way in ways]
        else:
            found = []
            for place, off, free in ((-1, 0, ()), *self._free_effects(at, taken)):
                own = before if place < 0 else (*before, (place, free))
                gone = share + off
                ways = line.ways(part.out[at], start.running - gone, start.off + gone, least)
                found += [(way, own) for way in ways]
        return [(way, (*own, *[(p, line.own) for p in way.places])) for way, own in found]

    def _combine(
        self,
        options: list[list[Out]],
        laid: tuple[Laid, ...],
        chosen: tuple[Out, ...],
        worth: int,
        most: int,
    ) -> None:
        at = len(chosen)
        if at == len(options):
            self.whole &= self.count(1)
            outcome = self._outcome(laid, chosen)
            if self._has(outcome):
                self.found.append(outcome)
                self._reached(outcome.worth)
            return
        top = max([way.worth for way, _ in options[at]], default=0)
        for way, effects in options[at]:
            after = most - top + way.worth
            # When no node is left, one outcome is enough.
            if after >= self.least and (self.whole or not self.found):
                self._combine(options, laid, (*chosen, (way, effects)), worth, after)

    @staticmethod
    def _outcome(laid: tuple[Laid, ...], chosen: tuple[Out, ...]) -> Outcome:
        effects = tuple([effect for _, own in chosen for effect in own])
        return Outcome(
            sum([way.worth for way, _ in chosen]), effects, tuple([x.claim for x in laid])
        )

    def _has(self, outcome: Outcome) -> bool:
        if self.must < 0:
            return True
        offer = self.part.offers[self.must]
        return any(place == self.must for place, _ in outcome.effects) or any(
            claim.offer is offer for claim in outcome.sets
        )
