"""
Standbys: the state of shards that other workers own, kept warm at the end of its changelogs.

Whoever takes such a shard over restores only what came last.  A standby reads committed
records, so it is never ahead of the log; when it fails, nobody is harmed, and the next owner
restores as if there had been none.
"""

import contextlib
import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.engine.failure import StateDamagedError, log, place_of
from streams.engine.health import StandbyHealth
from streams.engine.kafka_cluster import CHUNK_RECORDS, reader
from streams.engine.restore import Restore
from streams.engine.stage import Stage, changelogs
from streams.engine.store import ShardStore
from streams.engine.worker_spot import WorkerSpot

POLL_S = 0.5
CLOSE_S = 10.0

Place = tuple[str, int]


class _Copy:
    """One shard's state, as far as it is read."""

    def __init__(self, name: str, store: ShardStore) -> None:
        self.name = name
        self.store = store
        self.ends: dict[str, int] = {}
        """For each table the last offset read, what is only markers included."""
        self.left: dict[str, int] = {}
        self.restored = 0
        self.records = 0

    def keep(self) -> None:
        """Write how far it is read, and let go of the folder."""
        with contextlib.suppress(StateDamagedError):
            self.store.apply({}, self.ends)
        self.store.close()


class Standbys:
    """
    The standbys of a worker, read by one thread.

    Args:
        places: Stage and partition of each.
    """

    def __init__(self, spot: WorkerSpot, places: Sequence[tuple[Stage, int]]) -> None:
        self._spot = spot
        self._places = [(stage, each) for stage, each in places if stage.tables]
        self._copies: list[_Copy] = []
        self._by_place: dict[Place, tuple[_Copy, str]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standbys", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        if self._places:
            self._thread.start()

    def stop(self) -> None:
        """Stop reading and let go of the folders, so that they may be opened as shards."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    @property
    def health(self) -> tuple[StandbyHealth, ...]:
        """How far each is; may be asked from any thread."""
        return tuple(
            StandbyHealth(each.name, sum(each.left.values()), each.restored + each.records)
            for each in list(self._copies)
        )

    def _run(self) -> None:
        try:
            for stage, partition in self._places:
                self._warm(stage, partition)
            self._follow()
        except (Exception, StateDamagedError) as error:  # noqa: BLE001 - its heir restores instead
            log.warning("standbys ended", error=place_of(error))
        finally:
            for copy in self._copies:
                copy.keep()

    def _warm(self, stage: Stage, partition: int) -> None:
        """Bring one to the end that its changelogs have now."""
        spot, name = self._spot, f"{stage.name}-{partition}"
        if self._ending.is_set():
            return
        store = spot.state(stage.name, partition)
        copy = _Copy(name, store)
        self._copies.append(copy)

        def progress(records: int, left: int) -> None:
            copy.restored, copy.left = records, {"": left}

        topics = changelogs(spot.app_id, stage)
        Restore(
            spot.cluster(self._ending.is_set),
            partition=partition,
            changelogs=topics,
            stopping=self._ending.is_set,
            progress=progress,
        ).run(store)
        copy.left = {}
        for table, topic in topics.items():
            self._by_place[topic, partition] = copy, table
        log.info("standby is warm", shard=name, restored=copy.restored)

    def _follow(self) -> None:
        """Take over what comes, until it is time to end."""
        # Nobody waits for a standby: it may let the broker gather.
        client = {**self._spot.client, "fetch.wait.max.ms": 500}
        consumer = reader(client, f"{self._spot.app_id}-standby")
        try:
            consumer.assign(
                [
                    TopicPartition(*place, copy.store.offset(table) + 1)
                    for place, (copy, table) in self._by_place.items()
                ]
            )
            while not self._ending.is_set():
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        puts: dict[Place, dict[bytes, bytes | None]] = {}
        for message in consumer.consume(CHUNK_RECORDS, POLL_S):
            error = message.error()
            place = message.topic() or "", message.partition() or 0
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    copy, table = self._by_place[place]
                    copy.ends[table] = (message.offset() or 0) - 1
                elif error.fatal() or not error.retriable():
                    raise KafkaException(error)
                continue
            copy, table = self._by_place[place]
            key, value = message.key(), message.value()
            assert isinstance(key, bytes)
            assert value is None or isinstance(value, bytes)
            puts.setdefault(place, {})[key] = value
            copy.ends[table] = message.offset() or 0
            copy.records += 1
        for place, items in puts.items():
            copy, table = self._by_place[place]
            copy.store.apply({table: items}, {table: copy.ends[table]})
        for place, (copy, table) in self._by_place.items():
            _, high = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            copy.left[table] = max(0, high - 1 - copy.ends.get(table, copy.store.offset(table)))
