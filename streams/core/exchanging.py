"""Exchanges of two pieces that make the last tie smaller, where not all numberings are tried."""

from collections.abc import Collection, Sequence
from itertools import combinations, product

from streams.core.combination import Claim
from streams.core.given import by_lane, encroaches, evaluated, set_lines
from streams.core.task import Claims, Task
from streams.core.written import written


def exchanged(task: Task, own: Claims) -> Claims:
    """Exchange pieces of one line between claims as long as that makes the last tie smaller."""
    figures = _figures(task, own)
    used = {claim.offer.lane for claim in own}
    choices = [used, *({lane} for lane in sorted(used) if len(used) > 1)]
    better = True
    while better:
        better = False
        for (one, other), lanes in product(exchanges(task, own), choices):
            changed = tuple([_exchanged(claim, one, other, lanes) for claim in own])
            if _is_smaller(task, changed, own) and _figures(task, changed) == figures:
                own, better = changed, True
    return own


def _is_smaller(task: Task, changed: Claims, own: Claims) -> bool:
    """Compare what differs; what both have decides nothing."""
    pairs = [each for each in zip(changed, own) if each[0] is not each[1]]
    mine = written([one for one, _ in pairs], task.units)
    return mine < written([other for _, other in pairs], task.units)


def exchanges(task: Task, claims: Sequence[Claim]) -> list[tuple[int, int]]:
    """List pairs of pieces of one line that not all the same claims have."""
    lines = set_lines(task, claims)
    having: dict[int, list[tuple[int, bool]]] = {
        u: [] for line in lines for u in task.units_of[line]
    }
    for at, claim in enumerate(claims):
        for unit in claim.units:
            if unit in having:
                having[unit].append((at, unit in claim.group))
    return [
        (one, other)
        for line in lines
        for one, other in combinations(task.units_of[line], 2)
        if having[one] != having[other]
    ]


def _exchanged(claim: Claim, one: int, other: int, lanes: Collection[int]) -> Claim:
    """Exchange two units of a claim, if its lane is one of these and that changes it."""
    same = (one in claim.units) == (other in claim.units)
    if claim.offer.lane not in lanes or (same and (one in claim.group) == (other in claim.group)):
        return claim
    names = {one: other, other: one}
    return Claim(
        claim.offer,
        tuple(sorted(names.get(unit, unit) for unit in claim.units)),
        tuple(sorted(names.get(unit, unit) for unit in claim.group)),
    )


def _figures(task: Task, claims: Sequence[Claim]) -> list[dict[tuple[str, int], int]] | None:
    """Give what every campaign takes off every line, lane by lane; None where not allowed."""
    if encroaches((*task.start.claims, *claims)):
        return None
    lanes = by_lane(task, claims)
    given = evaluated(task, lanes)
    return [each.figures for each in given] if len(given) > len(lanes) else None
