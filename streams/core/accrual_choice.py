"""The best accrual claims on given nets, and what they award: promotions.md §4.

Nets are given: after the discounts, or the cash left after a redemption, or
the printed nets of a sold receipt.  What remains to choose is which campaign
claims which line in each accrual lane.  Figures are exact: counted points are
integers over a common denominator.

Most receipts need no search.  Lanes are apart unless a multiplier reads the
first, a line belongs to the campaign that counts most on it, and a block is
weighed against what its lines would count without it.  Conflicts between
campaigns are resolved by solving each largest set without a conflict.  Only
where a limit could bind on a contested line, or campaigns exclude each other
line by line, every assignment is searched, within a budget of nodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import ceil, lcm

from msgspec import Struct

from streams.core.allocation import half_up, spread
from streams.core.depth import allow_depth

NODES_MOST = 5_000  # promotions.md §4: when spent, the best found so far stands.
BLOCKS_MOST = 8  # 2^8 sets of blocks are tried; more of them contested go to the search.
SETS_MOST = 64  # Largest conflict-free sets of campaigns; more go to the search.
TIMES_WHOLE = 100  # `points_times: 150` is ×1.5.


class Earner(Struct, frozen=True):
    """
    One accrual campaign as one receipt sees it: running, its conditions and thresholds met.

    Attributes:
        lane: Position among the accrual lanes; lane 0 feeds the multipliers.
        kind: percent and times are line effects; per and points are blocks.
        points: Basis points, times − 100, points for each step, or points.
        per: What *points* are counted by: 10000 × unit, 100, the step, or 1.
        value: Worth of a point in minor units, at least 0.
        lines: Positions of the lines it can claim, ascending: eligible, base above 0, and
            not discounted if it skips those.
        cap: `limits.receipt.amount`, in points.
        left: What the counters leave, in points.
        skip: Whether it gives nothing when more than *left* is due.
        alone: `exclusive: receipt`.
        items: `exclusive: items`.
        foes: Ids of campaigns that can't apply beside it, from either one's `not_with`.
    """

    id: str
    lane: int
    kind: str
    points: int
    per: int
    currency: str
    value: int
    lines: tuple[int, ...]
    cap: int | None = None
    left: int | None = None
    skip: bool = False
    coded: bool = False
    priority: int = 0
    alone: bool = False
    items: bool = False
    foes: frozenset[str] = frozenset()

    @property
    def block(self) -> bool:
        """Whether it claims all its lines or nothing."""
        return self.kind in ("per", "points")

    @property
    def limit(self) -> int | None:
        """The smaller of cap and counters."""
        if self.cap is None or self.left is None:
            return self.left if self.cap is None else self.cap
        return min(self.cap, self.left)


Selection = tuple[tuple[int, tuple[int, ...]], ...]
# (worth of the counted points, − claims with needs, claims, priorities), added over claims.
Merit = tuple[int, int, int, int]
NOTHING: Merit = (0, 0, 0, 0)


class Choice(Struct, frozen=True):
    """
    The claims chosen.

    Attributes:
        worth: Σ counted points × value, in minor units.
        claims: Earner and the lines it claims, by lane and id.
        proven: False when the budget was spent before every assignment was weighed.
    """

    worth: Fraction
    claims: tuple["Claim", ...]
    proven: bool = True

    @property
    def merit(self) -> tuple[Fraction, int, int, int]:
        """Objective and ties 2 to 4; larger is better."""
        return (self.worth, *_ties(self.claims))

    @property
    def written(self) -> tuple[tuple[int, str, tuple[int, ...]], ...]:
        """The claims as tie 6 compares them; smaller is better."""
        return _written(self.claims)


NO_CHOICE = Choice(Fraction(0), ())
Claim = tuple[Earner, tuple[int, ...]]
Claims = Sequence[Claim]


def _ties(claims: Claims) -> tuple[int, int, int]:
    numbers = [1 if earner.block else len(lines) for earner, lines in claims]
    return (
        -sum(n for n, (earner, _) in zip(numbers, claims, strict=True) if earner.coded),
        sum(numbers),
        sum(n * earner.priority for n, (earner, _) in zip(numbers, claims, strict=True)),
    )


def _written(claims: Claims) -> tuple[tuple[int, str, tuple[int, ...]], ...]:
    return tuple(
        sorted(
            (earner.lane, earner.id, part)
            for earner, lines in claims
            for part in ((lines,) if earner.block else ((line,) for line in lines))
        )
    )


# --- What a set of claims counts and awards -----------------------------------


def counted(claims: Claims, bases: Sequence[int]) -> Fraction | None:
    """
    Count the worth of *claims* exactly, or None when one of them is not allowed.

    This is the definition; the fast ways below must agree with it.  Claims of lane 0
    are counted first, for the multipliers.  A claim that counts 0 before cuts, or a
    campaign after them, is not allowed.
    """
    basic: dict[tuple[str, int], Fraction] = {}
    worth = Fraction(0)
    for earner, lines in sorted(claims, key=lambda claim: claim[0].lane):
        parts = _parts(earner, lines, bases, basic)
        total = sum(parts, Fraction(0))
        if total <= 0 or (not earner.block and min(parts) <= 0):
            return None
        due = _cut(earner, total)
        if due <= 0:
            return None
        worth += due * earner.value
        if earner.lane == 0:
            for line, part in zip(lines, parts, strict=True):
                basic[earner.currency, line] = part * due / total
    return worth


def _parts(
    earner: Earner,
    lines: Sequence[int],
    bases: Sequence[int],
    basic: Mapping[tuple[str, int], Fraction],
) -> list[Fraction]:
    if earner.kind == "times":
        none = Fraction(0)
        own = [basic.get((earner.currency, line), none) for line in lines]
        return [each * earner.points / earner.per for each in own]
    if earner.kind == "points":
        whole = sum(bases[line] for line in lines)
        return [Fraction(earner.points * bases[line], whole) for line in lines]
    return [Fraction(bases[line] * earner.points, earner.per) for line in lines]


def _cut(earner: Earner, total: Fraction) -> Fraction:
    due = total if earner.cap is None else min(total, Fraction(earner.cap))
    if earner.left is not None and due > earner.left:
        return Fraction(0 if earner.skip else earner.left)
    return due


def award(claims: Claims, bases: Sequence[int]) -> tuple[tuple[Earner, int, tuple[int, ...]], ...]:
    """
    Give whole points and each claimed line's share, campaign by campaign in the order of *claims*.

    Points are rounded once a campaign, cut by its limits, then spread over its lines
    by base (multipliers: by basic points).  A campaign may award 0.
    """
    found = awarded([(earner, earner.left, lines) for earner, lines in claims], bases)
    return tuple((earner, points, shares) for earner, points, _, shares, _ in found)


def awarded(
    claims: Sequence[tuple[Earner, int | None, tuple[int, ...]]], bases: Sequence[int]
) -> list[tuple[Earner, int, tuple[int, ...], tuple[int, ...], list[int]]]:
    """
    Give for each claim, in their order, its earner, points, lines, shares and their weights.

    A claim is a campaign, what its counters leave, and its lines; see `award`.
    """
    basic: dict[tuple[str, int], int] = {}
    first = [at for at, claim in enumerate(claims) if claim[0].lane == 0]
    rest = [at for at, claim in enumerate(claims) if claim[0].lane != 0]
    awards = {}
    for at in (*first, *rest):
        earner, left, lines = claims[at]
        if earner.kind == "times":
            weights = [basic.get((earner.currency, line), 0) for line in lines]
        else:
            weights = [bases[line] for line in lines]
        points = _awarded(earner, left, sum(weights))
        shares = spread(points, weights)
        awards[at] = (earner, points, lines, shares, weights)
        if earner.lane == 0:
            for line, share in zip(lines, shares, strict=True):
                basic[earner.currency, line] = share
    return [awards[at] for at in range(len(claims))]


def _awarded(earner: Earner, left: int | None, base: int) -> int:
    if earner.kind == "per":
        points = base // earner.per * earner.points
    elif earner.kind == "points":
        points = earner.points
    else:
        points = half_up(base * earner.points, earner.per)
    due = points if earner.cap is None else min(points, earner.cap)
    if left is not None and due > left:
        return 0 if earner.skip else left
    return due


# --- Choosing -----------------------------------------------------------------


def choose(earners: Sequence[Earner], bases: Sequence[int], *, nodes: int = NODES_MOST) -> Choice:
    """
    Choose the claims of the largest objective, ties as promotions.md §4 orders them.

    Args:
        earners: The campaigns that can apply; an id occurs once.
        bases: Earning base of every line, at least 0.
        nodes: Budget of the search, where a search is needed.
    """
    able = [each for each in earners if each.lines and each.limit != 0 and each.points > 0]
    if sum(each.block for each in able) > 1:
        able = _undominated(able, bases)
    if not able:
        return NO_CHOICE
    sets = list(_conflict_free(able))
    if len(sets) == 1 and not any(each.items for each in able):
        groups = _apart(able)
        if len(groups) > 1:
            return _joined([choose(group, bases, nodes=nodes) for group in groups])
    best: Choice | None = None
    for members in sets[: SETS_MOST + 1]:
        found = _plain(members, bases) if len(sets) <= SETS_MOST else None
        if found is None:
            return _Search(able, bases, nodes).run()
        if best is None or better(found, best):
            best = found
    return best or NO_CHOICE


def _apart(earners: list[Earner]) -> list[list[Earner]]:
    """
    Group campaigns without conflicts, so that none gets in the way of one of another group.

    Two meet on a line of one lane, or where one multiplies what the other pays.
    """
    times = {each.currency for each in earners if each.kind == "times" and each.lane}
    group = list(range(len(earners)))
    first: dict[tuple[int | str, int], int] = {}

    def root(at: int) -> int:
        while group[at] != at:
            at = group[at]
        return at

    for at, earner in enumerate(earners):
        places: list[int | str] = [earner.lane]
        if earner.currency in times and (earner.lane == 0 or earner.kind == "times"):
            places.append(earner.currency)
        for place in places:
            for line in earner.lines:
                group[root(at)] = root(first.setdefault((place, line), at))
    found: dict[int, list[Earner]] = {}
    for at, earner in enumerate(earners):
        found.setdefault(root(at), []).append(earner)
    return list(found.values())


def _joined(choices: Sequence[Choice]) -> Choice:
    """Put the choices of groups that are apart together: objective and ties are sums."""
    claims = [claim for choice in choices for claim in choice.claims]
    return Choice(
        sum((choice.worth for choice in choices), Fraction(0)),
        tuple(sorted(claims, key=lambda claim: (claim[0].lane, claim[0].id))),
        all(choice.proven for choice in choices),
    )


def _undominated(earners: list[Earner], bases: Sequence[int]) -> list[Earner]:
    """Of the blocks of one lane that want the same lines and that nothing limits, keep the best."""
    best: dict[object, tuple[tuple[Fraction, int, int], Earner]] = {}
    rest = []
    named = frozenset().union(*(each.foes for each in earners))
    for earner in sorted(earners, key=lambda each: each.id):
        seen = earner.limit is not None or earner.alone or earner.items or earner.foes
        if not earner.block or seen or earner.id in named:
            rest.append(earner)
            continue
        whole = sum(bases[line] for line in earner.lines)
        points = Fraction(earner.points * (whole if earner.kind == "per" else 1), earner.per)
        merit = points * earner.value, -earner.coded, earner.priority
        key = earner.lane, earner.lines, earner.currency, earner.value
        if key not in best or merit > best[key][0]:
            best[key] = merit, earner
    return [*rest, *(earner for _, earner in best.values())]


def better(one: Choice, other: Choice) -> bool:
    """Tell whether *one* comes before *other*."""
    if one.merit != other.merit:
        return one.merit > other.merit
    return one.written < other.written


def at_odds(one: Earner, other: Earner) -> bool:
    """Tell whether two campaigns can't both apply to one receipt."""
    return one.alone or other.alone or other.id in one.foes or one.id in other.foes


def _conflict_free(earners: list[Earner]) -> Iterator[list[Earner]]:
    """Yield the largest sets without a conflict: Bron and Kerbosch over who gets along."""
    wary = [e for e in earners if e.alone or e.foes]
    odds = {(a.id, b.id) for a in wary for b in earners if a is not b and at_odds(a, b)}
    if not odds:
        yield earners
        return
    odds |= {(b, a) for a, b in odds}
    friends = {
        at: {to for to, b in enumerate(earners) if to != at and (a.id, b.id) not in odds}
        for at, a in enumerate(earners)
    }
    everyone = set(range(len(earners)))
    stack: list[tuple[tuple[int, ...], set[int], set[int]]] = [((), everyone, set())]
    found = 0
    while stack and found <= SETS_MOST:
        members, open_, closed = stack.pop()
        if not open_ and not closed:
            found += 1
            yield [earners[at] for at in sorted(members)]
            continue
        pivot = max(open_ | closed, key=lambda at: (len(friends[at] & open_), -at), default=0)
        for at in sorted(open_ - friends[pivot]):
            stack.append(((*members, at), open_ & friends[at], closed & friends[at]))
            open_ = open_ - {at}
            closed = closed | {at}


def _plain(earners: list[Earner], bases: Sequence[int]) -> Choice | None:
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
            or (merit == best[0] and _written(claims) < _written(best[1]))
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
            for line, part in zip(earner.lines, self.parts(earner, earner.lines), strict=True):
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
            for line, part in zip(lines, self.parts(earner, lines), strict=True)
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
                or (merit == best[0] and _written(claims) < _written(best[1]))
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
            for line, part in zip(earner.lines, self.parts(earner, earner.lines), strict=True):
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


# --- Searching ----------------------------------------------------------------


class _Slot(Struct, frozen=True):
    """One decision: a block or not, or which campaign takes a line in a lane."""

    lane: int
    line: int | None
    options: tuple[Earner, ...]


class _Search:
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
            parts = _parts(earner, earner.lines, self.bases, basic)
            for line, part in zip(earner.lines, parts, strict=True):
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
