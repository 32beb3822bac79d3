"""The best combination of discounts and accruals: promotions.md §4, exactly.

The receipt is split into components of lines that some campaign ties together;
each is searched apart for every order of lanes.  A search goes lane by lane:
blocks, then sets, then which campaign takes each line.  Its bound lets every
line take its own best from here on (a table by lane and running amount) and adds
what blocks and limited campaigns could give at most.  A branch is cut only when
its bound is strictly below the best found.

Worths are integers over the component's common denominator, `scale`.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec.structs import replace

from streams.core.bounds import Bounds
from streams.core.combination import Claim, Unit
from streams.core.depth import allow_depth
from streams.core.discounting import claimed, discount_lane, over_units
from streams.core.lane_branch import (
    Branch,
    Gains,
    Laying,
    Option,
    Row,
    Rows,
    Stock,
    raise_to,
    rank,
)
from streams.core.laying import Layings, by_number, layings, told_apart
from streams.core.numbering import first_of, tidied
from streams.core.search_budget import Budget
from streams.core.task import Claims, Position, Solution, Task

UNITS_A_NODE = 16
LANE_NODES = 3  # Entering a lane weighs every line.


class Search:
    """One search; `run` gives the best solution, `bound` is at least its objective."""

    def __init__(self, task: Task, budget: Budget) -> None:
        self.task = task
        self.budget = budget
        self.scale = task.scale
        self.best: Solution | None = None
        self.floor_worth = -1  # Scaled objective of the best, rounded up.
        self.spent = False
        # A node of a long basket is more work: it counts for as many.
        self.weight = 1 + len(task.units) // UNITS_A_NODE
        self.root = -1  # The bound of the whole search.
        self.open_bound = -1  # Largest bound of a branch left when the budget was spent.
        self.places = {offer.id: at for at, offer in enumerate(task.offers)}
        self.must = -1 if task.must is None else self.places.get(task.must, -1)
        used = {offer.lane for offer in task.offers}
        self.lanes = [lane for lane in task.lanes if lane in used]
        self.lists = [unit.list for unit in task.units]
        self.numbered = [
            (self.lanes.index(offer.lane), offer.lines) for offer in task.offers if by_number(offer)
        ]
        self.bounds = Bounds(task.units, task.offers, self.lanes, task.rates, task.scale)
        self.units_of = self.bounds.units_of

    def run(self) -> Solution | None:
        """Search all; None when the forced campaign can't apply."""
        allow_depth(4 * (len(self.task.units) + len(self.task.offers)) * (len(self.lanes) + 1))
        self.lane(0, self.task.start)
        if self.best is not None:
            self.best = tidied(self.task, self.best)
        return self.best

    @property
    def bound(self) -> Fraction:
        """At least the best objective."""
        best = Fraction(0) if self.best is None else self.best.merit[0]
        return max(best, Fraction(min(self.open_bound, self.root), self.scale))

    def cut(self, bound: int, times: int = 1) -> bool:
        """
        Count a node; tell whether its branch can be left out.

        The first way down is always gone to its end, so that there is something to give.
        """
        allowed = self.budget.take(self.weight * times) or self.best is None
        if bound < self.floor_worth:
            return True
        if not allowed:
            self.spent = True
            self.open_bound = max(self.open_bound, bound)
        return not allowed

    def over(self, bound: int) -> bool:
        """Tell whether to give up: no node is left; the rest of a branch of *bound* stays open."""
        if self.budget.nodes > 0 or self.best is None:
            return False
        if bound >= self.floor_worth:
            self.spent = True
            self.open_bound = max(self.open_bound, bound)
        return True

    def lane(self, depth: int, at: Position) -> None:
        """Go on from *at* with the lane at *depth*."""
        if self.must >= 0 and at.dead >> self.must & 1 and not at.applied >> self.must & 1:
            return
        bounds, running = self.bounds, at.running
        bound = at.discount * self.scale + self.task.fixed
        for line, units in self.units_of.items():
            cut = self.is_cut(at, units)
            bound += bounds.line_worth(line, depth, running, cut=cut, dead=at.dead)
        own = [unit for units in self.units_of.values() for unit in units]
        gains = {
            place: bounds.gains(place, depth, running, own, at.dead)
            for place in bounds.open_sets(depth, at.dead)
        }
        bound += bounds.all_gains(gains, {}) + bounds.allowances(depth, running, at.dead)
        if self.root < 0:
            self.root = bound
        if self.cut(bound, LANE_NODES):
            return
        if depth == len(self.lanes):
            self._leaf(at)
        else:
            _Lane(self, depth, at).run()

    def is_cut(self, at: Position, units: Sequence[int]) -> bool:
        """Tell whether something was taken of units; a claim's part of some may be nothing."""
        return any(at.running[u] != self.lists[u] for u in units)

    def give_up(self, at: Position) -> None:
        """Leave out more than can be tried: the answer is not proven."""
        self.spent = True
        worth = at.discount * self.scale + self.task.fixed
        worth += sum(
            self.bounds.line_worth(line, 0, self.lists, cut=False, dead=0) for line in self.units_of
        )
        self.open_bound = max(self.open_bound, worth + self.bounds.allowances(0, self.lists, 0))

    def _leaf(self, at: Position) -> None:
        if self.must >= 0 and not at.applied >> self.must & 1:
            return
        nets = {
            line: sum(at.running[unit] for unit in units) for line, units in self.units_of.items()
        }
        cut = frozenset(
            line
            for line, units in self.units_of.items()
            if nets[line] != sum(self.lists[u] for u in units)
        )
        applied = frozenset(o.id for i, o in enumerate(self.task.offers) if at.applied >> i & 1)
        everything = [nets.get(line, 0) for line in range(max(nets, default=-1) + 1)]
        accrual = self.task.accrue(everything, cut, applied)
        if accrual is None:
            return
        worth, coded, claims, priority = accrual.merit
        merit = (
            worth + at.discount,
            at.discount,
            coded - sum(claim.offer.coded for claim in at.claims),
            claims + len(at.claims),
            priority + sum(claim.offer.priority for claim in at.claims),
        )
        if self.best is not None and merit < self.best.merit:
            return
        found = Solution(merit, at.claims, accrual, at)
        if self.best is not None and merit == self.best.merit:
            self.best = first_of(self.task, self.best, found, self.budget.take)
            return
        self.best = found
        self.floor_worth = -(-merit[0].numerator * self.scale // merit[0].denominator)


class _Lane:
    """The decisions of one lane, from one position; what goes down a branch goes by value."""

    def __init__(self, search: Search, depth: int, at: Position) -> None:
        self.search = search
        self.task = search.task
        self.bounds = search.bounds
        self.depth = depth
        self.at = at
        offers = self.task.offers
        self.dead = at.dead | self._missed()
        own = [p for p in self.bounds.by_depth[depth] if not self.dead >> p & 1]
        self.blocks = [p for p in own if offers[p].kind == "basket"]
        self.sets = [p for p in own if offers[p].kind == "set"]
        self.effects = [p for p in own if offers[p].kind not in ("basket", "set")]
        self.apart = self._apart()
        self.layings = {place: self._layings(place) for place in self.sets}
        self.ground = (
            at.discount * search.scale
            + self.task.fixed
            + self.bounds.allowances(depth + 1, at.running, self.dead)
        )

    def _missed(self) -> int:
        """Find the offers whose threshold is missed; once missed it stays missed."""
        at, search, mask = self.at, self.search, 0
        for place, offer in enumerate(self.task.offers):
            net = offer.net
            if net is None or offer.lane not in search.lanes[self.depth :]:
                continue
            lines = search.units_of if net.over == "all" else offer.lines
            total = sum(at.running[u] for line in lines for u in search.units_of[line])
            if not net.met(total):
                mask |= 1 << place
        return mask

    def run(self) -> None:
        """Decide all."""
        self._block(0, (), frozenset(), self.dead)

    def _free(self, place: int, units: Sequence[int], taken: frozenset[int], dead: int) -> bool:
        if dead >> place & 1:
            return False
        at = self.at
        if not (at.locked or taken or self.task.offers[place].items):
            return True
        items = self.task.offers[place].items
        return not any(
            unit in taken or unit in at.locked or (items and unit in at.touched) for unit in units
        )

    def _weigh(self, claim: Claim, dead: int) -> tuple[int, int, dict[int, int]]:
        """
        Weigh a claim: its discount before cuts, and what its units are worth with it at most.

        The third value is what each unit of a set's line runs at afterwards.
        """
        at, bounds = self.at, self.bounds
        place = self.search.places[claim.offer.id]
        bases = self.search.lists if claim.offer.by_list else at.running
        off, bearing = claimed(claim, self.task.units, at.running, bases)
        if off <= 0:
            return 0, 0, {}
        later = self.depth + 1
        if claim.offer.limit is not None and place not in bounds.tight and off > claim.offer.limit:
            most = claim.offer.limit * bounds.gain(bounds.least[place])
            same = {u: at.running[u] for u in claim.units}
            return off, most + self._later(claim.units, later, dead), same
        units = self.task.units
        rooms = {unit: at.running[unit] - units[unit].floor for unit in bearing}
        shares = over_units(off, rooms, units)
        limited = claim.offer.limit is not None or self.task.cap_left is not None
        if limited:
            # A unit left may count more than one taken, and limits may leave any of them.
            rates, most = self.task.rates, self.search.scale
            shares = {u: n for u, n in shares.items() if rates[units[u].line][1] <= most}
        worth = 0
        bare = dead | bounds.all_sets
        after = {}
        for line, own in _by_line(claim.units, units).items():
            taken = sum(shares.get(u, 0) for u in own)
            if line in bounds.set_lines:
                worth += taken * self.search.scale
                for u in own:
                    after[u] = at.running[u] - shares.get(u, 0)
                    worth += bounds.unit(u, later, after[u], bare)
                continue
            cut = self.search.is_cut(at, own)
            amount = sum(at.running[u] for u in own)
            left = amount - taken
            best = bounds.line(line, later, left, cut=cut or taken > 0, dead=dead)
            best += taken * self.search.scale
            if limited and not cut:
                # Its part may be rounded to nothing, and then it is not discounted.
                best = max(best, bounds.line(line, later, amount, cut=False, dead=dead))
            worth += best
        return off, worth, after

    def _later(self, own: Sequence[int], depth: int, dead: int) -> int:
        """Give the most that units are worth from lane *depth* on without sets, as they run now."""
        at, bounds, total = self.at, self.bounds, 0
        bare = dead | bounds.all_sets
        for line, units in _by_line(own, self.task.units).items():
            if line in bounds.set_lines:
                total += sum(bounds.unit(u, depth, at.running[u], bare) for u in units)
            else:
                amount = sum(at.running[u] for u in units)
                cut = self.search.is_cut(at, units)
                total += bounds.line(line, depth, amount, cut=cut, dead=dead)
        return total

    def _with(
        self, place: int, claim: Claim, claims: Claims, taken: frozenset[int], dead: int
    ) -> tuple[Claims, frozenset[int], int]:
        return (*claims, claim), taken.union(claim.units), dead | self.task.odds[place]

    # --- Blocks and sets ------------------------------------------------------

    def _block(self, number: int, claims: Claims, taken: frozenset[int], dead: int) -> None:
        if number == len(self.blocks):
            self._begin_sets(claims, taken, dead)
            return
        place = self.blocks[number]
        offer = self.task.offers[place]
        units = tuple(u for line in offer.lines for u in self.search.units_of[line])
        if not taken.intersection(units) and self._free(place, units, taken, dead):
            claim = Claim(offer, units)
            if self._weigh(claim, dead)[0] > 0:
                self._block(number + 1, *self._with(place, claim, claims, taken, dead))
        # Left out here, it is out for good: its lane comes once.
        self._block(number + 1, claims, taken, dead | 1 << place)

    def _begin_sets(
        self,
        claims: Claims,
        taken: frozenset[int],
        dead: int,
        *,
        number: int = 0,
        way: int = 0,
        count: int = 0,
    ) -> None:
        """Bound what is free from scratch, and lay sets of the offers from *number* on."""
        if not self.sets[number:]:
            self._begin_lines(claims, taken, dead)
            return
        bounds = self.bounds
        free = [u for own in self.search.units_of.values() for u in own if u not in taken]
        worth = self._later(free, self.depth, dead)
        gains = {
            place: bounds.gains(place, self.depth, self.at.running, free, dead)
            for place in bounds.open_sets(self.depth, dead)
        }
        for claim in claims:
            _, own, after = self._weigh(claim, dead)
            worth += own
            self._add_later_gains(gains, after, dead)
        bare = dead | bounds.all_sets
        opens = {
            u: bounds.unit(u, self.depth, self.at.running[u], bare)
            for u in free
            if self.task.units[u].line in bounds.set_lines
        }
        self._sets(Laying(number, way, count, worth, opens, gains), claims, taken, dead)

    def _add_later_gains(self, gains: Gains, after: dict[int, int], dead: int) -> None:
        """Count for units claimed in this lane what sets of later lanes can add."""
        for place, known in gains.items():
            if place not in self.sets:
                known.update(self.bounds.gains(place, self.depth + 1, after, after, dead))

    def _sets(self, laying: Laying, claims: Claims, taken: frozenset[int], dead: int) -> None:
        """Lay further sets of the same offer in the order of its ways, then the next offer's."""
        number, count = laying.number, laying.count
        if number == len(self.sets):
            self._begin_lines(claims, taken, dead)
            return
        bound = self.ground + laying.worth + self._tight_allowance(dead)
        passed = self.sets[:number]
        still = {at: own for at, own in laying.gains.items() if at not in passed}
        bound += self.bounds.all_gains(still, {self.sets[number]: count})
        if self.search.cut(bound):
            return
        place = self.sets[number]
        offer = self.task.offers[place]
        if not dead >> place & 1 and (offer.sets_most is None or count < offer.sets_most):
            odds = self.task.odds[place] & ~dead
            ways = self.layings[place].ways
            for at in range(laying.way, len(ways)):
                if self.search.over(bound):
                    return
                claim = self.layings[place].claim(ways[at], taken)
                if claim is None or not self._free(place, claim.units, taken, dead):
                    continue
                after = self._with(place, claim, claims, taken, dead)
                if odds:
                    self._begin_sets(*after, number=number, way=at, count=count + 1)
                else:
                    self._sets(self._laid(laying, claim, at, dead), *after)
        self._sets(laying.next(), claims, taken, dead)

    def _laid(self, laying: Laying, claim: Claim, way: int, dead: int) -> Laying:
        """Count a set: its pieces leave this lane, and sets of later lanes see what they run at."""
        _, own, after = self._weigh(claim, dead)
        worth = laying.worth + own - sum(laying.opens[u] for u in claim.units)
        gains = {
            place: {u: g for u, g in each.items() if u not in claim.units}
            for place, each in laying.gains.items()
        }
        self._add_later_gains(gains, after, dead)
        return Laying(laying.number, way, laying.count + 1, worth, laying.opens, gains)

    def _tight_allowance(self, dead: int) -> int:
        """Give what this lane's left-out effects can add to the tables."""
        out = self.bounds.out
        return sum(out[p] for p in self.effects if p in out and not dead >> p & 1)

    def _apart(self) -> dict[int, int]:
        """Tell pieces apart for sets of this lane and of later ones."""
        lanes = self.search.numbered
        here = {line for depth, lines in lanes if depth == self.depth for line in lines}
        later = {line for depth, lines in lanes if depth > self.depth for line in lines}
        return told_apart(here, later, self.search.units_of, self.at.running)

    def _layings(self, place: int) -> Layings:
        offer = self.task.offers[place]
        able = [
            unit
            for line in offer.lines
            for unit in self.search.units_of[line]
            if self._free(place, (unit,), frozenset(), self.dead)
        ]
        running, lists = self.at.running, self.search.lists
        found = layings(offer, able, self.task.units, running, lists, apart=self.apart)
        if not found.whole:
            self.search.give_up(self.at)
        return found

    # --- Line effects ---------------------------------------------------------

    def _begin_lines(self, claims: Claims, taken: frozenset[int], dead: int) -> None:
        gains: Gains = {place: {} for place in self.bounds.open_sets(self.depth + 1, dead)}
        worth = 0
        for claim in claims:
            _, own, after = self._weigh(claim, dead)
            worth += own
            self._add_later_gains(gains, after, dead)
        rows, still = self._rows(list(self.search.units_of), taken, dead, gains)
        stock = {p: Stock() for p in self.effects if p in self.bounds.tight}
        self._line(Branch(Rows(rows, dead), 0, worth + still, stock, gains), claims, taken)

    def _rows(
        self,
        lines: Sequence[int],
        taken: frozenset[int],
        dead: int,
        gains: Gains,
    ) -> tuple[list[Row], int]:
        """
        Weigh the options of every line, and sum the worth of the lines that have none.

        *gains* is given for every piece the most that sets of later lanes can add to it.
        """
        rows, still = [], 0
        by_line = self._effects_by_line()
        later = self.depth + 1
        for line in lines:
            units = tuple(u for u in self.search.units_of[line] if u not in taken)
            if not units:
                continue
            passed = self._later(units, later, dead)
            options = [
                Option(place, claim, off, worth, self._later_gains(gains, after, dead))
                for place in by_line.get(line, ())
                if self._free(place, units, taken, dead)
                for claim in (Claim(self.task.offers[place], units),)
                for off, worth, after in (self._weigh(claim, dead),)
                if off > 0
            ]
            same = {}
            if line in self.bounds.set_lines:
                same = {u: self.at.running[u] for u in units}
            left = self._later_gains(gains, same, dead)
            for each in (left, *(option.gains for option in options)):
                raise_to(gains, each)
            if options:
                rows.append(self._row(line, options, passed, left))
            else:
                still += passed
        return rows, still

    def _later_gains(self, gains: Gains, after: dict[int, int], dead: int) -> Gains:
        if not after:
            return {}
        return {
            place: self.bounds.gains(place, self.depth + 1, after, after, dead) for place in gains
        }

    def _effects_by_line(self) -> dict[int, list[int]]:
        """List this lane's effects by line, limited ones too."""
        found: dict[int, list[int]] = {}
        for place in self.effects:
            for line in self.task.offers[place].lines:
                found.setdefault(line, []).append(place)
        return found

    def _row(
        self,
        line: int,
        options: list[Option],
        passed: int,
        left: Gains,
    ) -> Row:
        """Keep one of the effects that take the same and that nothing else sees."""
        kept: dict[object, Option] = {}
        for option in options:
            seen = not self.task.plain >> option.place & 1 or option.place == self.search.must
            key: object = (option.place,) if seen else option.off
            known = kept.get(key)
            if known is None or rank(option) < rank(known):
                kept[key] = option
        tight = self.bounds.tight
        free = [option.worth for option in kept.values() if option.place not in tight]
        ordered = sorted(kept.values(), key=lambda each: (-each.worth, each.claim.offer.id))
        return Row(line, tuple(ordered), passed, max([passed, *free]), left)

    def _line(self, branch: Branch, claims: Claims, taken: frozenset[int]) -> None:
        """Decide the branch's next line: each campaign that can have it, or none."""
        rows, number = branch.rows, branch.number
        first = self.search.best is None  # Nothing can be cut yet.
        bound = self.search.root if first else self._line_bound(branch)
        if self.search.cut(bound):
            return
        if number == len(rows.rows):
            self._finish(claims, rows.dead)
            return
        row = rows.rows[number]
        passing = True
        for option in row.options:
            if self.search.over(bound):
                return
            if passing and row.passed > option.worth:
                passing = False
                self._line(branch.passing(row), claims, taken)
            after = branch.taking(row, option)
            odds = self.task.odds[option.place] & ~rows.dead
            if odds:
                after = self._without(after, rows.dead | odds, taken)
            self._line(after, (*claims, option.claim), taken)
        if passing:
            self._line(branch.passing(row), claims, taken)

    def _line_bound(self, branch: Branch) -> int:
        rows, number = branch.rows, branch.number
        bound = self.ground + branch.worth + rows.rest[number]
        for place, stock in branch.stock.items():
            if not rows.dead >> place & 1:
                bound += self._tight_gain(place, stock, rows, number)
        if branch.gains:
            still = {at: own for at, own in branch.gains.items() if not rows.dead >> at & 1}
            bound += self.bounds.all_gains(still, {})
        return bound

    def _without(self, branch: Branch, dead: int, taken: frozenset[int]) -> Branch:
        """Weigh the lines still open anew, when a claim has ruled out other campaigns."""
        lines = [row.line for row in branch.rows.rows[branch.number :]]
        gains = {place: dict(own) for place, own in branch.gains.items()}
        fresh, still = self._rows(lines, taken, dead, gains)
        return Branch(Rows(fresh, dead), 0, branch.worth + still, branch.stock, gains)

    def _tight_gain(self, place: int, own: Stock, rows: Rows, number: int) -> int:
        """
        Give what a limited effect adds at most: the best of its gains under its limit.

        A line cut to a part of its discount gains no more than that part of its gain, as
        a line's worth is convex in what is taken, but for rounding.
        """
        limit = self.task.offers[place].limit
        assert limit is not None
        items = [*own.items, *rows.gains(place, number)]
        whole = sum(off for _, off, _ in items)
        if whole <= limit:
            return sum(gain for _, _, gain in items)
        items.sort(reverse=True)
        total, left = 2 * len(items) * self.search.scale, limit
        for _, off, gain in items:
            if off >= left:
                return total + gain * left // off + 1
            total += gain
            left -= off
        return total

    def _finish(self, claims: Claims, dead: int) -> None:
        """Evaluate the lane and go on."""
        at, search = self.at, self.search
        lane = search.lanes[self.depth]
        forced = search.must >= 0 and self.task.offers[search.must].lane == lane
        if forced and all(claim.offer.id != self.task.must for claim in claims):
            return
        if not claims:
            search.lane(self.depth + 1, replace(at, dead=dead))
            return
        left = None
        if self.task.cap_left is not None:
            left = self.task.cap_left - (at.discount - self.task.start.discount)
        result = discount_lane(claims, self.task.units, at.running, left)
        if result is None:
            return
        applied = at.applied
        for claim in claims:
            applied |= 1 << search.places[claim.offer.id]
        search.lane(
            self.depth + 1,
            Position(
                tuple(r - off for r, off in zip(at.running, result.off, strict=True)),
                dead,
                applied,
                at.touched.union(*(claim.units for claim in claims)),
                at.locked.union(*(claim.units for claim in claims if claim.offer.items)),
                at.discount + sum(result.totals.values()),
                (*at.claims, *claims),
            ),
        )


def _by_line(own: Sequence[int], units: Sequence[Unit]) -> dict[int, list[int]]:
    lines: dict[int, list[int]] = {}
    for unit in own:
        lines.setdefault(units[unit].line, []).append(unit)
    return lines
