"""
Bring a shard's local state to the end of its changelogs.

The changelogs are read committed and in bulk, straight into RocksDB.  The
caller has fenced the previous owner, so that no transaction is open in them.
Where the changelog itself can't be trusted, the worker refuses to start:
restoring from a log that was lost would turn balances to zero silently.
"""

from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.engine.failpoints import reach
from streams.engine.failure import RefusedError
from streams.engine.kafka_log import Client
from streams.engine.store import ShardStore

CHUNK_RECORDS = 5_000
"""Records in one local write; fewer make a restore slower, more take memory."""


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
        topic_ids: The identity of each changelog topic on the broker.
        stopping: Ends the restore early when it answers True.
    """

    def __init__(
        self,
        *,
        client: Client,
        group: str,
        partition: int,
        changelogs: Mapping[str, str],
        topic_ids: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> None:
        self._client = client
        self._group = group
        self._partition = partition
        self._changelogs = changelogs
        self._topic_ids = topic_ids
        self._stopping = stopping
        self.records = 0
        """Records applied so far."""
        self.remaining = 0
        """Offsets still to go; some of them are markers and no records."""

    def run(self, store: ShardStore) -> None:
        """
        Apply what *store* lacks, to the end of each changelog.

        Raises:
            RefusedError: If a changelog was recreated or is shorter than the state.
            KafkaException: If the broker fails.
        """
        if not self._changelogs:
            return
        consumer = reader(self._client, self._group)
        try:
            ends = self._starts_and_ends(consumer, store)
            consumer.assign([TopicPartition(*place) for place in ends.values() if place[2] >= 0])
            self._read(consumer, store, {t: e[3] for t, e in self._open_ends.items()})
        finally:
            consumer.close()
