"""The best combination where lines hardly see each other: parts apart, then put together.

Most receipts fall into parts, lines or what sets tie together, that only share the
limits of some campaigns and a last coupon over all lines.  Which lines claim limited
campaigns is chosen first (`takers`).  Each part is worth at most what it is worth if a
unit left counts what it does after the coupon.  So the best of each part add up to a
bound, and their combination is worth nearly that; what is between the two is how much
worse another outcome of a part may be.  Few are, and those are put together.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Final

from msgspec.structs import replace

from streams.core.combination import Claim, Offer
from streams.core.discounting import discount_lane
from streams.core.joining import Joining
from streams.core.line_part import LinePart
from streams.core.line_ways import DEEP, LineWays, Start
from streams.core.numbering import first_of, tidied
from streams.core.part import Outcome
from streams.core.search_budget import Budget
from streams.core.set_gains import SetGains
from streams.core.set_part import ANY, ROUNDED, Entries, SetPart
from streams.core.set_ways import SetWays
from streams.core.takers import Taker, Takers, Taking
from streams.core.task import Merit, Position, Solution, Task
from streams.core.thresholds import Thresholds
from streams.core.usual import Usual, usual

# Worths are kept in parts of the scale, as the coupon's share is a ratio: in so many a minor
# unit that rates stay below 30 bits and worths below 62, with which a compiled search is fast.
PARTS_MOST: Final = (1 << 30) - 1
DOUBTED: Final = 32  # Choices of outcomes from which on it is seen what thresholds count of them.
# Lines that could claim a limited campaign, for their choices to be bounded.
CLAIMING_MOST: Final = 24
GUESS: Final = 256  # Minor units below the best that are looked for at first.
# What other work comes to, in nodes, as measured: a node is some 9 us of it, interpreted.  To
# weigh a combination is one for each unit.
# Units a node of a combination of which it is only seen what limits leave.
UNITS_SETTLED: Final = 4
PAIRS_A_NODE: Final = 2  # Lines times offers of a component, to set it up.
ENTRIES_A_NODE: Final = 4  # Ways of lines into the lane of the sets, to take them together.
SMALL: Final = 24  # Pieces of a component for which a good combination isn't looked for first.


Part = LinePart | SetWays


class Assembly:
    """
    One search of a component in one order; `run` gives the best, `bound` is not below it.

    Only what is better than *known*, found in an earlier order, is looked for.
    """

    def __init__(
        self,
        task: Task,
        kind: Usual,
        budget: Budget,
        known: Merit | None,
        *,
        bounding: bool = True,
    ) -> None:
        """Set the parts up; *bounding* is whether `bound` will be asked for."""
        self.task = task
        self.bounding = bounding
        self.kind = kind
        self.budget = budget
        self.fine = max(1, PARTS_MOST // task.scale)
        self.scale = task.scale * self.fine
        self.best: Solution | None = None
        self.known = known
        self.least = -1
        self.top = -1
        self.must = -1
        if task.must is not None:
            self.must = next(at for at, o in enumerate(task.offers) if o.id == task.must)
        if known is not None:
            self._raise(known[0])
        self.weighed: set[frozenset[object]] = set()
        self.spent = False
        self.rough = self.base = -1  # As `_enough` and `_base` find them.
        # To weigh a combination is as much work as so many other nodes.
        self.weight = 1 + len(task.units)
        self.lines = self._lines()
        self.groups = self._groups()
        self.group_of = {
            line.line: at for at, group in enumerate(self.groups) for line in _lines(group)
        }
        self.doubtful = [
            at for at, o in enumerate(task.offers) if o.net is not None and not self._is_met(o)
        ]
        self.fits = True
        self.block = None if kind.block < 0 else task.offers[kind.block]
        self.rest = task.fixed * self.fine  # What does not depend on the parts.
        self._set_rates()
        self.free: list[Part] = []  # The parts without claims on limited campaigns.
        self.gains = {
            at: SetGains(part) for at, part in enumerate(self.groups) if isinstance(part, SetPart)
        }
        self.parts: dict[tuple[int, tuple[Start, ...]], Part] = {}
        limits = {at: task.offers[at].limit or 0 for at in kind.limited}
        self.takers = Takers(self.lines, limits, task.units, budget.take)

    @property
    def bound(self) -> Fraction:
        """At least the best objective."""
        best = Fraction(0) if self.best is None else self.best.merit[0]
        if not self.spent:
            return max(best, Fraction(self.least, self.scale)) if self.best is None else best
        return max(best, Fraction(self.top, self.scale))

    # --- Setting up -----------------------------------------------------------

    def _lines(self) -> dict[int, LineWays]:
        task = self.task
        depth_of = {lane: depth for depth, lane in enumerate(self.kind.lanes)}
        effects: dict[int, dict[int, list[tuple[int, Offer]]]] = {line: {} for line in task.lines}
        for at, offer in sorted(enumerate(task.offers), key=lambda each: each[1].rank):
            if offer.kind not in ("set", "basket"):
                depth = depth_of[offer.lane]
                for line in offer.lines:
                    effects[line].setdefault(depth, []).append((at, offer))
        seen = frozenset(
            at for at in range(len(task.offers)) if not task.plain >> at & 1 or at == self.must
        )
        return {
            line: LineWays(
                line,
                task.units_of.get(line, ()),
                task.units,
                sorted(effects[line].items()),
                self.kind.limited,
                seen,
                self.scale,
            )
            for line in task.lines
        }

    def _set_rates(self) -> None:
        """Fix what a minor unit left on each line counts, after its part of the coupon."""
        rates, fine = self.task.rates, self.fine
        for line, own in self.lines.items():
            whole, cut = rates[line]
            own.keep = whole * fine, cut * fine
        if self.block is not None:
            self._share_block(self.block)
        for part in self.groups:
            if isinstance(part, SetPart):
                part.weigh()

    def _share_block(self, block: Offer) -> None:
        """Lower what a minor unit left counts by its part of the coupon."""
        rates, fine = self.task.rates, self.fine
        amount = block.figure
        borne = {
            line.line: part.borne(at)
            for part in self.groups
            if isinstance(part, SetPart)
            for at, line in enumerate(part.lines)
        }
        lines = [self.lines[line] for line in block.lines]
        most = sum(line.whole - line.floor for line in lines)
        rooms = [self._least_room(line, borne.get(line.line, 0)) for line in lines]
        least = sum(rooms)
        if least < amount:
            self.fits = False
            return
        mean = sum(rates[line.line][1] * room for line, room in zip(lines, rooms)) // max(1, least)
        self.rest += amount * (self.task.scale - mean) * fine
        for own in lines:
            rate = rates[own.line][1]
            more = (rate - mean) * amount * fine
            # More than the mean counts least where all rooms are largest, less where least.
            cost = more // (most if more > 0 else least)
            own.keep = rate * fine - cost, rate * fine - cost
            # Each line's part is rounded by less than a minor unit.
            self.rest += cost * own.floor + rate * fine

    @staticmethod
    def _least_room(line: LineWays, borne: int) -> int:
        """Give the least room that any claims before the coupon leave on a line."""
        return max(0, line.lowest(DEEP) - line.floor - borne)

    def _groups(self) -> list[LineWays | SetPart]:
        """Join the lines of each set."""
        groups = {line: {line} for line in self.lines}
        sets = [(at, o) for at, o in enumerate(self.task.offers) if o.kind == "set"]
        for _, offer in sets:
            joined = set[int]().union(*(groups[line] for line in offer.lines))
            groups.update(dict.fromkeys(joined, joined))
        found: list[LineWays | SetPart] = []
        for line, group in groups.items():
            if line != min(group):
                continue
            own = [at for at, offer in sets if offer.lines[0] in group]
            if not own:
                found.append(self.lines[line])
                continue
            depth = self.kind.lanes.index(self.task.offers[own[0]].lane)
            lines = [self.lines[each] for each in sorted(group)]
            found.append(SetPart(lines, self.task.units, self.task.offers, own, depth))
        return found

    def _is_met(self, offer: Offer) -> bool:
        """Tell whether no combination misses an offer's threshold."""
        assert offer.net is not None
        depth = self.kind.lanes.index(offer.lane)
        lines = set(self.lines if offer.net.over == "all" else offer.lines)
        total = sum(self.lines[line].lowest(depth) for line in lines)
        for part in self.groups:
            if isinstance(part, SetPart) and part.depth < depth:
                total -= sum(part.borne(at) for at, o in enumerate(part.lines) if o.line in lines)
        return offer.net.met(total)

    # --- Searching ------------------------------------------------------------

    def run(self) -> Solution | None:
        """Search all; None when nothing reaches what is known."""
        if self.doubtful and self.must < 0 and self.known is None:
            self._begin_without_doubtful()
        if self.must < 0 or self.must == self.kind.block or self.must in self.kind.limited:
            self._search(-1)
        else:
            for forced, part in enumerate(self.groups):
                if any(line.line in self.task.offers[self.must].lines for line in _lines(part)):
                    self._search(forced)
        if self.best is not None and not self.spent:
            self.best = tidied(self.task, self.best)
        return self.best

    def _begin_without_doubtful(self) -> None:
        """Begin with the best that leaves out campaigns whose thresholds may be missed."""
        task = self.task
        kept = [at for at in range(len(task.offers)) if at not in self.doubtful]
        less = replace(
            task,
            offers=tuple([task.offers[at] for at in kept]),
            odds=tuple([task.odds[at] for at in kept]),
            plain=sum((task.plain >> at & 1) << place for place, at in enumerate(kept)),
            wary=sum((task.wary >> at & 1) << place for place, at in enumerate(kept)),
        )
        kind = usual(less)
        assert kind is not None
        apart = Assembly(less, kind, self.budget, None, bounding=False)
        if apart.fits:
            self.best = apart.run()
            if self.best is not None:
                self._raise(self.best.merit[0])

    def _raise(self, objective: Fraction) -> None:
        self.least = max(self.least, -(-objective.numerator * self.scale // objective.denominator))

    def _search(self, forced: int) -> None:
        """Go through the choices of who claims limited campaigns; *forced* part has the must."""
        self.budget.take(len(self.lines) * len(self.task.offers) // PAIRS_A_NODE)
        open_top = -1
        for taking in self._takings():
            if self.must in self.kind.limited and all(t.place != self.must for t in taking):
                continue
            if self.least >= 0 and not self.budget.take(1):
                self.takers.spent = True
                break
            self.budget.take(1 + len(self.task.units) // UNITS_SETTLED)
            starts = self.takers.starts(taking)
            open_top = max(open_top, self._settle(starts, forced))
        self.spent |= self.takers.spent
        if self.spent and self.bounding:
            if self.takers.options:
                top = min(self._base() + self.takers.most(), self._most())
            else:
                top = self._base()
            self.top = max(self.top, top if self.takers.spent else min(top, open_top))

    def _takings(self) -> Iterator[Taking]:
        """Yield the choices; first one with which a campaign that has to apply can be had."""
        if self.must in self.kind.limited:
            having = [t for own in self.takers.options for t in own if t.place == self.must]
            if having:
                yield (max(having, key=_full),)
        elif self.must >= 0:
            yield ()
        yield from self.takers.choices(self._enough)

    def _enough(self, gain: int) -> bool:
        """Tell whether limited campaigns that gain so much may lead to what is looked for."""
        if self.rough < 0:
            self.rough = self._most_without(fine=False)
        return self.rough + gain >= self.least and self._base() + gain >= self.least

    def _base(self) -> int:
        """Give the most that all is worth without limited campaigns, whatever they leave."""
        if self.base < 0:
            # Where so many lines could claim, most choices are left open: a rough bound does.
            self.base = self._most_without(fine=len(self.takers.options) <= CLAIMING_MOST)
        return self.base

    def _most_without(self, *, fine: bool) -> int:
        base = self.rest
        for part in self.groups:
            if not isinstance(part, SetPart):
                base += part.most(0, part.whole, 0)
                continue
            rough = part.gain + ROUNDED * part.scale * len(part.lines)
            base += self._set_gain(part) if fine else rough
            base += sum([line.most(0, line.whole, 0) for line in part.lines])
        return base

    def _set_gain(self, part: SetPart) -> int:
        """Give what sets add to a part at most, whatever its lines have of limited campaigns."""
        entries = []
        for at, line in enumerate(part.lines):
            ends = self.takers.ends(line.line)
            if ends is None:
                return part.gain + ROUNDED * part.scale * len(part.lines)
            # What an entry loses counts from the best of its own start.
            bares = [part.entries(at, end).bare(ANY) for end, _ in ends]
            less = [(end, own - bares[0]) for (end, _), own in zip(ends, bares)]
            entries.append(_less(part, at, less))
        gains = self.gains[self.groups.index(part)]
        self.budget.take(gains.work + sum([len(each.own) for each in entries]) // ENTRIES_A_NODE)
        most = gains.most(entries, (ANY,) * len(entries))
        return most - sum([line.most(0, line.whole, 0) for line in part.lines])

    def _most(self) -> int:
        """Give the most that all is worth, where a minor unit of a limit has its price."""
        takers = self.takers
        total = self.rest
        total += sum(price * takers.limits[place] for place, price in takers.prices[0].items())
        gains = {own[0].line: own for own in takers.options}
        for at, group in enumerate(self.groups):
            lines = _lines(group)
            ends = [takers.ends(line.line) for line in lines] if len(lines) > 1 else [None]
            if isinstance(group, SetPart) and None not in ends:
                total += self._most_of_sets(at, group, [each for each in ends if each])
                continue
            for line in lines:
                own = [t.priced(takers.prices[0][t.place]) for t in gains.get(line.line, ())]
                total += line.most(0, line.whole, 0) + max([0, *own])
            if isinstance(group, SetPart):
                total += group.gain + ROUNDED * group.scale * len(lines)
        return total

    def _most_of_sets(
        self, at: int, part: SetPart, ends: Sequence[Sequence[tuple[Start, int]]]
    ) -> int:
        """Give the most that a part is worth, less the prices of what its lines claim."""
        entries = [_less(part, line, own) for line, own in enumerate(ends)]
        gains = self.gains[at]
        self.budget.take(gains.work)
        margin = part.scale * len(self.kind.lanes)  # What limits cut is rounded.
        return gains.most(entries, (ANY,) * len(entries)) + margin * len(entries)

    def _settle(self, starts: Mapping[int, Start], forced: int) -> int:
        """Put the parts together that go on from *starts*; give a bound where it is not proven."""
        parts = self._parts(starts)
        top = self._most_together(parts)
        if top < self.least:
            return -1
        if self.least < 0 and sum([len(line.own) for line in self.lines.values()]) > SMALL:
            self._begin(parts)
        listed = []
        for at, part in enumerate(parts):
            others = top - part.most
            own = part.best(GUESS * self.scale, self.least - others, self._must(at, forced))
            self.spent |= not part.whole
            if not own:
                return -1 if part.whole else top
            listed.append(own)
            if part.whole:
                top = others + own[0].worth
        self.weigh([own[0] for own in listed])
        slack = top - self.least
        if slack > GUESS * self.scale:
            listed = [
                part.outcomes(own[0].worth - slack, self._must(at, forced))
                for at, (part, own) in enumerate(zip(parts, listed))
            ]
        listed = [[each for each in own if each.worth >= own[0].worth - slack] for own in listed]
        self._join(listed, starts)
        if all(part.whole for part in parts) and not self.spent:
            return -1
        self.spent = True
        if self.best is None:
            self._begin(parts)
        return top

    def _parts(self, starts: Mapping[int, Start]) -> list[Part]:
        """Give all parts, of which some lines go on from *starts*."""
        if not self.free:
            self.free = [self._part(at, {}) for at in range(len(self.groups))]
        parts = list(self.free)
        for at in {self.group_of[line] for line in starts}:
            parts[at] = self._part(at, starts)
        return parts

    def _most_together(self, parts: Sequence[Part]) -> int:
        """Give the most that all is worth with these parts, as closely as it may matter."""
        top = self.rest + sum([part.most for part in parts])
        if top < self.least:
            return top
        for part in parts:
            part.tighten()
        return self.rest + sum([part.most for part in parts])

    def _join(self, listed: Sequence[Sequence[Outcome]], starts: Mapping[int, Start]) -> None:
        """Weigh every choice of one outcome for each part that may be as good as the best."""
        seen: Sequence[int] = ()
        if prod([len(own) for own in listed]) >= DOUBTED:
            seen = self.doubtful
            self.budget.take(sum([len(own) for own in listed]) * len(seen))
        thresholds = Thresholds(self.task, self.kind.lanes, seen, starts)
        joining = Joining(
            [
                [thresholds.option(each, _lines(group)) for each in own]
                for group, own in zip(self.groups, listed)
            ],
            thresholds.needs,
            self.scale,
            lambda: self.least - self.rest,
            self.budget.take,
            self.weigh,
        )
        joining.run()
        self.spent |= joining.spent

    def _begin(self, parts: Sequence[Part]) -> None:
        """Weigh a good combination, so that there is one whatever nodes are left."""
        if self.must < 0:
            self.weigh([max(part.quick(), key=lambda each: each.worth) for part in parts])

    def _must(self, at: int, forced: int) -> int:
        return self.must if at == forced else -1

    def _part(self, at: int, starts: Mapping[int, Start]) -> Part:
        """Give a part whose lines go on from *starts*, or from the beginning."""
        group = self.groups[at]
        own = tuple([starts.get(line.line, line.start) for line in _lines(group)])
        known = self.parts.get((at, own))
        if known is None:
            if isinstance(group, SetPart):
                known = SetWays(group, self.gains[at], own, self.budget.take)
            else:
                known = LinePart(group, own[0])
            self.parts[at, own] = known
        return known

    # --- Weighing a combination exactly ---------------------------------------

    def weigh(self, chosen: Sequence[Outcome]) -> None:
        """Evaluate a combination, once, and keep it if it is the best."""
        whole = frozenset([(outcome.effects, outcome.sets) for outcome in chosen])
        if whole in self.weighed:
            return
        self.weighed.add(whole)
        self.budget.take(self.weight)
        task = self.task
        claims: dict[int, list[Claim]] = {lane: [] for lane in self.kind.lanes}
        for outcome in chosen:
            for place, units in outcome.effects:
                offer = task.offers[place]
                claims[offer.lane].append(Claim(offer, units))
            for claim in outcome.sets:
                claims[claim.offer.lane].append(claim)
        if self.block is not None:
            own = [u for line in self.block.lines for u in self.lines[line].own]
            claims[self.block.lane].append(Claim(self.block, tuple(sorted(own))))
        running = task.start.running
        discount = 0
        for lane in self.kind.lanes:
            if not claims[lane]:
                continue
            if self.doubtful and self._misses(claims[lane], running):
                return
            result = discount_lane(claims[lane], task.units, running, None)
            if result is None:
                return
            running = tuple([r - off for r, off in zip(running, result.off)])
            discount += sum(result.totals.values())
        everything = tuple([claim for lane in self.kind.lanes for claim in claims[lane]])
        self._account(everything, running, discount)

    def _misses(self, claims: Sequence[Claim], running: Sequence[int]) -> bool:
        """Tell whether a threshold is missed by what runs when its lane begins."""
        for offer in {claim.offer.id: claim.offer for claim in claims}.values():
            net = offer.net
            if net is not None:
                lines = self.lines if net.over == "all" else offer.lines
                if not net.met(sum(running[u] for line in lines for u in self.lines[line].own)):
                    return True
        return False

    def _account(self, claims: tuple[Claim, ...], running: tuple[int, ...], discount: int) -> None:
        task = self.task
        nets = [0] * (max(self.lines) + 1)
        cut = set()
        most = discount * task.scale + task.fixed
        for line, own in self.lines.items():
            nets[line] = sum(running[u] for u in own.own)
            is_cut = nets[line] != own.whole
            if is_cut:
                cut.add(line)
            most += task.rates[line][is_cut] * nets[line]
        if most * self.fine < self.least:
            return
        applied = frozenset(claim.offer.id for claim in claims)
        accrual = task.accrue(nets, frozenset(cut), applied)
        if accrual is None:
            return
        objective = accrual.worth + discount
        if (self.best is not None and objective < self.best.merit[0]) or (
            self.known is not None and objective < self.known[0]
        ):
            return
        _, coded, count, priority = accrual.merit
        merit = (
            objective,
            discount,
            coded - sum(claim.offer.coded for claim in claims),
            count + len(claims),
            priority + sum(claim.offer.priority for claim in claims),
        )
        if self.best is not None and merit < self.best.merit:
            return
        if self.known is not None and merit <= self.known:
            return
        at = Position(running, 0, 0, frozenset(), frozenset(), discount, claims)
        found = Solution(merit, claims, accrual, at)
        if self.best is not None and merit == self.best.merit:
            self.best = first_of(task, self.best, found, self.budget.take)
            return
        self.best = found
        self._raise(merit[0])


def _less(part: SetPart, at: int, ends: Sequence[tuple[Start, int]]) -> Entries:
    """Take the entries of a line from each of *ends* together, worth so much less."""
    (first, less), *others = ends
    if not others and not less:
        return part.entries(at, first)
    found = []
    for end, less in ends:
        found += [each.with_bare(each.bare - less) for each in part.entries(at, end).own]
    return part.gathered(at, found)


def _full(taker: Taker) -> int:
    return taker.full


def _lines(group: LineWays | SetPart) -> Sequence[LineWays]:
    return group.lines if isinstance(group, SetPart) else (group,)
