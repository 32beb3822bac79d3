"""The best accrual on the nets that discounts leave of some lines, each found once."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import NO_CHOICE, Choice, Earner, better
from streams.core.problem import Problem, Seed
from streams.core.task import Accrue


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


class NetAccruals:
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
