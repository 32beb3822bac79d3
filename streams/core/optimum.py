"""From campaigns on a receipt to the best combination: components, orders, merging.

The rule of this file: it decides what can be solved apart and puts the parts
together again; the searches are `assembly` and `lane_search`, accrual on given nets is
`accrual_choice`.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Final

from msgspec.structs import replace

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import NO_CHOICE, Choice, Earner, better
from streams.core.assembly import Assembly, usual
from streams.core.combination import WHOLE_BP, Claim, Offer, Unit
from streams.core.foregone import foregone, may_vanish
from streams.core.lane_search import Search
from streams.core.lone_lines import LoneLines
from streams.core.orders import orders, tied_lanes
from streams.core.problem import Problem, Seed
from streams.core.search_budget import Budget
from streams.core.task import Accrue, Combination, Merit, Position, Rates, Solution, Task, nothing
from streams.core.written import all_written

TIMES_WHOLE: Final = 100
# What `lane_by_lane` may use: it is what stands when all others are spent.
LANE_NODES: Final = 1_000


def nets_of(problem: Problem, running: Sequence[int]) -> tuple[int, ...]:
    """Sum units' running amounts by line."""
    nets = [0] * len(problem.lists)
    for unit, amount in zip(problem.units, running):
        nets[unit.line] += amount
    return tuple(nets)


# --- Accrual on the nets of some lines ----------------------------------------


def earners_on(
    problem: Problem,
    seeds: Iterable[Seed],
    bases: Sequence[int],
    discounted: frozenset[int],
    applied: Iterable[str],
) -> list[Earner]:
    """Find the accrual campaigns that can claim on these earning bases, and what they can claim."""
    discounts = list(applied)
    found = []
    for seed in seeds:
        earner = seed.earner
        if any((earner.id, each) in problem.odds for each in discounts):
            continue
        if seed.net is not None:
            figures = bases if seed.net.base == "running" else problem.lists
            total = (
                sum(figures)
                if seed.net.over == "all"
                else sum(figures[line] for line in earner.lines)
            )
            if not seed.net.met(total):
                continue
        lines = tuple(
            line
            for line in earner.lines
            if bases[line] > 0 and not (seed.skip_discounted and line in discounted)
        )
        if lines:
            found.append(earner if lines == earner.lines else replace(earner, lines=lines))
    return found


def choose_with(earners: Sequence[Earner], bases: Sequence[int], must: str) -> Choice | None:
    """Choose the best accrual claims among those of *must*; None where it can't claim."""
    own = next((each for each in earners if each.id == must), None)
    if own is None:
        return None
    best: Choice | None = None
    for part in [own.lines] if own.block else [(line,) for line in own.lines]:
        others = [own]
        for other in earners:
            if other is own or other.alone or own.alone:
                continue
            if other.id in own.foes or own.id in other.foes:
                continue
            if other.lane == own.lane or own.items or other.items:
                lines = tuple(line for line in other.lines if line not in part)
                if not lines or (other.block and lines != other.lines):
                    continue
                others.append(replace(other, lines=lines))
            else:
                others.append(other)
        found = choose(others, bases)
        if any(earner.id == must for earner, _ in found.claims):
            best = found if best is None or better(found, best) else best
    return best


# --- Components ---------------------------------------------------------------


class _Groups:
    """Lines joined into groups: union and find."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, line: int) -> int:
        while self.parent[line] != line:
            self.parent[line] = self.parent[self.parent[line]]
            line = self.parent[line]
        return line

    def join(self, lines: Iterable[int]) -> None:
        roots = [self.find(line) for line in lines]
        for root in roots[1:]:
            self.parent[self.find(root)] = self.find(roots[0])

    def all(self) -> list[tuple[int, ...]]:
        groups: dict[int, list[int]] = {}
        for line in range(len(self.parent)):
            groups.setdefault(self.find(line), []).append(line)
        return [tuple(group) for group in groups.values()]


def components(problem: Problem) -> list[tuple[int, ...]]:
    """Split the lines into groups that no claim, limit, threshold or exclusion joins."""
    groups = _Groups(len(problem.lists))
    everything = range(len(problem.lists))
    lines_of = {each.id: each.lines for each in problem.offers}
    lines_of |= {each.earner.id: each.earner.lines for each in problem.seeds}
    for one, other in problem.odds:
        if one in lines_of and other in lines_of:
            groups.join((*lines_of[one], *lines_of[other]))
    for offer in problem.offers:
        if offer.kind in ("basket", "set") or offer.net or _may_bind(problem, offer):
            groups.join(offer.lines)
        if offer.net is not None and offer.net.over == "all":
            groups.join(everything)
        if offer.alone:
            groups.join(line for each in problem.offers for line in each.lines)
    if problem.cap is not None and _most(problem) > problem.cap:
        groups.join(line for each in problem.offers for line in each.lines)
    _join_seeds(problem, groups)
    return groups.all()


def _join_seeds(problem: Problem, groups: _Groups) -> None:
    for seed in problem.seeds:
        own = seed.earner
        contested = own.block and any(
            other.earner is not own
            # What claims items alone keeps a block of any lane from its line.
            and (other.earner.lane == own.lane or other.earner.items)
            and not set(own.lines).isdisjoint(other.earner.lines)
            for other in problem.seeds
        )
        running = seed.net is not None and seed.net.base == "running"
        # Fixed points are one sum, whatever lines it is spread over.
        fixed = own.kind == "points"
        if own.limit is not None or running or contested or fixed or (own.block and own.items):
            groups.join(own.lines)
        if running and seed.net is not None and seed.net.over == "all":
            groups.join(range(len(problem.lists)))
        if own.alone:
            groups.join(line for each in problem.seeds for line in each.earner.lines)


def _may_bind(problem: Problem, offer: Offer) -> bool:
    if offer.limit is None:
        return False
    whole = sum(u.list - u.floor for u in problem.units if u.line in offer.lines)
    if offer.kind == "percent":
        whole = sum(
            -(-offer.figure * u.list // WHOLE_BP) for u in problem.units if u.line in offer.lines
        )
    return whole > offer.limit


def _most(problem: Problem) -> int:
    """Give a sum that no combination's discount exceeds."""
    return sum(unit.list - unit.floor for unit in problem.units)


# --- Rates for the bound ------------------------------------------------------


def rates_of(seeds: Sequence[Seed], lines: Iterable[int]) -> Rates:
    """Give for each line the most that all accrual lanes count on a minor unit."""
    pers = [s.earner.per for s in seeds if s.earner.kind in ("percent", "per")]
    times = [s for s in seeds if s.earner.kind == "times"]
    scale = lcm(*pers) * (TIMES_WHOLE if times else 1)
    by_line = {
        line: (
            _rate(seeds, line, scale, cut=False),
            _rate(seeds, line, scale, cut=True),
        )
        for line in lines
    }
    lanes: dict[tuple[int, str], int] = {}
    for seed in times:
        key = seed.earner.lane, seed.earner.currency
        lanes[key] = max(lanes.get(key, 0), seed.earner.points)
    fixed = 0
    for seed in seeds:
        own = seed.earner
        if own.kind == "points":
            points = own.points if own.limit is None else min(own.points, own.limit)
            more = sum(each for (_, name), each in lanes.items() if name == own.currency)
            whole = points * own.value * scale
            fixed += whole + (-(-whole * more // TIMES_WHOLE) if own.lane == 0 else 0)
    return Rates(by_line, fixed, scale)


def _rate(seeds: Sequence[Seed], line: int, scale: int, *, cut: bool) -> int:
    basic: dict[str, int] = {}
    here = [s.earner for s in seeds if line in s.earner.lines and not (cut and s.skip_discounted)]
    for earner in here:
        if earner.lane == 0 and earner.kind in ("percent", "per"):
            rate = scale // earner.per * earner.points
            basic[earner.currency] = max(basic.get(earner.currency, 0), rate)
    lanes: dict[int, int] = {}
    for earner in here:
        if earner.kind == "points":
            continue
        if earner.kind == "times":
            rate = -(-basic.get(earner.currency, 0) * earner.points // TIMES_WHOLE)
        else:
            rate = scale // earner.per * earner.points
        lanes[earner.lane] = max(lanes.get(earner.lane, 0), rate * earner.value)
    return sum(lanes.values())


# --- Solving ------------------------------------------------------------------


def search(
    task: Task, budget: Budget, known: Merit | None = None, *, bounding: bool = True
) -> Assembly | Search:
    """
    Make the search that suits a task: parts put together where they can be, else by lanes.

    *bounding* is whether its bound matters, should nodes run out.
    """
    kind = usual(task)
    if kind is not None:
        found = Assembly(task, kind, budget, known, bounding=bounding)
        if found.fits:
            return found
    return Search(task, budget)


def _may_cost_points(problem: Problem, offer: Offer, seeds: Iterable[Seed]) -> bool:
    """Tell whether a coupon can cost more points than rates by line say: all of a campaign."""
    return offer.kind == "basket" and any(
        seed.net is not None
        # A limit or a multiplier of sums of points may count what rates by line don't.
        or (seed.skip_discounted and not set(seed.earner.lines).isdisjoint(offer.lines))
        or (seed.earner.kind == "points" and may_vanish(problem, seed))
        for seed in seeds
    )


class _Accruals:
    """
    The best accruals of one problem, each found once.

    It knows nothing of the solver: tasks hold it, and what refers to itself would stay until
    a collector finds it.
    """

    def __init__(self, problem: Problem, wary: frozenset[str]) -> None:
        self.problem = problem
        self.wary = wary
        self.known: dict[object, Choice | None] = {}

    def on(self, lines: tuple[int, ...], seeds: list[Seed], must: str | None) -> Accrue:
        """Give what finds the best accrual of *seeds* on *lines*, with *must* where it is given."""
        if not seeds:
            return _no_accrual
        problem, wary, known = self.problem, self.wary, self.known

        def accrue(
            nets: Sequence[int], cut: frozenset[int], applied: frozenset[str]
        ) -> Choice | None:
            key = lines, tuple(nets), cut, applied & wary, must, len(seeds)
            if key not in known:
                padded = [*nets, *([0] * (len(problem.lists) - len(nets)))]
                earners = earners_on(problem, seeds, padded, cut, applied)
                known[key] = (
                    choose(earners, padded) if must is None else choose_with(earners, padded, must)
                )
            return known[key]

        return accrue


def _no_accrual(
    _nets: Sequence[int], _cut: frozenset[int], _applied: frozenset[str]
) -> Choice | None:
    return NO_CHOICE


class Solver:
    """
    Solves one problem, whole or with a campaign forced; shares one budget of nodes a call.

    The campaign *keep* stays, though a better one stands for it.  *bounding* is whether it
    matters how much better another combination may be, should nodes run out.
    """

    def __init__(self, problem: Problem, keep: str | None = None, *, bounding: bool = True) -> None:
        self.given = problem
        self.keep = keep
        self.bounding = bounding
        self.problem = foregone(problem, keep)
        self.groups = components(self.problem)
        self.wary = frozenset(one for one, _ in self.problem.odds)
        self.used = frozenset(offer.lane for offer in self.problem.offers)
        self.accruals = _Accruals(self.problem, self.wary)
        self.tasks: dict[tuple[int, ...], Task] = {}
        self.start = Position(tuple([unit.list for unit in problem.units]))
        self.units_of: dict[int, list[int]] = {}
        for at, unit in enumerate(problem.units):
            self.units_of.setdefault(unit.line, []).append(at)
        self.lone = LoneLines(self.problem, self.units_of, self.start)

    def task(
        self,
        lines: tuple[int, ...],
        lanes: tuple[int, ...],
        start: Position | None = None,
        must: str | None = None,
        *,
        accruing: bool = True,
    ) -> Task:
        """Make the task of one component and order."""
        problem = self.problem
        here = set(lines)
        offers = []
        for offer in problem.offers:
            if here.isdisjoint(offer.lines) or offer.lane not in lanes:
                continue
            own = tuple(line for line in offer.lines if line in here)
            offers.append(offer if own == offer.lines else replace(offer, lines=own))
        seeds = []
        for seed in problem.seeds if accruing else ():
            if not here.isdisjoint(seed.earner.lines):
                own = tuple(line for line in seed.earner.lines if line in here)
                earner = seed.earner
                earner = earner if own == earner.lines else replace(earner, lines=own)
                seeds.append(replace(seed, earner=earner))
        rates = rates_of(seeds, lines)
        forced = must if any(seed.earner.id == must for seed in seeds) else None
        odds, plain = _odds(problem, offers)
        cap = problem.cap
        capped = cap is not None and _most(problem) > cap
        begin = start or self.start
        return Task(
            problem.units,
            self.units_of,
            lines,
            tuple(offers),
            odds,
            lanes,
            begin,
            cap - begin.discount if cap is not None and capped else None,
            self.accruals.on(lines, seeds, forced),
            rates.by_line,
            rates.fixed,
            rates.scale,
            None if forced is not None else must,
            # A cap is spread over campaigns, so it matters which of them takes as much.
            0 if capped else plain,
            sum(
                1 << at
                for at, offer in enumerate(offers)
                if offer.id in self.wary
                or forced is not None
                or _may_cost_points(problem, offer, seeds)
            ),
        )

    def _task_of(self, lines: tuple[int, ...], order: tuple[int, ...]) -> Task:
        """Make the task of one component; orders of all lanes differ in nothing else."""
        known = self.tasks.get(lines)
        if known is None:
            known = self.tasks[lines] = self.task(lines, order)
        return known if known.lanes == order else replace(known, lanes=order)

    def best(self, must: str | None = None) -> Combination | None:
        """Find the best combination, or the best that contains *must*; None where none does."""
        if must is not None and self._was_dropped(must):
            return Solver(self.given, must).best(must)
        best = self._best(must)
        if best is None or best.proven or must is not None:
            return best
        other = self.by_lane()
        if not _before(other, best, self.problem.units):
            return best
        return replace(
            other, proven=False, bound=max(best.bound, other.objective), nodes=best.nodes
        )

    def _best(self, must: str | None) -> Combination | None:
        """Search every order within the budget."""
        budget = Budget(self.problem.nodes)
        best: Combination | None = None
        bound = Fraction(0)
        for order in orders(self.problem.groups, tied_lanes(self.problem)):
            found, top = self._in_order(order, must, budget, best)
            bound = max(bound, top)
            if found is not None and (best is None or _before(found, best, self.problem.units)):
                best = found
        if best is None:
            return None
        bound = max(bound, best.objective)
        return replace(
            best,
            proven=not budget.spent,
            bound=bound if budget.spent else best.objective,
            nodes=self.problem.nodes - budget.nodes,
        )

    def _was_dropped(self, campaign: str) -> bool:
        """Tell whether *campaign* was left out for a better one."""
        if campaign == self.keep:
            return False
        return campaign in _named(self.given) and campaign not in _named(self.problem)

    def _in_order(
        self,
        order: tuple[int, ...],
        must: str | None,
        budget: Budget,
        best_so_far: Combination | None,
    ) -> tuple[Combination | None, Fraction]:
        known = None
        if must is None and len(self.groups) == 1 and best_so_far is not None:
            known = best_so_far.merit
        parts, bound = self._parts(order, budget, known)
        if parts is None:
            return None, bound
        if must is None:
            return self._merged(order, parts), bound
        best: Combination | None = None
        for place, lines in enumerate(self.groups):
            if not self._has(must, lines):
                continue
            forced = search(self.task(lines, order, must=must), budget).run()
            if forced is None:
                continue
            whole = self._merged(order, [*parts[:place], forced, *parts[place + 1 :]])
            if best is None or _before(whole, best, self.problem.units):
                best = whole
        return best, bound

    def _parts(
        self, order: tuple[int, ...], budget: Budget, known: Merit | None
    ) -> tuple[list[Solution] | None, Fraction]:
        """Solve the components apart, and bound them; None where none reaches what is *known*."""
        parts: list[Solution] = []
        bound = Fraction(0)
        for lines in self.groups:
            found = self.lone.best(lines)
            if found is not None:
                bound += found.merit[0]
                parts.append(found)
                continue
            task = self._task_of(lines, order)
            apart = search(task, budget, known, bounding=self.bounding)
            found = apart.run()
            bound += apart.bound
            budget.spent |= apart.spent
            if found is None and known is not None:
                return None, bound
            parts.append(nothing(task.start) if found is None else found)
        return parts, bound

    def _has(self, campaign: str, lines: tuple[int, ...]) -> bool:
        own = [o.lines for o in self.problem.offers if o.id == campaign]
        own += [s.earner.lines for s in self.problem.seeds if s.earner.id == campaign]
        return any(not set(lines).isdisjoint(each) for each in own)

    def _merged(self, order: tuple[int, ...], parts: Sequence[Solution]) -> Combination:
        """Put the components' solutions together."""
        problem = self.problem
        running = [unit.list for unit in problem.units]
        claims: list[Claim] = []
        accrued: dict[str, tuple[Earner, list[int]]] = {}
        worth = Fraction(0)
        discount = 0
        for lines, part in zip(self.groups, parts):
            for line in lines:
                for at in self.units_of.get(line, ()):
                    running[at] = part.end.running[at]
            claims += part.claims
            worth += part.accrual.worth
            discount += part.merit[1]
            for earner, own in part.accrual.claims:
                accrued.setdefault(earner.id, (earner, []))[1].extend(own)
        whole = {offer.id: offer for offer in self.given.offers}
        claims = [replace(claim, offer=whole[claim.offer.id]) for claim in claims]
        nets = nets_of(problem, running)
        accrual = self._whole_accrual(accrued, worth)
        return Combination(
            _merit(worth, discount, claims, accrual),
            order,
            tuple(claims),
            accrual,
            tuple(running),
            nets,
            proven=True,
            bound=worth + discount,
        )

    def _whole_accrual(
        self, accrued: Mapping[str, tuple[Earner, list[int]]], worth: Fraction
    ) -> Choice:
        claims = sorted(accrued.values(), key=lambda claim: (claim[0].lane, claim[0].id))
        return Choice(worth, tuple((earner, tuple(sorted(lines))) for earner, lines in claims))

    def by_lane(self) -> Combination:
        """Give each lane in written order its largest discount, then the best accrual."""
        problem = self.problem
        order = tuple(lane for group in problem.groups for lane in group)
        at = Position(tuple(unit.list for unit in problem.units))
        everything = tuple(range(len(problem.lists)))
        budget = Budget(LANE_NODES)
        taken: set[str] = set()
        for lane in order:
            if lane not in self.used:
                continue
            at = self._one_lane(everything, lane, at, taken, budget)
            taken.update(claim.offer.id for claim in at.claims)
        nets = nets_of(problem, at.running)
        cut = frozenset(line for line, net in enumerate(nets) if net != problem.lists[line])
        accrual = choose(earners_on(problem, problem.seeds, nets, cut, taken), nets)
        return Combination(
            _merit(accrual.worth, at.discount, at.claims, accrual),
            order,
            at.claims,
            accrual,
            at.running,
            nets,
            proven=not budget.spent,
            bound=accrual.worth + at.discount,
        )

    def _one_lane(
        self, lines: tuple[int, ...], lane: int, at: Position, taken: set[str], budget: Budget
    ) -> Position:
        """Take the largest discount of one lane beside what is taken."""
        by_id = {offer.id: offer for offer in self.problem.offers}
        dead = {
            offer.id
            for offer in self.problem.offers
            if any(_apart(self.problem, by_id[name], offer) for name in taken)
        }
        offers = tuple(o for o in self.problem.offers if o.lane == lane and o.id not in dead)
        if not any(offer.by_list or offer.items for offer in self.problem.offers):
            return self._afresh(offers, at, budget)
        task = self.task(lines, (lane,), at, accruing=False)
        mask = sum(1 << place for place, offer in enumerate(task.offers) if offer.id in dead)
        lanes = Search(replace(task, start=replace(at, dead=mask, applied=0)), budget)
        found = lanes.run()
        budget.spent |= lanes.spent
        return at if found is None else found.end

    def _afresh(self, offers: tuple[Offer, ...], at: Position, budget: Budget) -> Position:
        """Solve a lane as a receipt of its own, on the amounts that run."""
        problem = self.problem
        units = tuple(replace(unit, list=amount) for unit, amount in zip(problem.units, at.running))
        apart = Problem(
            nets_of(problem, at.running),
            units,
            offers,
            (),
            problem.odds,
            (tuple({offer.lane for offer in offers}),),
            None if problem.cap is None else problem.cap - at.discount,
            max(budget.nodes, 1),
        )
        found = Solver(apart, bounding=False)._best(None)  # noqa: SLF001 - Alone, a lane is its own `by_lane`.
        assert found is not None
        budget.nodes -= found.nodes
        budget.spent |= not found.proven
        return replace(
            at,
            running=found.running,
            discount=at.discount + found.merit[1],
            claims=(*at.claims, *found.claims),
        )


def _apart(problem: Problem, one: Offer, other: Offer) -> bool:
    return one.alone or other.alone or (one.id, other.id) in problem.odds


def _at_odds(problem: Problem, offers: Sequence[Offer], one: Offer) -> int:
    """Give a mask of the offers at odds with *one*."""
    mask = 0
    for at, other in enumerate(offers):
        if one is not other and _apart(problem, one, other):
            mask |= 1 << at
    return mask


def _odds(problem: Problem, offers: Sequence[Offer]) -> tuple[tuple[int, ...], int]:
    """Give by offer a mask of the offers at odds with it, and a mask of the plain line effects."""
    masks = []
    plain = 0
    named = {one for one, _ in problem.odds}
    together = not named and not any(offer.alone for offer in offers)
    for place, one in enumerate(offers):
        mask = 0 if together else _at_odds(problem, offers, one)
        masks.append(mask)
        seen = one.limit is not None or one.net is not None or one.items or one.alone
        if not (seen or mask or one.id in named or one.kind in ("basket", "set")):
            plain |= 1 << place
    return tuple(masks), plain


def _merit(worth: Fraction, discount: int, claims: Sequence[Claim], accrual: Choice) -> Merit:
    _, coded, count, priority = accrual.merit
    return (
        worth + discount,
        discount,
        coded - sum(claim.offer.coded for claim in claims),
        count + len(claims),
        priority + sum(claim.offer.priority for claim in claims),
    )


def _before(one: Combination, other: Combination, units: Sequence[Unit]) -> bool:
    """Tell whether *one* comes before *other*, which was found in an earlier order or branch."""
    if one.merit != other.merit:
        return one.merit > other.merit
    if one.order != other.order:
        return False
    mine = all_written(one.claims, one.accrual, units)
    return mine < all_written(other.claims, other.accrual, units)


def _named(problem: Problem) -> set[str]:
    """Name the campaigns of a problem."""
    return {o.id for o in problem.offers} | {s.earner.id for s in problem.seeds}
