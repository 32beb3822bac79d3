"""A part of a receipt: lines that are settled together, and the ways to settle them."""

from msgspec import Struct

from streams.core.combination import Claim

# Places of line effects and the units they claim.
Effects = tuple[tuple[int, tuple[int, ...]], ...]


class Outcome(Struct, frozen=True, gc=False):
    """
    One way to settle a part.

    Attributes:
        worth: At most what it counts.
        effects: Its line effects.
        sets: Its claims of sets.
    """

    worth: int
    effects: Effects
    sets: tuple[Claim, ...] = ()
