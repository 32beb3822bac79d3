"""The best sets that share no piece, where each way to lay a set adds what it adds alone."""

from collections.abc import Iterable

STATES_MOST = 2_048  # Of pieces that may be left; beyond it packing would take milliseconds.

Way = tuple[int, tuple[tuple[int, int], ...]]  # What it adds, and how many pieces of which kinds.


def states(counts: Iterable[int]) -> int:
    """Count the ways in which pieces can be left of so many of each kind."""
    found = 1
    for count in counts:
        found *= count + 1
    return found


class Packing:
    """
    The ways to lay the sets of each offer; those that add nothing are left out.

    A way is found by the first kind of pieces it has: whatever has pieces of the first
    kind that is left has none of a kind before it.
    """

    def __init__(self, offers: int) -> None:
        self.ways: list[dict[int, list[Way]]] = [{} for _ in range(offers)]
        self.known: dict[tuple[int, tuple[int, ...]], int] = {}

    def add(self, offer: int, gain: int, needs: tuple[tuple[int, int], ...]) -> None:
        """Add a way of an offer that takes so many pieces of each kind."""
        self.ways[offer].setdefault(min(needs)[0], []).append((gain, needs))

    def best(self, offer: int, free: tuple[int, ...]) -> int:
        """Give what the offers from *offer* on add at most with so many pieces of each kind."""
        known = self.known.get((offer, free))
        if known is not None:
            return known
        first = 0
        for first, count in enumerate(free):  # noqa: B007 - It ends at the first that is left.
            if count:
                break
        else:
            return 0
        best = self.best(offer, (*free[:first], 0, *free[first + 1 :]))
        for ways in self.ways[offer:]:
            for gain, needs in ways.get(first, ()):
                left = list(free)
                for kind, need in needs:
                    left[kind] -= need
                if min(left) >= 0:
                    best = max(best, gain + self.best(offer, tuple(left)))
        self.known[offer, free] = best
        return best
