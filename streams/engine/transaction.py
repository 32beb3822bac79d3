"""
The one order of effects that makes a round happen once or not at all.

A round is what the shards that share a writer have in hand: a share each.  Begin,
changelogs, outputs, flush, offsets, commit, and only then the local state of each shard:
state is never ahead of the log, and behind is healed by a restore.  The flush comes
before the offsets because a broker refuses offsets for a while when the transaction's
partitions are new to it; and it makes the last changelog offsets known, which the local
states must carry.

`Log` and `State` are protocols so that the simulator runs this same order.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from streams.engine.batch import TableReader
from streams.engine.record import Output

Position = Mapping[tuple[str, int], int]
Puts = Mapping[str, Mapping[bytes, bytes | None]]
Ends = Mapping[tuple[str, int], int]


class Log(Protocol):
    """A transactional writer of one stage in one worker."""

    def introduce(self, topics: Collection[str]) -> None:
        """
        Make this writer known to every partition of *topics*, before a transaction opens.

        Where that was long ago, changelogs are reminded of it as well.

        Raises:
            AbortedError: If the broker doesn't do it in time; nothing has happened.
        """

    def begin(self) -> None:
        """Open a transaction."""

    def change(self, table: str, partition: int, items: Mapping[bytes, bytes | None]) -> None:
        """Queue *items* for *partition* of the changelog of *table*."""

    def emit(self, outputs: Sequence[Output]) -> None:
        """Queue *outputs*, in order."""

    def flush(self) -> Ends:
        """
        Wait until all is written.

        Returns:
            The last changelog offset of each (table, partition) that was changed.
        """

    def acknowledge(self, position: Position) -> None:
        """Add the next offset to read of each source partition to the transaction."""

    def commit(self) -> None:
        """Make it all visible at once."""


class Writer(Log, Protocol):
    """A transactional writer over its whole life, which is that of the process."""

    @property
    def transactional_id(self) -> str:
        """Its name; the next process of this worker has the same, or fences it."""

    def fence(self) -> None:
        """
        Fence the earlier incarnation and settle the transaction it may have left open.

        The first call does it; this process is then the only one, and no later call does
        anything.

        Raises:
            FatalLogError: If the broker refuses or doesn't answer in time.
        """

    def join(self, group: object, note: str) -> None:
        """
        Write as a member of a generation from now on.

        Args:
            group: The group metadata of the generation; the broker refuses offsets of others.
            note: Kept with the committed offsets.
        """

    def introduce_to_changelogs(self, partitions: Iterable[int]) -> None:
        """
        Make this writer known to *partitions* of each changelog, as `introduce` does.

        It also opens what a first batch would wait for.

        Raises:
            AbortedError: As `introduce` does.
        """


class State(TableReader, Protocol):
    """The local tables of one shard."""

    def apply(self, puts: Puts, ends: Mapping[str, int]) -> None:
        """Write *puts* together with the changelog offsets they were logged at."""


class Share(Struct, frozen=True):
    """What one shard has done in a round: new values per table, and records for other topics."""

    partition: int
    state: State
    puts: Puts
    outputs: Sequence[Output]


def commit(
    log: Log,
    shares: Sequence[Share],
    *,
    position: Position,
    reach: Callable[[str], None],
) -> None:
    """
    Commit what the shards of a round did and the position after it.

    Args:
        log: Where it becomes true.
        shares: What was done, each by another shard.
        position: For each source partition of the round the next offset to read.
        reach: Called between every two effects, with the name of the place.

    Raises:
        AbortedError: Nothing has happened; the same records may be tried again.
        LostPartitionError: Nothing has happened, and it is another worker's turn.
    """
    log.introduce({output.topic for share in shares for output in share.outputs})
    log.begin()
    reach("began")
    for share in shares:
        for table, items in share.puts.items():
            if items:
                log.change(table, share.partition, items)
        log.emit(share.outputs)
    reach("produced")
    ends = log.flush()
    reach("flushed")
    log.acknowledge(position)
    reach("offsets")
    log.commit()
    reach("committed")
    for share in shares:
        own = {table: end for (table, at), end in ends.items() if at == share.partition}
        if own:
            share.state.apply(share.puts, own)
            reach("applying")
    reach("applied")
