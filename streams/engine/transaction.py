"""
The one order of effects that makes a batch happen once or not at all.

Begin, changelog, outputs, flush, offsets, commit, and only then local state:
state is never ahead of the log, and behind is healed by a restore.  The flush
comes before the offsets because a broker refuses offsets for a while when the
transaction's partitions are new to it; and it makes the last changelog offset
known, which the local state must carry.

`Log` and `State` are protocols so that the simulator runs this same order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streams.engine.batch import TableReader
from streams.engine.record import Output

Position = Mapping[tuple[str, int], int]
Puts = Mapping[str, Mapping[bytes, bytes | None]]


class Log(Protocol):
    """A transactional writer of one shard."""

    def begin(self) -> None:
        """Open a transaction."""

    def change(self, table: str, items: Mapping[bytes, bytes | None]) -> None:
        """Queue *items* for the changelog of *table*."""

    def emit(self, outputs: Sequence[Output]) -> None:
        """Queue *outputs*, in order."""

    def flush(self) -> dict[str, int]:
        """Wait until all is written; give the last changelog offset of each table changed."""

    def acknowledge(self, position: Position) -> None:
        """Add the next offset to read of each source partition to the transaction."""

    def commit(self) -> None:
        """Make it all visible at once."""


class State(TableReader, Protocol):
    """The local tables of one shard."""

    def apply(self, puts: Puts, ends: Mapping[str, int]) -> None:
        """Write *puts* together with the changelog offsets they were logged at."""


def commit(
    log: Log,
    state: State,
    *,
    puts: Puts,
    outputs: Sequence[Output],
    position: Position,
    reach: Callable[[str], None],
) -> None:
    """
    Commit what a batch did and the position after it.

    Args:
        log: Where it becomes true.
        state: What follows.
        puts: New values per table.
        outputs: Records for other topics.
        position: For each source partition the next offset to read.
        reach: Called between every two effects, with the name of the place.

    Raises:
        AbortedError: Nothing has happened; the same records may be tried again.
        LostPartitionError: Nothing has happened, and it is another worker's turn.
    """
    log.begin()
    reach("began")
    for table, items in puts.items():
        if items:
            log.change(table, items)
    log.emit(outputs)
    reach("produced")
    ends = log.flush()
    reach("flushed")
    log.acknowledge(position)
    reach("offsets")
    log.commit()
    reach("committed")
    if ends:
        state.apply(puts, ends)
    reach("applied")
