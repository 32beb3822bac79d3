"""
Run a stage on lists of records, without a broker.

The driver gives each record an offset, calls the handler a batch at a time and
keeps what it put and emitted.  It is for tests of stages: state is in memory,
and a handler that raises leaves everything as it was.

Crashes and rewinds are data, between the records: a test of them reads as a list.  A stage
can't tell one crash from another except by whether its batch has happened, for the engine
restores the state to just that; so this is all there is to try.
"""

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from streams.engine.batch import Draft, Pair
from streams.engine.record import Headers, Output, Record
from streams.engine.stage import Stage

Versions = Sequence[tuple[int, bytes]]


class MemoryTables:
    """Tables in plain dictionaries."""

    def __init__(self, names: Sequence[str]) -> None:
        self.tables: dict[str, dict[bytes, bytes]] = {name: {} for name in names}

    def get(self, table: str, key: bytes) -> bytes | None:
        """See TableReader."""
        return self.tables[table].get(key)

    def scan(self, table: str, prefix: bytes) -> Iterator[Pair]:
        """See TableReader."""
        rows = self.tables[table]
        return iter(sorted((key, rows[key]) for key in rows if key.startswith(prefix)))

    def apply(self, puts: Mapping[str, Mapping[bytes, bytes | None]]) -> None:
        """Take over what a batch has put."""
        for table, items in puts.items():
            rows = self.tables[table]
            for key, value in items.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value


class MemoryReference:
    """A reference in a dictionary from key to its versions."""

    def __init__(self, rows: Mapping[bytes, bytes | Versions]) -> None:
        self.generation = 0
        self.offset = -1
        self._rows: dict[bytes, list[tuple[int, bytes]]] = {}
        for key, value in rows.items():
            versions: Versions = [(0, value)] if isinstance(value, bytes) else value
            for valid_from, version in versions:
                self.publish(key, version, valid_from=valid_from)

    def publish(self, key: bytes, value: bytes | None, *, valid_from: int = 0) -> None:
        """Set the version of *key* that serves from *valid_from*; None removes them all."""
        self.generation += 1
        self.offset += 1
        if value is None:
            self._rows.pop(key, None)
            return
        versions = [each for each in self._rows.get(key, []) if each[0] != valid_from]
        self._rows[key] = sorted([*versions, (valid_from, value)])

    def get(self, key: bytes) -> bytes | None:
        """See ReferenceView."""
        versions = self._rows.get(key)
        return versions[-1][1] if versions else None

    def as_of(self, key: bytes, at_ms: int) -> bytes | None:
        """See ReferenceView."""
        versions = self._rows.get(key, [])
        place = bisect.bisect_right(versions, at_ms, key=lambda version: version[0])
        return versions[place - 1][1] if place else None

    def scan(self, prefix: bytes = b"") -> Iterator[Pair]:
        """See ReferenceView."""
        keys = sorted(key for key in self._rows if key.startswith(prefix))
        return iter([(key, self._rows[key][-1][1]) for key in keys])

    def versions(self, prefix: bytes = b"") -> Iterator[tuple[bytes, int, bytes]]:
        """See ReferenceView."""
        keys = sorted(key for key in self._rows if key.startswith(prefix))
        return iter([(key, *version) for key in keys for version in self._rows[key]])


class Crash(Struct, frozen=True):
    """
    The worker dies with the batch of the records before this in its hands.

    Nothing of that batch has happened, and its records come again with what follows; or,
    *committed*, all of it has, and they don't.  In both cases the worker's memory is gone.
    """

    committed: bool = False


class Rewind(Struct, frozen=True):
    """The group's position is set back: committed records come again, to the state as it is."""

    to: int
    """The offset that comes first again."""
    topic: str | None = None
    """None is the first source of the stage."""


Step = Record | Crash | Rewind


class StageDriver:
    """
    One shard of a stage, driven by hand.

    Args:
        stage: What to run, or how to make it: a crash then makes it anew, as a new process
            does, and what its handler kept in memory is gone.
        references: For each reference of the stage a dictionary from key to a
            value, or to a list of (valid from, value).
        partition: The partition this shard owns.
    """

    def __init__(
        self,
        stage: Stage | Callable[[], Stage],
        references: Mapping[str, Mapping[bytes, bytes | Versions]] | None = None,
        *,
        partition: int = 0,
    ) -> None:
        self._make: Callable[[], Stage] = (lambda: stage) if isinstance(stage, Stage) else stage
        self.stage = self._make()
        given = references or {}
        if unknown := set(given) - set(self.stage.references):
            raise ValueError(f"stage {self.stage.name!r} declares no reference {sorted(unknown)}")
        self.partition = partition
        self.references = {
            name: MemoryReference(given.get(name, {})) for name in self.stage.references
        }
        self.outputs: list[Output] = []
        """Everything emitted so far, in order."""
        self._store = MemoryTables(self.stage.tables)
        self._next_offset = dict.fromkeys(self.stage.sources, 0)
        self._log: dict[str, dict[int, Record]] = {source: {} for source in self.stage.sources}

    def record(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        topic: str | None = None,
        timestamp: int = 0,
        headers: Headers = (),
    ) -> Record:
        """Make the next record of *topic*, by default of the first source."""
        topic = topic or self.stage.sources[0]
        offset = self._next_offset[topic]
        self._next_offset[topic] = offset + 1
        return Record(topic, self.partition, offset, timestamp, key, value, headers)

    def run(self, steps: Sequence[Step], *, batch_records_max: int = 1000) -> list[Output]:
        """
        Run the handler over the records among *steps* in batches and apply what it did.

        Records given again are handled again.  A batch ends where it is full, before a
        rewind, and at the end; at a crash it ends with the crash.

        Returns:
            What was emitted for these records.

        Raises:
            ValueError: If a rewind goes to where no record was given.
            Exception: What the handler raised; its batch has done nothing.
        """
        before = len(self.outputs)
        waiting: list[Record] = []
        for step in steps:
            if isinstance(step, Record):
                self._log[step.topic][step.offset] = step
                waiting.append(step)
            elif isinstance(step, Crash):
                waiting = self._crash(step, waiting, batch_records_max)
            else:
                self._commit(waiting, batch_records_max)
                waiting = self._rewound(step)
        self._commit(waiting, batch_records_max)
        return self.outputs[before:]

    def _commit(self, records: Sequence[Record], batch_records_max: int) -> None:
        for start in range(0, len(records), batch_records_max):
            draft = self.attempt(records[start : start + batch_records_max])
            self._store.apply(draft.puts)
            self.outputs += draft.outputs

    def _crash(self, crash: Crash, records: list[Record], batch_records_max: int) -> list[Record]:
        """Die with the last batch of *records* in hand; give those that come again."""
        in_hand = 0
        if records and not crash.committed:
            in_hand = (len(records) - 1) % batch_records_max + 1
        done = len(records) - in_hand
        self._commit(records[:done], batch_records_max)
        if records[done:]:
            self.attempt(records[done:])
        self.stage = self._make()
        return records[done:]

    def _rewound(self, rewind: Rewind) -> list[Record]:
        """Give the records that come again, in the order of the log."""
        topic = rewind.topic or self.stage.sources[0]
        again = [each for offset, each in sorted(self._log[topic].items()) if offset >= rewind.to]
        if not again:
            raise ValueError(f"no record of {topic} was given at offset {rewind.to} or after it")
        return again

    def attempt(self, records: Sequence[Record]) -> Draft:
        """Call the handler as for a batch that is then aborted: see what it would do."""
        draft = Draft(
            partition=self.partition,
            records=records,
            tables=self._store,
            table_names=self.stage.tables,
            references=self.references,
        )
        self.stage.handler(draft)
        return draft

    def table(self, name: str) -> dict[bytes, bytes]:
        """Give a copy of the table *name*."""
        return dict(self._store.tables[name])

    def emitted(self, topic: str) -> list[Output]:
        """Give everything emitted to *topic* so far, in order."""
        return [output for output in self.outputs if output.topic == topic]
