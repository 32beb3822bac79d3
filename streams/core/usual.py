"""Receipts that fall into parts but for what usually ties them, told from all others."""

from collections.abc import Sequence
from typing import final

from streams.core.combination import Offer
from streams.core.task import Task


@final
class Usual:
    """
    What ties the parts of a usual receipt together.

    Attributes:
        lanes: Lanes in use, in order.
        limited: Places of line effects whose limit may bind.
        block: Place of the coupon in the last lane, or −1.
    """

    def __init__(self, lanes: tuple[int, ...], limited: frozenset[int], block: int) -> None:
        self.lanes = lanes
        self.limited = limited
        self.block = block


def usual(task: Task) -> Usual | None:
    """Find what ties the parts together, or None where more does than an assembly can weigh."""
    offers = task.offers
    used = {offer.lane for offer in offers}
    lanes = tuple(lane for lane in task.lanes if lane in used)
    blocks = [at for at, offer in enumerate(offers) if offer.kind == "basket"]
    limited = frozenset(at for at, offer in enumerate(offers) if offer.limit is not None)
    apart = (
        task.cap_left is None
        and not any(task.odds)
        and not any(offer.alone or offer.items for offer in offers)
        and all(whole <= task.scale and cut <= task.scale for whole, cut in task.rates.values())
        and (not blocks or (len(blocks) == 1 and _last(task, blocks[0], lanes)))
        and _limits_fit([offers[at] for at in limited], offers, lanes)
        and _sets_fit(offers)
    )
    return Usual(lanes, limited, blocks[0] if blocks else -1) if apart else None


def _limits_fit(limited: Sequence[Offer], offers: Sequence[Offer], lanes: Sequence[int]) -> bool:
    """Tell whether all limits are of line effects of one lane, before which no set is laid."""
    if not limited:
        return True
    lane = limited[0].lane
    return (
        all(offer.lane == lane for offer in limited)
        and not any(offer.skip or offer.kind in ("set", "basket") for offer in limited)
        and not any(
            offer.kind == "set" and lanes.index(offer.lane) <= lanes.index(lane) for offer in offers
        )
    )


def _sets_fit(offers: Sequence[Offer]) -> bool:
    """Tell whether no line is in sets of two lanes, directly or through other lines."""
    groups: dict[int, set[int]] = {}
    lanes: dict[int, set[int]] = {}
    for offer in offers:
        if offer.kind != "set":
            continue
        joined = set(offer.lines).union(*(groups.get(line, ()) for line in offer.lines))
        used = {offer.lane}.union(*(lanes.get(line, ()) for line in joined))
        if len(used) > 1:
            return False
        for line in joined:
            groups[line], lanes[line] = joined, used
    return True


def _last(task: Task, place: int, lanes: tuple[int, ...]) -> bool:
    """Tell whether a coupon is alone in the last lane, and so always worth having."""
    block = task.offers[place]
    if task.wary >> place & 1:
        return False
    if block.lane != lanes[-1] or block.limit is not None or block.figure <= 0:
        return False
    if sum(offer.lane == block.lane for offer in task.offers) > 1:
        return False
    rates = [task.rates[line] for line in block.lines]
    return all(whole == cut and cut < task.scale for whole, cut in rates)
