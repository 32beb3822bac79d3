"""The best sets that share no piece, where each way to lay a set adds what it adds alone.

Of few pieces it is exact.  Of many each piece has a price, such that no way adds more
than its pieces cost: then disjoint sets add no more than all pieces that are left cost.
"""

from collections.abc import Iterable, Sequence

STATES_MOST = 1_024  # Ways to have pieces left; of more, pieces are priced.
ROUNDS = 3  # How often prices are lowered.

# What it adds, how many pieces of which kinds it takes, and its name.
Way = tuple[int, tuple[tuple[int, int], ...], int]


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

    def __init__(self, offers: int, counts: Sequence[int]) -> None:
        """Pack the sets of so many offers, of so many pieces of each kind."""
        self.exact = states(counts) <= STATES_MOST
        self.prices: list[int] = []
        self.counts = counts
        self.ways: list[dict[int, list[Way]]] = [{} for _ in range(offers)]
        self.known: dict[tuple[int, tuple[int, ...]], int] = {}

    def add(self, offer: int, gain: int, needs: tuple[tuple[int, int], ...], name: int) -> None:
        """Add a way of an offer that takes so many pieces of each kind."""
        self.ways[offer].setdefault(min(needs)[0], []).append((gain, needs, name))

    def chosen(self) -> list[tuple[int, int]]:
        """Give the best disjoint sets, as offers and names of ways; none where it is not exact."""
        found: list[tuple[int, int]] = []
        free = tuple(self.counts)
        while self.exact and any(free):
            most = self.best(0, free)
            first = next(kind for kind, count in enumerate(free) if count)
            after = (*free[:first], 0, *free[first + 1 :])
            for offer, ways in enumerate(self.ways):
                for gain, needs, name in ways.get(first, ()):
                    left = list(free)
                    for kind, need in needs:
                        left[kind] -= need
                    if min(left) >= 0 and gain + self.best(0, tuple(left)) == most:
                        found.append((offer, name))
                        after = tuple(left)
                        break
                else:
                    continue
                break
            free = after
        return found

    def most(self, offer: int, free: tuple[int, ...]) -> int:
        """Give what the offers from *offer* on add at most with so many pieces of each kind."""
        if self.exact:
            return self.best(offer, free)
        if not self.prices:
            self.prices = self._prices()
        return sum([price * count for price, count in zip(self.prices, free, strict=True)])

    def _prices(self) -> list[int]:
        """Share what each way adds among its pieces, then lower one price after another."""
        ways = [way for own in self.ways for here in own.values() for way in here]
        having: list[list[Way]] = [[] for _ in self.counts]
        prices = [0] * len(self.counts)
        for gain, needs, _ in ways:
            size = sum([need for _, need in needs])
            for kind, _ in needs:
                having[kind].append((gain, needs, 0))
                prices[kind] = max(prices[kind], -(-gain // size))
        for _ in range(ROUNDS):
            for kind, own in enumerate(having):
                least = 0
                for gain, needs, _ in own:
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

    def best(self, offer: int, free: tuple[int, ...]) -> int:
        """Give what the offers from *offer* on add, exactly."""
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
            for gain, needs, _ in ways.get(first, ()):
                left = list(free)
                for kind, need in needs:
                    if left[kind] < need:
                        break
                    left[kind] -= need
                else:
                    worth = gain + self.best(offer, tuple(left))
                    if worth > best:  # noqa: PLR1730 - A call would cost as much as the rest.
                        best = worth
        self.known[offer, free] = best
        return best
