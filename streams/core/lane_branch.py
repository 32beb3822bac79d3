"""Where a search by lanes has come to inside one lane: sets laid, lines decided."""

from msgspec import Struct

from streams.core.bounds import Gain
from streams.core.combination import Claim

Gains = dict[int, dict[int, Gain]]  # By set and piece.
Item = tuple[int, int, int]  # Gain by discount, discount, gain.


class Laying(Struct, frozen=True):
    """
    How far the sets of a lane are laid.

    Attributes:
        opens: What each free piece counts without sets.
        gains: By set and piece, what it can add.
    """

    number: int
    way: int
    count: int
    worth: int
    opens: dict[int, int]
    gains: Gains

    def next(self) -> "Laying":
        """Go on to the next offer."""
        return Laying(self.number + 1, 0, 0, self.worth, self.opens, self.gains)


class Option(Struct, frozen=True):
    """
    A line effect on a line.

    Attributes:
        off: What it takes before cuts.
        worth: The most the line is worth then, without sets.
        gains: By set of a later lane and piece, what it can add then.
    """

    place: int
    claim: Claim
    off: int
    worth: int
    gains: Gains


class Row(Struct, frozen=True):
    """
    A line's options.

    Attributes:
        passed: Its worth without any of them; *left* is what sets can add then.
        open: The best of all but limited effects.
    """

    line: int
    options: tuple[Option, ...]
    passed: int
    open: int
    left: Gains


class Rows:
    """The lines still to decide, and what they can be worth from each on."""

    def __init__(self, rows: list[Row], dead: int) -> None:
        self.rows = rows
        self.dead = dead
        self.rest = [0]
        for row in reversed(rows):
            self.rest.append(self.rest[-1] + row.open)
        self.rest.reverse()
        self.known: dict[tuple[int, int], list[Item]] = {}

    def gains(self, place: int, number: int) -> list[Item]:
        """List what a limited effect would gain on the lines from *number* on."""
        known = self.known.get((place, number))
        if known is None:
            known = [
                item(option.off, option.worth - row.open)
                for row in self.rows[number:]
                for option in row.options
                if option.place == place and option.worth > row.open
            ]
            self.known[place, number] = known
        return known


class Stock(Struct, frozen=True):
    """What a limited effect has claimed so far."""

    items: tuple[Item, ...] = ()

    def more(self, option: Option, passed: int) -> "Stock":
        """Add a line; without a discount it is worth *passed*."""
        return Stock((*self.items, item(option.off, max(0, option.worth - passed))))


class Branch(Struct, frozen=True):
    """
    Where the lines of a lane are decided up to.

    Attributes:
        worth: Of all lines decided, limited effects not counted.
        stock: What limited effects have claimed.
        gains: By set of a later lane and piece, what it can add at most.
    """

    rows: Rows
    number: int
    worth: int
    stock: dict[int, Stock]
    gains: Gains

    def passing(self, row: Row) -> "Branch":
        """Leave the line without a campaign in this lane."""
        worth = self.worth + row.passed
        return Branch(self.rows, self.number + 1, worth, self.stock, self._with(row.left))

    def taking(self, row: Row, option: Option) -> "Branch":
        """Give the line to a campaign; a limited one's gain goes to its stock."""
        stock, value = self.stock, option.worth
        if option.place in stock:
            value = row.passed
            stock = {**stock, option.place: stock[option.place].more(option, row.passed)}
        gains = self._with(option.gains)
        if option.place in stock and gains:
            # Cut to less, the line may run anywhere between.
            gains = self.gains
        return Branch(self.rows, self.number + 1, self.worth + value, stock, gains)

    def _with(self, own: Gains) -> Gains:
        if not own:
            return self.gains
        return {place: {**each, **own.get(place, {})} for place, each in self.gains.items()}


def item(off: int, gain: int) -> Item:
    """Write a gain with its rate, which orders it."""
    return (gain << 40) // off, off, gain


def raise_to(gains: Gains, own: Gains) -> None:
    """Raise gains to *own* where that is more."""
    for place, each in own.items():
        known = gains[place]
        for unit, (gain, base) in each.items():
            most, dearest = known.get(unit, (0, 0))
            known[unit] = max(most, gain), max(dearest, base)


def rank(option: Option) -> tuple[bool, int, str]:
    """Give what ties order effects by that take as much: the first is the one to keep."""
    offer = option.claim.offer
    return offer.coded, -offer.priority, offer.id
