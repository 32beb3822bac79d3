"""
Bring a shard's local state to the end of its changelogs.

The changelogs are read committed and in bulk, straight into RocksDB.  The transaction of a
worker that died may still be open in them and hide what was committed behind it: so their
end is the true one, and a restore waits until the broker shows everything below it.

Where the changelog itself can't be trusted, the worker refuses to start: restoring from a
log that was lost would turn balances to zero silently.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.engine.failpoints import reach
from streams.engine.failure import RefusedError, log
from streams.engine.kafka_log import Client
from streams.engine.store import ShardStore

CHUNK_RECORDS = 5_000
"""Records in one local write; fewer make a restore slower, more take memory."""

ANSWER_S = 30.0
"""How long the broker may take to name the ends of a changelog."""

SETTLE_S = 60.0
"""
How long a transaction may hide what stands behind it.

Longer than its time-out and the 10 s between two looks of the broker at it.
"""

LOOK_S = 0.1
SAY_S = 5.0
"""How often a long restore is logged."""

FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LAST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def reader(client: Client, group: str, *, isolation: str = "read_committed") -> Consumer:
    """Make a consumer of whole partitions; by default it sees committed records only."""
    return Consumer(
        {
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16 << 10,
            "fetch.message.max.bytes": 4 << 20,
            "check.crcs": True,
            "allow.auto.create.topics": False,
            **client,
            "group.id": group,
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )


def ends_of(
    admin: AdminClient,
    asked: Iterable[TopicPartition],
    spec: OffsetSpec,
    *,
    isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
) -> dict[tuple[str, int], int]:
    """
    Give an end of each partition, by default with open transactions included.

    Raises:
        KafkaException: If the broker doesn't answer in time.
    """
    wanted: dict[TopicPartition, Any] = dict.fromkeys(asked, spec)
    answers = admin.list_offsets(wanted, isolation_level=isolation, request_timeout=ANSWER_S)
    return {(each.topic, each.partition): answers[each].result().offset for each in answers}


class Restore:
    """
    The restore of one shard, with its progress.

    Args:
        client: Connection settings.
        admin: On the same cluster.
        group: Names the consumer; nothing is committed under it.
        partition: The partition of the shard.
        changelogs: The changelog topic of each table.
        stopping: Ends the restore early when it answers True.
        progress: Told of the records applied so far and of the offsets that are left.
    """

    def __init__(
        self,
        *,
        client: Client,
        admin: AdminClient,
        group: str,
        partition: int,
        changelogs: Mapping[str, str],
        stopping: Callable[[], bool],
        progress: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._admin = admin
        self._group = group
        self._partition = partition
        self._changelogs = changelogs
        self._stopping = stopping
        self._progress = progress
        self._records = 0
        self._said_at = time.monotonic()

    def run(self, store: ShardStore) -> None:
        """
        Apply what *store* lacks, to the end of each changelog.

        Raises:
            RefusedError: If a changelog is shorter than the state, or was recreated.
            KafkaException: If the broker fails.
        """
        ids = self._topic_ids()
        consumer = reader(self._client, self._group)
        try:
            for table, topic in self._changelogs.items():
                self._hold_id(store, table, topic, ids[topic])
                self._table(consumer, store, table, topic)
        finally:
            consumer.close()

    def _topic_ids(self) -> dict[str, str]:
        """Give the identity that the broker gave each changelog when it was created."""
        topics = TopicCollection(list(self._changelogs.values()))
        answers = self._admin.describe_topics(topics, request_timeout=ANSWER_S)
        return {name: str(answer.result().topic_id) for name, answer in answers.items()}

    @staticmethod
    def _hold_id(store: ShardStore, table: str, topic: str, found: str) -> None:
        """Hold the changelog's identity against the one that the state came from."""
        known = store.topic_id(table)
        if known is None:
            store.set_topic_id(table, found)
        elif known != found:
            raise RefusedError(
                f"{topic} was deleted and created anew since the state in {store.path} was "
                "written: find its records, or delete the state if they are truly meant to be gone"
            )

    def _end(self, topic: str) -> int:
        """
        Give the true end of the changelog, once the broker shows all that is below it.

        Raises:
            KafkaException: If a transaction stays open for longer than any may.
        """
        place = (topic, self._partition)
        asked = [TopicPartition(*place)]
        end = ends_of(self._admin, asked, LAST)[place]
        until = time.monotonic() + SETTLE_S
        while not self._stopping():
            stable = ends_of(self._admin, asked, LAST, isolation=IsolationLevel.READ_COMMITTED)[
                place
            ]
            if stable >= end:
                break
            if time.monotonic() > until:
                raise KafkaException(KafkaError(KafkaError.CONCURRENT_TRANSACTIONS))
            time.sleep(LOOK_S)
        return end

    def _table(self, consumer: Consumer, store: ShardStore, table: str, topic: str) -> None:
        end = self._end(topic)
        low, _ = consumer.get_watermark_offsets(
            TopicPartition(topic, self._partition), timeout=ANSWER_S
        )
        applied = store.offset(table)
        if applied >= end:
            raise RefusedError(
                f"the state of {topic}[{self._partition}] is at offset {applied} and the topic "
                f"ends at {end}: the topic was cut; find its records, or delete the state if they "
                "are truly meant to be gone"
            )
        start = max(applied + 1, low)
        if start >= end:
            return
        consumer.assign([TopicPartition(topic, self._partition, start)])
        at_end = False
        while not at_end and not self._stopping():
            puts: dict[bytes, bytes | None] = {}
            last = -1
            for message in consumer.consume(CHUNK_RECORDS, 0.05):
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                        raise KafkaException(error)
                    # What stands between here and the end are markers, and no records.
                    at_end = (message.offset() or 0) >= end
                    last = max(last, (message.offset() or 0) - 1)
                    continue
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert value is None or isinstance(value, bytes)
                puts[key] = value
                last = message.offset() or 0
                self._records += 1
            if last >= 0:
                store.apply({table: puts}, {table: last})
                self._say(topic, end - last - 1)
                reach("restoring")
        consumer.unassign()

    def _say(self, topic: str, left: int) -> None:
        """Tell how it goes on, and log it now and then."""
        left = max(left, 0)
        self._progress(self._records, left)
        if time.monotonic() - self._said_at > SAY_S:
            self._said_at = time.monotonic()
            log.info(
                "restoring",
                changelog=topic,
                partition=self._partition,
                records=self._records,
                left=left,
            )
