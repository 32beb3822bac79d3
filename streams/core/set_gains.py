"""What sets can add to a part at most, however its lines enter the lane of the sets.

A set takes no more than its percentage of any pieces it could reward, and a minor unit
of it is worth no more than on the line of the set where that is worth most.  So what a
set adds is at most a sum over its pieces, and each piece may come from its own best
entry, less its part of what that entry loses without sets.
"""

from collections.abc import Iterator, Sequence
from typing import Final, final

from streams.core.combination import WHOLE_BP, Offer
from streams.core.packing import Packing
from streams.core.set_part import ANY, Entries, SetPart

ROUNDED: Final = 4  # Minor units a piece by which rounding can add to a set, at most.
# Ways to lay sets that are bounded; of more, the part's own bound has to do.
WAYS_MOST: Final = 2_000
WAYS_A_NODE: Final = 1  # Ways to lay sets that a node bounds.

Taken = tuple[tuple[int, int], ...]  # How many pieces of which lines, by line.
# What a way adds at most, the rate at which it rewards, and the lines that may be rewarded so.
Added = tuple[int, int, tuple[int, ...]]
# The most that a part is worth, and by line the rates that may reward its pieces.
Bounded = tuple[int, list[set[int]]]


@final
class Filling:
    """
    A way to lay a set, by lines.

    Attributes:
        number: Of its offer, among those of the part.
        needs: How many pieces of which lines it has.
        rewarded: Those that may be rewarded; *most* of them are.
        bearing: Those that bear the discount, where a minor unit of it is worth most first.
        figure: What a minor unit that a rewarded piece runs at adds to it, in basis points.
        fixed: Minor units of it besides.
    """

    def __init__(
        self,
        number: int,
        needs: Taken,
        *,
        rewarded: Taken,
        most: int,
        bearing: Taken,
        figure: int,
        fixed: int,
    ) -> None:
        self.number = number
        self.needs = needs
        self.rewarded = rewarded
        self.most = most
        self.bearing = bearing
        self.figure = figure
        self.fixed = fixed


def _filling(part: SetPart, number: int, way: Sequence[Taken]) -> Filling:
    offer = part.offers[part.sets[number]]
    needs = way[0] if len(way) == 1 else _together(way)
    rewarded = needs if offer.group is None else way[offer.group]
    bearing = rewarded if offer.rewarded and offer.cheapest is None else needs
    figure = 0
    if offer.reward != "amount" and not offer.by_list:
        figure = offer.figure if offer.reward == "percent" else WHOLE_BP
    return Filling(
        number,
        needs,
        rewarded=rewarded,
        most=sum([count for _, count in needs]) if offer.cheapest is None else offer.cheapest,
        bearing=tuple(sorted(bearing, key=lambda each: -part.worth[each[0]])),
        figure=figure,
        fixed=_fixed(part, offer, rewarded),
    )


def _together(way: Sequence[Taken]) -> Taken:
    """Count the pieces of all groups by line."""
    needs: dict[int, int] = {}
    for taken in way:
        for at, count in taken:
            needs[at] = needs.get(at, 0) + count
    return tuple(needs.items())


class SetGains:
    """
    The bounds of a part, once it is weighed.

    What each line has a choice of is one of its entries, by its place, or `ANY`.
    """

    def __init__(self, part: SetPart) -> None:
        self.part = part
        self.counts = tuple([len(line.own) for line in part.lines])
        self.listed = False
        self.ways: list[Filling] | None = None
        # By way, what it adds for what its own lines may enter by: much else leaves it the same.
        self.totals: list[dict[tuple[int, ...], Added]] = []
        # By way, what it takes, as every packing of these pieces writes it.
        self.takes: list[int] = []
        self.known: dict[tuple[int, ...], Bounded] = {}

    @property
    def work(self) -> int:
        """Give the nodes of work that it is to bound the part once, the first time."""
        self._list()
        return 1 + len(self.ways or ()) // WAYS_A_NODE

    def _list(self) -> None:
        """List the ways to lay sets, when they are first asked for."""
        if self.listed:
            return
        self.listed = True
        self.ways = self._ways()
        number = Packing(0, self.counts).number
        for way in self.ways or ():
            self.totals.append({})
            self.takes.append(number(way.needs))

    def _ways(self) -> list[Filling] | None:
        """List the ways to lay sets; None where they are too many."""
        part = self.part
        if not part.bare:
            return None
        found: list[Filling] = []
        for number, place in enumerate(part.sets):
            for way in _ways(part, part.offers[place], self.counts):
                if len(found) == WAYS_MOST:
                    return None
                found.append(_filling(part, number, way))
        return found

    def most(self, entries: Sequence[Entries], choice: Sequence[int]) -> int:
        """Give the most the part is worth."""
        return self._bounded(entries, choice)[0]

    def most_and_losses(
        self, entries: Sequence[Entries], choice: Sequence[int]
    ) -> tuple[int, list[list[int]]]:
        """Give the most the part is worth, and by line and entry how far it stays below so."""
        most, roles = self._bounded(entries, choice)
        if self.ways is None:
            return most, [[each.bare(ANY) - e.bare for e in each.own] for each in entries]
        return most, _losses(entries, choice, roles)

    def _bounded(self, entries: Sequence[Entries], choice: Sequence[int]) -> Bounded:
        whole = tuple([(own.number << 32) + at for own, at in zip(entries, choice)])
        known = self.known.get(whole)
        if known is None:
            known = self.known[whole] = self._bound(entries, choice, whole)
        return known

    def _bound(
        self, entries: Sequence[Entries], choice: Sequence[int], whole: Sequence[int]
    ) -> Bounded:
        """Bound the part; *whole* tells by line its entries and its choice."""
        self._list()
        bare = sum([own.bare(at) for own, at in zip(entries, choice)])
        roles: list[set[int]] = [{0} for _ in choice]
        if self.ways is None:
            return bare + self.part.gain, roles
        packing = Packing(len(self.part.sets), self.counts)
        none = [own.adds(each, 0) for own, each in zip(entries, choice)]
        for way, takes, known in zip(self.ways, self.takes, self.totals):
            key = tuple([whole[at] for at, _ in way.needs])
            added = known.get(key)
            if added is None:
                added = known[key] = self._added(way, entries, choice, none)
            total, rate, rewarded = added
            for at in rewarded:
                roles[at].add(rate)
            if total > 0:
                packing.add(way.number, total, takes, 0)
        return bare + packing.most(0, packing.all), roles

    def _added(
        self,
        way: Filling,
        entries: Sequence[Entries],
        choice: Sequence[int],
        none: Sequence[int],
    ) -> Added:
        """
        Bound what a way adds if the lines it has pieces of enter as *choice* says.

        By line, *none* is what a piece adds that isn't rewarded.
        """
        worth = self._worth(way, entries, choice)
        total = worth * way.fixed
        margin = ROUNDED * self.part.scale
        for at, count in way.needs:
            total += (none[at] + margin) * count
        if not way.figure:
            return total, 0, ()
        rate, left = -(-worth * way.figure // WHOLE_BP), way.most
        more = [
            (entries[at].adds(choice[at], rate) - none[at], at, count) for at, count in way.rewarded
        ]
        if left < len(more) or left < sum([count for *_, count in more]):
            more.sort()
        rewarded = []
        for gain, at, count in more:
            own = min(left, count)
            if not own:
                break
            rewarded.append(at)
            total += gain * own
            left -= own
        return total, rate, tuple(rewarded)

    def _worth(self, way: Filling, entries: Sequence[Entries], choice: Sequence[int]) -> int:
        """
        Give what a minor unit of a set's discount is worth at most.

        It is borne by what the pieces run at: where it is worth more they run at most what
        they can, where it is worth less at least that, as long as that raises the mean.
        """
        worths = self.part.worth
        first, last = worths[way.bearing[0][0]], worths[way.bearing[-1][0]]
        if first == last:
            return first
        bounds = {at: entries[at].runs(choice[at]) for at, _ in way.bearing}
        weight = cost = 0
        for at, count in way.bearing:
            weight += bounds[at][0] * count
            cost += worths[at] * bounds[at][0] * count
        for at, count in way.bearing:
            own = worths[at]
            if weight and own * weight <= cost:
                break
            more = (bounds[at][1] - bounds[at][0]) * count
            weight += more
            cost += own * more
        return -(-cost // weight) if weight else first


def _losses(
    entries: Sequence[Entries], choice: Sequence[int], roles: Sequence[set[int]]
) -> list[list[int]]:
    """Give by line and entry how far all stays below the bound if the line enters so."""
    found = []
    for at, (own, each) in enumerate(zip(entries, choice)):
        if each != ANY or len(own.own) == 1:
            found.append([0] * len(own.own))
            continue
        bare, count = own.bare(ANY), own.count
        known = [(rate, own.adds(ANY, rate)) for rate in roles[at]]
        found.append(
            [
                bare
                - e.bare
                - count * max([0, *[rate * e.runs - e.lost - most for rate, most in known]])
                for e in own.own
            ]
        )
    return found


def _ways(part: SetPart, offer: Offer, counts: Sequence[int]) -> Iterator[tuple[Taken, ...]]:
    """Yield every way to fill an offer's groups with pieces of lines."""
    fit = [
        [line.line in offer.lines and line.line in fits for line in part.lines]
        for _, fits in offer.groups
    ]
    yield from _filled(offer, fit, 0, counts)


def _filled(
    offer: Offer, fit: Sequence[Sequence[bool]], group: int, left: Sequence[int]
) -> Iterator[tuple[Taken, ...]]:
    """Yield every way to fill the groups from *group* on with what is left of each line."""
    if group == len(offer.groups):
        yield ()
        return
    own = [count if fits else 0 for count, fits in zip(left, fit[group])]
    for taken in _taken(offer.groups[group][0], own, 0):
        rest = list(left)
        for at, count in taken:
            rest[at] -= count
        for others in _filled(offer, fit, group + 1, rest):
            yield (taken, *others)


def _taken(take: int, able: Sequence[int], first: int) -> Iterator[Taken]:
    """Yield every way to take so many pieces of the lines from *first* on."""
    if not take:
        yield ()
        return
    for at in range(first, len(able)):
        for count in range(1, min(take, able[at]) + 1):
            for rest in _taken(take - count, able, at + 1):
                yield ((at, count), *rest)


def _fixed(part: SetPart, offer: Offer, rewarded: Taken) -> int:
    """Give the minor units of a set's discount that do not depend on what its pieces run at."""
    if offer.reward == "amount":
        return offer.figure
    base = 0
    if offer.by_list:
        lists = sorted(part.lists[part.lines[at].own[0]] for at, n in rewarded for _ in range(n))
        base = sum(lists[: len(lists) if offer.cheapest is None else offer.cheapest])
    if offer.reward == "percent":
        return base * offer.figure // WHOLE_BP + 1 if base else 0
    return base - offer.figure
