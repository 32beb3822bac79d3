"""A part of a receipt: lines that are settled together, and the ways to settle them."""

from typing import final

from streams.core.combination import Claim

# Places of line effects and the units they claim.
Effects = tuple[tuple[int, tuple[int, ...]], ...]


@final
class Outcome:
    """
    One way to settle a part.

    Attributes:
        worth: At most what it counts.
        effects: Its line effects.
        sets: Its claims of sets.
    """

    def __init__(self, worth: int, effects: Effects, sets: tuple[Claim, ...] = ()) -> None:
        self.worth = worth
        self.effects = effects
        self.sets = sets
