"""
Faults as data: what strikes, whom, and when.

A list of them is drawn from a seed, so that a run that found something is drawn again by
its seed.  When a fault strikes within the work of a process no seed decides.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, structs

COMMIT_POINTS = (
    "handled",
    "began",
    "produced",
    "flushed",
    "offsets",
    "committed",
    "applying",
    "applied",
)
OPEN_TRANSACTION_POINTS = ("began", "produced", "flushed", "offsets")
SESSION_S = 6.0
TRANSACTION_S = 5.0


class Fault(Struct, frozen=True):
    """
    One fault.

    Attributes:
        kind: A name of KINDS.
        after_s: Seconds after the one before.
        target: Which worker, or which broker, among those that it could be; by remainder.
        for_s: How long it lasts, in seconds.
        point: Where a worker dies or freezes.
        how_much: Milliseconds of delay.
        wipe: Whether the disk is lost too.
    """

    kind: str
    after_s: float = 0.0
    target: int = 0
    for_s: float = 0.0
    point: str = ""
    how_much: int = 0
    wipe: bool = False

    def __str__(self) -> str:
        shown = {
            k: v for k, v in structs.asdict(self).items() if v and k not in {"kind", "after_s"}
        }
        return f"+{self.after_s:.2f} s {self.kind} {shown}"


Draw = Callable[[random.Random], Mapping[str, Any]]


def lasting(least: float, most: float) -> Draw:
    """Draw a fault that lasts from *least* to *most* seconds."""
    return lambda dice: {"for_s": dice.uniform(least, most)}


def at_points(*points: str, least: float = 0.0, most: float = 0.0) -> Draw:
    """Draw a fault at one of *points*, sometimes with a lost disk."""
    return lambda dice: {
        "point": dice.choice(points),
        "for_s": dice.uniform(least, most),
        "wipe": dice.random() < 1 / 4,
    }


KINDS: dict[str, Draw] = {
    # Workers.
    "worker killed": lasting(0, 1.5),
    "two workers killed at once": lasting(0, 1.5),
    "worker killed, disk lost": lambda dice: {"for_s": dice.uniform(0, 1.5), "wipe": True},
    "worker killed while it starts": lasting(0.2, 3),
    "worker killed in a commit": at_points(*COMMIT_POINTS),
    "worker killed while it opens": at_points("opening", "opened"),
    "worker killed in a restore": lambda _: {"point": "restoring", "wipe": True},
    "worker killed in a rebalance": lambda _: {"point": "revoked"},
    "worker frozen past its session": lasting(SESSION_S + 1.5, SESSION_S + 4),
    "worker frozen in a commit past its session": at_points(
        *COMMIT_POINTS, least=SESSION_S + 1.5, most=SESSION_S + 4
    ),
    "transaction timed out": at_points(
        *OPEN_TRANSACTION_POINTS, least=TRANSACTION_S + 1, most=TRANSACTION_S + 2
    ),
    "worker joins": lasting(0, 3),
    "worker leaves": lasting(0, 2),
    # What comes in.
    "source transaction aborted": lambda _: {},
    "source transaction timed out": lambda _: {},
    # The broker, or one of three.
    "broker stopped": lasting(0, 3),
    "broker killed": lasting(0, 3),
    "broker paused": lasting(0.5, 7),
    "group coordinator killed": lasting(0, 4),
    "group coordinator stopped": lasting(0, 4),
    "transaction coordinator killed": lasting(0, 4),
    # The network.
    "network slow": lambda dice: {"how_much": dice.randrange(20, 400), "for_s": dice.uniform(1, 6)},
    "connections cut": lasting(0, 3),
    "connections half open": lasting(0, 0),
    "answer to a commit lost": lambda _: {},
}

ON_ONE = {
    "worker killed": 5,
    "two workers killed at once": 3,
    "worker killed, disk lost": 4,
    "worker killed while it starts": 3,
    "worker killed in a commit": 7,
    "worker killed while it opens": 3,
    "worker killed in a restore": 2,
    "worker killed in a rebalance": 2,
    "worker frozen past its session": 2,
    "worker frozen in a commit past its session": 2,
    "transaction timed out": 2,
    "worker joins": 2,
    "worker leaves": 2,
    "source transaction aborted": 2,
    "source transaction timed out": 2,
    "broker stopped": 3,
    "broker paused": 2,
    "network slow": 3,
    "connections cut": 4,
    "connections half open": 1,
    "answer to a commit lost": 4,
}
"""
Faults of a run on one broker, by kind.

A lone broker isn't killed: Kafka itself doesn't survive it, see "What Kafka does to it" in
`docs/engine.md`.
"""

ON_THREE = {
    "broker killed": 1,
    "broker paused": 1,
    "group coordinator killed": 1,
    "group coordinator stopped": 1,
    "transaction coordinator killed": 1,
    "worker killed in a commit": 2,
}
"""Faults of a run on three brokers, by kind: any one may be lost."""

SOAK_RUNS, SOAK_LOSSES = 8, 6
"""How often the soak has a run on one broker, and on three, each with faults of its own."""

WAVE = 10
"""Faults that overlap; then everything must be well before more come."""


def drawn(dice: random.Random, kinds: Mapping[str, int], *, pause_s: float = 1.0) -> list[Fault]:
    """Draw faults of *kinds*, as many of each as it says, in any order."""
    deck = [kind for kind, count in kinds.items() for _ in range(count)]
    dice.shuffle(deck)
    return [
        Fault(kind, dice.uniform(0, pause_s), dice.randrange(60), **KINDS[kind](dice))
        for kind in deck
    ]


def table(struck: Counter[str]) -> str:
    """Show how many faults of each kind struck."""
    width = max(map(len, struck), default=0)
    rows = [f"{kind:<{width}}  {count:>5}" for kind, count in sorted(struck.items())]
    return "\n".join([*rows, f"{'together':<{width}}  {struck.total():>5}"])
