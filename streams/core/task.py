"""What a search is given and what it gives back: one component in one order of lanes."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from streams.core.accrual_claims import NO_CHOICE, Choice
from streams.core.combination import Claim, Offer, Unit

# Objective, discount, − claims with needs, claims, priorities: larger is better.
Merit = tuple[Fraction, int, int, int, int]
Claims = tuple[Claim, ...]


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
    """
    The best found for one component and order.

    Attributes:
        tidy: Whether its pieces have the numbers by which it is written smallest.
    """

    merit: Merit
    claims: tuple[Claim, ...]
    accrual: Choice
    end: Position
    tidy: bool = False


Accrue = Callable[[Sequence[int], frozenset[int], frozenset[str]], Choice | None]


def nothing(start: Position) -> Solution:
    """Claim nothing, and stay where the search begins."""
    return Solution((Fraction(0), 0, 0, 0, 0), (), NO_CHOICE, start)


class Task(Struct, frozen=True):
    """
    A component to solve in one order of lanes.

    Attributes:
        units: Of the whole receipt; *units_of* gives those of a line.
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
        plain: A mask of the line effects that no limit, cap, threshold or exclusion sees.
        wary: A mask of the offers that can't apply beside some other campaign, or whose
            discount may cost all points of one, or keep a forced one from a line.
    """

    units: tuple[Unit, ...]
    units_of: Mapping[int, Sequence[int]]
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
    wary: int = 0


class Rates(Struct, frozen=True):
    """Worth counted per minor unit by line, undiscounted and discounted, and fixed worth."""

    by_line: dict[int, tuple[int, int]]
    fixed: int
    scale: int


class Combination(Struct, frozen=True):
    """
    A combination: discount claims in one order of lanes, and accrual claims on the nets.

    Attributes:
        order: Lane indices as composed.
        nets: By line.
        bound: At least the objective of any combination.
        nodes: Nodes the search used.
    """

    merit: Merit
    order: tuple[int, ...]
    claims: tuple[Claim, ...]
    accrual: Choice
    running: tuple[int, ...]
    nets: tuple[int, ...]
    proven: bool
    bound: Fraction
    nodes: int = 0

    @property
    def objective(self) -> Fraction:
        """Discount and worth of the counted points."""
        return self.merit[0]

    @property
    def applied(self) -> frozenset[str]:
        """Ids of all campaigns that apply."""
        return frozenset(claim.offer.id for claim in self.claims) | {
            earner.id for earner, _ in self.accrual.claims
        }
