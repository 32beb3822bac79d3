"""What a set of accrual claims counts exactly, and what it awards in whole points.

Counting is for the objective, awarding for the member: promotions.md §4.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from streams.core.accrual_claims import Claims, Earner
from streams.core.allocation import half_up, spread

# An earner, its points, its lines, their shares of the points, and what these were spread by.
Awarded = tuple[Earner, int, tuple[int, ...], tuple[int, ...], list[int]]


def counted(claims: Claims, bases: Sequence[int]) -> Fraction | None:
    """
    Count the worth of *claims* exactly, or None when one of them is not allowed.

    This is the definition; the fast ways below must agree with it.  Claims of lane 0
    are counted first, for the multipliers.  A claim that counts 0 before cuts, or a
    campaign after them, is not allowed.
    """
    basic: dict[tuple[str, int], Fraction] = {}
    worth = Fraction(0)
    for earner, lines in sorted(claims, key=lambda claim: claim[0].lane):
        parts = counted_by_line(earner, lines, bases, basic)
        total = sum(parts, Fraction(0))
        if total <= 0 or (not earner.block and min(parts) <= 0):
            return None
        due = _cut(earner, total)
        if due <= 0:
            return None
        worth += due * earner.value
        if earner.lane == 0:
            for line, part in zip(lines, parts):
                basic[earner.currency, line] = part * due / total
    return worth


def counted_by_line(
    earner: Earner,
    lines: Sequence[int],
    bases: Sequence[int],
    basic: Mapping[tuple[str, int], Fraction],
) -> list[Fraction]:
    """Count what each of *lines* brings *earner*; *basic* feeds its multiplier."""
    if earner.kind == "times":
        none = Fraction(0)
        own = [basic.get((earner.currency, line), none) for line in lines]
        return [each * earner.points / earner.per for each in own]
    if earner.kind == "points":
        whole = sum(bases[line] for line in lines)
        return [Fraction(earner.points * bases[line], whole) for line in lines]
    return [Fraction(bases[line] * earner.points, earner.per) for line in lines]


def _cut(earner: Earner, total: Fraction) -> Fraction:
    due = total if earner.cap is None else min(total, Fraction(earner.cap))
    if earner.left is not None and due > earner.left:
        return Fraction(0 if earner.skip else earner.left)
    return due


def award(claims: Claims, bases: Sequence[int]) -> tuple[tuple[Earner, int, tuple[int, ...]], ...]:
    """
    Give whole points and each claimed line's share, campaign by campaign in the order of *claims*.

    Points are rounded once a campaign, cut by its limits, then spread over its lines
    by base (multipliers: by basic points).  A campaign may award 0.
    """
    found = awarded([(earner, earner.left, lines) for earner, lines in claims], bases)
    return tuple((earner, points, shares) for earner, points, _, shares, _ in found)


def awarded(
    claims: Sequence[tuple[Earner, int | None, tuple[int, ...]]], bases: Sequence[int]
) -> list[Awarded]:
    """
    Give for each claim, in their order, its earner, points, lines, shares and their weights.

    A claim is a campaign, what its counters leave, and its lines; see `award`.
    """
    if all(claim[0].kind != "times" for claim in claims):
        return [_paid(claim, [bases[line] for line in claim[2]]) for claim in claims]
    basic: dict[tuple[str, int], int] = {}
    first = [at for at, claim in enumerate(claims) if claim[0].lane == 0]
    rest = [at for at, claim in enumerate(claims) if claim[0].lane != 0]
    awards = {}
    for at in (*first, *rest):
        earner, _, lines = claims[at]
        if earner.kind == "times":
            weights = [basic.get((earner.currency, line), 0) for line in lines]
        else:
            weights = [bases[line] for line in lines]
        paid = awards[at] = _paid(claims[at], weights)
        if earner.lane == 0:
            for line, share in zip(lines, paid[3]):
                basic[earner.currency, line] = share
    return [awards[at] for at in range(len(claims))]


def _paid(claim: tuple[Earner, int | None, tuple[int, ...]], weights: list[int]) -> Awarded:
    earner, left, lines = claim
    points = _awarded(earner, left, sum(weights))
    return earner, points, lines, spread(points, weights), weights


def _awarded(earner: Earner, left: int | None, base: int) -> int:
    if earner.kind == "per":
        points = base // earner.per * earner.points
    elif earner.kind == "points":
        points = earner.points
    else:
        points = half_up(base * earner.points, earner.per)
    due = points if earner.cap is None else min(points, earner.cap)
    if left is not None and due > left:
        return 0 if earner.skip else left
    return due
