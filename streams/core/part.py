"""A part of a receipt: lines that are settled together, and the ways to settle them."""

from msgspec import Struct

from streams.core.combination import Claim

# Places of line effects and the units they claim.
Effects = tuple[tuple[int, tuple[int, ...]], ...]
Limited = tuple[int, int, int]  # A limited offer, what it takes uncut, what is lost without it.


class Outcome(Struct, frozen=True, gc=False):
    """
    One way to settle a part.

    Attributes:
        priced: Worth less the prices of what limited campaigns take.
        worth: At most what it counts where no limit cuts.
        effects: Its line effects.
        sets: Its claims of sets.
        limited: What limited campaigns take; cut to a part, they lose that part.
        alike: Pieces that are told apart only where a limit cuts, by rounding.
    """

    priced: int
    worth: int
    effects: Effects
    sets: tuple[Claim, ...] = ()
    limited: tuple[Limited, ...] = ()
    alike: tuple[tuple[int, ...], ...] = ()
