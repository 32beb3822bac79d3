"""The best sets that share no piece, where each way to lay a set adds what it adds alone.

Of few pieces it is exact.  Of many each piece has a price, such that no way adds more
than its pieces cost: then disjoint sets add no more than all pieces that are left cost.
"""

from collections.abc import Iterable, Sequence
from typing import Final

STATES_MOST: Final = 1_024  # Ways to have pieces left; of more, pieces are priced.
ROUNDS: Final = 3  # How often prices are lowered.

# What it adds, what it takes, and its name.
Way = tuple[int, int, int]


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

    Pieces are written as one number, a field for the count of each kind and above it a bit
    that is free: set before a way is taken off, it stays where the kind has enough.
    """

    def __init__(self, offers: int, counts: Sequence[int]) -> None:
        """Pack the sets of so many offers, of so many pieces of each kind."""
        self.exact = states(counts) <= STATES_MOST
        self.prices: list[int] = []
        self.counts = counts
        self.ways: list[dict[int, list[Way]]] = [{} for _ in range(offers)]
        self.width = max(counts, default=0).bit_length() + 1
        self.free_bits = self.all = 0  # The second is all pieces.
        for kind, count in enumerate(counts):
            self.free_bits |= 1 << self.width * (kind + 1) - 1
            self.all |= count << self.width * kind
        # By offer, what is known to be the best of what is left.
        self.known: list[dict[int, int]] = [{} for _ in range(offers)]

    def number(self, counts: Sequence[tuple[int, int]]) -> int:
        """Write so many pieces of these kinds as one number."""
        found, width = 0, self.width
        for kind, count in counts:
            found += count << width * kind
        return found

    def without(self, free: int, taken: int) -> int:
        """Take pieces away; −1 where too few of a kind are free."""
        bits = self.free_bits
        left = (free | bits) - taken
        return left ^ bits if left & bits == bits else -1

    def add(self, offer: int, gain: int, taken: int, name: int) -> None:
        """Add a way of an offer that takes these pieces."""
        first = ((taken & -taken).bit_length() - 1) // self.width
        self.ways[offer].setdefault(first, []).append((gain, taken, name))

    def chosen(self) -> list[tuple[int, int]]:
        """Give the best disjoint sets, as offers and names of ways; none where it is not exact."""
        found: list[tuple[int, int]] = []
        free = self.all
        while self.exact and free:
            most = self.best(0, free)
            first = ((free & -free).bit_length() - 1) // self.width
            after = free >> self.width * (first + 1) << self.width * (first + 1)
            for offer, ways in enumerate(self.ways):
                for gain, taken, name in ways.get(first, ()):
                    left = self.without(free, taken)
                    if left >= 0 and gain + self.best(0, left) == most:
                        found.append((offer, name))
                        after = left
                        break
                else:
                    continue
                break
            free = after
        return found

    def most(self, offer: int, free: int) -> int:
        """Give what the offers from *offer* on add at most with these pieces, as a number."""
        if self.exact:
            return self.best(offer, free)
        if not self.prices:
            self.prices = self._prices()
        total, width = 0, self.width
        mask = (1 << width) - 1
        for price in self.prices:
            if price:
                total += price * (free & mask)
            free >>= width
        return total

    def _needs(self, taken: int) -> list[tuple[int, int]]:
        """Read how many pieces of which kinds a number says."""
        found = []
        width = self.width
        mask = (1 << width) - 1
        while taken:
            kind = ((taken & -taken).bit_length() - 1) // width
            found.append((kind, taken >> width * kind & mask))
            taken = taken >> width * (kind + 1) << width * (kind + 1)
        return found

    def _prices(self) -> list[int]:
        """Share what each way adds among its pieces, then lower one price after another."""
        having: list[list[tuple[int, list[tuple[int, int]]]]] = [[] for _ in self.counts]
        prices = [0] * len(self.counts)
        for own in self.ways:
            for gain, taken, _ in [way for here in own.values() for way in here]:
                needs = self._needs(taken)
                size = sum([need for _, need in needs])
                for kind, _ in needs:
                    having[kind].append((gain, needs))
                    prices[kind] = max(prices[kind], -(-gain // size))
        for _ in range(ROUNDS):
            for kind, ways in enumerate(having):
                least = 0
                for gain, needs in ways:
                    left = gain
                    for other, need in needs:
                        if other == kind:
                            count = need
                        else:
                            left -= prices[other] * need
                    if left > least * count:
                        least = -(-left // count)
                prices[kind] = least
        return prices

    def best(self, offer: int, free: int) -> int:
        """Give what the offers from *offer* on add, exactly, of pieces written as a number."""
        if not free or offer == len(self.ways):
            return 0
        known = self.known[offer].get(free)
        if known is not None:
            return known
        width, bits = self.width, self.free_bits
        first = ((free & -free).bit_length() - 1) // width
        best = self.best(offer, free >> width * (first + 1) << width * (first + 1))
        for ways in self.ways[offer:]:
            for gain, taken, _ in ways.get(first, ()):
                left = (free | bits) - taken
                if left & bits == bits:
                    worth = gain + self.best(offer, left ^ bits)
                    if worth > best:  # noqa: PLR1730 - A call would cost as much as the rest.
                        best = worth
        self.known[offer][free] = best
        return best
