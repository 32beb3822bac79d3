"""Choosing accrual claims by weighing every assignment, within a budget of nodes.

It is for what the table can't say: limits that could bind on a contested line, and
campaigns that exclude each other line by line.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, lcm
from typing import final

from streams.core.accrual_claims import NO_CHOICE, Choice, Earner, at_odds, better
from streams.core.accrual_count import counted, counted_by_line
from streams.core.depth import allow_depth


@final
class _Slot:
    """One decision: a block or not, or which campaign takes a line in a lane."""

    def __init__(self, lane: int, line: int | None, options: tuple[Earner, ...]) -> None:
        self.lane = lane
        self.line = line
        self.options = options


class Search:
    """
    Weighs every assignment of lines to campaigns, best options first, within a budget.

    The bound of a branch is what its claims count under their limits, and for each
    open decision the most that any option counts alone.
    """

    def __init__(self, earners: list[Earner], bases: Sequence[int], nodes: int) -> None:
        self.bases = bases
        self.nodes = nodes
        self.proven = True
        self.best = NO_CHOICE
        self.bar = 0
        alone, most = self._weighed(earners)
        # Bounds are compared at every node, and whole numbers are so ten times as fast.
        figures = [*alone.values(), *most.values()]
        self.scale = lcm(*(each.denominator for each in figures))
        self.alone = {key: int(each * self.scale) for key, each in alone.items()}
        self.most = {name: int(each * self.scale) for name, each in most.items()}
        self.slots = self._slots(earners)
        self.rest = [0]
        for slot in reversed(self.slots):
            best = max(self._worth(e, slot.line) for e in slot.options)
            self.rest.append(self.rest[-1] + max(best, 0))
        self.rest.reverse()

    def _weighed(
        self, earners: list[Earner]
    ) -> tuple[dict[tuple[str, int], Fraction], dict[str, Fraction]]:
        """Give the most that each campaign counts on each line, and in all."""
        alone: dict[tuple[str, int], Fraction] = {}
        in_all: dict[str, Fraction] = {}
        basic: dict[tuple[str, int], Fraction] = {}
        for earner in sorted(earners, key=lambda each: each.lane):
            parts = counted_by_line(earner, earner.lines, self.bases, basic)
            for line, part in zip(earner.lines, parts):
                alone[earner.id, line] = part * earner.value
                if earner.lane == 0:
                    key = earner.currency, line
                    basic[key] = max(basic.get(key, Fraction(0)), part)
            total = sum(parts, Fraction(0))
            most = total if earner.limit is None else min(total, Fraction(earner.limit))
            in_all[earner.id] = most * earner.value
        return alone, in_all

    def _worth(self, earner: Earner, line: int | None) -> int:
        return self.most[earner.id] if line is None else self.alone[earner.id, line]

    def _slots(self, earners: list[Earner]) -> list[_Slot]:
        slots = []
        for lane in sorted({each.lane for each in earners}):
            members = sorted((e for e in earners if e.lane == lane), key=lambda each: each.id)
            blocks = [e for e in members if e.block]
            blocks.sort(key=lambda each: (-self.most[each.id], each.id))
            slots += [_Slot(lane, None, (block,)) for block in blocks]
            for line in sorted({line for e in members if not e.block for line in e.lines}):
                options = [e for e in members if not e.block and line in e.lines]
                options = [e for e in options if e.kind != "times" or e.lane > 0]
                if options:
                    options.sort(key=lambda each: (-self._worth(each, line), each.id))
                    slots.append(_Slot(lane, line, tuple(options)))
        return slots

    def run(self) -> Choice:
        """Search, and say whether the answer is proven."""
        allow_depth(2 * len(self.slots))
        self._branch(0, {}, {}, 0)
        return Choice(self.best.worth, self.best.claims, self.proven)

    def _branch(
        self,
        at: int,
        chosen: dict[str, tuple[Earner, list[int]]],
        sums: dict[str, int],
        fixed: int,
    ) -> None:
        if self.nodes <= 0:
            self.proven = False
            return
        self.nodes -= 1
        if fixed + self.rest[at] < self.bar:
            return
        if at == len(self.slots):
            self._leaf(chosen)
            return
        slot = self.slots[at]
        for earner in slot.options:
            lines = earner.lines if slot.line is None else (slot.line,)
            if not self._fits(earner, lines, chosen):
                continue
            before = sums.get(earner.id, 0)
            after = min(before + self._worth(earner, slot.line), self.most[earner.id])
            known = chosen.get(earner.id, (earner, []))[1]
            self._branch(
                at + 1,
                {**chosen, earner.id: (earner, [*known, *lines])},
                {**sums, earner.id: after},
                fixed + after - before,
            )
        self._branch(at + 1, chosen, sums, fixed)

    @staticmethod
    def _fits(
        earner: Earner, lines: tuple[int, ...], chosen: dict[str, tuple[Earner, list[int]]]
    ) -> bool:
        for other, taken in chosen.values():
            if other is earner:
                continue
            if at_odds(earner, other):
                return False
            crowded = other.lane == earner.lane or earner.items or other.items
            if crowded and any(line in taken for line in lines):
                return False
        return True

    def _leaf(self, chosen: dict[str, tuple[Earner, list[int]]]) -> None:
        claims = sorted(
            ((earner, tuple(sorted(lines))) for earner, lines in chosen.values()),
            key=lambda claim: (claim[0].lane, claim[0].id),
        )
        worth = counted(claims, self.bases)
        if worth is None:
            return
        found = Choice(worth, tuple(claims))
        if better(found, self.best):
            self.best = found
            self.bar = ceil(worth * self.scale)
