"""
What a handler sees of the world, and the draft that collects what it wants.

A draft is disposable: it holds what one call of a handler put and emitted.
An abort forgets it; a commit first logs it and then applies it to the store.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from streams.engine.record import Headers, Output, Record

Pair = tuple[bytes, bytes]


class ReferenceView(Protocol):
    """A reference as one batch sees it: it doesn't change while the handler runs."""

    @property
    def generation(self) -> int:
        """Rises with each change, also across a restart; equal means nothing has changed."""

    @property
    def offset(self) -> int:
        """The offset of the last record that is in the view; -1 if there is none."""

    def get(self, key: bytes) -> bytes | None:
        """Give the value of *key*; of versions, the one that serves last."""

    def as_of(self, key: bytes, at_ms: int) -> bytes | None:
        """Give the version of *key* that serves at *at_ms*, or None before the first."""

    def scan(self, prefix: bytes = b"") -> Iterator[Pair]:
        """Go through the keys that start with *prefix*, in order, as `get` gives them."""

    def versions(self, prefix: bytes = b"") -> Iterator[tuple[bytes, int, bytes]]:
        """Go through (key, valid from, value) of every version, in order of both."""


class Batch(Protocol):
    """
    Some records of one partition, the tables of that partition, and a place for outputs.

    What is put and emitted happens together with the acknowledgement of the
    records, or not at all.
    """

    @property
    def partition(self) -> int:
        """The partition of every source record and of every table in the batch."""

    @property
    def records(self) -> Sequence[Record]:
        """The records; those of one source topic are in the order of the log."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """Give the value of *key*, with what this batch has put already."""

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """Set *key* to *value*; None deletes it."""

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[Pair]:
        """
        Go through the keys that start with *prefix*, in ascending order.

        It sees what this batch had put when the scan began; what is put while
        it runs is seen by the next scan.
        """

    def emit(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        timestamp: int | None = None,
    ) -> None:
        """
        Send a record when the batch commits.

        Args:
            topic: Any topic, also a source of this app.
            key: Decides the partition by murmur2, as in Java, unless *partition* is given.
            value: None is a tombstone.
            partition: Where it must go.
            headers: In order; names may repeat.
            timestamp: Milliseconds since the epoch; None takes the producer's clock.
        """

    def reference(self, name: str) -> ReferenceView:
        """Give the reference *name*, which the stage has declared."""


class TableReader(Protocol):
    """Committed tables of one partition."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """Give the committed value of *key*."""

    def scan(self, table: str, prefix: bytes) -> Iterator[Pair]:
        """Go through the committed keys that start with *prefix*, in ascending order."""


class Draft:
    """The batch that a handler gets: reads through to the store, collects what is put."""

    __slots__ = ("_references", "_tables", "outputs", "partition", "puts", "records")

    def __init__(
        self,
        *,
        partition: int,
        records: Sequence[Record],
        tables: TableReader,
        table_names: Sequence[str],
        references: Mapping[str, ReferenceView],
    ) -> None:
        self.partition = partition
        self.records = records
        self.outputs: list[Output] = []
        self.puts: dict[str, dict[bytes, bytes | None]] = {name: {} for name in table_names}
        self._tables = tables
        self._references = references

    def get(self, table: str, key: bytes) -> bytes | None:
        """See Batch."""
        puts = self.puts[table]
        if key in puts:
            return puts[key]
        return self._tables.get(table, key)

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """See Batch."""
        self.puts[table][key] = value

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[Pair]:
        """See Batch."""
        puts = self.puts[table]
        fresh = sorted((key, puts[key]) for key in puts if key.startswith(prefix))
        stored = self._tables.scan(table, prefix)
        return merged(stored, fresh) if fresh else stored

    def emit(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        timestamp: int | None = None,
    ) -> None:
        """See Batch."""
        self.outputs.append(Output(topic, key, value, partition, headers, timestamp))

    def reference(self, name: str) -> ReferenceView:
        """See Batch."""
        return self._references[name]


def merged(stored: Iterator[Pair], fresh: Sequence[tuple[bytes, bytes | None]]) -> Iterator[Pair]:
    """Join two ordered sources of pairs; *fresh* wins, and its None hides a key."""
    waiting = next(stored, None)
    for key, value in fresh:
        while waiting is not None and waiting[0] < key:
            yield waiting
            waiting = next(stored, None)
        if waiting is not None and waiting[0] == key:
            waiting = next(stored, None)
        if value is not None:
            yield key, value
    while waiting is not None:
        yield waiting
        waiting = next(stored, None)
