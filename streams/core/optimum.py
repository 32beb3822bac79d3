"""From campaigns on a receipt to the best combination: orders of lanes, parts, merging.

The rule of this file: it has what can be solved apart (`components`) solved in every order,
and puts the parts together again; the searches are `assembly` and `lane_search`, accrual on
given nets is `net_accruals`.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, final

from msgspec.structs import replace

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import Choice, Earner
from streams.core.assembly import Assembly
from streams.core.combination import Claim, Offer, Unit
from streams.core.components import components, most_of
from streams.core.foregone import foregone, may_vanish
from streams.core.lane_search import Search
from streams.core.lone_lines import LoneLines
from streams.core.net_accruals import NetAccruals, earners_on
from streams.core.orders import orders, tied_lanes
from streams.core.problem import Problem, Seed
from streams.core.rates import rates_of
from streams.core.search_budget import Budget
from streams.core.task import Combination, Merit, Position, Solution, Task, nothing
from streams.core.usual import usual
from streams.core.written import all_written

# What `lane_by_lane` may use: it is what stands when all others are spent.
LANE_NODES: Final = 1_000


def nets_of(problem: Problem, running: Sequence[int]) -> tuple[int, ...]:
    """Sum units' running amounts by line."""
    nets = [0] * len(problem.lists)
    for unit, amount in zip(problem.units, running):
        nets[unit.line] += amount
    return tuple(nets)


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


@final
class _Parts:
    """
    The components' solutions in one order of lanes.

    Attributes:
        found: By component; *bounds* are not below what they are worth.
        spent: Whether nodes ran out.
        whole: False where one has none that is better than what was known.
    """

    def __init__(self) -> None:
        self.found: list[Solution] = []
        self.bounds: list[Fraction] = []
        self.spent = False
        self.whole = True

    def add(self, found: Solution, bound: Fraction) -> None:
        """Add the next component's."""
        self.found.append(found)
        self.bounds.append(bound)


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
        self.accruals = NetAccruals(self.problem, self.wary)
        self.tasks: dict[tuple[int, ...], Task] = {}
        self.parts: dict[tuple[int, ...], _Parts] = {}  # By order.
        self.greedy: Combination | None = None  # As `by_lane` gives it.
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
        capped = cap is not None and most_of(problem) > cap
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
        """Find the best in one order, and bound it; None where none beats *best_so_far*."""
        if must is not None:
            return self._with(order, must, budget)
        known = None
        if len(self.groups) == 1 and best_so_far is not None:
            known = best_so_far.merit
        parts = self._parts(order, budget, known)
        budget.spent |= parts.spent
        bound = sum(parts.bounds, Fraction(0))
        return (self._merged(order, parts.found) if parts.whole else None), bound

    def _with(
        self, order: tuple[int, ...], must: str, budget: Budget
    ) -> tuple[Combination | None, Fraction]:
        """Find the best that contains *must* in one order: it is in one of the components."""
        if len(self.groups) == 1:
            parts = _Parts()
            parts.add(nothing(self.start), Fraction(0))
        else:
            parts = self._parts(order, Budget(self.problem.nodes), None)
        budget.spent |= parts.spent
        best: Combination | None = None
        bound = Fraction(0)
        for place, lines in enumerate(self.groups):
            if not self._has(must, lines):
                continue
            apart = search(self.task(lines, order, must=must), budget)
            forced = apart.run()
            budget.spent |= apart.spent
            others = sum(parts.bounds, Fraction(0)) - parts.bounds[place]
            bound = max(bound, others + apart.bound)
            if forced is None:
                continue
            found = [*parts.found[:place], forced, *parts.found[place + 1 :]]
            whole = self._merged(order, found)
            if best is None or _before(whole, best, self.problem.units):
                best = whole
        return best, bound

    def _parts(self, order: tuple[int, ...], budget: Budget, known: Merit | None) -> _Parts:
        """Solve the components apart; what is looked for above nothing *known* is done once."""
        if known is None and order in self.parts:
            return self.parts[order]
        parts = _Parts()
        for lines in self.groups:
            found = self.lone.best(lines)
            if found is not None:
                parts.add(found, found.merit[0])
                continue
            task = self._task_of(lines, order)
            apart = search(task, budget, known, bounding=self.bounding)
            found = apart.run()
            parts.spent |= apart.spent
            if found is None and known is not None:
                parts.whole = False
                parts.bounds.append(apart.bound)
                break
            parts.add(nothing(task.start) if found is None else found, apart.bound)
        if known is None:
            self.parts[order] = parts
        return parts

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
        if self.greedy is None:
            self.greedy = self._by_lane()
        return self.greedy

    def _by_lane(self) -> Combination:
        """Find what `by_lane` gives."""
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
