"""A cluster of Kafka, asked through librdkafka."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.engine.cluster import Chunk, Committed, Members, Place
from streams.engine.failure import UnavailableError
from streams.engine.kafka_log import Client

CHUNK_RECORDS = 5_000
"""Records in one local write; fewer make a restore slower, more take memory."""

ANSWER_S = 30.0
"""How long the broker may take for one answer."""

SETTLE_S = 60.0
"""
How long the broker may be busy with what somebody else has left open.

Longer than a transaction's time-out and the 10 s between two looks of the broker at it.
"""

LOOK_S = 0.1

FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LAST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Answer = TypeVar("Answer")


def reader(client: Client, group: str, *, isolation: str = "read_committed") -> Consumer:
    """Make a consumer of whole partitions; by default it sees committed records only."""
    return Consumer(
        {
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16 << 10,
            # With a full second by default, a reader would wait for most of its time.
            "fetch.queue.backoff.ms": 5,
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


class KafkaCluster:
    """
    See Cluster.

    Args:
        client: Connection settings.
        admin: On the same cluster; may be shared.
        group: The group of the app.
        timeout_ms: The time-out of transactions.
        stopping: Ends every wait when it answers True.
    """

    def __init__(
        self,
        *,
        client: Client,
        admin: AdminClient,
        group: str,
        timeout_ms: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._client = client
        self._admin = admin
        self._group = group
        self._timeout_ms = timeout_ms
        self._stopping = stopping

    # --- Groups and writers ---------------------------------------------------------

    def committed(self, places: Iterable[Place], *, settled: bool) -> dict[Place, Committed]:
        """See Cluster."""
        # Read committed, the broker lets wait for pending offsets.
        isolation = "read_committed" if settled else "read_uncommitted"
        asked = [TopicPartition(*place) for place in places]
        consumer = reader(self._client, self._group, isolation=isolation)

        def ask() -> list[TopicPartition]:
            found: list[TopicPartition] = consumer.committed(asked, timeout=ANSWER_S)
            for each in found:
                if each.error is not None:
                    # Without this a failed look-up would read as "begin at the beginning".
                    raise KafkaException(each.error)
            return found

        try:
            found = self._patiently(ask)
        finally:
            consumer.close()
        return {
            (each.topic, each.partition): Committed(max(each.offset, -1), each.metadata)
            for each in found
        }

    def members(self) -> Members:
        """See Cluster."""

        def ask() -> Any:
            asked = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_S)
            return asked[self._group].result().members

        members = self._patiently(ask)
        return Members(
            ids=frozenset(each.member_id for each in members),
            instances=frozenset(
                each.group_instance_id for each in members if each.group_instance_id
            ),
        )

    def fence(self, writer: str) -> None:
        """See Cluster."""
        producer = Producer(
            {
                **self._client,
                "transactional.id": writer,
                "transaction.timeout.ms": self._timeout_ms,
            }
        )
        self._patiently(lambda: producer.init_transactions(10))

    # --- Logs -------------------------------------------------------------------------

    def starts(self, places: Iterable[Place]) -> dict[Place, int]:
        """See Cluster."""
        return self._offsets(places, FIRST, IsolationLevel.READ_UNCOMMITTED)

    def ends(self, places: Iterable[Place], *, settled: bool = False) -> dict[Place, int]:
        """See Cluster."""
        isolation = IsolationLevel.READ_COMMITTED if settled else IsolationLevel.READ_UNCOMMITTED
        return self._offsets(places, LAST, isolation)

    def _offsets(
        self, places: Iterable[Place], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[Place, int]:
        wanted: dict[TopicPartition, Any] = {TopicPartition(*place): spec for place in places}

        def ask() -> dict[Place, int]:
            answers = self._admin.list_offsets(
                wanted, isolation_level=isolation, request_timeout=ANSWER_S
            )
            found = {(each.topic, each.partition): answers[each].result().offset for each in wanted}
            if any(offset < 0 for offset in found.values()):
                # librdkafka names neither an offset nor an error where the answer of a broker
                # that has just come back leaves a partition out.
                raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE))
            return found

        return self._patiently(ask)

    def topic_ids(self, topics: Iterable[str]) -> Mapping[str, str]:
        """See Cluster."""
        asked = TopicCollection(list(topics))

        def ask() -> dict[str, str]:
            answers = self._admin.describe_topics(asked, request_timeout=ANSWER_S)
            return {name: str(answer.result().topic_id) for name, answer in answers.items()}

        return self._patiently(ask)

    def read(self, place: Place, start: int, end: int) -> Iterator[Chunk]:
        """See Cluster."""
        consumer = reader(self._client, f"{self._group}-restore")
        try:
            consumer.assign([TopicPartition(*place, start)])
            at_end = False
            while not at_end and not self._stopping():
                chunk, reached = _chunk(consumer.consume(CHUNK_RECORDS, 0.05))
                at_end = reached is not None and reached >= end
                if chunk.last >= 0:
                    yield chunk
        except KafkaException as error:
            raise UnavailableError(error.args[0].name()) from error
        finally:
            consumer.close()

    # --- Waiting ------------------------------------------------------------------------

    def looks(self) -> Iterator[None]:
        """See Cluster."""
        until = time.monotonic() + SETTLE_S
        while not self._stopping():
            yield
            if time.monotonic() > until:
                raise UnavailableError("a transaction stays open for longer than any may")
            time.sleep(LOOK_S)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again while the broker is busy with itself; it may move what we ask for."""
        until = time.monotonic() + SETTLE_S
        while True:
            try:
                return ask()
            except KafkaException as error:
                verdict = error.args[0]
                if verdict.fatal() or self._stopping() or time.monotonic() > until:
                    raise UnavailableError(verdict.name()) from error
                time.sleep(LOOK_S)


def _chunk(messages: Iterable[Message]) -> tuple[Chunk, int | None]:
    """Sum messages up, and say which end of the log they have met, if one."""
    puts: dict[bytes, bytes | None] = {}
    last, records, reached = -1, 0, None
    for message in messages:
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                raise KafkaException(error)
            # What stands between the last record and here are markers.
            reached = message.offset() or 0
            last = max(last, reached - 1)
            continue
        key, value = message.key(), message.value()
        assert isinstance(key, bytes)
        assert value is None or isinstance(value, bytes)
        puts[key] = value
        last = message.offset() or 0
        records += 1
    return Chunk(puts, records, last), reached
