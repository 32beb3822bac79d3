"""What the claims of a lane give: promotions.md §1 and §4, without choosing.

`discount_lane` evaluates one lane's claims exactly as the specification orders it: each
claim apart, the campaign's limits, the receipt's cap, and then the subtraction.  The
search and the reference in the tests share it.
"""

from collections.abc import Iterable, Sequence

from streams.core.allocation import half_up, spread
from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Claim, LaneResult, Offer, Unit


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


def discount_lane(
    claims: Iterable[Claim],
    units: Sequence[Unit],
    running: Sequence[int],
    left: int | None,
) -> LaneResult | None:
    """
    Evaluate the claims of one lane on the running amounts at its entry.

    Args:
        claims: They share no unit.
        units: Of the receipt.
        running: By unit.
        left: What the receipt's cap leaves; None is without cap.

    Returns:
        None where a claim gives 0 before cuts, or a campaign after them.
    """
    lists = [unit.list for unit in units]
    parts: dict[str, dict[int, int]] = {}
    offers: dict[str, Offer] = {}
    for claim in claims:
        shares = discounted(claim, units, running, lists)
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
