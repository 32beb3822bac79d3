"""What claims give lane by lane, for whoever gives them other pieces and must keep that."""

from collections.abc import Iterable, Sequence
from typing import final

from streams.core.combination import Claim
from streams.core.discounting import by_line, discount_lane
from streams.core.task import Task


@final
class Given:
    """
    What the claims of a lane give.

    Attributes:
        figures: What each campaign takes of each line.
        running: By unit, what it runs at after the lane.
        left: What the receipt's cap leaves after it; None is without cap.
    """

    def __init__(
        self, figures: dict[tuple[str, int], int], running: tuple[int, ...], left: int | None
    ) -> None:
        self.figures = figures
        self.running = running
        self.left = left


def by_lane(task: Task, claims: Sequence[Claim]) -> list[list[Claim]]:
    """Part claims by lane, in the order in which the lanes compose."""
    lanes = [[claim for claim in claims if claim.offer.lane == lane] for lane in task.lanes]
    return [own for own in lanes if own]


def give(task: Task, claims: Sequence[Claim], before: Given) -> Given | None:
    """Evaluate a lane; None where it is not allowed."""
    result = discount_lane(claims, task.units, before.running, before.left)
    if result is None:
        return None
    running = tuple([r - off for r, off in zip(before.running, result.off)])
    left = None if before.left is None else before.left - sum(result.totals.values())
    return Given(by_line(result.shares, task.units), running, left)


def evaluated(task: Task, lanes: Iterable[Sequence[Claim]]) -> list[Given]:
    """Give what runs before each lane and after the last; it ends before one that isn't allowed."""
    found = [Given({}, task.start.running, task.cap_left)]
    for own in lanes:
        after = give(task, own, found[-1])
        if after is None:
            break
        found.append(after)
    return found


def encroaches(claims: Sequence[Claim]) -> bool:
    """Tell whether a piece that one campaign claims alone is claimed by another as well."""
    return any(
        one.offer.id != other.offer.id and not set(one.units).isdisjoint(other.units)
        for one in claims
        if one.offer.items
        for other in claims
    )


def set_lines(task: Task, claims: Sequence[Claim]) -> list[int]:
    """List the lines of which sets have pieces."""
    sets = [claim for claim in claims if claim.offer.kind == "set"]
    return sorted({task.units[u].line for claim in sets for u in claim.units})
