"""How sets can be laid: which pieces of which lines one set takes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, final

from streams.core.combination import Claim, Offer, Unit
from streams.core.discounting import claimed

KINDS_MOST: Final = 100  # Kinds of pieces a set is laid from; of more, the dearest.
# Ways to lay one set on a receipt; beyond it the answer is not proven.
SET_CLAIMS_MOST: Final = 4_000

Laying = tuple[tuple[int, ...], ...]  # By group, how many units of each kind.
# Of each kind that a laying takes: its units, how many it takes, how many for the offer's group.
Needs = tuple[tuple[tuple[int, ...], int, int], ...]


@final
class Layings:
    """
    The ways to lay one set, dearest first.

    Attributes:
        kinds: Units of one line that run equal are of one kind, unless `told_apart` parts them.
        ways: By group, how many units of each kind.
        whole: False when there were more than can be tried.
        needs: What ways take, once it was asked: a way is claimed beside many others.
    """

    def __init__(
        self,
        offer: Offer,
        kinds: tuple[tuple[int, ...], ...],
        ways: tuple[Laying, ...],
        *,
        whole: bool = True,
    ) -> None:
        self.offer = offer
        self.kinds = kinds
        self.ways = ways
        self.whole = whole
        self.needs: dict[Laying, Needs] = {}

    def claim(self, way: Laying, taken: Collection[int]) -> Claim | None:
        """Take the lowest free units of each kind; None where too few are free."""
        units: list[int] = []
        group: list[int] = []
        needs = self.needs.get(way)
        if needs is None:
            needs = self.needs[way] = self._needs(way)
        for kind, need, grouped in needs:
            free = [u for u in kind if u not in taken]
            if len(free) < need:
                return None
            units += free[:need]
            if grouped:
                group += free[:grouped]
        units.sort()
        group.sort()
        return Claim(self.offer, tuple(units), tuple(group))

    def _needs(self, way: Laying) -> Needs:
        """Give what a way takes of each kind; kinds it takes none of are left out."""
        at = self.offer.group
        takes = _together(way)
        grouped = (0,) * len(takes) if at is None else way[at]
        return tuple(
            [(kind, need, own) for kind, need, own in zip(self.kinds, takes, grouped) if need]
        )


def _together(way: Laying) -> tuple[int, ...]:
    """Count what a way takes of each kind for all groups."""
    if len(way) == 1:
        return way[0]
    return tuple([sum(column) for column in zip(*way, strict=True)])


def by_number(offer: Offer) -> bool:
    """Tell whether a set tells pieces of a line apart by number: by list they are all as cheap."""
    return offer.by_list and offer.cheapest is not None


def told_apart(
    here: Iterable[int],
    later: Collection[int],
    units_of: Mapping[int, Sequence[int]],
    running: Sequence[int],
) -> dict[int, int]:
    """
    Give for each unit the first that can stand for it where sets tell pieces apart by number.

    On the lines *here*, which such a set can have in this lane, one stands for its neighbours
    that run equal: every other piece comes before them all or after them all.  On the lines
    that one can have in a *later* lane none stands for another: which of two equals then runs
    at more matters.
    """
    found = {}
    for line in {*here, *later}:
        first = before = -1
        for unit in units_of[line]:
            if line in later or running[unit] != before:
                first = unit
            found[unit] = first
            before = running[unit]
    return found


def layings(
    offer: Offer,
    able: Sequence[int],
    units: Sequence[Unit],
    running: Sequence[int],
    lists: Sequence[int],
    *,
    apart: Mapping[int, int],
    nothing: bool = False,
    kinds_most: int = KINDS_MOST,
) -> Layings:
    """
    List the ways to lay *offer* on the units *able* that give a discount, or *nothing* too.

    Of more than *kinds_most* kinds of pieces, the dearest are taken; *apart* is what
    `told_apart` says.
    """
    kinds: dict[tuple[int, ...], list[int]] = {}
    for unit in able:
        own = units[unit]
        key = own.line, running[unit], own.list, own.floor, apart.get(unit, -1)
        kinds.setdefault(key, []).append(unit)
    whole = len(kinds) <= kinds_most
    if not whole:
        dearest = sorted(kinds, key=lambda key: (-key[1], key[0]))[:kinds_most]
        kinds = {key: kinds[key] for key in sorted(dearest)}
    sizes = [len(each) for each in kinds.values()]
    found: dict[object, Laying] = {}
    for tries, way in enumerate(_fillings(offer, [key[0] for key in kinds], sizes, 0)):
        told: object = _together(way)
        if offer.group is not None:
            told = told, way[offer.group]
        found.setdefault(told, way)
        if tries >= SET_CLAIMS_MOST:
            whole = False
            break
    everything = Layings(offer, tuple(tuple(kind) for kind in kinds.values()), ())
    bases = lists if offer.by_list else running
    worth = []
    for way in found.values():
        claim = everything.claim(way, ())
        assert claim is not None
        off, _ = claimed(claim, units, running, bases)
        if off > 0 or nothing:
            worth.append((-off, claim.units, way))
    worth.sort(key=lambda each: each[:2])
    return Layings(offer, everything.kinds, tuple(way for _, _, way in worth), whole=whole)


def _fillings(offer: Offer, lines: list[int], sizes: list[int], group: int) -> Iterator[Laying]:
    """Yield every way to fill the groups from *group* on with units of kinds of these sizes."""
    if group == len(offer.groups):
        yield ()
        return
    take, fits = offer.groups[group]
    able = [size if line in fits else 0 for size, line in zip(sizes, lines)]
    for counts in _counts(take, able):
        left = [size - count for size, count in zip(sizes, counts)]
        for rest in _fillings(offer, lines, left, group + 1):
            yield (counts, *rest)


def _counts(take: int, sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """List every way to take *take* units from kinds of these sizes."""
    if not sizes:
        if take == 0:
            yield ()
        return
    for count in range(min(take, sizes[0]), -1, -1):
        for rest in _counts(take - count, sizes[1:]):
            yield (count, *rest)
