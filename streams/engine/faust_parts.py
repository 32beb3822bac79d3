"""
The parts of Faust that the engine replaces, at Faust's own extension points.

Faust keeps the group, the assignor, rebalancing and the worker's life.  Records go to
shards as whole lists per partition; Faust acknowledges nothing of them, because their
offsets are part of the shards' transactions.  What private names of Faust and aiokafka
this leans on stands in `docs/engine.md`, and `tests/engine` holds each of them.
"""

import asyncio
import functools
import signal
import struct
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import aiokafka
import faust
from aiokafka.consumer import consumer as consuming
from aiokafka.consumer import fetcher as fetching
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.failpoints import reach
from streams.engine.failure import log
from streams.engine.record import Record
from streams.engine.tenure import Membership

if TYPE_CHECKING:
    from streams.engine.engine import Engine

GATHER_BYTES = 64 << 10
"""So many bytes are enough: the broker sends them at once, also while it gathers."""

POLL_S = 1.0
NOTE_S = 0.2
"""How often it is noted how far everything is delivered; idle shards commit by it."""


class EngineWorker(faust.Worker):
    """
    Faust's worker, which says so as soon as it is told to stop.

    A consumer stops late in that, and before it much may wait for a broker that is away.
    """

    def __init__(self, app: Any, *, told_to_stop: Callable[[], None], **options: Any) -> None:
        super().__init__(app, **options)
        self._told_to_stop = told_to_stop

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        self._told_to_stop()
        super()._schedule_shutdown(signal)


class Fetched(fetching.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types.
    """
    What was fetched of a partition, unpacked into records of ours.

    aiokafka would first make records of its own, which takes half as long again as reading
    them.
    """

    def _consumer_record(self, place: aiokafka.TopicPartition, record: Any) -> Record:
        headers = record.headers
        return Record(
            place.topic,
            place.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(headers) if headers else (),
        )


class Gathering(fetching.Fetcher):  # type: ignore[misc]  # aiokafka ships no types.
    """
    aiokafka's fetcher, which lets the broker gather records while they come in.

    To fetch each record by itself costs worker and broker more than all else that is done
    for it.  So a fetch that brought some is followed by one that waits for more, for as long
    as no next transaction may begin anyway; the first record after a silence comes at once.

    Args:
        gather_ms: How long, or 0 for not at all.
    """

    def __init__(self, *arguments: Any, gather_ms: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._gather_ms = gather_ms
        self._wait_ms: int = options["fetch_max_wait_ms"]

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        brought: bool = await super()._proc_fetch_request(assignment, node_id, request)
        gathers = brought and self._gather_ms > 0
        self._fetch_min_bytes: int = GATHER_BYTES if gathers else 1
        self._fetch_max_wait_ms: int = self._gather_ms if gathers else self._wait_ms
        return brought


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer, reading committed records only."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        settings = cast("Any", self.app).engine.settings
        fetching.PartitionRecords = Fetched
        consuming.Fetcher = functools.partial(Gathering, gather_ms=int(settings.min_interval_ms))
        # Faust chooses the isolation level by this flag, and asks it nowhere else here.
        self.consumer.in_transaction = True
        try:
            return super()._create_worker_consumer(transport)
        finally:
            self.consumer.in_transaction = False


class EngineConsumer(driver.Consumer):
    """Faust's consumer, with a drain that hands whole lists to shards."""

    _gapless = False
    """Whether all that was fetched since the last seek has been delivered."""
    _noted_at = 0.0

    @property
    def _engine(self) -> "Engine":
        engine: Engine = cast("Any", self.app).engine
        return engine

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        engine = self._engine
        # A worker that is told to stop while its shards open is cancelled here.
        stopped: tuple[type[BaseException], ...] = (
            asyncio.CancelledError,
            *self.consumer_stopped_errors,
        )
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001
                self._note_read()
                records, _ = await self._wait_next_records(POLL_S)
                await asyncio.sleep(0)
                if not records:
                    continue
                if not self.flow_active:
                    self._gapless = False
                    await self._seek_again()
                    continue
                for tp, fetched in records.items():
                    engine.deliver(tp.topic, tp.partition, fetched)
        except stopped:
            if not self.app.should_stop:
                raise

    async def perform_seek(self) -> None:
        """
        Seek to where the shards are.

        Faust's own seek skips partitions that have no committed offset yet, so that what
        was fetched and dropped in a rebalance of a new group would never come again.
        """
        expected = {tp(*place): offset for place, offset in self._engine.expected().items()}
        if expected:
            await self._thread.seek_wait(expected)
            self._gapless = True

    def _note_read(self) -> None:
        """
        Tell the shards how far the log is read, markers included.

        Only here, between two polls, has every record below the fetcher's position been
        delivered.  At any other moment some may be on their way, and to commit that
        position would lose them in a crash.
        """
        now = time.monotonic()
        if self._gapless and self.flow_active and now - self._noted_at > NOTE_S:
            self._noted_at = now
            self._engine.note_read()

    async def _seek_again(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # noqa: BLE001 - the assignment may vanish in a rebalance
            log.info("seek postponed", error=type(error).__name__)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Finish what is running before the partitions go to somebody else."""
        self._engine.hold_membership()
        self.stop_flow()
        await self._engine.close_teams()
        if revoked:
            reach("revoked")
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Finish what is running before the consumer leaves, also where Faust ends by itself."""
        self._engine.fail_in_time()
        await self._engine.close_teams()
        await super().on_stop()


class CountedTopics:
    """
    What an assignor asks of a cluster, answered by the counts that the worker checked.

    A broker that has just come back names topics without their partitions for a while.
    Faust's assignor would take them for missing and give nothing to anybody; the whole group
    would stand still and call itself ready, as nothing calls for another assignment.

    Args:
        counts: Partitions of each topic; they are never changed while an app runs.
        cluster: Asked for all other topics.
    """

    def __init__(self, counts: Mapping[str, int], cluster: Any) -> None:
        self._counts = counts
        self._cluster = cluster

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Give the partitions of *topic*, or None for one that nobody knows."""
        if topic in self._counts:
            return set(range(self._counts[topic]))
        found: set[int] | None = self._cluster.partitions_for_topic(topic)
        return found


class EngineAssignor(PartitionAssignor):
    """Faust's assignor, which believes in no loss of a topic that was there at the start."""

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        """Share the partitions of all that *member_metadata* subscribe to among them."""
        counts = cast("Any", self.app).engine.partitions
        return super().assign(cast("Any", CountedTopics(counts, cluster)), member_metadata)


class EngineRecovery(Recovery):
    """Faust's recovery, which waits for the shards to open."""

    async def _resume_streams(self, generation_id: int = 0) -> None:
        # Faust calls this instead of a recovery where an app has no tables of Faust's,
        # with its flow still suspended: no record is delivered meanwhile.
        await cast("Any", self.app).engine.open_teams(self.app.consumer.assignment())
        await super()._resume_streams(generation_id)


class EngineTables(TableManager):
    """Faust's table manager, without tables: the engine's shards keep their own."""

    @property
    def recovery(self) -> Recovery:
        """Faust's recovery service, replaced by ours."""
        if self._recovery is None:
            self._recovery = EngineRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


def membership(consumer: Any, group: str) -> Membership:
    """
    Give what *consumer* is in its group now.

    With the metadata the broker refuses offsets of a member that has been thrown out.  Its
    form is librdkafka's own: `CGMDv2:`, generation, group, member and instance, each text
    ended by NUL.
    """
    coordinator = consumer._thread._consumer._coordinator  # noqa: SLF001 - see docs/engine.md
    instance = consumer.app.conf.consumer_group_instance_id
    metadata = (
        b"CGMDv2:"
        + struct.pack("=i", coordinator.generation)
        + group.encode()
        + b"\0"
        + coordinator.member_id.encode()
        + b"\0"
        + (b"\0" + instance.encode() + b"\0" if instance else b"\x01")
    )
    return Membership(metadata, coordinator.member_id, instance)


def fetched_to(consumer: Any, topic: str, partition: int) -> int | None:
    """Give the offset that the fetcher will ask for next, behind any markers; None if unknown."""
    inner = consumer._thread._consumer  # noqa: SLF001 - see docs/engine.md
    state = inner._subscription.subscription.assignment.state_value(  # noqa: SLF001
        aiokafka.TopicPartition(topic, partition)
    )
    if state is None or not state.has_valid_position:
        return None
    position: int = state.position
    return position


def tp(topic: str, partition: int) -> TP:
    """Name a partition as Faust does."""
    return TP(topic, partition)
