"""
A shard: the owner of one partition of a stage's topics and tables.

It keeps what was read and isn't done yet, the local state, and how far everything has got.
The team that it belongs to says when it works, and commits what it did.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from streams.engine.batch import Draft, Pair, ReferenceView
from streams.engine.cluster import Cluster
from streams.engine.failpoints import reach
from streams.engine.failure import StateDamagedError, exit_unacknowledged, log, place_of
from streams.engine.quarantine import set_aside
from streams.engine.record import Record
from streams.engine.restore import RestorableState, Restore
from streams.engine.settings import EngineSettings
from streams.engine.stage import Stage, changelogs
from streams.engine.suspects import Suspects
from streams.engine.transaction import State


class ShardSpot(Protocol):
    """What the shards of a worker share: settings, references, the turn, and where they live."""

    @property
    def app_id(self) -> str:
        """The consumer group."""

    @property
    def settings(self) -> EngineSettings:
        """What an operator may set."""

    @property
    def references(self) -> Mapping[str, ReferenceView]:
        """The references by name."""

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Held while a handler runs: one at a time in a process."""

    def cluster(self, stopping: Callable[[], bool]) -> Cluster:
        """Give the cluster to ask, until *stopping* answers True."""

    def state(self, stage: str, partition: int) -> RestorableState:
        """Open the local state of a shard, empty if there is none that can be used."""

    def suspects(self, shard: str) -> Suspects:
        """Give what earlier starts of the worker have written down of *shard*."""

    @property
    def flow(self) -> Callable[[str, int, bool], None]:
        """Lets more of a topic and partition come, or no more for now."""


class Shard:
    """Partition *partition* of *stage*."""

    def __init__(self, spot: ShardSpot, stage: Stage, partition: int) -> None:
        self.stage = stage
        self.partition = partition
        self.position: dict[str, int] = {}
        """For each source topic the next offset to read, as committed."""
        self.read_to: dict[str, int] = {}
        """For each source topic an offset below which every record was fed."""
        self.state = "opening"
        self.restored = 0
        self.restore_left = 0
        """Offsets between the state and the end of the changelog that is being restored."""
        self.batches = self.records = self.aborts = self.quarantined = 0
        self.last_batch = 0
        self.last_transaction_s = 0.0
        self.last_commit_at = time.monotonic()
        """When records were committed last; what goes past markers alone doesn't count."""
        self.progress_at = time.monotonic()
        """When there was progress last, or nothing to do."""
        self._spot = spot
        self._buffer: deque[Record] = deque()
        self._next: dict[str, int] = {}
        self._full = False
        self._suspects = spot.suspects(self.name)
        self._store: RestorableState | None = None

    @property
    def name(self) -> str:
        """Its name in logs and metrics."""
        return f"{self.stage.name}-{self.partition}"

    @property
    def buffered(self) -> int:
        """Records read and not yet in a transaction."""
        return len(self._buffer)

    @property
    def expected(self) -> dict[str, int]:
        """For each source topic the offset of the next record to be fed."""
        return dict(self._next)

    @property
    def tables(self) -> State:
        """The local state, also of a stage that keeps none."""
        return _NO_TABLES if self._store is None else self._store

    # --- Opening and closing ---------------------------------------------------------

    def begin_at(self, position: Mapping[str, int]) -> None:
        """Go on where the last owner has committed."""
        self.position = dict(position)
        self._next = dict(position)

    def open_state(self, stopping: Callable[[], bool]) -> None:
        """
        Open the local state and bring it to the end of its changelogs.

        Raises:
            RefusedError: If a changelog can't be trusted.
            UnavailableError: If the broker fails.
        """
        spot, stage = self._spot, self.stage
        if not stage.tables:
            return
        self._store = spot.state(stage.name, self.partition)
        self.state = "restoring"
        restore = Restore(
            spot.cluster(stopping),
            partition=self.partition,
            changelogs=changelogs(spot.app_id, stage),
            stopping=stopping,
            progress=self._note_restore,
        )
        restore.run(self._store)

    def _note_restore(self, records: int, left: int) -> None:
        self.restored, self.restore_left = records, left

    def close_state(self) -> None:
        """Forget what is buffered and let go of the folder, once no round runs."""
        self.state = "closed"
        self._buffer.clear()
        if self._store is not None:
            self._store.close()
            self._store = None

    # --- Records in and out of the buffer, in the loop -------------------------------------

    def feed(self, records: Sequence[Record]) -> None:
        """Take records of one source topic in the order of the log; repeated ones are dropped."""
        topic = records[0].topic
        expected = self._next.get(topic, 0)
        if records[0].offset < expected:
            records = [record for record in records if record.offset >= expected]
            if not records:
                return
        self._next[topic] = records[-1].offset + 1
        self._buffer.extend(records)
        if not self._full and len(self._buffer) >= self._spot.settings.buffer_records:
            self._full = True
            self._set_flow(on=False)

    def take(self, count: int) -> list[Record]:
        """Hand out the first *count* records; one that may kill, alone."""
        if not self._suspects.any:
            if count < len(self._buffer):
                return [self._buffer.popleft() for _ in range(count)]
            everything = list(self._buffer)
            self._buffer.clear()
            return everything
        taken: list[Record] = []
        while len(taken) < count and self._buffer:
            alone = self._suspects.narrow(self._buffer[0])
            if alone and taken:
                break
            taken.append(self._buffer.popleft())
            if alone:
                break
        return taken

    def relieve(self) -> None:
        """Ask for more when there is room again."""
        if self._full and len(self._buffer) < self._spot.settings.buffer_records // 2:
            self._full = False
            self._set_flow(on=True)

    def _set_flow(self, *, on: bool) -> None:
        for topic in self.stage.sources:
            self._spot.flow(topic, self.partition, on)

    def idle_ends(self) -> dict[str, int]:
        """
        Give how far the sources are read beyond what is committed, if nothing waits.

        May be asked between two rounds only.  Every record below is committed then, and
        stays so: only markers stand between.
        """
        if self.state != "running" or self._buffer:
            return {}
        return {
            topic: end for topic, end in self.read_to.items() if end > self.position.get(topic, 0)
        }

    # --- Work, in a thread of the pool -----------------------------------------------------

    def handle(self, records: Sequence[Record]) -> Draft:
        """Call the handler; what it raises ends the process, with the record's place."""
        draft = self._draft(records)
        if self._suspects.guilty(records[0]):
            self._set_aside(draft)
            return draft
        try:
            # In this order: whoever only waits for its turn has killed nobody.
            with self._spot.turn, self._suspects.guarding(records):
                self.stage.handler(draft)
        except StateDamagedError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, nothing may be skipped
            culprit = self._culprit(records)
            exit_unacknowledged(
                "a handler failed",
                shard=self.name,
                topic=culprit.topic,
                partition=self.partition,
                offset=culprit.offset,
                batch_first_offset=records[0].offset,
                batch_last_offset=records[-1].offset,
                error=place_of(error),
                message=str(error) if isinstance(error, RuntimeError) else None,
            )
        reach("handled")
        return draft

    def _set_aside(self, draft: Draft) -> None:
        """Put the one record of *draft* in quarantine instead of handling it."""
        (record,) = draft.records
        log.critical(
            "record set aside in quarantine",
            shard=self.name,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            deaths=self._suspects.deaths,
        )
        self.quarantined += 1
        draft.outputs.append(set_aside(self._spot.app_id, self.stage.name, record))

    def _draft(self, records: Sequence[Record]) -> Draft:
        return Draft(
            partition=self.partition,
            records=records,
            tables=self.tables,
            table_names=self.stage.tables,
            references=self._spot.references,
        )

    def _culprit(self, records: Sequence[Record]) -> Record:
        """Find the record whose handling raises, one at a time; the first if none does alone."""
        draft = self._draft(records)
        for record in records:
            draft.records = (record,)
            try:
                with self._spot.turn:
                    self.stage.handler(draft)
            except BaseException:  # noqa: BLE001 - only the place is wanted
                return record
        return records[0]

    def advance(self, position: Mapping[str, int], records: int) -> None:
        """Note that *position* is committed, with *records* more done."""
        self.position.update(position)
        self.progress_at = time.monotonic()
        if records:
            self.last_commit_at = self.progress_at
            self.batches += 1
            self.records += records
            self.last_batch = records


class _NoTables:
    """The state of a stage that keeps none."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """See TableReader."""
        raise KeyError(table, key)

    def scan(self, table: str, prefix: bytes) -> Iterator[Pair]:
        """See TableReader."""
        raise KeyError(table, prefix)

    def apply(self, puts: object, ends: object) -> None:
        """See State: there is nothing to apply."""


_NO_TABLES = _NoTables()
