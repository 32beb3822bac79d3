"""The lots of an account together: found, summed and put in order without looking at each.

A member collects hundreds of lots, and a receipt touches a few.  A purse is their tuple,
in order of id, which also keeps what was worked out of it: sums at an instant, the first
end, the spending order.  A changed purse is made of the one before, and so are these.
The rule of this file: what is kept is derived, so that a purse equals the tuple of its
lots, and one that is made anew says the same.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from msgspec import Struct

from streams.core.lots import FOREVER, Lot, end_of, spending_key, spending_order
from streams.core.receipt import EpochMs, Points

_id_of = attrgetter("id")
ACTIVE, PENDING, HELD = range(3)
SpendingKey = tuple[int, EpochMs, str]


class _Reading(Struct, frozen=True):
    """Active, pending and held points by currency, as they are from *at* until *until*."""

    at: EpochMs
    until: EpochMs
    sums: dict[str, tuple[Points, Points, Points]]


class Purse(tuple[Lot, ...]):  # noqa: SLOT001 - What is worked out later needs a place.
    """Lots in order of id."""

    _ids: list[str] | None = None
    _reading: _Reading | None = None
    _soonest: EpochMs | None = None
    _order: tuple[Sequence[str], list[SpendingKey]] | None = None

    @classmethod
    def of(cls, lots: Iterable[Lot]) -> "Purse":
        """Make a purse of *lots* in order of id; a purse stays what it is."""
        return lots if isinstance(lots, cls) else cls(lots)

    def find(self, lot_id: str) -> Lot | None:
        """Give the lot of that id, or None."""
        ids = self.ids
        place = bisect_left(ids, lot_id)
        if place < len(ids) and ids[place] == lot_id:
            return self[place]
        return None

    @property
    def ids(self) -> list[str]:
        """The ids, in order: a text is found among texts sooner than among lots."""
        if self._ids is None:
            self._ids = [lot.id for lot in self]
        return self._ids

    @property
    def soonest(self) -> EpochMs:
        """The instant at which the first lot with points ends."""
        if self._soonest is None:
            self._soonest = _first_end(self)
        return self._soonest

    def ended(self, mark: EpochMs) -> list[Lot]:
        """List the lots with points that have ended by *mark*."""
        if self.soonest > mark:
            return []
        return [lot for lot in self if lot.remaining and end_of(lot) <= mark]

    def sums(self, at: EpochMs) -> Mapping[str, tuple[Points, Points, Points]]:
        """
        Give active, pending and held points at the instant *at* by currency.

        A currency is listed once there has been a lot of it.
        """
        known = self._reading
        if known is None or not known.at <= at < known.until:
            known = self._reading = _read(self, at)
        return known.sums

    def in_spending_order(self, classes: Sequence[str]) -> list[SpendingKey]:
        """Give the keys of the lots that have, or had and may have again, points to give."""
        known = self._order
        if known is None or known[0] != classes:
            ranks = spending_order(classes)
            giving = [lot for lot in self if lot.remaining or lot.expired]
            known = classes, sorted([spending_key(lot, ranks) for lot in giving])
            self._order = known
        return known[1]

    def after(
        self, changed: Mapping[str, Lot], fresh: Mapping[str, Lot], *, at: EpochMs
    ) -> "Purse":
        """Make the purse in which by *at* lots have *changed* and *fresh* ones have come."""
        if not changed and not fresh:
            return self
        lots, ids, olds = list(self), self.ids.copy(), []
        for lot in changed.values():
            place = bisect_left(ids, lot.id)
            olds.append(lots[place])
            lots[place] = lot
        for lot in fresh.values():
            place = bisect_left(ids, lot.id)
            ids.insert(place, lot.id)
            lots.insert(place, lot)
        made = Purse(lots)
        made._ids = ids
        news = [*changed.values(), *fresh.values()]
        soonest = self._soonest
        if soonest is not None and not any(end_of(lot) <= soonest for lot in olds):
            made._soonest = min(soonest, _first_end(news))
        known = self._reading
        if known is not None and known.at <= at < known.until:
            # Read at the new instant, or what begins right now would seem to lie ahead.
            made._reading = _moved(_Reading(at, known.until, known.sums), olds, news)
        if self._order is not None:
            made._order = self._reordered(changed, fresh, *self._order)
        return made

    def _reordered(
        self,
        changed: Mapping[str, Lot],
        fresh: Mapping[str, Lot],
        classes: Sequence[str],
        keys: list[SpendingKey],
    ) -> tuple[Sequence[str], list[SpendingKey]]:
        ranks = spending_order(classes)
        keys = keys.copy()
        for lot in fresh.values():
            if lot.remaining or lot.expired:
                insort(keys, spending_key(lot, ranks))
        for lot in changed.values():
            key = spending_key(lot, ranks)
            place = bisect_left(keys, key)
            listed = place < len(keys) and keys[place] == key
            gives = bool(lot.remaining or lot.expired)
            if gives and not listed:
                keys.insert(place, key)
            elif listed and not gives:
                del keys[place]
        return classes, keys


def _first_end(lots: Iterable[Lot]) -> EpochMs:
    # Written out, as is `_read`: these two look at every lot of an account.
    first = FOREVER
    for lot in lots:
        if lot.remaining:
            expires_at, closed_at = lot.expires_at, lot.closed_at
            if expires_at is not None and expires_at < first:
                first = expires_at
            if closed_at is not None and closed_at < first:
                first = closed_at
    return first


def _read(lots: Iterable[Lot], at: EpochMs) -> _Reading:
    until = FOREVER
    sums: dict[str, list[Points]] = {}
    for lot in lots:
        own = sums.get(lot.currency)
        if own is None:
            own = sums[lot.currency] = [0, 0, 0]
        points, expires_at = lot.remaining, lot.expires_at
        if not points or (expires_at is not None and expires_at <= at):
            continue
        if lot.closed_at is not None:
            if lot.closed_at <= at:
                continue
            until = min(until, lot.closed_at)
        if expires_at is not None and expires_at < until:
            until = expires_at
        if lot.held:
            own[HELD] += points
        elif lot.active_from > at:
            own[PENDING] += points
            until = min(until, lot.active_from)
        else:
            own[ACTIVE] += points
    return _Reading(at, until, {name: (own[0], own[1], own[2]) for name, own in sums.items()})


def _moved(known: _Reading, olds: Iterable[Lot], news: Iterable[Lot]) -> _Reading:
    """Take *olds* out of a reading and put *news* into it."""
    gone, come = _read(olds, known.at), _read(news, known.at)
    sums = dict(known.sums)
    for currency, points in gone.sums.items():
        before = sums[currency]
        sums[currency] = (before[0] - points[0], before[1] - points[1], before[2] - points[2])
    for currency, points in come.sums.items():
        before = sums.get(currency, (0, 0, 0))
        sums[currency] = (before[0] + points[0], before[1] + points[1], before[2] + points[2])
    return _Reading(known.at, min(known.until, come.until), sums)


class OpenPurse:
    """
    The purse of an open book: lots as they stand, by id.

    Attributes:
        before: The purse when it was opened.
        fresh: The lots that have come since, in that order, as they stand.
    """

    __slots__ = ("_changed", "_gone", "before", "fresh")

    def __init__(self, before: Purse) -> None:
        self.before = before
        self.fresh: dict[str, Lot] = {}
        self._changed: dict[str, Lot] = {}
        self._gone: set[str] = set()

    def get(self, lot_id: str) -> Lot | None:
        """Give the lot of that id as it stands, or None."""
        lot = self._changed.get(lot_id) or self.fresh.get(lot_id)
        if lot is not None or lot_id in self._gone:
            return lot
        return self.before.find(lot_id)

    def __getitem__(self, lot_id: str) -> Lot:
        lot = self.get(lot_id)
        if lot is None:
            raise KeyError(lot_id)
        return lot

    def __setitem__(self, lot_id: str, lot: Lot) -> None:
        if lot_id in self._changed:
            self._changed[lot_id] = lot
        elif lot_id in self.fresh or lot_id in self._gone or self.before.find(lot_id) is None:
            self.fresh[lot_id] = lot
        else:
            self._changed[lot_id] = lot

    def __delitem__(self, lot_id: str) -> None:
        if self.fresh.pop(lot_id, None) is None:
            self._changed.pop(lot_id, None)
            self._gone.add(lot_id)

    def __contains__(self, lot_id: str) -> bool:
        return self.get(lot_id) is not None

    def values(self) -> Iterator[Lot]:
        """Go through the lots as they stand; those that came last."""
        changed, gone = self._changed, self._gone
        for lot in self.before:
            if lot.id not in gone:
                yield changed.get(lot.id, lot)
        yield from self.fresh.values()

    def ids(self) -> list[str]:
        """List the ids, in order."""
        return sorted(lot.id for lot in self.values())

    def ended(self, mark: EpochMs) -> list[Lot]:
        """List the lots with points that have ended by *mark*, as they stand."""
        if not self._changed and not self.fresh and not self._gone:
            return self.before.ended(mark)
        touched = {**self._changed, **self.fresh}
        found = [lot for lot in touched.values() if lot.remaining and end_of(lot) <= mark]
        return found + [
            lot
            for lot in self.before.ended(mark)
            if lot.id not in touched and lot.id not in self._gone
        ]

    def in_spending_order(self, classes: Sequence[str]) -> list[SpendingKey]:
        """Give the keys of the lots that may give points, as they stand."""
        keys = self.before.in_spending_order(classes)
        if not self._changed and not self.fresh and not self._gone:
            return keys
        return self.closed(FOREVER).in_spending_order(classes)

    def closed(self, at: EpochMs) -> Purse:
        """Make the purse of the lots as they stand at the instant *at*."""
        if self._gone:
            return Purse(sorted(self.values(), key=_id_of))
        return self.before.after(self._changed, self.fresh, at=at)
