"""Campaigns that pay points as one receipt sees them, and how choices of claims compare.

A claim is a campaign and the lines that it takes: line by line, or all of them as a block.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct


class Earner(Struct, frozen=True):
    """
    One accrual campaign as one receipt sees it: running, its conditions and thresholds met.

    Attributes:
        lane: Position among the accrual lanes; lane 0 feeds the multipliers.
        kind: percent and times are line effects; per and points are blocks.
        points: Basis points, times − 100, points for each step, or points.
        per: What *points* are counted by: 10000 × unit, 100, the step, or 1.
        value: Worth of a point in minor units, at least 0.
        lines: Positions of the lines it can claim, ascending: eligible, base above 0, and
            not discounted if it skips those.
        cap: `limits.receipt.amount`, in points.
        left: What the counters leave, in points.
        skip: Whether it gives nothing when more than *left* is due.
        alone: `exclusive: receipt`.
        items: `exclusive: items`.
        foes: Ids of campaigns that can't apply beside it, from either one's `not_with`.
    """

    id: str
    lane: int
    kind: str
    points: int
    per: int
    currency: str
    value: int
    lines: tuple[int, ...]
    cap: int | None = None
    left: int | None = None
    skip: bool = False
    coded: bool = False
    priority: int = 0
    alone: bool = False
    items: bool = False
    foes: frozenset[str] = frozenset()

    @property
    def block(self) -> bool:
        """Whether it claims all its lines or nothing."""
        return self.kind in ("per", "points")

    @property
    def limit(self) -> int | None:
        """The smaller of cap and counters."""
        if self.cap is None or self.left is None:
            return self.left if self.cap is None else self.cap
        return min(self.cap, self.left)


# (worth of the counted points, − claims with needs, claims, priorities), added over claims.
Merit = tuple[int, int, int, int]
NOTHING: Merit = (0, 0, 0, 0)


class Choice(Struct, frozen=True):
    """
    The claims chosen.

    Attributes:
        worth: Σ counted points × value, in minor units.
        claims: Earner and the lines it claims, by lane and id.
        proven: False when the budget was spent before every assignment was weighed.
    """

    worth: Fraction
    claims: tuple["Claim", ...]
    proven: bool = True

    @property
    def merit(self) -> tuple[Fraction, int, int, int]:
        """Objective and ties 2 to 4; larger is better."""
        return (self.worth, *ties(self.claims))

    @property
    def written(self) -> tuple[tuple[int, str, tuple[int, ...]], ...]:
        """The claims as tie 6 compares them; smaller is better."""
        return written_claims(self.claims)


NO_CHOICE = Choice(Fraction(0), ())
Claim = tuple[Earner, tuple[int, ...]]
Claims = Sequence[Claim]


def better(one: Choice, other: Choice) -> bool:
    """Tell whether *one* comes before *other*."""
    if one.merit != other.merit:
        return one.merit > other.merit
    return one.written < other.written


def at_odds(one: Earner, other: Earner) -> bool:
    """Tell whether two campaigns can't both apply to one receipt."""
    return one.alone or other.alone or other.id in one.foes or one.id in other.foes


def ties(claims: Claims) -> tuple[int, int, int]:
    """Give ties 2 to 4: claims with needs, below 0; claims; priorities."""
    numbers = [1 if earner.block else len(lines) for earner, lines in claims]
    return (
        -sum(n for n, (earner, _) in zip(numbers, claims, strict=True) if earner.coded),
        sum(numbers),
        sum(n * earner.priority for n, (earner, _) in zip(numbers, claims, strict=True)),
    )


def written_claims(claims: Claims) -> tuple[tuple[int, str, tuple[int, ...]], ...]:
    """Write claims as tie 6 compares them."""
    return tuple(
        sorted(
            (earner.lane, earner.id, part)
            for earner, lines in claims
            for part in ((lines,) if earner.block else ((line,) for line in lines))
        )
    )
