"""
The transactional writer of a stage in one worker, on librdkafka.

Every call that waits for the broker has a deadline of ours besides its own:
librdkafka's calls can overstay theirs while a coordinator returns.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.engine.failure import AbortedError, FatalLogError, LostPartitionError
from streams.engine.record import Output
from streams.engine.transaction import Ends, Position

Client = Mapping[str, str | int | float | bool]
Place = tuple[str, int]  # Topic, partition.

LOST = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""The group has moved on: the partition is, or soon will be, another's."""

FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - the library's public name for it
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)

FENCE_S = 60.0
"""
How long the broker may take to settle what an earlier incarnation has left open.

Longer than a transaction's time-out and the 10 s between two looks of the broker at it.
"""

REMEMBERED_S = 12 * 3600.0
"""
How long a partition is sure to remember a writer that is silent there.

A broker forgets it after `transactional.id.expiration.ms`, a week, or at the least after
`producer.id.expiration.ms`, a day; half of that is far from both.
"""

INTRODUCTION = b"\0introduction"
"""The key of the tombstone that makes a partition know a writer; no committed reader sees it."""

QUEUE_MESSAGES = 200_000
_NOTHING: Mapping[str, Any] = {}


class KafkaLog:
    """
    See Writer.

    Args:
        client: Connection settings.
        transactional_id: Of this worker alone; its next incarnation has the same or fences it.
        timeout_ms: After it the broker aborts an open transaction.
        changelogs: The changelog topic of each table.
        call_timeout_s: For one call.
    """

    def __init__(
        self,
        *,
        client: Client,
        transactional_id: str,
        timeout_ms: int,
        changelogs: Mapping[str, str],
        call_timeout_s: float,
    ) -> None:
        self.transactional_id = transactional_id
        self._changelogs = changelogs
        self._timeout_s = call_timeout_s
        self._ends: dict[tuple[str, int], int] = {}
        self._group: object = b""
        self._note = ""
        self._alone = False
        # The partitions of changelogs that are ours, those of each topic of outputs, and when
        # each came to know this writer.
        self._claimed: list[Place] = []
        self._places_of: dict[str, list[Place]] = {}
        self._introduced: dict[Place, float] = {}
        self._producer = Producer(
            {
                "linger.ms": 5,
                "acks": "all",
                "enable.idempotence": True,
                # Waits of 100 ms by default would be most of a transaction.
                "retry.backoff.ms": 5,
                "retry.backoff.max.ms": 100,
                "queue.buffering.max.messages": QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": 128 << 10,
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": False,
                **client,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": timeout_ms,
            }
        )

    def fence(self) -> None:
        """See Writer."""
        if not self._alone:
            self._call(lambda: self._producer.init_transactions(10), timeout_s=FENCE_S)
            self._alone = True

    def join(self, group: object, note: str) -> None:
        """See Writer."""
        self._group, self._note = group, note

    def introduce_to_changelogs(self, partitions: Iterable[int]) -> None:
        """See Writer."""
        topics = self._changelogs.values()
        self._claimed = [(topic, each) for topic in topics for each in partitions]
        self._introduce_to(self._claimed)

    def introduce(self, topics: Collection[str]) -> None:
        """See Log."""
        outputs = [place for topic in topics for place in self._places(topic)]
        # A changelog that was silent for long may have forgotten this writer, too.
        self._introduce_to([*self._claimed, *outputs])

    def _places(self, topic: str) -> list[Place]:
        """List the partitions of a topic; where there is no topic, sending to it will say so."""
        if topic not in self._places_of:
            try:
                known = self._producer.list_topics(topic, timeout=self._timeout_s).topics[topic]
            except KafkaException as error:
                raise AbortedError(error.args[0].name()) from error
            if not known.partitions:
                return []
            self._places_of[topic] = [(topic, each) for each in sorted(known.partitions)]
        return self._places_of[topic]

    def _introduce_to(self, places: Sequence[Place]) -> None:
        """
        Write one record to each place that doesn't know this writer, and abort it.

        A partition takes whatever sequence number comes first from a writer that is new to it.
        If a first request is refused and a second one under way is not, librdkafka takes both
        for written (decisions/0007).  So the first request goes alone, and carries nothing.
        """
        now = time.monotonic()
        unknown = [each for each in places if now - self._introduced.get(each, -inf) > REMEMBERED_S]
        if not unknown:
            return

        def written(error: KafkaError | None, message: Message) -> None:
            topic, partition = message.topic(), message.partition()
            if error is None and topic is not None and partition is not None:
                self._introduced[topic, partition] = now

        self.begin()
        for topic, partition in unknown:
            self._queue(topic, None, INTRODUCTION, partition, {"on_delivery": written})
        self._producer.flush(self._timeout_s)
        self.abort()
        if any(self._introduced.get(each) != now for each in unknown):
            raise AbortedError("the broker didn't take the introduction of this writer in time")

    def begin(self) -> None:
        """See Log."""
        self._ends = {}
        self._call(self._producer.begin_transaction)

    def change(self, table: str, partition: int, items: Mapping[bytes, bytes | None]) -> None:
        """See Log."""
        topic, produce = self._changelogs[table], self._producer.produce

        def written(error: KafkaError | None, message: Message) -> None:
            offset = message.offset()
            if error is None and offset is not None:
                self._ends[table, partition] = offset

        last = len(items)
        for place, (key, value) in enumerate(items.items(), 1):
            # The log of a partition is in order, so the last is the highest.
            extra = {"on_delivery": written} if place == last else _NOTHING
            try:
                produce(topic, value, key, partition, **extra)
            except (BufferError, KafkaException):
                self._queue(topic, value, key, partition, extra)

    def emit(self, outputs: Sequence[Output]) -> None:
        """See Log."""
        produce = self._producer.produce
        for output in outputs:
            extra = _extra(output) if output.headers or output.timestamp is not None else _NOTHING
            partition = -1 if output.partition is None else output.partition
            try:
                produce(output.topic, output.value, output.key, partition, **extra)
            except (BufferError, KafkaException):
                self._queue(output.topic, output.value, output.key, partition, extra)

    def _queue(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        extra: Mapping[str, Any],
    ) -> None:
        """
        Queue one record that was refused a moment ago; a full queue is waited for.

        The loops above try by themselves first, for a call of ours a record would be a tenth
        of what an event costs.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._producer.produce(topic, value, key, partition, **extra)
            except BufferError:
                self._producer.poll(0.05)
                if time.monotonic() > deadline:
                    raise FatalLogError("the producer's queue stays full") from None
            except KafkaException as error:
                self._fail(error)
            else:
                return

    def flush(self) -> Ends:
        """See Log."""
        if self._producer.flush(self._timeout_s):
            self.abort()
            raise AbortedError("the broker didn't take the batch in time")
        return self._ends

    def acknowledge(self, position: Position) -> None:
        """See Log."""
        offsets = [
            TopicPartition(topic, partition, offset, self._note)
            for (topic, partition), offset in position.items()
        ]
        self._call(lambda: self._producer.send_offsets_to_transaction(offsets, self._group, 10))

    def commit(self) -> None:
        """
        See Log.

        Raises:
            FatalLogError: If it fails in any way.  librdkafka may call for an abort after a
                commit that was sent and that the broker has carried out, its answer lost; to
                do the batch again would double it.  Only whoever takes over learns which.
        """
        self._call(lambda: self._producer.commit_transaction(10), fail=self._give_up)

    def abort(self) -> None:
        """
        Abort what is open.

        Raises:
            FatalLogError: If even that fails.
        """
        self._call(lambda: self._producer.abort_transaction(10))

    def _call(
        self,
        call: Callable[[], object],
        *,
        timeout_s: float | None = None,
        fail: Callable[[KafkaException], object] | None = None,
    ) -> None:
        """Make one transaction call, again while librdkafka says it may be repeated."""
        deadline = time.monotonic() + (timeout_s or self._timeout_s)
        while True:
            try:
                call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    (fail or self._fail)(error)
                time.sleep(0.02)
            else:
                return

    @staticmethod
    def _give_up(error: KafkaException) -> NoReturn:
        raise FatalLogError(error.args[0].name()) from error

    def _fail(self, error: KafkaException) -> None:
        """Turn librdkafka's verdict into one of ours; an abortable transaction is aborted."""
        verdict = error.args[0]
        if verdict.fatal() or verdict.code() in FENCED or not verdict.txn_requires_abort():
            raise FatalLogError(verdict.name()) from error
        self.abort()
        if verdict.code() in LOST:
            raise LostPartitionError(verdict.name()) from error
        raise AbortedError(verdict.name()) from error


def _extra(output: Output) -> dict[str, Any]:
    """Give what few outputs have, as librdkafka's client wants it."""
    extra: dict[str, Any] = {}
    if output.headers:
        extra["headers"] = list(output.headers)
    if output.timestamp is not None:
        extra["timestamp"] = output.timestamp
    return extra
