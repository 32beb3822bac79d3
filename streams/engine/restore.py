"""
Bring a shard's local state to the end of its changelogs.

The changelogs are read committed and in bulk, straight into RocksDB.  The
caller has fenced the previous owner, so that no transaction is open in them.
Where the changelog itself can't be trusted, the worker refuses to start:
restoring from a log that was lost would turn balances to zero silently.
"""

from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.engine.failpoints import reach
from streams.engine.failure import RefusedError
from streams.engine.kafka_log import Client
from streams.engine.store import ShardStore

CHUNK_RECORDS = 5_000
"""Records in one local write; fewer make a restore slower, more take memory."""

ANSWER_S = 30.0
"""How long the broker may take to name the ends of a changelog."""


def reader(client: Client, group: str) -> Consumer:
    """Make a consumer of whole partitions that sees committed records only."""
    return Consumer(
        {
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16 << 10,
            "fetch.message.max.bytes": 4 << 20,
            "check.crcs": True,
            "allow.auto.create.topics": False,
            **client,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )


class Restore:
    """
    The restore of one shard, with its progress.

    Args:
        client: Connection settings.
        group: Names the consumer; nothing is committed under it.
        partition: The partition of the shard.
        changelogs: The changelog topic of each table.
        stopping: Ends the restore early when it answers True.
    """

    def __init__(
        self,
        *,
        client: Client,
        group: str,
        partition: int,
        changelogs: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> None:
        self._client = client
        self._group = group
        self._partition = partition
        self._changelogs = changelogs
        self._stopping = stopping
        self.records = 0
        """Records applied so far."""

    def run(self, store: ShardStore) -> None:
        """
        Apply what *store* lacks, to the end of each changelog.

        Raises:
            RefusedError: If a changelog is shorter than the state.
            KafkaException: If the broker fails.
        """
        consumer = reader(self._client, self._group)
        try:
            for table, topic in self._changelogs.items():
                self._table(consumer, store, table, topic)
        finally:
            consumer.close()

    def _table(self, consumer: Consumer, store: ShardStore, table: str, topic: str) -> None:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, self._partition), timeout=ANSWER_S
        )
        applied = store.offset(table)
        if applied >= high:
            raise RefusedError(
                f"the state of {topic}[{self._partition}] is at offset {applied} and the topic "
                f"ends at {high}: the topic was recreated or cut; find its records, or delete the "
                "state if they are truly meant to be gone"
            )
        start = max(applied + 1, low)
        if start >= high:
            return
        consumer.assign([TopicPartition(topic, self._partition, start)])
        end = False
        while not end and not self._stopping():
            puts: dict[bytes, bytes | None] = {}
            last = -1
            for message in consumer.consume(CHUNK_RECORDS, 0.05):
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                        raise KafkaException(error)
                    # What stands between here and the end are markers, and no records.
                    end = True
                    last = max(last, (message.offset() or 0) - 1)
                    continue
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert value is None or isinstance(value, bytes)
                puts[key] = value
                last = message.offset() or 0
                self.records += 1
            if last >= 0:
                store.apply({table: puts}, {table: last})
                reach("restoring")
        consumer.unassign()
