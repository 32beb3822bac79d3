"""What a combination of discounts is made of: promotions.md §1 and §4.

A `Unit` is the smallest thing a claim can take: a piece, or a whole line where no
set could take a part of it.  What claims give is in `discounting`.
"""

from typing import Final

from msgspec import Struct

from streams.core.campaigns import Threshold

WHOLE_BP: Final = 10_000
UNIT_QUANTITY: Final = 1_000


class Unit(Struct, frozen=True):
    """
    A piece, or all pieces of a line that no set can part.

    Attributes:
        line: Position of its line.
        pieces: Numbers of its pieces within the line.
        quantity: Thousandths.
        list: Amount before discounts.
        floor: What discounts must leave.
    """

    line: int
    pieces: tuple[int, ...]
    quantity: int
    list: int
    floor: int


class Offer(Struct, frozen=True):
    """
    One discount campaign as one receipt sees it; its static conditions are met.

    Attributes:
        lane: Index of the written lane.
        kind: percent, amount and price are line effects; basket is a block; set is a set.
        figure: Basis points, minor units a whole unit, or minor units: as *kind* says.
        lines: Positions of its eligible lines, ascending.
        by_list: Whether it counts from list amounts.
        net: A threshold on running amounts at lane entry; list thresholds are static.
        cap: `limits.receipt.amount`.
        left: What the counters leave.
        skip: Whether it gives nothing when more than *left* is due.
        alone: `exclusive: receipt`.
        items: `exclusive: items`.
        groups: Of a set: how many pieces of which lines.
        reward: Of a set: percent, amount or price; *figure* is its number.
        cheapest: Of a set: only so many cheapest pieces are rewarded.
        group: Of a set: only the pieces of this group, counted from 0.
        rewarded: Of a set: whether the rewarded pieces alone bear the discount.
        sets_most: Of a set: how often a receipt may have it.
    """

    id: str
    lane: int
    kind: str
    figure: int
    lines: tuple[int, ...]
    by_list: bool = False
    net: Threshold | None = None
    cap: int | None = None
    left: int | None = None
    skip: bool = False
    coded: bool = False
    priority: int = 0
    alone: bool = False
    items: bool = False
    groups: tuple[tuple[int, frozenset[int]], ...] = ()
    reward: str = ""
    cheapest: int | None = None
    group: int | None = None
    rewarded: bool = False
    sets_most: int | None = None

    @property
    def limit(self) -> int | None:
        """The smaller of cap and counters."""
        if self.cap is None or self.left is None:
            return self.left if self.cap is None else self.cap
        return min(self.cap, self.left)

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Its place among offers that are alike but for it: the least is what ties prefer."""
        return self.coded, -self.priority, self.id


class Claim(Struct, frozen=True):
    """
    An offer's claim on units of one lane.

    Attributes:
        units: Positions of the units, ascending.
        group: Units of the rewarded group, where the reward names one.
    """

    offer: Offer
    units: tuple[int, ...]
    group: tuple[int, ...] = ()
