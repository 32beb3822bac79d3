"""What a limit that binds before the sets' lane can do to a part with sets.

A limit cuts what its campaign takes, so pieces run at more when the sets are laid.
With the claims as they are, what a set takes is at most what it would take from those
rewarded uncut.  Its pieces bear it by what they run at, so a minor unit of it saves a
mean of what they would cost in the end; between no cut and all that mean only rises or
only falls, so the larger of the two ends will do.  That is a straight line in the cut,
above the true one: where nothing is cut is the worth, and how far it falls where all is
cut is what is lost.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from streams.core.combination import WHOLE_BP, Claim
from streams.core.part import Effects, Limited
from streams.core.set_part import Entry, SetPart


class Laid(Struct, frozen=True, gc=False):
    """
    A set that is laid.

    Attributes:
        off: Its discount, and *shares* is what each unit bears of it.
        rooms: By unit that bears it, what there is to take.
        rewarded: The units it is counted from.
        slope: What it takes of a further minor unit on one of those, in basis points.
    """

    claim: Claim
    off: int
    shares: Mapping[int, int]
    rooms: Mapping[int, int]
    rewarded: tuple[int, ...]
    slope: int


def cut_line(
    part: SetPart, entries: Sequence[Entry], laid: Sequence[Laid], rests: Sequence[Effects]
) -> tuple[int, tuple[Limited, ...]]:
    """
    Give what to add to the worth uncut, and what each limited campaign takes and loses.

    *rests* are the line effects of each line in and after the sets' lane.
    """
    lost: dict[int, int] = {}
    taken: dict[int, int] = {}
    for at, entry in enumerate(entries):
        if entry.limited >= 0:
            own = part.lines[at].own
            each = _missing(part, entry, low=True) // len(own)
            fall = sum(each * _cost(part, at, u, rests, low=True) for u in own)
            taken[entry.limited] = taken.get(entry.limited, 0) + entry.taken
            lost[entry.limited] = lost.get(entry.limited, 0) + fall
    more = part.margin
    for one in laid:
        saved = _saved(part, entries, one, rests, several=len(taken) > 1)
        more += one.off * saved
        for u, share in one.shares.items():
            more -= share * _cost(part, part.line_of[u], u, rests, low=True)
        for u in one.rewarded:
            entry = entries[part.line_of[u]]
            if entry.limited >= 0:
                each = _back(part, entry, u)
                lost[entry.limited] -= -(-each * saved * one.slope // WHOLE_BP)
    for at, entry in enumerate(entries):
        if entry.limited >= 0 and not part.straight[at]:
            lost[entry.limited] = min(0, lost[entry.limited])
    return more, tuple((place, taken[place], lost[place]) for place in sorted(taken))


def _saved(
    part: SetPart, entries: Sequence[Entry], one: Laid, rests: Sequence[Effects], *, several: bool
) -> int:
    """Give what a minor unit of a set's discount saves at most, wherever limits cut."""
    costs = {u: _cost(part, part.line_of[u], u, rests, low=False) for u in one.rooms}
    if several or one.claim.offer.rewarded or not any(one.rooms.values()):
        return max(costs.values())
    uncut = sum(costs[u] * room for u, room in one.rooms.items())
    bare = dict(one.rooms)
    for u in bare:
        entry = entries[part.line_of[u]]
        if entry.limited >= 0:
            bare[u] += _back(part, entry, u)
    cut = sum(costs[u] * room for u, room in bare.items())
    ends = (-(-uncut // sum(one.rooms.values())), -(-cut // sum(bare.values())))
    # Rounded, a piece may run at a minor unit or two more.
    return min(
        max(costs.values()), max(ends) + max(costs.values()) * 4 // max(1, min(bare.values()))
    )


def _back(part: SetPart, entry: Entry, unit: int) -> int:
    """Give what a piece runs at more where its line's limited campaign is cut to nothing."""
    count = len(part.lines[part.line_of[unit]].own)
    return -(-_missing(part, entry, low=False) // count)


def _missing(part: SetPart, entry: Entry, *, low: bool) -> int:
    """Give how much of what a limited campaign takes is missing in the lane of the sets."""
    after = entry.places[entry.places.index(entry.limited) + 1 :]
    return part.arriving(entry.taken, after, low=low)


def _cost(part: SetPart, at: int, unit: int, rests: Sequence[Effects], *, low: bool) -> int:
    """Give what a minor unit that a piece runs at costs in the end: all that is not counted."""
    places = [place for place, units in rests[at] if unit in units]
    return part.arriving(part.high[at], places, low=low)
