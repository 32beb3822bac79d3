"""The best combination where lines hardly see each other: parts apart, then put together.

Most receipts fall into parts, lines or what sets tie together, that only share the
limits of some campaigns and a last coupon over all lines.  Each part is worth at most
what it is worth at prices: a minor unit that a limited campaign takes costs its price,
and a unit left counts what it does after the coupon.  So the best of each part add up
to a bound, and their combination is worth nearly that; what is between the two is how
much worse another outcome of a part may be.  Few are, and those are put together.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product

from msgspec import Struct

from streams.core.combination import Claim, Offer, discount_lane
from streams.core.depth import allow_depth
from streams.core.line_ways import LineWays
from streams.core.part import Outcome
from streams.core.set_part import SetPart
from streams.core.set_ways import SetWays
from streams.core.task import Budget, Position, Solution, Task
from streams.core.written import TIES_MOST, comes_before, tidied

FINE = 1 << 16  # Worths are kept in parts of the scale, as the coupon's share is a ratio.
GUESS = 64  # Minor units below the best that are looked for at first.
VARIANTS_MOST = 128  # Exchanges of pieces that are weighed; beyond it the answer is not proven.
PARTS_A_NODE = 16  # To estimate a combination is a node for so many parts.
ROUNDS = 3  # How often prices are adjusted.
TIED_MOST, TIED_MOST_A_LINE = 50, 5  # Campaigns on the lines of sets: in all, and on each.


class Usual(Struct, frozen=True):
    """
    What ties the parts of a usual receipt together.

    Attributes:
        lanes: Lanes in use, in order.
        limited: Places of line effects whose limit may bind.
        block: Place of the coupon in the last lane, or −1.
    """

    lanes: tuple[int, ...]
    limited: frozenset[int]
    block: int


def usual(task: Task) -> Usual | None:
    """Find what ties the parts together, or None where more does than an assembly can weigh."""
    offers = task.offers
    used = {offer.lane for offer in offers}
    lanes = tuple(lane for lane in task.lanes if lane in used)
    blocks = [at for at, offer in enumerate(offers) if offer.kind == "basket"]
    limited = frozenset(at for at, offer in enumerate(offers) if offer.limit is not None)
    apart = (
        task.cap_left is None
        and not any(task.odds)
        and not any(offer.alone or offer.items for offer in offers)
        and all(whole <= task.scale and cut <= task.scale for whole, cut in task.rates.values())
        and (not blocks or (len(blocks) == 1 and _last(task, blocks[0], lanes)))
        and _limits_fit([offers[at] for at in limited], offers)
        and _sets_fit(offers)
        and not _too_tied(offers)
    )
    return Usual(lanes, limited, blocks[0] if blocks else -1) if apart else None


def _limits_fit(limited: Sequence[Offer], offers: Sequence[Offer]) -> bool:
    """Tell whether all limits are of line effects of one lane, in which no set is laid."""
    lanes = {offer.lane for offer in limited}
    return (
        len(lanes) <= 1
        and not any(offer.skip or offer.kind in ("set", "basket") for offer in limited)
        and not any(offer.kind == "set" and offer.lane in lanes for offer in offers)
    )


def _sets_fit(offers: Sequence[Offer]) -> bool:
    """Tell whether no line is in sets of two lanes, directly or through other lines."""
    groups: dict[int, set[int]] = {}
    lanes: dict[int, set[int]] = {}
    for offer in offers:
        if offer.kind != "set":
            continue
        joined = set(offer.lines).union(*(groups.get(line, ()) for line in offer.lines))
        used = {offer.lane}.union(*(lanes.get(line, ()) for line in joined))
        if len(used) > 1:
            return False
        for line in joined:
            groups[line], lanes[line] = joined, used
    return True


def _too_tied(offers: Sequence[Offer]) -> bool:
    """
    Tell whether so many campaigns meet on the lines of sets that listing their ways takes seconds.

    The search by lanes then ends sooner, if with a wider gap.
    """
    tied = frozenset(line for offer in offers if offer.kind == "set" for line in offer.lines)
    met = sum(len(tied.intersection(offer.lines)) for offer in offers)
    return met > TIED_MOST and met > TIED_MOST_A_LINE * len(tied)


def _last(task: Task, place: int, lanes: tuple[int, ...]) -> bool:
    """Tell whether a coupon is alone in the last lane, and so always worth having."""
    block = task.offers[place]
    if task.wary >> place & 1:
        return False
    if block.lane != lanes[-1] or block.limit is not None or block.figure <= 0:
        return False
    if sum(offer.lane == block.lane for offer in task.offers) > 1:
        return False
    rates = [task.rates[line] for line in block.lines]
    return all(whole == cut and cut < task.scale for whole, cut in rates)


class _Line:
    """A line that no set ties to others, as a part."""

    def __init__(self, line: LineWays) -> None:
        self.lines = (line,)
        self.whole = True

    def prepare(self) -> int:
        """Give the most it is worth."""
        line = self.lines[0]
        return line.most(0, line.whole, 0)

    def best(self, guess: int, must: int) -> list[Outcome]:
        """List the outcomes not below the best less *guess*, best first."""
        if must < 0:
            return self.outcomes(self.prepare() - guess, must)
        found = self.outcomes(-1, must)
        return [each for each in found if each.priced >= found[0].priced - guess]

    def outcomes(self, least: int, must: int) -> list[Outcome]:
        """List the outcomes whose priced worth is not below *least*, best first."""
        line = self.lines[0]
        ways = line.ways(0, line.whole, 0, least)
        if must >= 0:
            ways = [way for way in ways if must in way.places]
        ways.sort(key=lambda way: (-way.priced, way.places))
        return [
            Outcome(
                way.priced,
                way.worth,
                tuple((place, line.own) for place in way.places),
                (),
                () if way.limited < 0 else ((way.limited, way.taken, way.lost),),
            )
            for way in ways
        ]


class Assembly:
    """
    One search of a component in one order; `run` gives the best, `bound` is not below it.

    Outcomes that can't reach *known*, an objective found in another order, are left out.
    """

    def __init__(self, task: Task, kind: Usual, budget: Budget, known: Fraction | None) -> None:
        self.task = task
        self.kind = kind
        self.budget = budget
        self.scale = task.scale * FINE
        self.best: Solution | None = None
        self.least = -1 if known is None else -(-known.numerator * self.scale // known.denominator)
        self.top = -1
        self.must = -1
        if task.must is not None:
            self.must = next(at for at, o in enumerate(task.offers) if o.id == task.must)
        self.ties = 0
        self.weighed: set[frozenset[object]] = set()
        self.spent = False
        self.prices: dict[int, int] = dict.fromkeys(kind.limited, 0)
        # To weigh a combination is as much work as so many other nodes.
        self.weight = 4 + len(task.units) // 4
        self.lines = self._lines()
        self.parts = self._parts()
        self.fits = all(self._is_met(offer) for offer in task.offers if offer.net is not None)
        self.block = None if kind.block < 0 else task.offers[kind.block]
        self.rest = task.fixed * FINE  # What does not depend on the parts.
        self._set_rates()
        self._set_prices()
        self.top_of_rest = self.rest + sum(p * self._limit(c) for c, p in self.prices.items())

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
        units_of: dict[int, list[int]] = {line: [] for line in task.lines}
        for at, unit in enumerate(task.units):
            if unit.line in units_of:
                units_of[unit.line].append(at)
        by_depth = [
            [
                (at, offer)
                for at, offer in sorted(enumerate(task.offers), key=lambda each: _rank(each[1]))
                if offer.lane == lane and offer.kind not in ("set", "basket")
            ]
            for lane in self.kind.lanes
        ]
        seen = frozenset(
            at for at in range(len(task.offers)) if not task.plain >> at & 1 or at == self.must
        )
        return {
            line: LineWays(line, own, task.units, by_depth, self.kind.limited, seen, self.scale)
            for line, own in units_of.items()
        }

    def _set_rates(self) -> None:
        """Fix what a minor unit left on each line counts, after its part of the coupon."""
        rates = self.task.rates
        for line, own in self.lines.items():
            whole, cut = rates[line]
            own.keep = whole * FINE, cut * FINE
        if self.block is None:
            return
        amount = self.block.figure
        borne = {
            line.line: part.part.borne(at)
            for part in self.parts
            if isinstance(part, SetWays)
            for at, line in enumerate(part.lines)
        }
        lines = [self.lines[line] for line in self.block.lines]
        most = sum(line.whole - line.floor for line in lines)
        rooms = [self._least_room(line, borne.get(line.line, 0)) for line in lines]
        least = sum(rooms)
        if least < amount:
            self.fits = False
            return
        mean = sum(
            rates[line.line][1] * room for line, room in zip(lines, rooms, strict=True)
        ) // max(1, least)
        self.rest += amount * (self.task.scale - mean) * FINE
        for own in lines:
            rate = rates[own.line][1]
            more = (rate - mean) * amount * FINE
            # More than the mean counts least where all rooms are largest, less where least.
            cost = more // (most if more > 0 else least)
            own.keep = rate * FINE - cost, rate * FINE - cost
            # Each line's part is rounded by less than a minor unit.
            self.rest += cost * own.floor + rate * FINE

    @staticmethod
    def _least_room(line: LineWays, borne: int) -> int:
        """Give the least room that any claims before the coupon leave on a line."""
        return max(0, line.lowest(len(line.steps)) - line.floor - borne)

    def _parts(self) -> list[_Line | SetWays]:
        """Join the lines of each set, and make a part of every group."""
        groups = {line: {line} for line in self.lines}
        sets = [(at, o) for at, o in enumerate(self.task.offers) if o.kind == "set"]
        for _, offer in sets:
            joined = set[int]().union(*(groups[line] for line in offer.lines))
            groups.update(dict.fromkeys(joined, joined))
        parts: list[_Line | SetWays] = []
        for line, group in groups.items():
            if line != min(group):
                continue
            own = [at for at, offer in sets if offer.lines[0] in group]
            if not own:
                parts.append(_Line(self.lines[line]))
                continue
            depth = self.kind.lanes.index(self.task.offers[own[0]].lane)
            lines = [self.lines[each] for each in sorted(group)]
            task = self.task
            part = SetPart(lines, task.units, task.offers, own, depth)
            parts.append(SetWays(part, self.count))
        return parts

    def count(self, nodes: int) -> bool:
        """Use nodes of the budget; False when none is left."""
        return self.budget.take(nodes)

    def _set_prices(self) -> None:
        """
        Set for each limited campaign the price at which what it takes just fits.

        Any prices give a bound; these give a low one.
        """
        prices = self.prices
        for line in self.lines.values():
            line.prices = prices
        for _ in range(ROUNDS if len(prices) > 1 else 1):
            for place in sorted(prices):
                prices[place] = self._price(place)

    def _price(self, place: int) -> int:
        offer = self.task.offers[place]
        assert offer.limit is not None
        gains = []
        for line in offer.lines:
            gain, taken = self.lines[line].gain_of(place)
            if gain > 0:
                gains.append((gain // taken, taken))
        gains.sort(reverse=True)
        left = offer.limit
        for rate, taken in gains:
            left -= taken
            if left < 0:
                return rate
        return 0

    def _is_met(self, offer: Offer) -> bool:
        """Tell whether no combination misses an offer's threshold."""
        assert offer.net is not None
        depth = self.kind.lanes.index(offer.lane)
        lines = list(self.lines if offer.net.over == "all" else offer.lines)
        total = 0
        for line in lines:
            own = self.lines[line]
            total += own.lowest(sum(step.depth < depth for step in own.steps))
        for part in self.parts:
            if isinstance(part, SetWays) and part.part.depth < depth:
                total -= sum(
                    part.part.borne(at) for at, o in enumerate(part.lines) if o.line in lines
                )
        return offer.net.met(total)

    # --- Searching ------------------------------------------------------------

    def run(self) -> Solution | None:
        """Search all; None when nothing reaches what is known."""
        if self.must < 0 or self.must == self.kind.block:
            self._search(self.parts, -1)
        else:
            for forced, part in enumerate(self.parts):
                if any(line.line in self.task.offers[self.must].lines for line in part.lines):
                    self._search(self.parts, forced)
        if self.best is not None and not self.spent:
            self.best = tidied(self.task, self.best)
        return self.best

    def _search(self, parts: Sequence[_Line | SetWays], forced: int) -> None:
        listed = []
        top = self.top_of_rest
        for at, part in enumerate(parts):
            most = part.prepare()
            own = part.best(GUESS * self.scale, self.must if at == forced else -1)
            if not own:
                return
            listed.append(own)
            top += own[0].priced if part.whole else most
            self.spent |= not part.whole
        self.top = max(self.top, top)
        if top < self.least:
            return
        chosen = [own[0] for own in listed]
        self.weigh(chosen)
        slack = top - self.least
        if slack > GUESS * self.scale:
            listed = [
                part.outcomes(own[0].priced - slack, self.must if at == forced else -1)
                for at, (part, own) in enumerate(zip(parts, listed, strict=True))
            ]
            chosen = self._climb(listed, chosen)
            self.weigh(chosen)
            slack = top - self.least
        listed = [[each for each in own if each.priced >= own[0].priced - slack] for own in listed]
        self.spent |= any(not part.whole for part in parts)
        _Joining(self, listed).run()

    def _limit(self, place: int) -> int:
        limit = self.task.offers[place].limit
        assert limit is not None
        return limit

    def estimate(self, chosen: Sequence[Outcome]) -> int:
        """Give the most a combination can be worth: limits cut each campaign in proportion."""
        worth = self.rest
        taken: dict[int, int] = {}
        lost: dict[int, int] = {}
        for outcome in chosen:
            worth += outcome.worth
            for place, own, less in outcome.limited:
                taken[place] = taken.get(place, 0) + own
                lost[place] = lost.get(place, 0) + less
        for place, whole in taken.items():
            over = whole - self._limit(place)
            if over > 0:
                worth -= lost[place] * over // whole
        return worth

    def _climb(self, listed: Sequence[Sequence[Outcome]], start: list[Outcome]) -> list[Outcome]:
        """Exchange one outcome at a time while that is estimated to be worth more."""
        chosen = start
        best = self.estimate(chosen)
        better = True
        while better:
            better = False
            for at, own in enumerate(listed):
                for outcome in own:
                    if outcome is chosen[at] or not self.count(1 + len(chosen) // PARTS_A_NODE):
                        continue
                    tried = [*chosen[:at], outcome, *chosen[at + 1 :]]
                    worth = self.estimate(tried)
                    if worth > best:
                        chosen, best, better = tried, worth, True
        return chosen

    # --- Weighing a combination exactly ---------------------------------------

    def weigh(self, chosen: Sequence[Outcome]) -> None:
        """Evaluate a combination, once, and keep it if it is the best."""
        whole = frozenset((outcome.effects, outcome.sets) for outcome in chosen)
        if whole in self.weighed:
            return
        self.weighed.add(whole)
        sets = tuple(claim for outcome in chosen for claim in outcome.sets)
        alike = [own for outcome in chosen for own in outcome.alike]
        if not alike or not self._is_cut(chosen):
            self._evaluate(chosen, sets)
            return
        seen = set()
        for number, orders in enumerate(product(*(permutations(own) for own in alike))):
            if number >= VARIANTS_MOST or (number and not self.count(self.weight)):
                self.spent = True
                return
            names = {
                one: other
                for own, order in zip(alike, orders, strict=True)
                for one, other in zip(own, order, strict=True)
            }
            renamed = tuple(_renamed(claim, names) for claim in sets)
            key = frozenset((claim.offer.id, claim.units, claim.group) for claim in renamed)
            if key not in seen:
                seen.add(key)
                self._evaluate(chosen, renamed)

    def _is_cut(self, chosen: Sequence[Outcome]) -> bool:
        taken: dict[int, int] = {}
        for outcome in chosen:
            for place, own, _ in outcome.limited:
                taken[place] = taken.get(place, 0) + own
        return any(own > self._limit(place) for place, own in taken.items())

    def _evaluate(self, chosen: Sequence[Outcome], sets: Sequence[Claim]) -> None:
        task = self.task
        claims: dict[int, list[Claim]] = {lane: [] for lane in self.kind.lanes}
        in_sets = {(claim.offer.lane, u) for claim in sets for u in claim.units}
        for outcome in chosen:
            for place, units in outcome.effects:
                offer = task.offers[place]
                own = units
                if outcome.alike:
                    own = self._free(offer.lane, units, in_sets)
                claims[offer.lane].append(Claim(offer, own))
        for claim in sets:
            claims[claim.offer.lane].append(claim)
        if self.block is not None:
            whole = [u for line in self.block.lines for u in self.lines[line].own]
            claims[self.block.lane].append(Claim(self.block, tuple(sorted(whole))))
        running = task.start.running
        discount = 0
        for lane in self.kind.lanes:
            if not claims[lane]:
                continue
            result = discount_lane(claims[lane], task.units, running, None)
            if result is None:
                return
            running = tuple(r - off for r, off in zip(running, result.off, strict=True))
            discount += sum(result.totals.values())
        everything = tuple(claim for lane in self.kind.lanes for claim in claims[lane])
        self._account(everything, running, discount)

    def _free(
        self, lane: int, units: tuple[int, ...], in_sets: set[tuple[int, int]]
    ) -> tuple[int, ...]:
        """Give the units of a line that no set of the lane has, after pieces were exchanged."""
        own = self.lines[self.task.units[units[0]].line].own
        return tuple(u for u in own if (lane, u) not in in_sets)

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
        if most * FINE < self.least:
            return
        applied = frozenset(claim.offer.id for claim in claims)
        accrual = task.accrue(nets, frozenset(cut), applied)
        if accrual is None:
            return
        worth, coded, count, priority = accrual.merit
        merit = (
            worth + discount,
            discount,
            coded - sum(claim.offer.coded for claim in claims),
            count + len(claims),
            priority + sum(claim.offer.priority for claim in claims),
        )
        if self.best is not None and merit < self.best.merit:
            return
        at = Position(running, 0, 0, frozenset(), frozenset(), discount, claims)
        found = Solution(merit, claims, accrual, at)
        if self.best is not None and merit == self.best.merit and self.ties < TIES_MOST:
            self.ties += 1
            found = tidied(task, found)
            self.best = tidied(task, self.best)
        if self.best is None or comes_before(found, self.best, task.units):
            self.best = found
            objective = merit[0]
            self.least = max(
                self.least, -(-objective.numerator * self.scale // objective.denominator)
            )


class _Joining:
    """The outcomes of all parts that are still open, put together in every way."""

    def __init__(self, whole: Assembly, listed: Sequence[Sequence[Outcome]]) -> None:
        self.whole = whole
        self.settled = [own[0] for own in listed if len(own) == 1]
        self.open = sorted((own for own in listed if len(own) > 1), key=len)
        self.rest = [whole.top_of_rest]
        for own in reversed(self.open):
            self.rest.append(self.rest[-1] + own[0].priced)
        self.rest.reverse()

    def run(self) -> None:
        """Weigh every combination that may be as good as the best."""
        allow_depth(2 * len(self.open))
        self._choose(0, sum(each.priced for each in self.settled), ())

    def _choose(self, at: int, priced: int, chosen: tuple[Outcome, ...]) -> None:
        whole = self.whole
        if at == len(self.open):
            everything = [*self.settled, *chosen]
            if not whole.count(len(everything) // PARTS_A_NODE):
                whole.spent = True
                return
            if whole.estimate(everything) >= whole.least:
                if not whole.count(whole.weight):
                    whole.spent = True
                    return
                whole.weigh(everything)
            return
        for outcome in self.open[at]:
            if priced + outcome.priced + self.rest[at + 1] < whole.least:
                return
            if not whole.count(1):
                whole.spent = True
                return
            self._choose(at + 1, priced + outcome.priced, (*chosen, outcome))


def _rank(offer: Offer) -> tuple[bool, int, str]:
    return offer.coded, -offer.priority, offer.id


def _renamed(claim: Claim, names: dict[int, int]) -> Claim:
    return Claim(
        claim.offer,
        tuple(sorted(names.get(u, u) for u in claim.units)),
        tuple(sorted(names.get(u, u) for u in claim.group)),
    )
