"""Why a campaign does not apply, and what the next best would be: promotions.md §4.

Every figure here is another solution of the same problem, with one campaign forced
or forbidden; they are computed on demand, never on a till's way to its quote.
"""

from fractions import Fraction

from msgspec import Struct

from streams.core.case import Case
from streams.core.optimum import Solver
from streams.core.task import Combination


class NotApplied(Struct, frozen=True):
    """
    The first reason why a live campaign does not apply.

    Attributes:
        unknown: Names that a condition asked for in vain; None where no condition decides.
        best_with: Best objective of an allowed combination that contains it.
        against: Campaigns that apply, and don't in that combination.
    """

    reason: str
    unknown: tuple[str, ...] | None = None
    best_with: Fraction | None = None
    against: tuple[str, ...] = ()


class Explanation(Struct, frozen=True):
    """
    Reasons by campaign, and the best objective of any other set of campaigns.

    Attributes:
        runner_up: None when no other set is allowed.
    """

    not_applied: dict[str, NotApplied]
    runner_up: Fraction | None


def explain(case: Case, best: Combination, solver: Solver | None = None) -> Explanation:
    """Explain *best*, the combination chosen for *case*."""
    solver = solver or Solver(case.problem)
    applied = best.applied
    reasons = {
        name: NotApplied(refusal.reason, refusal.unknown)
        for name, refusal in case.index.refusals(case.occasion).items()
    }
    others: list[Fraction] = []
    for name, campaign in case.campaigns.items():
        if name in applied:
            continue
        forced = solver.best(name)
        if forced is not None:
            others.append(forced.objective)
            against = tuple(sorted(applied - forced.applied))
            reasons[name] = NotApplied("conflict", None, forced.objective, against)
        else:
            late = campaign.basket.net is not None
            reasons[name] = NotApplied("threshold" if late else "no_gain")
    for name in sorted(applied):
        without = Solver(case.problem.without(name)).best()
        assert without is not None
        others.append(without.objective)
    return Explanation(dict(sorted(reasons.items())), max(others, default=None))
