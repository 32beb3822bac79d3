"""
Run a stage on lists of records, without a broker.

The driver gives each record an offset, calls the handler a batch at a time and
keeps what it put and emitted.  It is for tests of stages: state is in memory,
and a handler that raises leaves everything as it was.
"""

import bisect
from collections.abc import Iterator, Mapping, Sequence

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


class StageDriver:
    """
    One shard of a stage, driven by hand.

    Args:
        stage: What to run.
        references: For each reference of the stage a dictionary from key to a
            value, or to a list of (valid from, value).
        partition: The partition this shard owns.
    """

    def __init__(
        self,
        stage: Stage,
        references: Mapping[str, Mapping[bytes, bytes | Versions]] | None = None,
        *,
        partition: int = 0,
    ) -> None:
        given = references or {}
        if unknown := set(given) - set(stage.references):
            raise ValueError(f"stage {stage.name!r} declares no reference {sorted(unknown)}")
        self.stage = stage
        self.partition = partition
        self.references = {name: MemoryReference(given.get(name, {})) for name in stage.references}
        self.outputs: list[Output] = []
        """Everything emitted so far, in order."""
        self._store = MemoryTables(stage.tables)
        self._next_offset = dict.fromkeys(stage.sources, 0)

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

    def run(self, records: Sequence[Record], *, batch_records_max: int = 1000) -> list[Output]:
        """
        Run the handler over *records* in batches and apply what it did.

        Records given again are handled again, as after a crash before their commit.

        Returns:
            What was emitted for these records.

        Raises:
            Exception: What the handler raised; its batch has done nothing.
        """
        before = len(self.outputs)
        for start in range(0, len(records), batch_records_max):
            draft = self.attempt(records[start : start + batch_records_max])
            self._store.apply(draft.puts)
            self.outputs += draft.outputs
        return self.outputs[before:]

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
