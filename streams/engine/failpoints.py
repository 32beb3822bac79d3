"""
Places where a test may kill or freeze the worker.

They are armed by an environment variable and cost a dictionary look-up when
they aren't.  `LOYALTY_FAILPOINTS=flushed=0.1,committed=1` kills at the point
`flushed` once in ten times, and at the first `committed`; `offsets=1:freeze` stops the
process there, once, until somebody lets it go on.  The dice are seeded with
`LOYALTY_FAILPOINTS_SEED`.
"""

import os
import random
import signal
from collections.abc import Mapping

from msgspec import Struct

VARIABLE = "LOYALTY_FAILPOINTS"

POINTS = (
    "opening",  # a stage is about to ask how far its predecessors got
    "restoring",  # some of a changelog is applied
    "opened",  # a shard is about to start
    "handled",  # a handler has returned
    "began",  # a transaction is open and empty
    "produced",  # changelog and outputs are queued, nothing is sent for certain
    "flushed",  # the broker has them, the offsets aren't sent
    "offsets",  # the transaction is complete and not committed
    "committed",  # it is committed, the local states are behind
    "applying",  # some of the local states have caught up
    "applied",  # all of them have
    "revoked",  # the shards are closed and their partitions are being given away
)

WAYS = {"": signal.SIGKILL, "freeze": signal.SIGSTOP}


class Charge(Struct, frozen=True):
    """What waits at a point: how often it goes off, from 0 to 1, and the signal it sends."""

    chance: float
    how: signal.Signals


def armed(environment: Mapping[str, str]) -> dict[str, Charge]:
    """
    Read what waits at each point from *environment*.

    Raises:
        ValueError: If it names a point or a way that doesn't exist.
    """
    charges = {}
    for item in filter(None, environment.get(VARIABLE, "").split(",")):
        point, _, rest = item.partition("=")
        chance, _, how = rest.partition(":")
        if point not in POINTS:
            raise ValueError(f"{VARIABLE} names {point!r}; there is {', '.join(POINTS)}")
        if how not in WAYS:
            raise ValueError(f"{VARIABLE} says {how!r}; there is {', '.join(WAYS)}")
        charges[point] = Charge(float(chance), WAYS[how])
    return charges


_CHARGES: dict[str, Charge] = {}
_DICE = random.Random()  # noqa: S311 - tests want a seed


def arm(environment: Mapping[str, str]) -> None:
    """Arm this process with what *environment* says; see armed."""
    _CHARGES.update(armed(environment))
    _DICE.seed(environment.get(VARIABLE + "_SEED", "0"))


arm(os.environ)


def reach(point: str) -> None:
    """Pass *point*, or die or freeze there as if it came from outside."""
    charge = _CHARGES.get(point)
    if charge is not None and _DICE.random() < charge.chance:
        # A process that goes on after a freeze is to be seen going on.
        _CHARGES.clear()
        os.kill(os.getpid(), charge.how)
