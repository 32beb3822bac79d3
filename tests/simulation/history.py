"""
What happens to a simulated app, as data: a history can be printed, replayed and shrunk.

A history is drawn from a seed.  Who acts next is drawn too, from the same seed, but apart
from the faults: so that one fault less changes no more than it has to.
"""

import random
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

FAULTS = (
    "crash",  # killed; its disk is kept
    "wipe",  # killed, and its disk is lost
    "tear",  # the machine loses power: the last local writes are lost
    "freeze",  # it stands still for a while, and may be thrown out meanwhile
    "expel",  # the group throws it out, and it doesn't know
    "expire",  # its transaction is aborted for its age
    "abort",  # its next step of a transaction fails
    "rewind",  # its source is delivered again from further back
    "leave",  # it is told to stop, and does
    "compact",  # the changelogs are compacted
)


class Fault(Struct, frozen=True):
    """One fault: it hits whoever acts at *tick* or next after it."""

    tick: int
    kind: str
    amount: int = 0
    """Ticks until it is back; of a rewind the records, of a tear the writes that are lost."""


class History(Struct, frozen=True):
    """One run, whole."""

    seed: int
    workers: int
    partitions: int
    records: int
    keys: int
    stages: int
    batch: int
    """Records in a round at the most."""
    static: bool
    """Whether workers are static members, whose transactional ids outlive them."""
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        """Give what has to be pasted to replay it."""
        return repr(self)


def drawn(seed: int) -> History:
    """Draw the history of *seed*."""
    dice = random.Random(seed)  # noqa: S311 - a seed, not a secret
    workers = dice.choice((1, 2, 2, 3, 3, 4))
    faults = sorted(
        (
            Fault(dice.randrange(5, 220), dice.choice(FAULTS), dice.choice((1, 3, 10, 40, 80)))
            for _ in range(dice.randrange(2, 10))
        ),
        key=lambda fault: fault.tick,
    )
    return History(
        seed=seed,
        workers=workers,
        partitions=dice.choice((1, 2, 3)),
        records=dice.randrange(6, 18),
        keys=dice.choice((1, 2, 4)),
        stages=dice.choice((1, 1, 2)),
        batch=dice.choice((1, 2, 5, 100)),
        static=dice.random() < 0.5,
        faults=tuple(faults),
    )


def shrunk(history: History, fails: Callable[[History], bool]) -> History:
    """Give a smaller history that fails as well: fewer faults, records, workers, stages."""
    smaller = True
    while smaller:
        smaller = False
        for each in _simpler(history):
            if fails(each):
                history, smaller = each, True
                break
    return history


def _simpler(history: History) -> Iterator[History]:
    """Give the next simpler histories, the simplest first."""
    replace = msgspec.structs.replace
    for place in range(len(history.faults)):
        yield replace(history, faults=history.faults[:place] + history.faults[place + 1 :])
    for field, least in (
        ("stages", 1),
        ("workers", 1),
        ("partitions", 1),
        ("records", 1),
        ("keys", 1),
    ):
        value = getattr(history, field)
        if value > least:
            yield replace(history, **{field: least})
            yield replace(history, **{field: value - 1})
