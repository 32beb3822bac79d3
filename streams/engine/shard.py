"""
A shard: the owner of one partition of a stage's topics and tables.

It takes whatever has arrived while its last transaction ran, up to a cap, hands it to
the handler, and commits: at idle one record at once, under load thousands.  A shard is
opened by fencing its predecessor, and only then reads where that one had got to.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.engine.batch import Draft, Pair, ReferenceView
from streams.engine.failpoints import reach
from streams.engine.failure import (
    AbortedError,
    LostPartitionError,
    RefusedError,
    StateDamagedError,
    exit_refused,
    exit_unacknowledged,
    log,
    place_of,
)
from streams.engine.kafka_log import Client, FatalLogError, KafkaLog
from streams.engine.record import Record
from streams.engine.restore import Restore, reader
from streams.engine.settings import EngineSettings
from streams.engine.stage import Stage, changelog_topic
from streams.engine.store import Memory, ShardStore
from streams.engine.transaction import commit

ABORTS_MAX = 10
"""Transactions that may fail in a row before the worker gives up and starts anew."""

BACK_OFF_S = 0.1
FENCE_S = 60.0
"""How long the broker may take to settle what a predecessor had left open."""

Flow = Callable[[str, int, bool], None]


class ShardSpot:
    """What all shards of a worker share: settings, memory, references, and the turn."""

    def __init__(
        self,
        *,
        app_id: str,
        settings: EngineSettings,
        client: Client,
        memory: Memory,
        references: Mapping[str, ReferenceView],
        turn: threading.Lock,
        pool: ThreadPoolExecutor,
        flow: Flow,
    ) -> None:
        self.app_id = app_id
        self.settings = settings
        self.client = client
        self.memory = memory
        self.references = references
        self.turn = turn
        self.pool = pool
        self.flow = flow

    def folder(self, stage: str, partition: int) -> Path:
        """Give the folder of a shard's state."""
        return self.settings.data_dir / "state" / f"{stage}-{partition}"


class Shard:
    """
    Partition *partition* of *stage*.

    Args:
        group: Group metadata of the generation in which the partition was assigned.
    """

    def __init__(self, spot: ShardSpot, stage: Stage, partition: int, group: object) -> None:
        self.stage = stage
        self.partition = partition
        self.position: dict[str, int] = {}
        """For each source topic the next offset to read, as committed."""
        self.state = "opening"
        self.restored = 0
        self.batches = self.records = self.aborts = 0
        self.last_commit_at = time.monotonic()
        self.last_batch = 0
        self.last_transaction_s = 0.0
        self._spot = spot
        self._group = group
        self._stopping = threading.Event()
        self._buffer: deque[Record] = deque()
        self._next: dict[str, int] = {}
        self._in_hand = False
        self.read_to: dict[str, int] = {}
        """For each source topic an offset below which every record was fed."""
        self._wake = asyncio.Event()
        self._full = False
        self._task: asyncio.Task[None] | None = None
        # One transaction at a time: the producer of a shard knows no more.
        self._transaction = threading.Lock()
        self._log: KafkaLog | None = None
        self._store: ShardStore | None = None

    @property
    def name(self) -> str:
        """Name it in logs and metrics."""
        return f"{self.stage.name}-{self.partition}"

    @property
    def buffered(self) -> int:
        """Records read and not yet in a transaction."""
        return len(self._buffer)

    @property
    def expected(self) -> dict[str, int]:
        """For each source topic the offset of the next record to be fed."""
        return dict(self._next)

    def idle_ends(self) -> dict[str, int]:
        """
        Give how far the sources are read beyond what is committed, if nothing is in hand.

        Every record below is committed then, and stays so: only markers stand between.
        """
        if self.state != "running" or self._buffer or self._in_hand:
            return {}
        return {
            topic: end for topic, end in self.read_to.items() if end > self.position.get(topic, 0)
        }

    # --- Opening ------------------------------------------------------------------

    async def open(self) -> None:
        """Fence the predecessor, restore the state, and start to work."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._spot.pool, self._open)
        if not self._stopping.is_set():
            self.state = "running"
            self._task = asyncio.create_task(self._run(), name=self.name)
            self._task.add_done_callback(self._ended)

    def _open(self) -> None:
        try:
            self._open_log_and_store()
        except RefusedError as error:
            exit_refused(str(error), shard=self.name)
        except (FatalLogError, KafkaException, StateDamagedError) as error:
            if not self._stopping.is_set():
                exit_unacknowledged("a shard can't open", shard=self.name, error=place_of(error))

    def _open_log_and_store(self) -> None:
        spot, stage = self._spot, self.stage
        reach("opening")
        changelogs = {
            table: changelog_topic(spot.app_id, stage.name, table) for table in stage.tables
        }
        self._log = KafkaLog(
            client=spot.client,
            transactional_id=f"{spot.app_id}-{stage.name}-{self.partition}",
            timeout_ms=spot.settings.transaction_timeout_ms,
            partition=self.partition,
            changelogs=changelogs,
            group=self._group,
            call_timeout_s=spot.settings.call_timeout_s,
        )
        self._log.fence(FENCE_S)
        self._read_position()
        if stage.tables:
            self._store = ShardStore(
                spot.folder(stage.name, self.partition),
                owner=f"{spot.app_id}/{stage.name}/{self.partition}",
                memory=spot.memory,
            )
            self.state = "restoring"
            restore = Restore(
                client=spot.client,
                group=f"{spot.app_id}-restore",
                partition=self.partition,
                changelogs=changelogs,
                stopping=self._stopping.is_set,
            )
            restore.run(self._store)
            self.restored = restore.records
        self._log.warm_up()
        reach("opened")
        log.info("shard opened", shard=self.name, restored=self.restored, position=self.position)

    def _read_position(self) -> None:
        """Read what is committed, after the fence: nothing can change it now but we."""
        consumer = reader(self._spot.client, self._spot.app_id)
        try:
            asked = [TopicPartition(topic, self.partition) for topic in self.stage.sources]
            for found in self._committed(consumer, asked):
                if found.error is not None:
                    # Without this a failed look-up would read as "begin at the beginning".
                    raise KafkaException(found.error)
                self.position[found.topic] = max(found.offset, 0)
        finally:
            consumer.close()
        self._next = dict(self.position)

    def _committed(self, consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
        """Ask for committed offsets, again while the coordinator is moving."""
        until = time.monotonic() + FENCE_S
        while True:
            try:
                found: list[TopicPartition] = consumer.committed(
                    asked, timeout=self._spot.settings.call_timeout_s
                )
            except KafkaException as error:
                if error.args[0].fatal() or time.monotonic() > until or self._stopping.is_set():
                    raise
                time.sleep(BACK_OFF_S)
            else:
                return found

    # --- Delivery -----------------------------------------------------------------

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
        self._wake.set()
        if not self._full and len(self._buffer) >= self._spot.settings.buffer_records:
            self._full = True
            self._set_flow(on=False)

    def _set_flow(self, *, on: bool) -> None:
        for topic in self.stage.sources:
            self._spot.flow(topic, self.partition, on)

    async def _run(self) -> None:
        settings = self._spot.settings
        loop = asyncio.get_running_loop()
        started_at = 0.0
        while not self._stopping.is_set():
            if not self._buffer:
                self._wake.clear()
                await self._wake.wait()
                continue
            wait = started_at + settings.min_interval_ms / 1000 - time.monotonic()
            if wait > 0 and len(self._buffer) < settings.batch_records_max:
                await asyncio.sleep(wait)
            started_at = time.monotonic()
            count = min(len(self._buffer), settings.batch_records_max)
            records = [self._buffer.popleft() for _ in range(count)]
            self._in_hand = True
            await asyncio.wait_for(
                loop.run_in_executor(self._spot.pool, self._work, records),
                settings.call_timeout_s * 2,
            )
            self._in_hand = False
            if self._full and len(self._buffer) < settings.buffer_records // 2:
                self._full = False
                self._set_flow(on=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            exit_unacknowledged("a shard failed", shard=self.name, error=place_of(error))

    # --- Work, in a thread of the pool -----------------------------------------------

    def _work(self, records: Sequence[Record]) -> None:
        """Do one batch, once or not at all."""
        for attempt in range(ABORTS_MAX):
            started_at = time.monotonic()
            try:
                with self._transaction:
                    self._commit(self._handle(records), records)
            except AbortedError as error:
                self.aborts += 1
                log.warning("transaction aborted", shard=self.name, reason=str(error))
                if self._stopping.is_set():
                    return
                time.sleep(min(BACK_OFF_S * 2**attempt, 3.0))
            except LostPartitionError as error:
                self.aborts += 1
                log.warning("partition lost", shard=self.name, reason=str(error))
                self._stopping.set()
                return
            except FatalLogError as error:
                exit_unacknowledged("fenced or refused", shard=self.name, verdict=str(error))
            except StateDamagedError as error:
                self._damaged(error)
            else:
                self.last_transaction_s = time.monotonic() - started_at
                return
        exit_unacknowledged("too many aborted transactions", shard=self.name)

    def _handle(self, records: Sequence[Record]) -> Draft:
        draft = self._draft(records)
        try:
            with self._spot.turn:
                self.stage.handler(draft)
        except StateDamagedError as error:
            self._damaged(error)
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

    def _draft(self, records: Sequence[Record]) -> Draft:
        return Draft(
            partition=self.partition,
            records=records,
            tables=_NO_TABLES if self._store is None else self._store,
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

    def _commit(self, draft: Draft, records: Sequence[Record]) -> None:
        assert self._log is not None
        position = {(record.topic, self.partition): record.offset + 1 for record in records}
        commit(
            self._log,
            _NO_TABLES if self._store is None else self._store,
            puts=draft.puts,
            outputs=draft.outputs,
            position=position,
            reach=reach,
        )
        for (topic, _), offset in position.items():
            self.position[topic] = offset
        self.batches += 1
        self.records += len(records)
        self.last_batch = len(records)
        self.last_commit_at = time.monotonic()

    def _damaged(self, error: StateDamagedError) -> None:
        assert self._store is not None
        self._store.mark_damaged()
        exit_unacknowledged("local state is damaged", shard=self.name, error=place_of(error))

    def settle_to(self, ends: Mapping[str, int]) -> None:
        """
        Commit that everything up to *ends* has been read, when only markers stand there.

        Without it every tool would show a lag of one for a partition that is done.
        """
        try:
            with self._transaction:
                # A batch may have gone further meanwhile; its offsets must not be taken back.
                position = {
                    (topic, self.partition): end
                    for topic, end in ends.items()
                    if end > self.position.get(topic, 0)
                }
                if not position or self._log is None or self._stopping.is_set():
                    return
                commit(
                    self._log,
                    _NO_TABLES,
                    puts={},
                    outputs=(),
                    position=position,
                    reach=lambda _: None,
                )
                for (topic, _), end in position.items():
                    self.position[topic] = end
        except (AbortedError, LostPartitionError):
            return
        except FatalLogError as error:
            exit_unacknowledged("fenced or refused", shard=self.name, verdict=str(error))

    # --- Ending -------------------------------------------------------------------

    def give_up(self) -> None:
        """Stop opening or working as soon as possible."""
        self._stopping.set()

    async def close(self) -> None:
        """Finish the transaction that is running, forget what is buffered, let go."""
        self._stopping.set()
        self._buffer.clear()
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._spot.pool, self._let_go)
        self.state = "closed"

    def _let_go(self) -> None:
        """Give up the producer and the folder, once no transaction runs."""
        with self._transaction:
            self._log = None
            if self._store is not None:
                self._store.close()
                self._store = None


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
