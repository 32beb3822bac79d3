"""One thing that must hold, and what was found: the lines of a reconciliation."""

from collections.abc import Iterable, Mapping
from itertools import islice

from msgspec import Struct

# Enough to see what is wrong, and no wall of text.
SHOWN = 5


class Check(Struct, frozen=True):
    """
    One thing that must hold.

    Attributes:
        name: What must hold, as a sentence.
        holds: Whether it does.
        figures: What was counted.
        problems: The first few exceptions, each as a sentence.
    """

    name: str
    holds: bool
    figures: dict[str, int]
    problems: tuple[str, ...] = ()


def checked(name: str, figures: Mapping[str, int], problems: Iterable[str]) -> Check:
    """Give the check that holds if there are no *problems*; it shows the first few."""
    shown = tuple(islice(problems, SHOWN))
    return Check(name, not shown, dict(figures), shown)
