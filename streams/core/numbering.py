"""The smallest numbering of equal claims: which of equal pieces each of them takes.

Pieces of a line that run equal are told apart by number alone.  A search gives each claim
the lowest that are free and does not look ahead, so that its combination stands for all
that give the same pieces other numbers; here the one that is written smallest is found.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from msgspec.structs import replace

from streams.core.combination import Claim, Offer
from streams.core.exchanging import exchanged, exchanges
from streams.core.given import Given, by_lane, encroaches, evaluated, give, set_lines
from streams.core.laying import by_number, told_apart
from streams.core.task import Claims, Solution, Task
from streams.core.written import AllWritten, all_written, comes_before, may_come_before

# Of a receipt whose pieces are numbered anew; in a longer one they stay as laid.
CLAIMS_MOST: Final = 200
# What it takes, in nodes, as measured.
TIDYING: Final = 6
EXCHANGING: Final = 25
TRIES_MOST: Final = 200  # Claims that are numbered one way or another, of one combination.

Kind = tuple[int, int, int, int, int]  # Line, running, list, floor, and who can stand for it.
Free = dict[Kind, list[int]]  # Units by kind, the lowest first.
# How many units of each kind a claim takes, and how many of them for the offer's group.
Want = tuple[tuple[Kind, int, int], ...]


def first_of(task: Task, best: Solution, found: Solution, count: Callable[[int], bool]) -> Solution:
    """Give the one of two solutions, equal but for the last tie, that comes first."""
    if not may_come_before(found, best, task.units):
        return best
    best = tidied(task, best, count)
    found = tidied(task, found, count, best)
    return found if comes_before(found, best, task.units) else best


def tidied(
    task: Task,
    solution: Solution,
    count: Callable[[int], bool] | None = None,
    other: Solution | None = None,
) -> Solution:
    """
    Number the pieces of equal claims so that the last tie is smallest.

    Every line gets the same from every campaign.  No numbering is smaller, unless rounding
    tells unequal pieces apart by number, a campaign wants pieces alone, or there are more than
    are tried: then no exchange of two pieces makes it smaller.

    Args:
        task: That was solved.
        solution: Of it.
        count: Is told how many nodes it takes.
        other: A solution as good; what isn't smaller is not looked for.
    """
    given = solution.claims[len(task.start.claims) :]
    if solution.tidy:
        return solution
    if len(given) > CLAIMS_MOST or not exchanges(task, given):
        return replace(solution, tidy=True)
    numbering = _Numbering(task, solution, other)
    numbering.run()
    own = numbering.best
    if not numbering.exact:
        own = exchanged(task, own)
    if count is not None:
        count(TIDYING * numbering.count + (0 if numbering.exact else EXCHANGING))
    if own is given:
        return replace(solution, tidy=True) if other is None else solution
    claims = (*task.start.claims, *own)
    end = replace(
        solution.end,
        claims=claims,
        running=evaluated(task, by_lane(task, own))[-1].running,
        # A later lane goes on from here, and must know which pieces are claimed now.
        touched=frozenset([u for claim in claims for u in claim.units]),
        locked=frozenset([u for claim in claims if claim.offer.items for u in claim.units]),
    )
    return Solution(solution.merit, claims, solution.accrual, end, tidy=True)


# --- Numbering lane by lane -------------------------------------------------------


class _Numbering:
    """
    Numbers claims anew, lane by lane as they compose; each takes what it took of every kind.

    Where every later lane is also written later, the smallest claims of a lane are best
    whatever follows; what runs after them is the same but for numbers.  In a lane that comes
    before one that is written first, every numbering is tried beside which that one could
    still be smaller.  On lines without sets a claim has all pieces, and keeps them.

    Attributes:
        best: The smallest found.
        exact: Whether none is smaller.
        count: How many numberings were evaluated.
    """

    def __init__(self, task: Task, solution: Solution, other: Solution | None) -> None:
        given = solution.claims[len(task.start.claims) :]
        self.task = task
        self.accrual = solution.accrual
        self.best = given
        self.least = self._written(given)
        if other is not None:
            least = all_written(other.claims, other.accrual, task.units)
            self.least = min(self.least, least)
        self.exact = True
        self.tries = TRIES_MOST
        self.count = 1
        self.lines = set_lines(task, given)
        self.lanes = by_lane(task, given)
        order = [own[0].offer.lane for own in self.lanes]
        self.settled = [
            all(lane < later for later in order[at + 1 :]) for at, lane in enumerate(order)
        ]
        self.numbered = [
            (at, offer.lines)
            for at, own in enumerate(self.lanes)
            for offer in {claim.offer.id: claim.offer for claim in own}.values()
            if by_number(offer)
        ]
        # By lane, the claims of those from there on as if all pieces of a line ran equal.
        self.floors: list[Claims] = [()]
        for own in reversed(self.lanes):
            self.floors.insert(0, (*self._lowest_of_lines(own), *self.floors[0]))
        self.given: list[Given] = []

    def run(self) -> None:
        """Find the smallest."""
        if self._may_be_smaller(0, ()):
            self.given = evaluated(self.task, self.lanes)
            self._lane(0, self.given[0], ())

    def _lane(self, at: int, before: Given, done: Claims) -> None:
        """Number the claims of a lane and go on."""
        if at == len(self.lanes):
            self._finish(done)
            return
        for own in self._numbered(at, before):
            if not self._may_be_smaller(at + 1, (*done, *own)):
                continue
            same = before is self.given[at] and _names(own) == _names(self.lanes[at])
            after = self.given[at + 1] if same else give(self.task, own, before)
            self.count += not self.settled[at]
            if after is None or after.figures != self.given[at + 1].figures:
                self.exact = False
                continue
            self._lane(at + 1, after, (*done, *own))

    def _may_be_smaller(self, at: int, done: Claims) -> bool:
        """Tell whether lanes from *at* on could make these claims the smallest."""
        return self._written((*done, *self.floors[at])) < self.least

    def _written(self, own: Claims) -> AllWritten:
        claims = (*self.task.start.claims, *own)
        return all_written(claims, self.accrual, self.task.units)

    def _lowest_of_lines(self, claims: Sequence[Claim]) -> Claims:
        """Give what no numbering of a lane's claims is written smaller than."""
        kinds = {(line, 0, 0, 0, -1): list(self.task.units_of[line]) for line in self.lines}
        fixed, wants = _parted(claims, kinds)
        return *fixed, *_lowest(wants, kinds)

    def _finish(self, done: Claims) -> None:
        told = self._written(done)
        if told >= self.least:
            return
        if encroaches((*self.task.start.claims, *done)):
            self.exact = False
            return
        self.best, self.least = done, told

    def _numbered(self, at: int, before: Given) -> Iterator[Claims]:
        """Yield numberings of a lane's claims: the smallest, or all where another may be better."""
        kinds = free = self._kinds(at, self.given[at].running)
        if before is not self.given[at]:
            free = self._kinds(at, before.running)
        if _sizes(kinds) != _sizes(free):
            self.exact = False
            return
        fixed, wants = _parted(self.lanes[at], kinds)
        if self.settled[at]:
            yield (*fixed, *_lowest(wants, free))
        else:
            yield from self._every(wants, 0, free, tuple(fixed))

    def _kinds(self, at: int, running: Sequence[int]) -> Free:
        """Group the units that run equal when a lane begins."""
        here = {line for lane, lines in self.numbered if lane == at for line in lines}
        later = {line for lane, lines in self.numbered if lane > at for line in lines}
        apart = told_apart(here, later, self.task.units_of, running)
        found: Free = {}
        for line in self.lines:
            for u in self.task.units_of[line]:
                unit = self.task.units[u]
                kind = line, running[u], unit.list, unit.floor, apart.get(u, -1)
                found.setdefault(kind, []).append(u)
        return found

    def _every(
        self, wants: Sequence[tuple[Offer, Want]], at: int, free: Free, done: Claims
    ) -> Iterator[Claims]:
        """Yield every numbering of the claims from *at* on, as long as there are tries."""
        if at == len(wants):
            yield done
            return
        offer, want = wants[at]
        again = at > 0 and wants[at - 1][0] is offer and wants[at - 1][1] == want
        for units, group in _choices(want, free):
            if not self.tries:
                self.exact = False
                return
            self.tries -= 1
            claim = Claim(offer, tuple(sorted(units)), tuple(sorted(group)))
            # Of claims that take the same, the smaller comes first.
            if not again or done[-1].units < claim.units:
                yield from self._every(wants, at + 1, _without(free, want, units), (*done, claim))


def _sizes(kinds: Free) -> dict[Kind, int]:
    return {kind: len(own) for kind, own in kinds.items()}


def _names(claims: Sequence[Claim]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return sorted([(claim.offer.id, claim.units, claim.group) for claim in claims])


def _without(free: Free, want: Want, units: tuple[int, ...]) -> Free:
    """Leave out the units that a claim took of what it wants."""
    left = {kind: [u for u in free[kind] if u not in units] for kind, _, _ in want}
    return {**free, **left}


def _parted(claims: Sequence[Claim], kinds: Free) -> tuple[list[Claim], list[tuple[Offer, Want]]]:
    """Part a lane's claims into those that stay, and what the others want, as it is written."""
    kind_of = {u: kind for kind, own in kinds.items() for u in own}
    fixed, wants = [], []
    for claim in claims:
        if claim.offer.kind != "basket" and claim.units[0] in kind_of:
            wants.append((claim.offer, _want(claim, kind_of)))
        else:
            fixed.append(claim)
    wants.sort(key=lambda each: (each[0].id, each[1]))
    return fixed, wants


def _want(claim: Claim, kind_of: Mapping[int, Kind]) -> Want:
    """Count what a claim takes of each kind."""
    takes: dict[Kind, int] = {}
    grouped: dict[Kind, int] = {}
    for u in claim.units:
        takes[kind_of[u]] = takes.get(kind_of[u], 0) + 1
    for u in claim.group:
        grouped[kind_of[u]] = grouped.get(kind_of[u], 0) + 1
    return tuple(sorted([(kind, n, grouped.get(kind, 0)) for kind, n in takes.items()]))


def _choices(
    want: Want, free: Free, at: int = 0
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield every way to take what a claim wants, the lowest first; and its group."""
    if at == len(want):
        yield (), ()
        return
    kind, takes, grouped = want[at]
    for own in combinations(free[kind], takes):
        for named in combinations(own, grouped):
            for units, group in _choices(want, free, at + 1):
                yield (*own, *units), (*named, *group)


def _lowest(wants: Sequence[tuple[Offer, Want]], free: Free) -> Claims:
    """Number claims so that they are written smallest: the next is as small as any can be."""
    left = free
    found: list[Claim] = []
    waiting = list(wants)
    while waiting:
        offer = waiting[0][0]
        best: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        for want in {want: None for other, want in waiting if other is offer}:
            own = _first(want, left)
            if best is None or own < best:
                best, chosen = own, want
        assert best is not None
        units, group = best
        found.append(Claim(offer, units, group))
        waiting.remove((offer, chosen))
        left = _without(left, chosen, units)
    return tuple(found)


def _first(want: Want, free: Free) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Take the lowest free units of each kind."""
    units = [u for kind, takes, _ in want for u in free[kind][:takes]]
    group = [u for kind, _, grouped in want for u in free[kind][:grouped]]
    return tuple(sorted(units)), tuple(sorted(group))
