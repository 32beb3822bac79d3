"""What the claims of a lane give: promotions.md §1 and §4, without choosing.

`discount_lane` evaluates one lane's claims exactly as the specification orders it: each
claim apart, the campaign's limits, the receipt's cap, and then the subtraction.  The
search and the reference in the tests share it.
"""

from collections.abc import Mapping, Sequence
from typing import final

from streams.core.allocation import half_up, spread
from streams.core.combination import UNIT_QUANTITY, WHOLE_BP, Claim, Offer, Unit


@final
class LaneResult:
    """
    What one lane's claims take.

    Attributes:
        totals: By offer id.
        off: By unit.
        shares: By offer id and unit.
    """

    def __init__(
        self, totals: dict[str, int], off: list[int], shares: dict[str, dict[int, int]]
    ) -> None:
        self.totals = totals
        self.off = off
        self.shares = shares


def bearers(claim: Claim, bases: Sequence[int]) -> tuple[int, ...]:
    """Give the units whose discount it is; of a set, those rewarded."""
    offer = claim.offer
    if offer.kind != "set":
        return claim.units
    if offer.group is not None:
        return claim.group
    if offer.cheapest is not None:
        by_base = sorted([(bases[unit], unit) for unit in claim.units])
        return tuple([unit for _, unit in by_base[: offer.cheapest]])
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
    claim: Claim, units: Sequence[Unit], running: Sequence[int], bases: Sequence[int]
) -> dict[int, int]:
    """
    Give what a claim takes before cuts, by unit; nothing where it gives no discount.

    *bases* are what the offer counts from: list amounts or what runs.
    """
    off, bearing = claimed(claim, units, running, bases)
    if off <= 0:
        return {}
    if len(bearing) == 1:
        return {bearing[0]: off}
    return over_units(off, {unit: running[unit] - units[unit].floor for unit in bearing}, units)


def discount_lane(
    claims: Sequence[Claim],
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
    lists = running
    if any(claim.offer.by_list for claim in claims):
        lists = [unit.list for unit in units]
    parts: dict[str, dict[int, int]] = {}
    offers: dict[str, Offer] = {}
    for claim in claims:
        offer = claim.offer
        shares = discounted(claim, units, running, lists if offer.by_list else running)
        if not shares:
            return None
        if offer.id in parts:
            parts[offer.id].update(shares)
        else:
            parts[offer.id], offers[offer.id] = shares, offer
    wholes = {name: sum(own.values()) for name, own in parts.items()}
    totals = {name: _limited(offers[name], whole) for name, whole in wholes.items()}
    if left is not None and sum(totals.values()) > left:
        names = sorted(totals)
        cut = spread(left, [totals[name] for name in names])
        totals = dict(zip(names, cut, strict=True))
    taken = [0] * len(units)
    for name, total in totals.items():
        if total <= 0:
            return None
        if total != wholes[name]:
            parts[name] = over_units(total, parts[name], units)
        for unit, off in parts[name].items():
            taken[unit] += off
    return LaneResult(totals, taken, parts)


def by_line(
    shares: Mapping[str, Mapping[int, int]], units: Sequence[Unit]
) -> dict[tuple[str, int], int]:
    """Sum what campaigns take of units by campaign and line."""
    found: dict[tuple[str, int], int] = {}
    for name, own in shares.items():
        for unit, off in own.items():
            key = name, units[unit].line
            found[key] = found.get(key, 0) + off
    return found


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
        line = units[unit].line
        if line in lines:
            lines[line].append(unit)
        else:
            lines[line] = [unit]
    sums = [sum([weights[unit] for unit in own]) for own in lines.values()]
    found: dict[int, int] = {}
    for own, share in zip(lines.values(), spread(total, sums)):
        if len(own) == 1:
            found[own[0]] = share
        elif share:
            inner = spread(share, [weights[unit] for unit in own])
            found.update(zip(own, inner, strict=True))
    return found
