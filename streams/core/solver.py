"""The best combination of discounts and accruals: promotions.md §4, exactly.

The receipt is split into components of lines that some campaign ties together;
each is searched apart for every order of lanes.  A search goes lane by lane:
blocks, then sets, then which campaign takes each line.  Its bound lets every
line take its own best from here on (a table by lane and running amount) and adds
what blocks and limited campaigns could give at most.  A branch is cut only when
its bound is strictly below the best found.

Worths are integers over the component's common denominator, `scale`.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from streams.core.accrual_choice import Choice
from streams.core.combination import (
    UNIT_QUANTITY,
    WHOLE_BP,
    Claim,
    Offer,
    Unit,
    claimed,
    discount_lane,
)

SET_CLAIMS_MOST = 4_000  # Ways to lay one set on a receipt; beyond it the answer is not proven.

# Objective, discount, − claims with needs, claims, priorities: larger is better.
Merit = tuple[Fraction, int, int, int, int]
Written = tuple[tuple[int, str, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]], ...]


class Position(Struct, frozen=True):
    """Where a search begins: running amounts by unit, and what earlier lanes have taken."""

    running: tuple[int, ...]
    dead: int = 0
    applied: int = 0
    touched: frozenset[int] = frozenset()
    locked: frozenset[int] = frozenset()
    discount: int = 0
    claims: tuple[Claim, ...] = ()


class Solution(Struct, frozen=True):
    """The best found for one component and order."""

    merit: Merit
    claims: tuple[Claim, ...]
    accrual: Choice
    end: Position


Accrue = Callable[[Sequence[int], frozenset[int], frozenset[str]], Choice | None]


class Task(Struct, frozen=True):
    """
    A component to solve in one order of lanes.

    Attributes:
        units: Of the whole receipt.
        lines: Positions of the component's lines, ascending.
        offers: Those with a line here, by id; their lines are cut to the component.
        odds: By offer position, a mask of the offers that can't apply beside it.
        lanes: Lane indices in the order to compose.
        start: Where to begin.
        cap_left: What the receipt's cap leaves to all lanes; None is without cap.
        accrue: Best accrual on nets by line, the discounted lines, and applied offers;
            None where the forced campaign can't be had.
        rates: By line, worth counted per minor unit left, times scale: undiscounted, discounted.
        fixed: Worth of points that don't depend on nets, times scale, at most.
        scale: The common denominator of *rates*.
        must: A campaign that has to apply, or None.
        plain: A mask of the line effects that no limit, threshold or exclusion sees.
    """

    units: tuple[Unit, ...]
    lines: tuple[int, ...]
    offers: tuple[Offer, ...]
    odds: tuple[int, ...]
    lanes: tuple[int, ...]
    start: Position
    cap_left: int | None
    accrue: Accrue
    rates: dict[int, tuple[int, int]]
    fixed: int
    scale: int
    must: str | None = None
    plain: int = 0


class Budget:
    """Nodes left to all searches of a receipt, and the largest bound left unsearched."""

    def __init__(self, nodes: int) -> None:
        """Allow *nodes*."""
        self.nodes = nodes
        self.spent = False

    def take(self) -> bool:
        """Use one node; False when none is left."""
        if self.nodes <= 0:
            self.spent = True
            return False
        self.nodes -= 1
        return True


class Search:
    """One search; `run` gives the best solution, `bound` is at least its objective."""

    def __init__(self, task: Task, budget: Budget) -> None:
        self.task = task
        self.budget = budget
        self.scale = task.scale
        self.best: Solution | None = None
        self.floor_worth = -1  # Scaled objective of the best, rounded up.
        self.open_bound = -1  # Largest bound of a branch left when the budget was spent.
        self.bits = {offer.id: at for at, offer in enumerate(task.offers)}
        self.must = -1 if task.must is None else self.bits.get(task.must, -1)
        self.units_of: dict[int, list[int]] = {line: [] for line in task.lines}
        for at, unit in enumerate(task.units):
            if unit.line in self.units_of:
                self.units_of[unit.line].append(at)
        self.by_lane: dict[int, list[int]] = {}
        for at, offer in enumerate(task.offers):
            self.by_lane.setdefault(offer.lane, []).append(at)
        self.lanes = [lane for lane in task.lanes if lane in self.by_lane]
        self.lists = [unit.list for unit in task.units]
        self._tables()

    # --- The bound ------------------------------------------------------------

    def _tables(self) -> None:
        """Prepare what the bound of each lane and line reads."""
        offers = self.task.offers
        self.tight = {at for at, offer in enumerate(offers) if self._binds(offer)}
        self.effects: dict[tuple[int, int], list[int]] = {}
        self.set_lines: set[int] = set()
        self.line_mask: dict[int, int] = dict.fromkeys(self.task.lines, 0)
        for at, offer in enumerate(offers):
            for line in offer.lines:
                if offer.kind == "set":
                    self.set_lines.add(line)
                elif offer.kind != "basket" and at not in self.tight:
                    self.effects.setdefault((offer.lane, line), []).append(at)
                if offer.kind != "basket":
                    self.line_mask[line] |= 1 << at
        self.memo: dict[tuple[int, int, int, bool, int], int] = {}
        self.least = {
            at: min(self.task.rates[line][1] for line in offer.lines)
            for at, offer in enumerate(offers)
        }

    def _binds(self, offer: Offer) -> bool:
        if offer.kind in ("basket", "set") or offer.limit is None:
            return False
        # Uncut at list amounts is uncut whatever runs: no effect gives more on less.
        whole = sum(self._share(offer, unit, self.lists[unit]) for line in offer.lines
                    for unit in self.units_of[line])  # fmt: skip
        return whole > offer.limit

    def _share(self, offer: Offer, unit: int, running: int) -> int:
        """Give what *offer* can take from a unit at most; a line effect's is rounded up."""
        own = self.task.units[unit]
        base = own.list if offer.by_list else running
        match offer.kind:
            case "percent":
                return -(-offer.figure * base // WHOLE_BP)
            case "amount":
                return -(-offer.figure * own.quantity // UNIT_QUANTITY)
            case "price":
                return max(0, base - offer.figure * own.quantity // UNIT_QUANTITY)
            case "set":
                return self._set_share(offer, own.line, base)
            case _:
                return 0

    def _gain(self, rate: int) -> int:
        """Give what a minor unit of discount is worth above what it counts when left."""
        return max(0, self.scale - rate)

    @staticmethod
    def _set_share(offer: Offer, line: int, base: int) -> int:
        size = sum(take for take, _ in offer.groups)
        if offer.group is not None:
            take, fits = offer.groups[offer.group]
            if line not in fits:
                return 0
            count, rewarded = take, take
        elif offer.cheapest is not None:
            count, rewarded = size, offer.cheapest
        else:
            count, rewarded = size, size
        if offer.reward == "percent":
            return -(-offer.figure * base * rewarded // (WHOLE_BP * count)) + 1
        if offer.reward == "amount":
            return -(-offer.figure // count) + 1
        most = base if offer.cheapest is None else -(-base * rewarded // count)
        return max(0, most - offer.figure // count) + 1

    def line_bound(self, line: int, depth: int, running: int, *, cut: bool, dead: int) -> int:
        """Give the most that a line not in sets is worth from lane *depth* on: its table."""
        if depth == len(self.lanes):
            return self.task.rates[line][cut] * running
        dead &= self.line_mask[line]
        key = line, depth, running, cut, dead
        known = self.memo.get(key)
        if known is not None:
            return known
        best = self.line_bound(line, depth + 1, running, cut=cut, dead=dead)
        for at in self.effects.get((self.lanes[depth], line), ()):
            if dead >> at & 1:
                continue
            off = self._line_off(at, line, running)
            if off > 0:
                rest = self.line_bound(line, depth + 1, running - off, cut=True, dead=dead)
                best = max(best, off * self.scale + rest)
        self.memo[key] = best
        return best

    def _line_off(self, at: int, line: int, running: int) -> int:
        """Give a line effect's discount on a whole line that runs at *running*."""
        offer = self.task.offers[at]
        units = self.units_of[line]
        quantity = sum(self.task.units[unit].quantity for unit in units)
        whole = sum(self.lists[unit] for unit in units)
        base = whole if offer.by_list else running
        if offer.kind == "percent":
            off = (2 * base * offer.figure + WHOLE_BP) // (2 * WHOLE_BP)
        else:
            off = (2 * offer.figure * quantity + UNIT_QUANTITY) // (2 * UNIT_QUANTITY)
            off = off if offer.kind == "amount" else base - off
        return min(off, running - sum(self.task.units[unit].floor for unit in units))

    def unit_bound(
        self, unit: int, depth: int, running: int, dead: int, *, effects_only: bool = False
    ) -> int:
        """Give the most that a unit of a set's line is worth from lane *depth* on."""
        own = self.task.units[unit]
        whole, least = self.task.rates[own.line]
        key = ~unit, depth, running, effects_only, dead
        known = self.memo.get(key)
        if known is not None:
            return known
        # Other pieces of a set, of other lines, can bear what is counted here: its share is
        # not limited by this one's room, and costs the least rate of all its lines.
        room = max(0, running - own.floor)
        total = shared = 0
        for place in range(depth, len(self.lanes)):
            alone = most = 0
            for at in self.by_lane[self.lanes[place]]:
                offer = self.task.offers[at]
                if dead >> at & 1 or at in self.tight or own.line not in offer.lines:
                    continue
                share = self._share(offer, unit, running)
                if offer.kind != "set":
                    alone = max(alone, min(share, room) * self._gain(least))
                elif not (effects_only and place == depth):
                    most = max(most, share * self._gain(self.least[at]))
            total += max(alone, most)
            shared += most
        if not shared:
            total = min(total, room * self._gain(least))
        found = total + max(whole, least) * running
        self.memo[key] = found
        return found

    def _rest_bound(
        self, depth: int, running: Sequence[int], touched: frozenset[int], dead: int
    ) -> int:
        """Give the most that all lines are worth from lane *depth* on, blocks and limits added."""
        total = 0
        for line, units in self.units_of.items():
            if line in self.set_lines:
                total += sum(self.unit_bound(u, depth, running[u], dead) for u in units)
            else:
                amount = sum(running[u] for u in units)
                cut = any(u in touched for u in units)
                total += self.line_bound(line, depth, amount, cut=cut, dead=dead)
        return (
            total + sum(self.allowance(lane, dead) for lane in self.lanes[depth:]) + self.task.fixed
        )

    def allowance(self, lane: int, dead: int) -> int:
        """Give what a lane's blocks and limited campaigns add to the tables at most."""
        total = 0
        for at in self.by_lane[lane]:
            if not dead >> at & 1:
                total += self._extra(at)
        return total

    def _extra(self, at: int) -> int:
        offer = self.task.offers[at]
        if offer.kind == "basket":
            most = offer.figure
        elif at in self.tight:
            assert offer.limit is not None
            most = offer.limit
        else:
            return 0
        if offer.limit is not None:
            most = min(most, offer.limit)
        return most * self._gain(self.least[at])

    # --- Going lane by lane ---------------------------------------------------

    def run(self) -> Solution | None:
        """Search all; None when the forced campaign can't apply."""
        self.lane(0, self.task.start)
        return self.best

    @property
    def bound(self) -> Fraction:
        """At least the best objective."""
        best = Fraction(0) if self.best is None else self.best.merit[0]
        return max(best, Fraction(self.open_bound, self.scale))

    def cut(self, bound: int) -> bool:
        """Count a node; tell whether its branch can be left out."""
        if bound < self.floor_worth:
            return True
        if self.budget.take():
            return False
        self.open_bound = max(self.open_bound, bound)
        return True

    def lane(self, depth: int, at: Position) -> None:
        """Go on from *at* with the lane at *depth*."""
        if self.must >= 0 and at.dead >> self.must & 1 and not at.applied >> self.must & 1:
            return
        bound = at.discount * self.scale + self._rest_bound(depth, at.running, at.touched, at.dead)
        if self.cut(bound):
            return
        if depth == len(self.lanes):
            self._leaf(at)
            return
        _Lane(self, depth, at).run()

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
        found = tidied(self.task, Solution(merit, at.claims, accrual, at))
        if self.best is None or self.better(found, self.best):
            self.best = found
            self.floor_worth = -(-merit[0].numerator * self.scale // merit[0].denominator)

    def better(self, one: Solution, other: Solution) -> bool:
        """Tell whether *one* comes before *other* in the same order of lanes."""
        if one.merit != other.merit:
            return one.merit > other.merit
        mine, theirs = self.written(one), self.written(other)
        return mine < theirs if mine != theirs else one.accrual.written < other.accrual.written

    def written(self, solution: Solution) -> Written:
        """Write the discount claims as tie 6 compares them."""
        return written(solution.claims, self.task.units)


def written(claims: Sequence[Claim], units: Sequence[Unit]) -> Written:
    """Write discount claims as the last tie compares them: sorted, pieces as (line, piece)."""
    return tuple(
        sorted(
            (
                claim.offer.lane,
                claim.offer.id,
                _pieces(claim.units, units),
                _pieces(claim.group, units),
            )
            for claim in claims
        )
    )


def _pieces(own: Sequence[int], units: Sequence[Unit]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((units[u].line, piece) for u in own for piece in units[u].pieces))


def tidied(task: Task, solution: Solution) -> Solution:
    """
    Exchange pieces of one line between claims while that makes the last tie smaller.

    Equal pieces are told apart only by number, and the search takes the lowest free one
    without looking ahead.  An exchange stands if every line gets the same from every campaign.
    """
    own = solution.claims[len(task.start.claims) :]
    if all(claim.offer.kind != "set" for claim in own):
        return solution
    figures = _figures(task, own)
    best = written(own, task.units)
    better = True
    while better:
        better = False
        for one, other in _exchanges(task, own):
            for lanes in ({c.offer.lane for c in own}, *({c.offer.lane} for c in own)):
                changed = tuple(
                    _exchanged(claim, one, other) if claim.offer.lane in lanes else claim
                    for claim in own
                )
                told = written(changed, task.units)
                if told < best and _figures(task, changed) == figures:
                    own, best, better = changed, told, True
    running = _run(task, own)[1]
    assert running is not None
    claims = (*task.start.claims, *own)
    end = replace(solution.end, claims=claims, running=running)
    return Solution(solution.merit, claims, solution.accrual, end)


def _exchanges(task: Task, claims: Sequence[Claim]) -> list[tuple[int, int]]:
    units = sorted({unit for claim in claims for unit in claim.units})
    parted = {task.units[u].line for c in claims if c.offer.kind == "set" for u in c.units}
    return [
        (one, other)
        for at, one in enumerate(units)
        for other in units[at + 1 :]
        if task.units[one].line == task.units[other].line and task.units[one].line in parted
    ]


def _exchanged(claim: Claim, one: int, other: int) -> Claim:
    names = {one: other, other: one}
    return Claim(
        claim.offer,
        tuple(sorted(names.get(unit, unit) for unit in claim.units)),
        tuple(sorted(names.get(unit, unit) for unit in claim.group)),
    )


def _figures(task: Task, claims: Sequence[Claim]) -> object:
    """Give what every campaign takes off every line, lane by lane; None where not allowed."""
    return _run(task, claims)[0]


def _run(task: Task, claims: Sequence[Claim]) -> tuple[object, tuple[int, ...] | None]:
    running = task.start.running
    left = task.cap_left
    figures = []
    for lane in task.lanes:
        own = [claim for claim in claims if claim.offer.lane == lane]
        if not own:
            continue
        if len({unit for claim in own for unit in claim.units}) < sum(
            len(claim.units) for claim in own
        ):
            return None, None
        result = discount_lane(own, task.units, running, left)
        if result is None:
            return None, None
        figures.append(result.by_line)
        running = tuple(r - off for r, off in zip(running, result.off, strict=True))
        left = None if left is None else left - sum(result.totals.values())
    return figures, running


class _Lane:
    """The decisions of one lane, from one position."""

    def __init__(self, search: Search, depth: int, at: Position) -> None:
        self.search = search
        self.task = search.task
        self.depth = depth
        self.at = at
        offers = self.task.offers
        everything = [at.running[u] for units in search.units_of.values() for u in units]
        self.dead = at.dead
        # A running threshold once missed stays missed, so later lanes' are asked as well.
        for place, offer in enumerate(offers):
            net = offer.net
            if net is not None and offer.lane in search.lanes[depth:]:
                total = sum(everything) if net.over == "all" else self._eligible(offer)
                if not net.met(total):
                    self.dead |= 1 << place
        own = [p for p in search.by_lane[search.lanes[depth]] if not self.dead >> p & 1]
        self.blocks = [p for p in own if offers[p].kind == "basket"]
        self.sets = [p for p in own if offers[p].kind == "set"]
        self.effects = [p for p in own if offers[p].kind not in ("basket", "set")]
        self.kinds: dict[int, list[list[int]]] = {}
        self.ways = {place: self._ways(place) for place in self.sets}
        self.lines = sorted({line for place in self.effects for line in offers[place].lines})
        self.allowance = sum(
            search.allowance(lane, self.dead) for lane in search.lanes[depth + 1 :]
        )

    def _eligible(self, offer: Offer) -> int:
        return sum(self.at.running[u] for line in offer.lines for u in self.search.units_of[line])

    def run(self) -> None:
        """Decide all."""
        self._block(0, (), frozenset(), self.dead)

    # Claims so far, units taken in this lane, and what is dead, go down by value.

    def _free(self, place: int, units: Sequence[int], taken: frozenset[int], dead: int) -> bool:
        if dead >> place & 1:
            return False
        offer = self.task.offers[place]
        for unit in units:
            if unit in taken or unit in self.at.locked or (offer.items and unit in self.at.touched):
                return False
        return True

    def _bound(
        self, claims: tuple[Claim, ...], taken: frozenset[int], dead: int, number: int = -1
    ) -> int:
        """
        Bound a branch inside the lane: claims so far uncut, the rest by table.

        *number* is how many lines are decided; below 0 the sets are still open.
        """
        search, depth, at = self.search, self.depth, self.at
        total = at.discount * search.scale + self.allowance + self.task.fixed
        tight: dict[int, int] = {}
        for claim in claims:
            place = search.bits[claim.offer.id]
            off = self._off(claim)
            if place in search.tight:
                tight[place] = tight.get(place, 0) + off
            total += self._claim_bound(place, claim, off, dead)
        decided = set(self.lines[: max(number, 0)])
        for line, units in search.units_of.items():
            free = [u for u in units if u not in taken]
            if not free:
                continue
            lane = depth + 1 if line in decided else depth
            if line in search.set_lines:
                total += sum(
                    search.unit_bound(
                        u, lane, at.running[u], dead, effects_only=number >= 0 and lane == depth
                    )
                    for u in free
                )
            else:
                amount = sum(at.running[u] for u in free)
                cut = any(u in at.touched for u in free)
                total += search.line_bound(line, lane, amount, cut=cut, dead=dead)
        return total + self._tight_bound(tight, decided, dead)

    def _tight_bound(self, tight: dict[int, int], decided: set[int], dead: int) -> int:
        """Count what limited line effects give at most, with the lines still open."""
        search = self.search
        total = 0
        for place in self.effects:
            if place not in search.tight or dead >> place & 1:
                continue
            offer = self.task.offers[place]
            assert offer.limit is not None
            most = offer.limit
            if decided.issuperset(offer.lines):
                most = min(most, tight.get(place, 0))
            total += most * max(0, search.scale - search.least[place])
        return total

    def _off(self, claim: Claim) -> int:
        bases = self.search.lists if claim.offer.by_list else self.at.running
        return claimed(claim, self.task.units, self.at.running, bases)[0]

    def _claim_bound(self, place: int, claim: Claim, off: int, dead: int) -> int:
        """Bound the worth of claimed units: what the claim takes, and later lanes on the rest."""
        search, at = self.search, self.at
        later = self.depth + 1
        if place in search.tight:
            off = 0  # Its allowance counts it.
        elif claim.offer.limit is not None:
            off = min(off, claim.offer.limit)
        lines = {self.task.units[u].line for u in claim.units}
        if len(lines) == 1 and not lines & search.set_lines:
            (line,) = lines
            amount = sum(at.running[u] for u in claim.units) - off
            cut = off > 0 or any(u in at.touched for u in claim.units)
            return off * search.scale + search.line_bound(line, later, amount, cut=cut, dead=dead)
        total = off * max(0, search.scale - search.least[place])
        for line in lines:
            units = [u for u in claim.units if self.task.units[u].line == line]
            if line in search.set_lines:
                total += sum(search.unit_bound(u, later, at.running[u], dead) for u in units)
            else:
                amount = sum(at.running[u] for u in units)
                cut = any(u in at.touched for u in units)
                total += search.line_bound(line, later, amount, cut=cut, dead=dead)
        return total

    def _with(
        self, place: int, claim: Claim, claims: tuple[Claim, ...], taken: frozenset[int], dead: int
    ) -> tuple[tuple[Claim, ...], frozenset[int], int]:
        return (*claims, claim), taken.union(claim.units), dead | self.task.odds[place]

    def _block(
        self, number: int, claims: tuple[Claim, ...], taken: frozenset[int], dead: int
    ) -> None:
        if number == len(self.blocks):
            self._sets(0, 0, 0, claims, taken, dead)
            return
        place = self.blocks[number]
        offer = self.task.offers[place]
        units = tuple(u for line in offer.lines for u in self.search.units_of[line])
        if self._free(place, units, taken, dead):
            claim = Claim(offer, units)
            if self._off(claim) > 0:
                self._block(number + 1, *self._with(place, claim, claims, taken, dead))
        # Left out here, it is out for good: its lane comes once.
        self._block(number + 1, claims, taken, dead | 1 << place)

    def _sets(  # noqa: PLR0917 - All of it is the state of the branch.
        self,
        number: int,
        way: int,
        count: int,
        claims: tuple[Claim, ...],
        taken: frozenset[int],
        dead: int,
    ) -> None:
        """Lay further sets of the same offer in the order of its ways, then the next offer's."""
        if number == len(self.sets):
            self._line(0, claims, taken, dead)
            return
        bound = self._bound(claims, taken, dead)
        if self.search.cut(bound):
            return
        place = self.sets[number]
        offer = self.task.offers[place]
        if not dead >> place & 1 and (offer.sets_most is None or count < offer.sets_most):
            ways = self.ways[place]
            for at in range(way, len(ways)):
                claim = self._lay(offer, ways[at], taken)
                if claim is not None and self._free(place, claim.units, taken, dead):
                    self._sets(
                        number, at, count + 1, *self._with(place, claim, claims, taken, dead)
                    )
        self._sets(number + 1, 0, 0, claims, taken, dead)

    def _ways(self, place: int) -> list[tuple[tuple[int, ...], ...]]:
        """
        List the ways to lay a set, dearest first: for each group, so many units of each kind.

        Units of one line that run equal are of one kind, and told apart only by number.
        """
        offer = self.task.offers[place]
        kinds: dict[tuple[int, int, int, int], list[int]] = {}
        for line in offer.lines:
            for unit in self.search.units_of[line]:
                own = self.task.units[unit]
                if self._free(place, (unit,), frozenset(), self.dead):
                    key = line, self.at.running[unit], own.list, own.floor
                    kinds.setdefault(key, []).append(unit)
        self.kinds[place] = list(kinds.values())
        sizes = [len(each) for each in self.kinds[place]]
        lines = [key[0] for key in kinds]
        found: dict[object, tuple[tuple[int, ...], ...]] = {}
        for way in self._fill(offer, lines, sizes, 0):
            whole = tuple(sum(column) for column in zip(*way, strict=True))
            told = (whole, way[offer.group]) if offer.group is not None else whole
            found.setdefault(told, way)
            if len(found) > SET_CLAIMS_MOST:
                self.search.budget.spent = True
                break
        worth = []
        for way in found.values():
            claim = self._lay(offer, way, frozenset(), place)
            assert claim is not None
            off = self._off(claim)
            if off > 0:
                worth.append((-off, claim.units, way))
        worth.sort(key=lambda each: each[:2])
        return [way for _, _, way in worth]

    def _fill(
        self, offer: Offer, lines: list[int], sizes: list[int], group: int
    ) -> Iterator[tuple[tuple[int, ...], ...]]:
        if group == len(offer.groups):
            yield ()
            return
        take, fits = offer.groups[group]
        for counts in _counts(
            take, [size if line in fits else 0 for size, line in zip(sizes, lines, strict=True)]
        ):
            left = [size - count for size, count in zip(sizes, counts, strict=True)]
            for rest in self._fill(offer, lines, left, group + 1):
                yield (counts, *rest)

    def _lay(
        self, offer: Offer, way: tuple[tuple[int, ...], ...], taken: frozenset[int], place: int = -1
    ) -> Claim | None:
        """Take the lowest free units of each kind; None where too few are free."""
        kinds = self.kinds[self.search.bits[offer.id] if place < 0 else place]
        units: list[int] = []
        group: list[int] = []
        for kind, counts in zip(kinds, zip(*way, strict=True), strict=True):
            need = sum(counts)
            if not need:
                continue
            free = [u for u in kind if u not in taken][:need]
            if len(free) < need:
                return None
            units += free
            if offer.group is not None:
                group += free[: counts[offer.group]]
        return Claim(offer, tuple(sorted(units)), tuple(sorted(group)))

    def _line(
        self, number: int, claims: tuple[Claim, ...], taken: frozenset[int], dead: int
    ) -> None:
        if self.search.cut(self._bound(claims, taken, dead, number)):
            return
        if number == len(self.lines):
            self._finish(claims, dead)
            return
        line = self.lines[number]
        units = tuple(u for u in self.search.units_of[line] if u not in taken)
        options = []
        if units:
            for place in self.effects:
                offer = self.task.offers[place]
                if line in offer.lines and self._free(place, units, taken, dead):
                    claim = Claim(offer, units)
                    off = self._off(claim)
                    if off > 0:
                        worth = self._claim_bound(place, claim, off, dead)
                        options.append((-worth, offer.id, place, claim, off))
        for _, _, place, claim, _ in self._undominated(options):
            self._line(number + 1, *self._with(place, claim, claims, taken, dead))
        self._line(number + 1, claims, taken, dead)

    def _undominated(
        self, options: list[tuple[int, str, int, Claim, int]]
    ) -> list[tuple[int, str, int, Claim, int]]:
        """Keep one of the line effects that take the same and that nothing else sees."""
        kept: dict[object, tuple[int, str, int, Claim, int]] = {}
        for option in options:
            _, name, place, claim, off = option
            offer = claim.offer
            seen = not self.task.plain >> place & 1 or place == self.search.must
            key: object = place if seen else -1 - off
            known = kept.get(key)
            if known is None or (offer.coded, -offer.priority, name) < (
                known[3].offer.coded,
                -known[3].offer.priority,
                known[1],
            ):
                kept[key] = option
        return sorted(kept.values(), key=lambda each: each[:2])

    def _finish(self, claims: tuple[Claim, ...], dead: int) -> None:
        """Evaluate the lane and go on."""
        at, search = self.at, self.search
        lane = search.lanes[self.depth]
        forced = search.must >= 0 and self.task.offers[search.must].lane == lane
        if forced and all(claim.offer.id != self.task.must for claim in claims):
            return
        if not claims:
            search.lane(self.depth + 1, _moved(at, dead=dead))
            return
        left = None
        if self.task.cap_left is not None:
            left = self.task.cap_left - (at.discount - self.task.start.discount)
        result = discount_lane(claims, self.task.units, at.running, left)
        if result is None:
            return
        running = tuple(r - off for r, off in zip(at.running, result.off, strict=True))
        applied = at.applied
        locked = set(at.locked)
        touched = set(at.touched)
        for claim in claims:
            applied |= 1 << search.bits[claim.offer.id]
            touched.update(claim.units)
            if claim.offer.items:
                locked.update(claim.units)
        search.lane(
            self.depth + 1,
            Position(
                running,
                dead,
                applied,
                frozenset(touched),
                frozenset(locked),
                at.discount + sum(result.totals.values()),
                (*at.claims, *claims),
            ),
        )


def _moved(at: Position, dead: int) -> Position:
    return Position(at.running, dead, at.applied, at.touched, at.locked, at.discount, at.claims)


def _counts(take: int, sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """List every way to take *take* units from kinds of these sizes."""
    if not sizes:
        if take == 0:
            yield ()
        return
    for count in range(min(take, sizes[0]), -1, -1):
        for rest in _counts(take - count, sizes[1:]):
            yield (count, *rest)
