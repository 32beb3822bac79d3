"""
Topics as a reader outside sees them: committed records, to their end.

A partition's end is where its first undecided transaction begins, because what comes
after it may still be taken back.  A reader assigns itself its partitions, joins no group
and commits nothing, so that looking on moves nobody's offsets.
"""

import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec import Struct
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

# A broker that is there answers its metadata in milliseconds; a person is waiting.
ANSWER_S = 6.0
# No partition of a healthy broker is silent for so long before its end.
SILENCE_S = 30.0
# Between two questions for what a broker cannot tell yet.
RETRY_S = 0.1
# Enough to keep librdkafka busy, and little enough to stop at once on Ctrl-C.
FETCH_RECORDS = 1000
FETCH_S = 0.5

START = OFFSET_BEGINNING
END = OFFSET_END

# librdkafka would write its connection troubles to the terminal, once a second; what
# matters of them comes back as an error of the call.
silent = logging.getLogger("streams.reading.librdkafka")
silent.addHandler(logging.NullHandler())
silent.propagate = False


REFUSALS = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001 - public names
# Of a partition that has no leader yet, or whose broker has just come back.
NOT_YET = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
NO_END = "the broker doesn't say where it ends"


class LogError(Exception):
    """
    A log that cannot be read.

    *code* is stable: NO_BROKER (nothing answers, or not to us), NO_TOPIC, NO_PARTITION,
    NO_ANSWER (the broker went silent in the middle), KAFKA (anything else it said).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Position(Struct, frozen=True, order=True):
    """Where a record is: written `topic[partition]@offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Logged(Struct, frozen=True):
    """
    One committed record.

    Attributes:
        timestamp: Epoch milliseconds, or None when the record has none.
    """

    position: Position
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class LogReader:
    """
    Read topics from outside the pipeline.  Close it, or use it as a context manager.

    Args:
        client: librdkafka's connection settings.
    """

    def __init__(self, client: Mapping[str, str]) -> None:
        self._consumer = Consumer(
            {
                **client,
                "group.id": "loyalty-reading",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                # A reader that is slower than the broker must not grow with the topic.
                "queued.max.messages.kbytes": 65_536,
                "fetch.wait.max.ms": 50,
                "error_cb": self._heard,
            },
            logger=silent,
        )
        self._refusal = ""
        self._counts: dict[str, int] = {}
        self._brokers = client.get("bootstrap.servers", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._consumer.close()

    def topics(self) -> dict[str, int]:
        """
        Give every topic of the broker with its partition count.

        Raises:
            LogError: NO_BROKER.
        """
        try:
            found = self._consumer.list_topics(timeout=ANSWER_S).topics
        except KafkaException as error:
            # The callback with the reason is called from within a poll alone.
            self._consumer.poll(0)
            why = f": {self._refusal}" if self._refusal else ""
            raise LogError("NO_BROKER", f"no Kafka answers at {self._brokers}{why}") from error
        self._counts = {
            name: len(each.partitions) for name, each in found.items() if each.error is None
        }
        return self._counts

    def _heard(self, error: KafkaError) -> None:
        """Keep why the broker doesn't take us; that a connection failed says less."""
        if error.code() in REFUSALS:
            self._refusal = error.str()

    def partitions(self, topic: str) -> int:
        """
        Count the partitions of *topic*.

        Raises:
            LogError: NO_BROKER or NO_TOPIC.
        """
        if topic not in self._counts and topic not in self.topics():
            raise LogError("NO_TOPIC", f"there is no topic {topic} at {self._brokers}")
        return self._counts[topic]

    def ends(self, topic: str) -> tuple[tuple[int, int], ...]:
        """
        Give first and next offset of each partition of *topic*, markers and gaps included.

        Raises:
            LogError: NO_BROKER, NO_TOPIC or KAFKA.
        """
        return tuple(self._span(topic, each) for each in range(self.partitions(topic)))

    def _span(self, topic: str, partition: int) -> tuple[int, int]:
        """Ask for as long as a broker may take: a topic that is new has no leaders at first."""
        patiently = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_delay(ANSWER_S),
            wait=wait_fixed(RETRY_S),
            reraise=True,
        )
        try:
            return patiently(self._asked, TopicPartition(topic, partition))
        except KafkaException as error:
            raise LogError("KAFKA", f"{topic}: {error.args[0].str()}") from error

    def _asked(self, place: TopicPartition) -> tuple[int, int]:
        first, after = self._consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        if min(first, after) < 0:
            # So librdkafka tells of a partition that an answer left out.
            raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE, NO_END))
        return first, after

    def to_end(
        self,
        topics: Sequence[str],
        *,
        partitions: Collection[int] | None = None,
        start: int = START,
    ) -> Iterator[Logged]:
        """
        Give the records of *topics* in the order of each partition, to the end of each.

        The ends are those at the beginning: what comes meanwhile is not read, as a busy
        partition is never quiet.

        Args:
            topics: Read side by side; their records interleave as they arrive.
            partitions: Only these of every topic; all when None.
            start: An offset, START or END, for every partition.

        Raises:
            LogError: With any code.
        """
        places = self._places(topics, partitions)
        ends = {place: self._span(*place)[1] for place in places}
        self._assign(places, start)
        heard_at = time.monotonic()
        while ends:
            messages = self._fetched()
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                raise LogError("NO_ANSWER", f"{self._brokers} is silent for {SILENCE_S:.0f} s")
            for message in messages:
                place = message.topic() or "", message.partition() or 0
                end, offset = ends.get(place, 0), message.offset() or 0
                if not _is_end(message) and offset < end:
                    yield _logged(message)
                    offset += 1
                # Nothing is heard of a marker, so that the last record may not be the end.
                if _is_end(message) or offset >= end:
                    ends.pop(place, None)

    def follow(
        self, topic: str, *, partitions: Collection[int] | None = None, start: int
    ) -> Iterator[Logged]:
        """
        Give the records of *topic* from *start* on, without end.

        Raises:
            LogError: With any code but NO_ANSWER: a topic may be quiet for hours.
        """
        self._assign(self._places([topic], partitions), start)
        while True:
            for message in self._fetched():
                if not _is_end(message):
                    yield _logged(message)

    def at(self, position: Position) -> Logged | None:
        """
        Give the record at *position*, or None when there is no committed one.

        Raises:
            LogError: With any code.
        """
        if not 0 <= position.partition < self.partitions(position.topic):
            return None
        found = self.to_end(
            [position.topic], partitions={position.partition}, start=position.offset
        )
        first = next(found, None)
        return first if first is not None and first.position == position else None

    def _fetched(self) -> list[Message]:
        """Wait for a record and give it with all that came meanwhile."""
        first = self._consumer.poll(FETCH_S)
        if first is None:
            return []
        # `consume` alone waits for the full number or the full time.
        return [first, *self._consumer.consume(FETCH_RECORDS, 0)]

    def _places(
        self, topics: Sequence[str], partitions: Collection[int] | None
    ) -> list[tuple[str, int]]:
        found = [
            (topic, partition)
            for topic in topics
            for partition in range(self.partitions(topic))
            if partitions is None or partition in partitions
        ]
        if not found:
            asked = ", ".join(topics)
            raise LogError("NO_PARTITION", f"{asked}: no such partition")
        return found

    def _assign(self, places: Iterable[tuple[str, int]], start: int) -> None:
        self._consumer.assign([TopicPartition(topic, each, start) for topic, each in places])


def _passes(error: BaseException) -> bool:
    """Tell whether a broker may answer when it is asked again."""
    return isinstance(error, KafkaException) and error.args[0].code() in NOT_YET


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- its public name
        return True
    raise LogError("KAFKA", f"{message.topic() or 'broker'}: {error.str()}")


def _logged(message: Message) -> Logged:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    stamped, timestamp = message.timestamp()
    return Logged(
        Position(topic, partition, offset),
        timestamp if stamped else None,
        _bytes(message.key()),
        _bytes(message.value()),
        tuple((name, _bytes(value) or b"") for name, value in _headers(message)),
    )


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    """Give the headers as the client makes them: a list of pairs, never the map it may take."""
    found = message.headers()
    return found if isinstance(found, list) else []


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
