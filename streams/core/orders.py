"""The orders in which lanes can compose, but for those that give the same."""

from collections.abc import Sequence
from itertools import combinations, permutations, product

from streams.core.problem import Problem


def orders(
    groups: Sequence[Sequence[int]], tied: frozenset[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """
    List the orders of lanes, later groups varying fastest.

    Of those that differ in no pair of lanes that is *tied*, both ways, only the first.
    """
    found: dict[frozenset[tuple[int, int]], tuple[int, ...]] = {}
    for each in product(*(permutations(group) for group in groups)):
        order = tuple(lane for group in each for lane in group)
        found.setdefault(tied.intersection(combinations(order, 2)), order)
    return list(found.values())


def tied_lanes(problem: Problem) -> frozenset[tuple[int, int]]:
    """
    Pair the lanes, both ways, whose order matters.

    It doesn't where no line is in both: each takes of other amounts then, unless a threshold
    counts them, or a cap of the receipt cuts whichever comes last.
    """
    lines: dict[int, set[int]] = {}
    counted = set()
    for offer in problem.offers:
        lines.setdefault(offer.lane, set()).update(offer.lines)
        if offer.net is not None or problem.cap is not None:
            counted.add(offer.lane)
    return frozenset(
        (one, other)
        for one, own in lines.items()
        for other, others in lines.items()
        if one != other and not (counted.isdisjoint((one, other)) and own.isdisjoint(others))
    )
