"""Lines joined into groups that can be solved apart."""

from collections.abc import Iterable
from typing import final

from streams.core.combination import WHOLE_BP, Offer
from streams.core.problem import Problem


@final
class _Groups:
    """Lines joined into groups: union and find."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, line: int) -> int:
        while self.parent[line] != line:
            self.parent[line] = self.parent[self.parent[line]]
            line = self.parent[line]
        return line

    def join(self, lines: Iterable[int]) -> None:
        roots = [self.find(line) for line in lines]
        for root in roots[1:]:
            self.parent[self.find(root)] = self.find(roots[0])

    def all(self) -> list[tuple[int, ...]]:
        groups: dict[int, list[int]] = {}
        for line in range(len(self.parent)):
            groups.setdefault(self.find(line), []).append(line)
        return [tuple(group) for group in groups.values()]


def components(problem: Problem) -> list[tuple[int, ...]]:
    """Split the lines into groups that no claim, limit, threshold or exclusion joins."""
    groups = _Groups(len(problem.lists))
    everything = range(len(problem.lists))
    lines_of = {each.id: each.lines for each in problem.offers}
    lines_of |= {each.earner.id: each.earner.lines for each in problem.seeds}
    for one, other in problem.odds:
        if one in lines_of and other in lines_of:
            groups.join((*lines_of[one], *lines_of[other]))
    for offer in problem.offers:
        if offer.kind in ("basket", "set") or offer.net or _may_bind(problem, offer):
            groups.join(offer.lines)
        if offer.net is not None and offer.net.over == "all":
            groups.join(everything)
        if offer.alone:
            groups.join(line for each in problem.offers for line in each.lines)
    if problem.cap is not None and most_of(problem) > problem.cap:
        groups.join(line for each in problem.offers for line in each.lines)
    _join_seeds(problem, groups)
    return groups.all()


def _join_seeds(problem: Problem, groups: _Groups) -> None:
    for seed in problem.seeds:
        own = seed.earner
        contested = own.block and any(
            other.earner is not own
            # What claims items alone keeps a block of any lane from its line.
            and (other.earner.lane == own.lane or other.earner.items)
            and not set(own.lines).isdisjoint(other.earner.lines)
            for other in problem.seeds
        )
        running = seed.net is not None and seed.net.base == "running"
        # Fixed points are one sum, whatever lines it is spread over.
        fixed = own.kind == "points"
        if own.limit is not None or running or contested or fixed or (own.block and own.items):
            groups.join(own.lines)
        if running and seed.net is not None and seed.net.over == "all":
            groups.join(range(len(problem.lists)))
        if own.alone:
            groups.join(line for each in problem.seeds for line in each.earner.lines)


def _may_bind(problem: Problem, offer: Offer) -> bool:
    if offer.limit is None:
        return False
    whole = sum(u.list - u.floor for u in problem.units if u.line in offer.lines)
    if offer.kind == "percent":
        whole = sum(
            -(-offer.figure * u.list // WHOLE_BP) for u in problem.units if u.line in offer.lines
        )
    return whole > offer.limit


def most_of(problem: Problem) -> int:
    """Give a sum that no combination's discount exceeds."""
    return sum(unit.list - unit.floor for unit in problem.units)
