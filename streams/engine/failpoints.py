"""
Places where a test may kill the worker.

They are armed by an environment variable and cost a dictionary look-up when
they aren't.  `LOYALTY_FAILPOINTS=flushed=0.1,committed=1` kills at the point
`flushed` once in ten times, and at the first `committed`; the dice are seeded
with `LOYALTY_FAILPOINTS_SEED`.
"""

import os
import random
import signal
from collections.abc import Mapping

VARIABLE = "LOYALTY_FAILPOINTS"

POINTS = (
    "opening",  # a shard fences its predecessor
    "restoring",  # some of a changelog is applied
    "opened",  # a shard is about to start
    "handled",  # a handler has returned
    "began",  # a transaction is open and empty
    "produced",  # changelog and outputs are queued, nothing is sent for certain
    "flushed",  # the broker has them, the offsets aren't sent
    "offsets",  # the transaction is complete and not committed
    "committed",  # it is committed, the local state is behind
    "applied",  # the local state has caught up
    "revoked",  # partitions are being given away
)


def armed(environment: Mapping[str, str]) -> dict[str, float]:
    """
    Read the chances of each point from *environment*.

    Raises:
        ValueError: If it names a point that doesn't exist.
    """
    chances = {}
    for item in filter(None, environment.get(VARIABLE, "").split(",")):
        point, _, chance = item.partition("=")
        if point not in POINTS:
            raise ValueError(f"{VARIABLE} names {point!r}; there is {', '.join(POINTS)}")
        chances[point] = float(chance)
    return chances


_CHANCES = armed(os.environ)
_DICE = random.Random(os.environ.get(VARIABLE + "_SEED", "0"))  # noqa: S311 - tests want a seed


def reach(point: str) -> None:
    """Pass *point*, or die there as if killed from outside."""
    if _CHANCES and _DICE.random() < _CHANCES.get(point, 0.0):
        os.kill(os.getpid(), signal.SIGKILL)
