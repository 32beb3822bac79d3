"""What a minor unit left on a line counts at most, for bounds."""

from collections.abc import Iterable, Sequence
from math import lcm
from typing import Final

from streams.core.problem import Seed
from streams.core.task import Rates

TIMES_WHOLE: Final = 100


def rates_of(seeds: Sequence[Seed], lines: Iterable[int]) -> Rates:
    """Give for each line the most that all accrual lanes count on a minor unit."""
    pers = [s.earner.per for s in seeds if s.earner.kind in ("percent", "per")]
    times = [s for s in seeds if s.earner.kind == "times"]
    scale = lcm(*pers) * (TIMES_WHOLE if times else 1)
    by_line = {
        line: (
            _rate(seeds, line, scale, cut=False),
            _rate(seeds, line, scale, cut=True),
        )
        for line in lines
    }
    lanes: dict[tuple[int, str], int] = {}
    for seed in times:
        key = seed.earner.lane, seed.earner.currency
        lanes[key] = max(lanes.get(key, 0), seed.earner.points)
    fixed = 0
    for seed in seeds:
        own = seed.earner
        if own.kind == "points":
            points = own.points if own.limit is None else min(own.points, own.limit)
            more = sum(each for (_, name), each in lanes.items() if name == own.currency)
            whole = points * own.value * scale
            fixed += whole + (-(-whole * more // TIMES_WHOLE) if own.lane == 0 else 0)
    return Rates(by_line, fixed, scale)


def _rate(seeds: Sequence[Seed], line: int, scale: int, *, cut: bool) -> int:
    basic: dict[str, int] = {}
    here = [s.earner for s in seeds if line in s.earner.lines and not (cut and s.skip_discounted)]
    for earner in here:
        if earner.lane == 0 and earner.kind in ("percent", "per"):
            rate = scale // earner.per * earner.points
            basic[earner.currency] = max(basic.get(earner.currency, 0), rate)
    lanes: dict[int, int] = {}
    for earner in here:
        if earner.kind == "points":
            continue
        if earner.kind == "times":
            rate = -(-basic.get(earner.currency, 0) * earner.points // TIMES_WHOLE)
        else:
            rate = scale // earner.per * earner.points
        lanes[earner.lane] = max(lanes.get(earner.lane, 0), rate * earner.value)
    return sum(lanes.values())
