"""What entries add up to: each moves points from one side of the books to another."""

from collections import Counter

from streams.core.postings import Entry

SIDES = ("issued", "spent", "expired", "reversed")


class Folded:
    """
    What the entries of one account and currency add up to.

    Attributes:
        sides: Points that reached a side; `issued` runs below 0, as points come from there.
        lots: Points left in each lot.
        debt: Points owed.
        transferred: Points that came from other accounts; negative when they went there.
    """

    def __init__(self) -> None:
        self.sides: Counter[str] = Counter()
        self.lots: Counter[str] = Counter()
        self.debt = 0
        self.transferred = 0

    def post(self, entry: Entry) -> None:
        """Apply one entry."""
        if entry.kind == "transfer":
            self._transfer(entry)
            return
        if entry.from_ == entry.to:
            return
        for side, sign in ((entry.from_, -1), (entry.to, 1)):
            if side == "lot":
                assert entry.lot is not None
                self.lots[entry.lot] += sign * entry.points
            elif side == "debt":
                # Points go from debt when they are owed, and to debt when they are repaid.
                self.debt -= sign * entry.points
            else:
                self.sides[side] += sign * entry.points

    @property
    def outstanding(self) -> int:
        """Points that are left in lots."""
        return sum(self.lots.values())

    @property
    def imbalance(self) -> int:
        """What came in less what went out and what is left: 0 in books that balance."""
        came = self.transferred - self.sides["issued"]
        gone = sum(self.sides[side] for side in SIDES[1:])
        return came - gone - self.outstanding + self.debt

    def _transfer(self, entry: Entry) -> None:
        sign = -1 if entry.from_ == "lot" else 1
        if entry.lot is None:
            self.debt -= sign * entry.points
            self.transferred -= sign * entry.points
        else:
            self.lots[entry.lot] += sign * entry.points
            self.transferred += sign * entry.points
