"""The last tie: how claims are written, and the smallest writing of equal claims."""

from collections.abc import Sequence

from msgspec.structs import replace

from streams.core.accrual_claims import Choice
from streams.core.combination import Claim, Unit
from streams.core.discounting import discount_lane
from streams.core.task import Solution, Task

CLAIMS_MOST = 200  # Of a receipt whose pieces are exchanged; in a longer one they stay as laid.
TIES_MOST = 16  # Equal solutions whose pieces are renumbered before they are compared.
Pieces = tuple[tuple[int, int], ...]  # Line and number of each.
WrittenClaim = tuple[int, str, Pieces, Pieces]
Written = tuple[WrittenClaim, ...]
AllWritten = tuple[tuple[object, ...], ...]


def comes_before(one: Solution, other: Solution, units: Sequence[Unit]) -> bool:
    """Tell whether *one* comes before *other* in the same order of lanes."""
    if one.merit != other.merit:
        return one.merit > other.merit
    mine = all_written(one.claims, one.accrual, units)
    return mine < all_written(other.claims, other.accrual, units)


def all_written(claims: Sequence[Claim], accrual: Choice, units: Sequence[Unit]) -> AllWritten:
    """
    Write all claims as the last tie compares them: one list, accrual lanes after the others.

    Of equally many claims, more discounts come before fewer that begin alike.
    """
    return *[(0, *each) for each in written(claims, units)], *[(1, *x) for x in accrual.written]


def written(claims: Sequence[Claim], units: Sequence[Unit]) -> Written:
    """Write discount claims as the last tie compares them: sorted, pieces as (line, piece)."""
    return tuple(sorted(_written_one(claim, units) for claim in claims))


def _written_one(claim: Claim, units: Sequence[Unit]) -> WrittenClaim:
    offer = claim.offer
    return offer.lane, offer.id, _pieces(claim.units, units), _pieces(claim.group, units)


def _pieces(own: Sequence[int], units: Sequence[Unit]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((units[u].line, piece) for u in own for piece in units[u].pieces))


def tidied(task: Task, solution: Solution) -> Solution:
    """
    Exchange pieces of one line between claims while that makes the last tie smaller.

    Equal pieces are told apart only by number, and the search takes the lowest free one
    without looking ahead.  An exchange stands if every line gets the same from every campaign.
    """
    own = solution.claims[len(task.start.claims) :]
    if len(own) > CLAIMS_MOST or all(claim.offer.kind != "set" for claim in own):
        return solution
    exchanges = _exchanges(task, own)
    figures: object = None
    entries = [_written_one(claim, task.units) for claim in own]
    best = sorted(entries)
    used = {claim.offer.lane for claim in own}
    choices = [used, *({lane} for lane in used if len(used) > 1)]
    better = bool(exchanges)
    while better:
        better = False
        for one, other in exchanges:
            for lanes in choices:
                changed = list(own)
                told = list(entries)
                for at, claim in enumerate(own):
                    if claim.offer.lane in lanes and _parts(claim, one, other):
                        changed[at] = _exchanged(claim, one, other)
                        told[at] = _written_one(changed[at], task.units)
                ordered = sorted(told)
                if ordered >= best:
                    continue
                figures = figures or _figures(task, own)
                if _figures(task, changed) == figures:
                    own, entries, best, better = tuple(changed), told, ordered, True
        exchanges = _exchanges(task, own) if better else []
    if figures is None:
        return solution
    running = _run(task, own)[1]
    assert running is not None
    claims = (*task.start.claims, *own)
    end = replace(
        solution.end,
        claims=claims,
        running=running,
        # A later lane goes on from here, and must know which pieces are claimed now.
        touched=frozenset(u for claim in claims for u in claim.units),
        locked=frozenset(u for claim in claims if claim.offer.items for u in claim.units),
    )
    return Solution(solution.merit, claims, solution.accrual, end)


def _exchanges(task: Task, claims: Sequence[Claim]) -> list[tuple[int, int]]:
    """List pairs of pieces of one line that not all the same claims have."""
    parted = {task.units[u].line for c in claims if c.offer.kind == "set" for u in c.units}
    having: dict[int, list[tuple[int, bool]]] = {}
    for at, claim in enumerate(claims):
        for unit in claim.units:
            if task.units[unit].line in parted:
                having.setdefault(unit, []).append((at, unit in claim.group))
    units = sorted(having)
    return [
        (one, other)
        for at, one in enumerate(units)
        for other in units[at + 1 :]
        if task.units[one].line == task.units[other].line and having[one] != having[other]
    ]


def _parts(claim: Claim, one: int, other: int) -> bool:
    """Tell whether an exchange of two units changes *claim*."""
    if (one in claim.units) != (other in claim.units):
        return True
    return (one in claim.group) != (other in claim.group)


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


def _encroaches(claims: Sequence[Claim]) -> bool:
    """Tell whether a piece that one campaign claims alone is claimed by another as well."""
    return any(
        one.offer.id != other.offer.id and not set(one.units).isdisjoint(other.units)
        for one in claims
        if one.offer.items
        for other in claims
    )


def _run(task: Task, claims: Sequence[Claim]) -> tuple[object, tuple[int, ...] | None]:
    if _encroaches((*task.start.claims, *claims)):
        return None, None
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
