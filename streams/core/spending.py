"""How many points a basket can redeem, and on which lines: promotions.md §6.

Lots are laid in spending order.  What lots can give is a polymatroid: taking the
most of each lot in turn, without lowering an earlier one, gives the most in all.
Then each lot's total is divided over its lines close to its quotas, as long as
every later lot can still be laid in full.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from streams.core.allocation import spread
from streams.core.programme import WHOLE_BP, Redemption
from streams.core.receipt import Money, Points


class UsableLot(Struct, frozen=True):
    """A lot that is active now; *lines* are those it fits, ascending."""

    id: str
    points: int
    lines: tuple[int, ...]


class Spending(Struct, frozen=True):
    """
    What is redeemed.

    Attributes:
        most: The most that could be.
        totals: By lot, in spending order.
        lines: Points by lot and line; lots of which nothing is laid share one dictionary.
    """

    most: int
    totals: tuple[int, ...]
    lines: tuple[dict[int, int], ...]


def capacity(net: Money, listed: Money, terms: Redemption, value: Money) -> Points:
    """Give the points, worth *value* each, that a line of *net* can take; its list is *listed*."""
    most = min(
        net * terms.line // WHOLE_BP,
        net - terms.min_cash,
        listed * terms.benefit // WHOLE_BP - (listed - net),
    )
    return max(0, most) // value


def spend(
    lots: Sequence[UsableLot], caps: Sequence[int], receipt_cap: int, wanted: int | None
) -> Spending:
    """
    Lay *wanted* points, or the most, over lines.

    Args:
        lots: In spending order.
        caps: Points each line can take.
        receipt_cap: Points the receipt can take; below 0 is 0.
        wanted: None asks for the most.
    """
    totals = _totals(lots, caps, receipt_cap)
    most = sum(totals)
    if wanted is not None and wanted < most:
        totals = _totals(lots, caps, wanted)
    lines = _lay(lots, totals, caps)
    return Spending(most, tuple(totals), tuple(lines))


def _totals(lots: Sequence[UsableLot], caps: Sequence[int], limit: int) -> list[int]:
    """Give each lot in turn the most that lowers no earlier one."""
    flow = _Flow(lots, caps)
    left = max(0, limit)
    totals = []
    for at, lot in enumerate(lots):
        if not left:
            totals += [0] * (len(lots) - at)
            break
        total = flow.push(at, min(lot.points, left))
        totals.append(total)
        left -= total
    return totals


class _Flow:
    """Points of lots on lines, moved along augmenting paths."""

    def __init__(self, lots: Sequence[UsableLot], caps: Sequence[int]) -> None:
        self.lots = lots
        self.free = list(caps)
        self.laid: dict[int, dict[int, int]] = {}  # By lot, those alone that something is laid of.

    def push(self, lot: int, points: int) -> int:
        """Lay up to *points* more of *lot*; earlier points may move to other lines."""
        self.laid[lot] = {}
        done = 0
        while done < points:
            step = self._augment(lot, points - done)
            if not step:
                break
            done += step
        return done

    def _augment(self, lot: int, points: int) -> int:
        # Breadth first from the lot over lines; a full line leads on to the lots laid on it.
        came: dict[int, tuple[int, int]] = {}  # line → (lot that goes there, line it leaves)
        queue = [(lot, -1)]
        seen = {lot}
        for who, leaves in queue:
            for line in self.lots[who].lines:
                if line in came:
                    continue
                came[line] = who, leaves
                if self.free[line] > 0:
                    return self._move(came, line, points)
                for other, laid in self.laid.items():
                    if other not in seen and laid.get(line):
                        seen.add(other)
                        queue.append((other, line))
        return 0

    def _move(self, came: dict[int, tuple[int, int]], end: int, points: int) -> int:
        step = min(points, self.free[end])
        line = end
        while True:
            who, leaves = came[line]
            if leaves < 0:
                break
            step = min(step, self.laid[who][leaves])
            line = leaves
        self.free[end] -= step
        line = end
        while True:
            who, leaves = came[line]
            self.laid[who][line] = self.laid[who].get(line, 0) + step
            if leaves < 0:
                return step
            self.laid[who][leaves] -= step
            line = leaves


def _lay(
    lots: Sequence[UsableLot], totals: Sequence[int], caps: Sequence[int]
) -> list[dict[int, int]]:
    """Divide each lot's total over its lines, later lots kept possible."""
    left = list(caps)
    nothing: dict[int, int] = {}
    found = [nothing] * len(lots)  # Of a thousand lots a receipt touches few.
    laid = [(at, lots[at], total) for at, total in enumerate(totals) if total]
    for number, (at, lot, total) in enumerate(laid):
        split = list(spread(total, [left[line] for line in lot.lines]))
        later = [(each, points) for _, each, points in laid[number + 1 :]]
        if not _feasible(lot, split, left, later):
            split = _split(lot, total, left, later)
        for line, points in zip(lot.lines, split, strict=True):
            left[line] -= points
        found[at] = {line: p for line, p in zip(lot.lines, split, strict=True) if p}
    return found


Later = Sequence[tuple[UsableLot, int]]


def _feasible(lot: UsableLot, split: Sequence[int], left: Sequence[int], later: Later) -> bool:
    """Tell whether all later lots can be laid in full beside *split*."""
    caps = list(left)
    for line, points in zip(lot.lines, split, strict=True):
        caps[line] -= points
        if caps[line] < 0:
            return False
    flow = _Flow([each for each, _ in later], caps)
    return all(flow.push(at, total) == total for at, (_, total) in enumerate(later))


def _split(lot: UsableLot, total: int, left: Sequence[int], later: Later) -> list[int]:
    """
    Divide *total* closest to the quotas among the splits that are feasible.

    From zero, a point goes to the line with the largest quota − split that stays
    feasible, ties to the lowest line.  Feasible splits are a polymatroid, so this is
    the least sum of squares; a line that once can't take a point never can again.
    Points far below every quota are laid in steps of many.
    """
    whole = sum(left[line] for line in lot.lines)
    quotas = [Fraction(total * left[line], whole) for line in lot.lines]
    split = [0] * len(lot.lines)
    open_ = set(range(len(lot.lines)))
    rest = total
    while rest:
        at = min(open_, key=lambda each: (split[each] - quotas[each], each))
        step = _step(lot, split, at, rest, left, later, quotas, open_)
        if not step:
            open_.remove(at)
            continue
        split[at] += step
        rest -= step
    return split


def _step(  # noqa: PLR0917 - All of it is the state of `_split`.
    lot: UsableLot,
    split: list[int],
    at: int,
    rest: int,
    left: Sequence[int],
    later: Later,
    quotas: Sequence[Fraction],
    open_: set[int],
) -> int:
    """Give how many points *at* takes before another line's turn; 0 where it can take none."""
    level = quotas[at] - split[at]
    others = [quotas[each] - split[each] for each in open_ if each != at]
    second = max(others, default=Fraction(-1))
    run = max(1, int(level - second)) if others else rest
    run = min(run, rest)
    low, high = 0, run
    while low < high:  # Feasible up to some number, not beyond it.
        middle = (low + high + 1) // 2
        split[at] += middle
        fine = _feasible(lot, split, left, later)
        split[at] -= middle
        low, high = (middle, high) if fine else (low, middle - 1)
    return low
