"""What lines can still be worth at most: the bound of the search in `solver`.

A line that no set can part has a table: its best from a lane on, by running amount.
A piece of a set's line has one too, in which a set counts the piece's share of what
the set could give.  To these come what blocks can add, and what campaigns with a
binding limit can, where that is less than letting the table use them freely.

Two facts carry the proofs.  A table never falls when the running amount rises, and
by at least the least rate of its line, at most by one: so whatever takes a unit from
a line adds at most one less that rate.  And running amounts only fall.
"""

from collections.abc import Iterable, Iterator, Sequence

from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Offer, Unit

# A piece's part of a rounded discount is above its exact share by less than 1.5.
ROUNDED_UP = WHOLE_BP + WHOLE_BP // 2


Gain = tuple[int, int]  # What a set can add to a piece's table, and the piece's base.


class Bounds:
    """
    Tables of one component in one order of lanes; worths are times *scale*.

    Attributes:
        tight: Line effects whose limit could bind.
        out: Those of them that the tables leave out, with an allowance of their own.
        set_lines: Lines that a set may part.
        mask: By line, the offers that its table reads.
        all_sets: A mask of all sets; a table without them is asked for with these dead.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        offers: Sequence[Offer],
        lanes: Sequence[int],
        rates: dict[int, tuple[int, int]],
        scale: int,
    ) -> None:
        self.units = units
        self.offers = offers
        self.rates = rates
        self.scale = scale
        self.units_of: dict[int, list[int]] = {line: [] for line in rates}
        for at, unit in enumerate(units):
            if unit.line in self.units_of:
                self.units_of[unit.line].append(at)
        self.whole = {
            line: (
                sum(units[u].list for u in own),
                sum(units[u].quantity for u in own),
                sum(units[u].floor for u in own),
            )
            for line, own in self.units_of.items()
        }
        depth_of = {lane: depth for depth, lane in enumerate(lanes)}
        self.depths = len(lanes)
        self.by_depth: list[list[int]] = [[] for _ in lanes]
        for at, offer in enumerate(offers):
            self.by_depth[depth_of[offer.lane]].append(at)
        self.set_lines = {line for offer in offers if offer.kind == "set" for line in offer.lines}
        self.least = [min(rates[line][1] for line in offer.lines) for offer in offers]
        self.blocks = [[p for p in own if offers[p].kind == "basket"] for own in self.by_depth]
        self.all_sets = sum(1 << at for at, offer in enumerate(offers) if offer.kind == "set")
        self.memo: dict[tuple[int, int, int, bool, int], int] = {}
        self.mask = dict.fromkeys(rates, 0)
        self.effects: list[dict[int, list[int]]] = [{} for _ in lanes]
        self.sets: list[dict[int, list[int]]] = [{} for _ in lanes]
        self._index()
        self.fits = [frozenset().union(*(fits for _, fits in o.groups)) for o in offers]
        self.twice = self._in_sets_of_two_lanes()
        self.even = {at for at, offer in enumerate(offers) if self._is_even(offer)}
        self.reach = [self._nth_base(offer) for offer in offers]
        self.deepest: dict[int, int] = {}
        self.tight = [at for at, offer in enumerate(offers) if self._binds(offer)]
        self.out: dict[int, int] = {}
        self._leave_out()
        self._choose_shares()

    def _index(self) -> None:
        for depth, places in enumerate(self.by_depth):
            for at in places:
                offer = self.offers[at]
                if offer.kind == "basket":
                    continue
                table = self.sets if offer.kind == "set" else self.effects
                for line in offer.lines:
                    table[depth].setdefault(line, []).append(at)
                    self.mask[line] |= 1 << at

    def _in_sets_of_two_lanes(self) -> set[int]:
        """Find the lines that sets of several lanes may part: their gains add up otherwise."""
        return {line for line in self.set_lines if sum(line in sets for sets in self.sets) > 1}

    def _nth_base(self, offer: Offer) -> int:
        """Find the most that the cheapest piece of a set can be: its size-th dearest piece."""
        if offer.kind != "set":
            return 0
        size = sum(take for take, _ in offer.groups)
        bases = sorted(
            (self.units[u].list for line in offer.lines for u in self.units_of[line]), reverse=True
        )
        return bases[size - 1] if size <= len(bases) else 0

    def _binds(self, offer: Offer) -> bool:
        if offer.kind in ("basket", "set") or offer.limit is None:
            return False
        # Uncut at list amounts is uncut whatever runs: no effect gives more on less.
        most = 0
        for line in offer.lines:
            whole, quantity, floor = self.whole[line]
            if offer.kind == "percent":
                off = -(-whole * offer.figure // WHOLE_BP)
            else:
                off = offer.figure * quantity // UNIT_QUANTITY + 1
                off = off if offer.kind == "amount" else whole - off + 2
            most += max(0, min(off, whole - floor))
        return most > offer.limit

    def _leave_out(self) -> None:
        """Decide for each limited effect whether the tables or an allowance count it."""
        for at in self.tight:
            offer = self.offers[at]
            assert offer.limit is not None
            allowance = offer.limit * self.gain(self.least[at])
            more = 0
            for line in offer.lines:
                whole = [self.units[u].list for u in self.units_of[line]]
                running = dict(zip(self.units_of[line], whole, strict=True))
                free = self.line_worth(line, 0, running, cut=False, dead=0)
                more += free - self.line_worth(line, 0, running, cut=False, dead=1 << at)
            if more > allowance:
                self.out[at] = allowance
                self.memo.clear()
                for line in offer.lines:
                    for depth in range(self.depths):
                        places = self.effects[depth].get(line, [])
                        self.effects[depth][line] = [p for p in places if p != at]

    def _choose_shares(self) -> None:
        """Keep for each even set the way to share it that bounds it lower at list amounts."""
        lists = [unit.list for unit in self.units]
        own = [u for units in self.units_of.values() for u in units]
        for at in sorted(self.even):
            as_borne = self.sets_gain(at, self.gains(at, 0, lists, own, 0), 0)
            self.even.remove(at)
            self._forget(at)
            if as_borne < self.sets_gain(at, self.gains(at, 0, lists, own, 0), 0):
                self.even.add(at)
                self._forget(at)

    def _forget(self, at: int) -> None:
        """Drop the tables that use the set *at*."""
        for key in [key for key in self.memo if key[0] < 0 and not key[4] >> at & 1]:
            del self.memo[key]

    def gain(self, rate: int) -> int:
        """Give what a minor unit of discount is worth above what it counts when left."""
        return max(0, self.scale - rate)

    def line_worth(
        self,
        line: int,
        depth: int,
        running: dict[int, int] | Sequence[int],
        *,
        cut: bool,
        dead: int,
    ) -> int:
        """Give the most that a whole line is worth from lane *depth* on, without sets."""
        own = self.units_of[line]
        if line in self.set_lines:
            dead |= self.all_sets
            return sum(self.unit(u, depth, running[u], dead) for u in own)
        return self.line(line, depth, sum(running[u] for u in own), cut=cut, dead=dead)

    def line(self, line: int, depth: int, running: int, *, cut: bool, dead: int) -> int:
        """Give the most that a line not in sets is worth from lane *depth* on: its table."""
        if depth == self.depths:
            return self.rates[line][cut] * running
        dead &= self.mask[line]
        key = line, depth, running, cut, dead
        known = self.memo.get(key)
        if known is not None:
            return known
        best = self.line(line, depth + 1, running, cut=cut, dead=dead)
        for at in self.effects[depth].get(line, ()):
            if dead >> at & 1:
                continue
            off = self.line_off(self.offers[at], line, running)
            if off > 0:
                rest = self.line(line, depth + 1, running - off, cut=True, dead=dead)
                best = max(best, off * self.scale + rest)
        self.memo[key] = best
        return best

    def line_off(self, offer: Offer, line: int, running: int) -> int:
        """Give a line effect's discount on a whole line that runs at *running*."""
        whole, quantity, floor = self.whole[line]
        base = whole if offer.by_list else running
        if offer.kind == "percent":
            off = (2 * base * offer.figure + WHOLE_BP) // (2 * WHOLE_BP)
        else:
            off = (2 * offer.figure * quantity + UNIT_QUANTITY) // (2 * UNIT_QUANTITY)
            off = off if offer.kind == "amount" else base - off
        return min(off, running - floor)

    def unit(self, unit: int, depth: int, running: int, dead: int) -> int:
        """Give the most that a piece of a set's line is worth from lane *depth* on."""
        own = self.units[unit]
        line = own.line
        whole, least = self.rates[line]
        if depth == self.depths:
            return max(whole, least) * running
        dead &= self.mask[line]
        key = ~unit, depth, running, False, dead
        known = self.memo.get(key)
        if known is not None:
            return known
        left = self.unit(unit, depth + 1, running, dead)
        best = left
        for at in self.effects[depth].get(line, ()):
            if not dead >> at & 1:
                best = max(best, self._unit_effect(at, unit, depth, running, dead, left))
        for at in self.sets[depth].get(line, ()):
            if not dead >> at & 1:
                best = max(best, self._unit_set(at, unit, depth, running, dead, left))
        self.memo[key] = best
        return best

    def _unit_effect(  # noqa: PLR0917 - The piece's state in the table.
        self, at: int, unit: int, depth: int, running: int, dead: int, left: int
    ) -> int:
        offer, own = self.offers[at], self.units[unit]
        room = running - own.floor
        if offer.kind == "percent" and not offer.by_list and not self.whole[own.line][2]:
            # Spread over the line's pieces by what they run at: this one's part is its own.
            off = min((running * offer.figure + ROUNDED_UP) // WHOLE_BP, room)
            return max(left, off * self.scale + self.unit(unit, depth + 1, running - off, dead))
        base = own.list if offer.by_list else running
        if offer.kind == "percent":
            off = -(-offer.figure * base // WHOLE_BP) + 1
        else:
            off = offer.figure * own.quantity // UNIT_QUANTITY
            off = off + 1 if offer.kind == "amount" else base - off + 1
        return left + max(0, off) * self.gain(self.rates[own.line][1])

    def _unit_set(  # noqa: PLR0917 - The piece's state in the table.
        self, at: int, unit: int, depth: int, running: int, dead: int, left: int
    ) -> int:
        own = self.units[unit]
        if at in self.even:
            off = min(self._borne(at, own.line, running), running)
            return off * self.scale + self.unit(unit, depth + 1, running - off, dead)
        # What the set takes may be borne by its other pieces, so this one runs on whole.
        base = own.list if self.offers[at].by_list else running
        return left + self._set_share(at, own.line, base) * self.gain(self.least[at])

    def _is_even(self, offer: Offer) -> bool:
        """Tell whether a set's discount is percent and borne by what its pieces run at."""
        if offer.kind != "set" or offer.reward != "percent" or offer.by_list:
            return False
        if any(self.whole[line][2] for line in offer.lines):
            return False
        return offer.rewarded == (offer.group is not None)

    def _borne(self, at: int, line: int, running: int) -> int:
        """
        Give the most that one piece bears of an even set.

        Of n pieces with the cheapest one free, a piece at r beside others not cheaper than
        m bears m·r/(r + (n − 1)·m) at most, and m is not above the n-th dearest piece.
        """
        offer = self.offers[at]
        size = sum(take for take, _ in offer.groups)
        weight, whole = 1, 1
        if offer.group is not None:
            if line not in offer.groups[offer.group][1]:
                return 0
        elif offer.cheapest is not None:
            weight, whole = min(offer.cheapest, size), size
            least = min(running, self.reach[at])
            if offer.cheapest == 1 and least < running:
                weight, whole = least, running + (size - 1) * least
        return -(-running * offer.figure * weight // (WHOLE_BP * whole)) + 2

    def _set_share(self, at: int, line: int, base: int) -> int:
        """Give a piece's part of a set's discount, such that parts sum to it at least."""
        offer = self.offers[at]
        size = sum(take for take, _ in offer.groups)
        count = rewarded = size
        if offer.group is not None:
            take, fits = offer.groups[offer.group]
            if line not in fits:
                return 0
            count = rewarded = take
        elif offer.cheapest is not None:
            rewarded = min(offer.cheapest, size)
            if rewarded == 1:
                base = min(base, self.reach[at])
        most = -(-base * rewarded // count)
        if offer.reward == "percent":
            return -(-most * offer.figure // WHOLE_BP) + 1
        if offer.reward == "amount":
            return -(-offer.figure // count) + 1
        return max(0, most - offer.figure // count) + 1

    def set_gain(self, at: int, unit: int, depth: int, running: int, dead: int) -> int:
        """Give what set *at* can add to a piece's table without sets, from lane *depth* on."""
        own = self.units[unit]
        if own.line in self.twice:
            base = own.list if self.offers[at].by_list else running
            if at in self.even:
                return self._borne(at, own.line, base) * self.gain(self.least[at])
            return self._set_share(at, own.line, base) * self.gain(self.least[at])
        dead |= self.all_sets
        with_it = self.unit(unit, depth, running, dead & ~(1 << at))
        return with_it - self.unit(unit, depth, running, dead)

    def sets_gain(self, at: int, gains: dict[int, Gain], laid: int) -> int:
        """
        Give what the sets of an offer can add: its pieces' best gains, as many as fit into sets.

        Args:
            at: The offer.
            gains: By piece that is free for it.
            laid: Sets that it has already.
        """
        offer = self.offers[at]
        size = sum(take for take, _ in offer.groups)
        most = len(gains) // size
        for take, fits in offer.groups:
            most = min(most, sum(self.units[u].line in fits for u in gains) // take)
        if offer.sets_most is not None:
            most = min(most, offer.sets_most - laid)
        if most <= 0:
            return 0
        count = most * (size if offer.group is None else offer.groups[offer.group][0])
        best = sum(sorted((gain for gain, _ in gains.values()), reverse=True)[:count])
        if offer.cheapest != 1 or offer.reward != "percent":
            return best
        # Of disjoint sets of n pieces, the j-th dearest cheapest piece is not above the
        # (j·n)-th dearest of all.
        bases = sorted((base for _, base in gains.values()), reverse=True)
        cheapest = sum(bases[place * size - 1] for place in range(1, most + 1))
        off = -(-cheapest * offer.figure // WHOLE_BP) + most
        return min(best, off * self.gain(self.least[at]))

    def all_gains(self, gains: dict[int, dict[int, Gain]], laid: dict[int, int]) -> int:
        """
        Give what all sets can add: each by itself, but a piece only to one set of a lane.

        Args:
            gains: By set and piece.
            laid: How many sets an offer has already; absent is none.
        """
        if len(gains) == 1:
            ((at, own),) = gains.items()
            return self.sets_gain(at, own, laid.get(at, 0))
        lanes: dict[int, list[int]] = {}
        for at in gains:
            lanes.setdefault(self.offers[at].lane, []).append(at)
        total = 0
        for places in lanes.values():
            apart = sum(self.sets_gain(at, gains[at], laid.get(at, 0)) for at in places)
            best: dict[int, int] = {}
            for at in places:
                for unit, (gain, _) in gains[at].items():
                    best[unit] = max(best.get(unit, 0), gain)
            total += min(apart, sum(best.values()))
        return total

    def open_sets(self, depth: int, dead: int) -> list[int]:
        """List the sets of the lanes from *depth* on."""
        return [
            at
            for own in self.by_depth[depth:]
            for at in own
            if self.offers[at].kind == "set" and not dead >> at & 1
        ]

    def gains(
        self,
        at: int,
        depth: int,
        running: dict[int, int] | Sequence[int],
        own: Iterable[int],
        dead: int,
    ) -> dict[int, Gain]:
        """Give by piece of *own* that the set *at* could take what it can add, and its base."""
        fits = self.fits[at]
        return {
            u: (
                self.set_gain(at, u, depth, running[u], dead),
                self.units[u].list if self.offers[at].by_list else running[u],
            )
            for u in own
            if self.units[u].line in fits
        }

    def allowances(self, depth: int, running: Sequence[int], dead: int) -> int:
        """Give what blocks and left-out effects of the lanes from *depth* on can add."""
        total = 0
        for at, allowance in self.out.items():
            if not dead >> at & 1 and any(at in own for own in self.by_depth[depth:]):
                total += allowance
        for at in self._open_blocks(depth, dead):
            total += self._block(at, running)
        return total

    def _open_blocks(self, depth: int, dead: int) -> Iterator[int]:
        for blocks in self.blocks[depth:]:
            for at in blocks:
                if not dead >> at & 1:
                    yield at

    def _block(self, at: int, running: Sequence[int]) -> int:
        """
        Give what a block adds: its amount less what the lines would have counted on it.

        It is spread by room, and rooms end between what runs now and the least that any
        claims leave: low rates get the largest share they can.
        """
        offer = self.offers[at]
        amount = offer.figure if offer.limit is None else min(offer.figure, offer.limit)
        rooms = []
        for line in offer.lines:
            high = sum(running[u] - self.units[u].floor for u in self.units_of[line])
            rooms.append((self.rates[line][1], min(self._low(line), high), high))
        rooms.sort()
        if rooms[0][0] == rooms[-1][0]:
            return amount * self.gain(rooms[0][0])
        weight = sum(low for _, low, _ in rooms)
        cost = sum(rate * low for rate, low, _ in rooms)
        for rate, low, high in rooms:
            # One more line at its most, while that lowers the mean.
            if weight and rate * weight >= cost:
                break
            weight += high - low
            cost += rate * (high - low)
        if not weight:
            return amount * self.gain(rooms[0][0])
        spare = sum(rate for rate, _, _ in rooms)  # Each share rounds by less than one unit.
        return max(0, amount * self.scale - max(0, amount * cost // weight - spare))

    def _low(self, line: int) -> int:
        """Give the least room that any claims leave on *line*: 0 where sets or blocks may take."""
        known = self.deepest.get(line)
        if known is None:
            known = self._lowest(line)
            self.deepest[line] = known
        return known

    def _lowest(self, line: int) -> int:
        whole, _, floor = self.whole[line]
        if line in self.set_lines:
            return 0
        running = whole
        for depth in range(self.depths):
            offs = [
                self.line_off(self.offers[at], line, whole if self.offers[at].by_list else running)
                for at in self.by_depth[depth]
                if self.offers[at].kind != "basket" and line in self.offers[at].lines
            ]
            running -= max([0, *offs])
            running -= sum(
                self.offers[at].figure for at in self.blocks[depth] if line in self.offers[at].lines
            )
        return max(0, running - floor)
