"""What a combination of discounts gives: promotions.md §1 and §4, without choosing.

A `Unit` is the smallest thing a claim can take: a piece, or a whole line where no
set could take a part of it.  `discount_lane` evaluates one lane's claims exactly as
the specification orders it: each claim apart, the campaign's limits, the receipt's
cap, and then the subtraction.  The solver and the reference in the tests share it.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from streams.core.allocation import half_up, spread
from streams.core.campaigns import Threshold

WHOLE_BP = 10_000
UNIT_QUANTITY = 1_000


class Unit(Struct, frozen=True):
    """
    A piece, or all pieces of a line that no set can part.

    Attributes:
        line: Position of its line.
        pieces: Numbers of its pieces within the line.
        quantity: Thousandths.
        list: Amount before discounts.
        floor: What discounts must leave.
    """

    line: int
    pieces: tuple[int, ...]
    quantity: int
    list: int
    floor: int


class Offer(Struct, frozen=True):
    """
    One discount campaign as one receipt sees it; its static conditions are met.

    Attributes:
        lane: Index of the written lane.
        kind: percent, amount and price are line effects; basket is a block; set is a set.
        figure: Basis points, minor units a whole unit, or minor units: as *kind* says.
        lines: Positions of its eligible lines, ascending.
        by_list: Whether it counts from list amounts.
        net: A threshold on running amounts at lane entry; list thresholds are static.
        cap: `limits.receipt.amount`.
        left: What the counters leave.
        skip: Whether it gives nothing when more than *left* is due.
        alone: `exclusive: receipt`.
        items: `exclusive: items`.
        groups: Of a set: how many pieces of which lines.
        reward: Of a set: percent, amount or price; *figure* is its number.
        cheapest: Of a set: only so many cheapest pieces are rewarded.
        group: Of a set: only the pieces of this group, counted from 0.
        rewarded: Of a set: whether the rewarded pieces alone bear the discount.
        sets_most: Of a set: how often a receipt may have it.
    """

    id: str
    lane: int
    kind: str
    figure: int
    lines: tuple[int, ...]
    by_list: bool = False
    net: Threshold | None = None
    cap: int | None = None
    left: int | None = None
    skip: bool = False
    coded: bool = False
    priority: int = 0
    alone: bool = False
    items: bool = False
    groups: tuple[tuple[int, frozenset[int]], ...] = ()
    reward: str = ""
    cheapest: int | None = None
    group: int | None = None
    rewarded: bool = False
    sets_most: int | None = None

    @property
    def limit(self) -> int | None:
        """The smaller of cap and counters."""
        if self.cap is None or self.left is None:
            return self.left if self.cap is None else self.cap
        return min(self.cap, self.left)


class Claim(Struct, frozen=True):
    """
    An offer's claim on units of one lane.

    Attributes:
        units: Positions of the units, ascending.
        group: Units of the rewarded group, where the reward names one.
    """

    offer: Offer
    units: tuple[int, ...]
    group: tuple[int, ...] = ()


class LaneResult(Struct, frozen=True):
    """
    What one lane's claims take.

    Attributes:
        totals: By offer id.
        off: By unit.
        by_line: By offer id and line.
    """

    totals: dict[str, int]
    off: list[int]
    by_line: dict[tuple[str, int], int]


def bearers(claim: Claim, bases: Sequence[int]) -> tuple[int, ...]:
    """Give the units whose discount it is; of a set, those rewarded."""
    offer = claim.offer
    if offer.kind != "set":
        return claim.units
    if offer.group is not None:
        return claim.group
    if offer.cheapest is not None:
        return tuple(sorted(claim.units, key=lambda unit: (bases[unit], unit))[: offer.cheapest])
    return claim.units


def claimed(
    claim: Claim, units: Sequence[Unit], running: Sequence[int], bases: Sequence[int]
) -> tuple[int, tuple[int, ...]]:
    """Give a claim's discount before cuts and the units that bear it, limited to their room."""
    offer = claim.offer
    rewarded = bearers(claim, bases)
    base = sum(bases[unit] for unit in rewarded)
    figure = offer.figure
    effect = offer.reward or offer.kind
    if effect == "percent":
        off = half_up(base * figure, WHOLE_BP)
    elif effect == "basket":
        off = figure
    elif offer.kind == "set":
        off = min(figure, base) if effect == "amount" else base - figure
    else:
        quantity = sum(units[unit].quantity for unit in claim.units)
        off = half_up(figure * quantity, UNIT_QUANTITY)
        off = off if effect == "amount" else base - off
    bearing = tuple(sorted(rewarded)) if offer.rewarded else claim.units
    room = sum(running[unit] - units[unit].floor for unit in bearing)
    return max(0, min(off, room)), bearing


def discounted(
    claim: Claim, units: Sequence[Unit], running: Sequence[int], lists: Sequence[int]
) -> dict[int, int]:
    """Give what a claim takes before cuts, by unit; nothing where it gives no discount."""
    off, bearing = claimed(claim, units, running, lists if claim.offer.by_list else running)
    if off <= 0:
        return {}
    return over_units(off, {unit: running[unit] - units[unit].floor for unit in bearing}, units)


# What a claim takes before cuts, by unit, as `discounted` gives it.
Discounted = Callable[[Claim, Sequence[Unit], Sequence[int], Sequence[int]], dict[int, int]]


def discount_lane(
    claims: Iterable[Claim],
    units: Sequence[Unit],
    running: Sequence[int],
    left: int | None,
    by_unit: Discounted = discounted,
) -> LaneResult | None:
    """
    Evaluate the claims of one lane on the running amounts at its entry.

    Args:
        claims: They share no unit.
        units: Of the receipt.
        running: By unit.
        left: What the receipt's cap leaves; None is without cap.
        by_unit: `discounted`, or something that remembers what it gave.

    Returns:
        None where a claim gives 0 before cuts, or a campaign after them.
    """
    lists = [unit.list for unit in units]
    parts: dict[str, dict[int, int]] = {}
    offers: dict[str, Offer] = {}
    for claim in claims:
        shares = by_unit(claim, units, running, lists)
        if not shares:
            return None
        parts.setdefault(claim.offer.id, {}).update(shares)
        offers[claim.offer.id] = claim.offer
    totals = {name: _limited(offers[name], sum(own.values())) for name, own in parts.items()}
    if left is not None and sum(totals.values()) > left:
        names = sorted(totals)
        cut = spread(left, [totals[name] for name in names])
        totals = dict(zip(names, cut, strict=True))
    taken = [0] * len(units)
    by_line: dict[tuple[str, int], int] = {}
    for name, own in parts.items():
        if totals[name] <= 0:
            return None
        shares = own
        if totals[name] != sum(own.values()):
            shares = over_units(totals[name], own, units)
        for unit, off in shares.items():
            taken[unit] += off
            key = name, units[unit].line
            by_line[key] = by_line.get(key, 0) + off
    return LaneResult(totals, taken, by_line)


def _limited(offer: Offer, total: int) -> int:
    due = total if offer.cap is None else min(total, offer.cap)
    if offer.left is not None and due > offer.left:
        return 0 if offer.skip else offer.left
    return due


def over_units(total: int, weights: dict[int, int], units: Sequence[Unit]) -> dict[int, int]:
    """Spread over lines by weight, then inside each line over its units by weight."""
    if len(weights) == 1:
        return dict.fromkeys(weights, total)
    lines: dict[int, list[int]] = {}
    for unit in sorted(weights):
        lines.setdefault(units[unit].line, []).append(unit)
    shares = spread(total, [sum(weights[unit] for unit in own) for own in lines.values()])
    found: dict[int, int] = {}
    for own, share in zip(lines.values(), shares, strict=True):
        if share or len(own) == 1:
            inner = spread(share, [weights[unit] for unit in own])
            found.update(zip(own, inner, strict=True))
    return found
