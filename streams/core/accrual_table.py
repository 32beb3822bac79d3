"""Choosing accrual claims from a table of counted points by line, without a search.

Lanes are apart unless a multiplier reads the first, a line belongs to the campaign that
counts most on it, and a block is weighed against what its lines would count without it.
Figures are whole numbers over one denominator.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import lcm
from typing import Final

from streams.core.accrual_claims import (
    NOTHING,
    Choice,
    Claim,
    Claims,
    Earner,
    Merit,
    written_claims,
)

BLOCKS_MOST: Final = 8  # 2^8 sets of blocks are tried; more of them contested go to the search.
TIMES_WHOLE: Final = 100  # `points_times: 150` is ×1.5.


def plain_choice(earners: list[Earner], bases: Sequence[int]) -> Choice | None:
    """
    Choose without search; None when these campaigns need one.

    The campaigns have no conflict but over lines.
    """
    table = _Table(earners, bases)
    if not table.plain:
        return None
    best: tuple[Merit, Claims] | None = None
    for blocks in table.first_blocks:
        merit, claims = table.solve(blocks)
        if (
            best is None
            or merit > best[0]
            or (merit == best[0] and written_claims(claims) < written_claims(best[1]))
        ):
            best = merit, claims
    assert best is not None
    return Choice(Fraction(best[0][0], table.scale), tuple(best[1]))


class _Table:
    """
    The table of counted points by line, over one denominator.

    Attributes:
        scale: What counted points are multiplied by, so that all are whole.
        plain: Whether no limit can bind on a contested line, no two campaigns exclude
            each other on one, and multipliers see one currency a line.
        first_blocks: Sets of lane 0's blocks to try; one set unless a multiplier makes
            the later lanes depend on them.
    """

    def __init__(self, earners: list[Earner], bases: Sequence[int]) -> None:
        self.bases = bases
        self.lanes: dict[int, list[Earner]] = {}
        for earner in sorted(earners, key=lambda each: (each.lane, each.id)):
            self.lanes.setdefault(earner.lane, []).append(earner)
        times = {e.currency for e in earners if e.kind == "times" and e.lane > 0}
        self.fed = [e for e in self.lanes.get(0, ()) if e.currency in times]
        self.scale = self._scale(earners, times=bool(times))
        self.best_basic: dict[tuple[str, int], int] = {}
        for earner in self.fed:
            for line, part in zip(earner.lines, self.parts(earner, earner.lines)):
                key = earner.currency, line
                self.best_basic[key] = max(self.best_basic.get(key, 0), part)
        self.basic = self.best_basic
        self.contested = self._contested()
        self.plain = self._is_plain(earners)
        self.first_blocks = self._first_blocks() if self.plain else []

    def _scale(self, earners: list[Earner], *, times: bool) -> int:
        scale = lcm(*(e.per for e in earners if e.kind in ("percent", "per")))
        if times:
            scale *= TIMES_WHOLE
            for earner in self.fed:
                if earner.kind == "points":
                    scale *= sum(self.bases[line] for line in earner.lines)
        return scale

    def parts(self, earner: Earner, lines: Sequence[int]) -> list[int]:
        """Counted points of each line, times `scale`; a `points` block outside lane 0 in one."""
        if earner.kind == "times":
            name, rate = earner.currency, earner.points
            if earner.lane == 0:
                return [0] * len(lines)
            return [self.basic.get((name, line), 0) * rate // earner.per for line in lines]
        bases = self.bases
        if earner.kind == "points":
            whole = sum(bases[line] for line in lines)
            factor = self.scale * earner.points
            if factor % whole:
                return [factor] + [0] * (len(lines) - 1)
            factor //= whole
        else:
            factor = self.scale // earner.per * earner.points
        return [bases[line] * factor for line in lines]

    def _contested(self) -> dict[str, bool]:
        """Tell of each campaign whether another of its lane could claim one of its lines."""
        contested = {}
        for members in self.lanes.values():
            if len(members) == 1:
                contested[members[0].id] = False
                continue
            claims = [0] * len(self.bases)
            for earner in members:
                for line in earner.lines:
                    claims[line] += 1
            for earner in members:
                contested[earner.id] = any(claims[line] > 1 for line in earner.lines)
        return contested

    def _is_plain(self, earners: list[Earner]) -> bool:
        fed = {e.id for e in self.fed}
        for earner in earners:
            if earner.limit is not None and not self._loose(earner, feeds=earner.id in fed):
                return False
            if earner.items and self._shares_a_line(earner, earners):
                return False
        currencies = {e.currency for e in self.lanes.get(0, ())}
        if self.fed and len(currencies) > 1 and any(self.contested[e.id] for e in self.fed):
            return False
        crowded = [b for m in self.lanes.values() for b in m if b.block and self.contested[b.id]]
        return len(crowded) <= BLOCKS_MOST

    def _loose(self, earner: Earner, *, feeds: bool) -> bool:
        """Tell whether the limit leaves the best claims all the same."""
        assert earner.limit is not None
        if sum(self.parts(earner, earner.lines)) <= earner.limit * self.scale:
            return True
        if earner.skip or feeds or self.contested[earner.id]:
            return False
        return earner.block or not earner.coded

    @staticmethod
    def _shares_a_line(earner: Earner, earners: list[Earner]) -> bool:
        own = set(earner.lines)
        return any(
            other.lane != earner.lane and not own.isdisjoint(other.lines) for other in earners
        )

    def _first_blocks(self) -> list[frozenset[str] | None]:
        """List the sets of contested blocks of lane 0 to fix, when multipliers read it."""
        blocks = [e for e in self.lanes.get(0, ()) if e.block and self.contested[e.id]]
        if not self.fed or not blocks:
            return [None]
        return [frozenset(e.id for e in each) for each in _disjoint(blocks)]

    def solve(self, first: frozenset[str] | None) -> tuple[Merit, list[Claim]]:
        """Choose lane by lane; *first* fixes the contested blocks of lane 0."""
        merit = NOTHING
        claims: list[Claim] = []
        for lane, members in self.lanes.items():
            self.basic = self.best_basic if lane == 0 else self._basic_of(claims)
            gained, chosen = self._lane(members, first if lane == 0 else None)
            merit = _add(merit, gained)
            claims += chosen
        return merit, claims

    def _basic_of(self, claims: Claims) -> dict[tuple[str, int], int]:
        if not self.fed:
            return {}
        return {
            (earner.currency, line): part
            for earner, lines in claims
            if earner.lane == 0
            for line, part in zip(lines, self.parts(earner, lines))
        }

    def _lane(
        self, members: list[Earner], fixed: frozenset[str] | None
    ) -> tuple[Merit, list[Claim]]:
        effects = [e for e in members if not e.block]
        by_line = self._line_bests(effects)
        blocks = [(e, m) for e in members if e.block for m in (self._merit_of(e),) if m > NOTHING]
        free = [(e, m) for e, m in blocks if not self.contested[e.id]]
        crowded = [(e, m) for e, m in blocks if self.contested[e.id]]
        if fixed is not None:
            free += [(e, m) for e, m in crowded if e.id in fixed]
            crowded = []
        merits = {e.id: m for e, m in crowded}
        best: tuple[Merit, Claims] | None = None
        for extra in _disjoint([e for e, _ in crowded]):
            taken = {line for e in extra for line in e.lines}
            taken.update(line for e, _ in free for line in e.lines)
            merit = NOTHING
            for _, own in free:
                merit = _add(merit, own)
            for e in extra:
                merit = _add(merit, merits[e.id])
            claims = [(e, e.lines) for e in (*(e for e, _ in free), *extra)]
            merit = self._with_lines(by_line, taken, merit, claims)
            if (
                best is None
                or merit > best[0]
                or (merit == best[0] and written_claims(claims) < written_claims(best[1]))
            ):
                best = merit, claims
        assert best is not None
        return best[0], sorted(best[1], key=lambda claim: claim[0].id)

    def _merit_of(self, block: Earner) -> Merit:
        worth = sum(self.parts(block, block.lines))
        if block.limit is not None:
            worth = min(worth, block.limit * self.scale)
        return worth * block.value, -block.coded, 1, block.priority

    def _line_bests(self, effects: list[Earner]) -> dict[int, tuple[Merit, Earner]]:
        """Find each line's best campaign; members come by id, so the first of equals stays."""
        bests: dict[int, tuple[Merit, Earner]] = {}
        for earner in effects:
            value, needs, priority = earner.value, -earner.coded, earner.priority
            for line, part in zip(earner.lines, self.parts(earner, earner.lines)):
                if part <= 0:
                    continue
                merit = (part * value, needs, 1, priority)
                known = bests.get(line)
                if (known is None and merit > NOTHING) or (known and merit > known[0]):
                    bests[line] = merit, earner
        return bests

    def _with_lines(
        self,
        by_line: dict[int, tuple[Merit, Earner]],
        taken: set[int],
        merit: Merit,
        claims: list[Claim],
    ) -> Merit:
        """Add the line effects on the lines that no block has taken."""
        worth: dict[str, int] = {}
        lines: dict[str, list[int]] = {}
        earners: dict[str, Earner] = {}
        needs = count = priority = 0
        for line, (own, earner) in by_line.items():
            if line in taken:
                continue
            lines.setdefault(earner.id, []).append(line)
            worth[earner.id] = worth.get(earner.id, 0) + own[0]
            earners[earner.id] = earner
            needs += own[1]
            count += 1
            priority += own[3]
        for name, earner in earners.items():
            if earner.limit is not None:
                worth[name] = min(worth[name], earner.limit * self.scale * earner.value)
            claims.append((earner, tuple(sorted(lines[name]))))
        return _add(merit, (sum(worth.values()), needs, count, priority))


def _add(one: Merit, other: Merit) -> Merit:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _disjoint(blocks: list[Earner]) -> list[tuple[Earner, ...]]:
    """List every set of *blocks* of one lane that share no line, the empty one included."""
    if not blocks:
        return [()]
    lines = {block.id: set(block.lines) for block in blocks}
    return [
        some
        for size in range(len(blocks) + 1)
        for some in combinations(blocks, size)
        if sum(len(block.lines) for block in some)
        == len(set[int]().union(*(lines[block.id] for block in some)))
    ]
