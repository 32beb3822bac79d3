"""The lane in which the sets of a part are laid, entered with exact amounts."""

from collections.abc import Callable, Collection, Sequence

from streams.core.allocation import spread
from streams.core.combination import WHOLE_BP, Claim, Offer, bearers, claimed, over_units
from streams.core.laying import Layings, layings
from streams.core.line_ways import LineWays, Way, effect_of, off_of
from streams.core.part import Effects, Outcome
from streams.core.set_cut import Laid, cut_line
from streams.core.set_part import Entry, SetPart

KINDS_MOST = 12  # Kinds of pieces a set is laid from; of more, the dearest, and nothing is proven.

Out = tuple[Way, Effects]  # A line's way out of the lane, and all its effects.


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
        for line, entry in zip(part.lines, entries, strict=True):
            self._enter(line, entry)
        self.laid: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Laid] = {}
        self.bare = [self._value(at, (), 0) for at in range(len(self.entries))]
        self.whole = True
        self.layings = [self._layings(place) for place in part.sets]
        self.alike = self._alike()
        self.whole &= all(each.whole for each in self.layings)
        self.gains = self._gains()
        left = [part.forgone(at, entry.running) for at, entry in enumerate(entries)]
        self.pieces = {u: (self.running[u], left[at], at) for u, at in part.line_of.items()}
        # A limit's cut can add so much to an outcome; it is weighed when that is known.
        self.spare = sum(
            entry.bare - bare - 2 * part.scale
            for entry, bare in zip(entries, self.bare, strict=True)
            if entry.limited >= 0
        )

    def _enter(self, line: LineWays, entry: Entry) -> None:
        """Find what each piece runs at: an effect on a line is spread over its pieces by room."""
        units, own = self.part.units, self.running
        running = line.whole
        quantity = sum(units[u].quantity for u in line.own)
        for place in entry.places:
            effect = effect_of(place, self.part.offers[place], line.whole, quantity)
            off = off_of(effect, running, line.floor)
            shares = spread(off, [own[u] - units[u].floor for u in line.own])
            for u, share in zip(line.own, shares, strict=True):
                own[u] -= share
            running -= off

    def _layings(self, place: int) -> Layings:
        part = self.part
        offer = part.offers[place]
        able = [u for line in part.lines if line.line in offer.lines for u in line.own]
        # Cut, pieces may run at more, and what gives nothing now may give something.
        cut = any(entry.limited >= 0 for entry in self.entries)
        return layings(
            offer, able, part.units, self.running, part.lists, nothing=cut, kinds_most=KINDS_MOST
        )

    def _alike(self) -> tuple[tuple[int, ...], ...]:
        """List the pieces of limited lines that run equal now, and may not where it is cut."""
        groups: dict[tuple[int, int], list[int]] = {}
        for at, entry in enumerate(self.entries):
            if entry.limited >= 0:
                for u in self.part.lines[at].own:
                    groups.setdefault((at, self.running[u]), []).append(u)
        return tuple(tuple(own) for own in groups.values() if len(own) > 1)

    def _gains(self) -> dict[int, int]:
        """
        Give for each piece its part of the most that a set with it adds.

        A line is worth more by each set it is in, apart but for rounding, as long as all
        amounts stay in proportion; where they may not, the part's bound has to do.
        """
        part = self.part
        gains: dict[int, int] = {}
        if not all(part.straight):
            for line, entry in zip(part.lines, self.entries, strict=True):
                gains.update(dict.fromkeys(line.own, max(0, entry.most - entry.bare)))
            return gains
        for number, own in enumerate(self.layings):
            for way in own.ways if self.whole else ():
                claim = own.claim(way, ())
                assert claim is not None
                laid = self._lay(number, claim)
                gain = sum(self._change(at, (laid,), self.bare) for at in self._lines(claim))
                each = -(-(gain + 4 * part.scale * len(claim.units)) // len(claim.units))
                kinds = {u: kind for kind in own.kinds for u in kind}
                for unit in claim.units:
                    for u in kinds[unit]:
                        gains[u] = max(gains.get(u, 0), each)
        return gains

    def _lines(self, claim: Claim) -> set[int]:
        return {self.part.line_of[u] for u in claim.units}

    def _lay(self, number: int, claim: Claim) -> Laid:
        """Evaluate a set by itself; in a large part that counts as nodes."""
        if (number, claim.units, claim.group) not in self.laid:
            self.whole &= self.count(self.part.weight - 1)
        return self._evaluate(number, claim)

    def _evaluate(self, number: int, claim: Claim) -> Laid:
        key = number, claim.units, claim.group
        known = self.laid.get(key)
        if known is None:
            units, running = self.part.units, self.running
            bases = self.part.lists if claim.offer.by_list else running
            off, bearing = claimed(claim, units, running, bases)
            rooms = {u: running[u] - units[u].floor for u in bearing}
            slope = self._slope(claim, off, sum(rooms.values()))
            shares = over_units(off, rooms, units)
            known = Laid(claim, off, shares, rooms, bearers(claim, bases), slope)
            self.laid[key] = known
        return known

    @staticmethod
    def _slope(claim: Claim, off: int, room: int) -> int:
        offer = claim.offer
        if off >= room or offer.reward == "price":
            return WHOLE_BP
        if offer.by_list:
            return 0
        if offer.reward == "amount":
            return WHOLE_BP if off < offer.figure else 0
        return offer.figure

    # --- Laying sets ----------------------------------------------------------

    def outcomes(self, least: int, must: int, guess: int | None = None) -> list[Outcome]:
        """
        List the outcomes whose priced worth is not below *least*.

        Args:
            least: What they have to be worth, priced.
            must: The offer that has to apply, or −1.
            guess: How far below the best of them is enough; None is without end.
        """
        self.must = must
        self.guess = guess
        self.least, self.wanted = least - self.spare, least
        self.found: list[Outcome] = []
        if guess is not None and must < 0 and all(e.limited < 0 for e in self.entries):
            self._reached(self._greedy())
        self._more(0, 0, (), self.bare)
        return self.found

    def _reached(self, worth: int) -> None:
        """Ask for no more than what is near the best."""
        if self.guess is not None and worth - self.guess > self.wanted:
            self.wanted = worth - self.guess
            self.least = self.wanted - self.spare

    def _greedy(self) -> int:
        """Give the worth of laying the set that adds most, again and again."""
        values, taken = self.bare, set[int]()
        laid: list[Laid] = []
        for number, own in enumerate(self.layings):
            left = own.offer.sets_most
            for way in own.ways:
                claim = own.claim(way, taken)
                while claim is not None and left != 0 and self.whole:
                    one = self._lay(number, claim)
                    after = self._with(one, laid, values)
                    if sum(after) <= sum(values):
                        break
                    values = after
                    laid.append(one)
                    taken.update(claim.units)
                    left = None if left is None else left - 1
                    claim = own.claim(way, taken)
        return sum(values)

    def dearest(self) -> list[Outcome]:
        """
        Lay each offer's sets from the dearest pieces that are free, while they add something.

        It is what stands where there are too many ways to lay sets.
        """
        values, laid = self.bare, list[Laid]()
        free = sorted(self.pieces, key=lambda u: (-self.running[u], u))
        for number, own in enumerate(self.layings):
            left = own.offer.sets_most
            claim = self._dearest(own.offer, free)
            while claim is not None and left != 0:
                one = self._evaluate(number, claim)
                after = self._with(one, laid, values)
                if sum(after) <= sum(values):
                    break
                values = after
                laid.append(one)
                free = [u for u in free if u not in claim.units]
                left = None if left is None else left - 1
                claim = self._dearest(own.offer, free)
        self.must, self.guess, self.wanted = -1, None, -1
        self.least = sum(values)
        self.found = []
        self._finish(tuple(laid), values)
        return self.found

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
        for line in self._lines(one.claim):
            after[line] += self._change(line, (*laid, one), values)
        return after

    def _more(self, number: int, first: int, laid: tuple[Laid, ...], values: list[int]) -> None:
        """Lay further sets of one offer in the order of its ways, then the next offer's."""
        taken = {u for each in laid for u in each.claim.units}
        worth = sum(values)
        if number == len(self.layings):
            if worth >= self.least:
                self._finish(laid, values)
            return
        if worth + self._most_more(taken) < self.least or not self._counted():
            return
        own = self.layings[number]
        count = sum(each.claim.offer is own.offer for each in laid)
        if own.offer.sets_most is None or count < own.offer.sets_most:
            for at in range(first, len(own.ways)):
                claim = own.claim(own.ways[at], taken)
                if not self.whole:
                    break
                if claim is None:
                    continue
                one = self._lay(number, claim)
                self._more(number, at, (*laid, one), self._with(one, laid, values))
        self._more(number + 1, 0, laid, values)

    def _most_more(self, taken: Collection[int]) -> int:
        """Give what further sets can add at most."""
        apart = sum(gain for u, gain in self.gains.items() if u not in taken)
        if not apart:
            return 0
        return min(apart, self.part.packed([p for u, p in self.pieces.items() if u not in taken]))

    def _counted(self) -> bool:
        self.whole &= self.count(self.part.weight)
        return self.whole

    def _change(self, at: int, laid: Sequence[Laid], values: Sequence[int]) -> int:
        """Give what these sets change of the most that a line is worth."""
        return self._value(at, *self._of_line(at, laid)) - values[at]

    def _of_line(self, at: int, laid: Sequence[Laid]) -> tuple[tuple[int, ...], int]:
        """Give the units of a line that are in sets, and what they bear."""
        own = self.part.lines[at].own
        units = tuple(u for each in laid for u in each.claim.units if u in own)
        return units, sum(each.shares.get(u, 0) for each in laid for u in own)

    def _value(self, at: int, taken: Collection[int], share: int) -> int:
        """Give the most a line is worth with these units in sets, which bear *share*."""
        part, entry = self.part, self.entries[at]
        line = part.lines[at]
        if not taken:
            return line.most(part.into[at], entry.running, entry.off)
        best = max([0, *(off for _, off, _ in self._free_effects(at, taken))]) + share
        return line.most(part.out[at], entry.running - best, entry.off + best)

    def _free_effects(
        self, at: int, taken: Collection[int]
    ) -> list[tuple[int, int, tuple[int, ...]]]:
        """List the effects on the pieces of a line that no set has: place, discount, units."""
        part, units = self.part, self.part.units
        line = part.lines[at]
        steps = line.steps[part.into[at] : part.out[at]]
        free = tuple(u for u in line.own if u not in taken)
        if not free or not steps:
            return []
        floor = sum(units[u].floor for u in free)
        whole = sum(units[u].list for u in free)
        quantity = sum(units[u].quantity for u in free)
        running = sum(self.running[u] for u in free)
        effects = [effect_of(p, part.offers[p], whole, quantity) for p, *_ in steps[0].plain]
        if self.entries[at].limited >= 0:
            # Cut, the line may run higher, where other effects give something, not the same.
            return [(e[0], max(0, off_of(e, running, floor)), free) for e in effects]
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
        options = [
            self._ways_out(at, laid, self.least - total + value) for at, value in enumerate(values)
        ]
        self._combine(options, laid, (), 0, total)

    def _ways_out(self, at: int, laid: Sequence[Laid], least: int) -> list[Out]:
        part, entry = self.part, self.entries[at]
        line = part.lines[at]
        before = tuple((place, line.own) for place in entry.places)
        taken, share = self._of_line(at, laid)
        if not taken:
            ways = line.ways(part.into[at], entry.running, entry.off, least)
            found = [(way, before) for way in ways]
        else:
            found = []
            for place, off, free in ((-1, 0, ()), *self._free_effects(at, taken)):
                own = before if place < 0 else (*before, (place, free))
                gone = share + off
                ways = line.ways(part.out[at], entry.running - gone, entry.off + gone, least)
                found += [(way, own) for way in ways]
        return [(way, (*own, *((p, line.own) for p in way.places))) for way, own in found]

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
            outcome = self._outcome(laid, chosen)
            if outcome.priced >= self.wanted and self._has(outcome):
                self.found.append(outcome)
                self._reached(outcome.priced)
            return
        top = max((way.priced for way, _ in options[at]), default=0)
        for way, effects in options[at]:
            after = most - top + way.priced
            if after >= self.least:
                self._combine(options, laid, (*chosen, (way, effects)), worth, after)

    def _outcome(self, laid: tuple[Laid, ...], chosen: tuple[Out, ...]) -> Outcome:
        worth = sum(way.worth for way, _ in chosen)
        priced = sum(way.priced for way, _ in chosen)
        limited = tuple((w.limited, w.taken, w.lost) for w, _ in chosen if w.limited >= 0)
        if any(entry.limited >= 0 for entry in self.entries):
            rests = [
                effects[len(entry.places) :]
                for entry, (_, effects) in zip(self.entries, chosen, strict=True)
            ]
            more, cut = cut_line(self.part, self.entries, laid, rests)
            worth += more
            prices = self.part.lines[0].prices
            priced += more - sum(min(lost, prices[place] * own) for place, own, lost in cut)
            limited += cut
        effects = tuple(effect for _, own in chosen for effect in own)
        sets = tuple(each.claim for each in laid)
        return Outcome(priced, worth, effects, sets, limited, self.alike if sets else ())

    def _has(self, outcome: Outcome) -> bool:
        if self.must < 0:
            return True
        offer = self.part.offers[self.must]
        return any(place == self.must for place, _ in outcome.effects) or any(
            claim.offer is offer for claim in outcome.sets
        )
