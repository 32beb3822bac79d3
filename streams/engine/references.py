"""
Reference topics, held in full by every worker and read by a plain consumer.

Each reference is a RocksDB of its own with the offset of the last record that is in it,
so that a restart reads only what is new.  A key's versions are one row.  Updates and
handlers take turns, so that a batch sees one state of all references.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.engine.cluster import Cluster
from streams.engine.failure import (
    RefusedError,
    StateDamagedError,
    exit_unacknowledged,
    log,
    place_of,
)
from streams.engine.kafka_cluster import ANSWER_S, reader
from streams.engine.kafka_log import Client
from streams.engine.record import Record
from streams.engine.stage import Reference
from streams.engine.store import Memory, ShardStore

CHUNK_RECORDS = 2_000
POLL_S = 0.2
WAIT_MS = 100
"""
How long the broker keeps a fetch while nothing is written.

What is written is sent at once; only how soon the end of a topic is known hangs on it.
"""

_LEAN: Client = {
    "fetch.wait.max.ms": WAIT_MS,
    # What a first read takes isn't given back to the system: let it be little.
    "queued.max.messages.kbytes": 4 << 10,
    "fetch.message.max.bytes": 1 << 20,
}

LOOK_S = 5.0
"""How often the end of a quiet topic is asked for; a copy is known to be current to that."""

LOOK_ANSWER_S = 2.0
CACHED_BYTES = 24 << 20
"""About what is kept decoded; a shop's shelf is below it, and beyond it rows are read anew."""

DECODED_BYTES = 400
"""What Python takes for a decoded row besides its bytes: tuples, numbers, its place in a dict."""

VERSIONS = "versions"
"""The one table of a copy: the versions of each key."""

# valid from, offset, the record's own key, value
Version = tuple[int, int, bytes, bytes]
Versions = tuple[Version, ...]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Version, ...])


class HeldReference:
    """
    One reference; see ReferenceView.

    Args:
        declared: Its topic and how its versions are told apart.
        folder: A folder of its own.
        memory: What the databases of the process share.
    """

    def __init__(self, declared: Reference, folder: Path, memory: Memory) -> None:
        self.declared = declared
        self.store = ShardStore(
            folder / declared.name, owner=f"references/{declared.name}", memory=memory
        )
        self._offset = self.store.offset(VERSIONS)
        self._cache: dict[bytes, Versions] = {}
        self._room = CACHED_BYTES
        self.complete = threading.Event()
        """Set once the topic has been read to the end that it had at the start."""
        self.current_at = 0.0
        """When (monotonic) everything that was committed was last known to be in it."""

    @property
    def stale(self) -> bool:
        """Whether it may lack what was committed longer ago than is good for its readers."""
        most = self.declared.stale_after_s
        return most is not None and time.monotonic() - self.current_at > most

    @property
    def offset(self) -> int:
        """See ReferenceView."""
        return self._offset

    @property
    def generation(self) -> int:
        """See ReferenceView."""
        return self._offset + 1

    def get(self, key: bytes) -> bytes | None:
        """See ReferenceView."""
        versions = self._row(key)
        return versions[-1][3] if versions else None

    def as_of(self, key: bytes, at_ms: int) -> bytes | None:
        """See ReferenceView."""
        versions = self._row(key)
        if len(versions) == 1:
            return versions[0][3] if versions[0][0] <= at_ms else None
        place = bisect_right(versions, at_ms, key=lambda version: version[0])
        return versions[place - 1][3] if place else None

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See ReferenceView."""
        for key, versions in self._rows(prefix):
            yield key, versions[-1][3]

    def versions(self, prefix: bytes = b"") -> Iterator[tuple[bytes, int, bytes]]:
        """See ReferenceView."""
        for key, versions in self._rows(prefix):
            for valid_from, _, _, value in versions:
                yield key, valid_from, value

    def _rows(self, prefix: bytes) -> Iterator[tuple[bytes, Versions]]:
        for key, row in self.store.scan(VERSIONS, prefix):
            yield key, _decoder.decode(row)

    def _row(self, key: bytes) -> Versions:
        known = self._cache.get(key)
        if known is None:
            row = self.store.get(VERSIONS, key)
            known = () if row is None else _decoder.decode(row)
            self._room -= DECODED_BYTES + (0 if row is None else len(row))
            if self._room < 0:
                self._cache, self._room = {}, CACHED_BYTES
            self._cache[key] = known
        return known

    def apply(self, records: Sequence[Record], end: int) -> None:
        """Take *records* over, and *end* as the last offset that has been seen."""
        rows: dict[bytes, Versions] = {}
        for record in records:
            own = record.key or b""
            lookup = self.declared.lookup_key
            key = own if lookup is None else lookup(record)
            rows[key] = self._with(rows.get(key, self._row(key)), record, own)
        puts = {key: _encoder.encode(each) if each else None for key, each in rows.items()}
        self.store.apply({VERSIONS: puts}, {VERSIONS: end})
        for key in rows:
            self._cache.pop(key, None)
        self._offset = end

    def _with(self, versions: Versions, record: Record, own: bytes) -> Versions:
        """Add a version to *versions*, or take away what it replaces or removes."""
        declared = self.declared
        if declared.valid_from is None:
            return () if record.value is None else ((0, record.offset, own, record.value),)
        if record.value is None and declared.lookup_key is None:
            return ()
        kept = [each for each in versions if declared.lookup_key is None or each[2] != own]
        if record.value is not None:
            valid_from = declared.valid_from(record)
            if valid_from is None:
                return versions
            kept.append((valid_from, record.offset, own, record.value))
        return tuple(sorted(kept, key=lambda version: version[:2]))

    def close(self) -> None:
        """Let go of the folder."""
        self.store.close()


class ReferenceReader:
    """
    Reads all references of a worker in one thread.

    Args:
        client: Connection settings.
        group: Names the consumer; nothing is committed under it.
        turn: Held while references change, and by whoever runs a handler.
    """

    def __init__(
        self,
        references: Sequence[HeldReference],
        *,
        client: Client,
        group: str,
        turn: threading.Lock,
    ) -> None:
        self.references = {each.declared.name: each for each in references}
        self._by_topic = {each.declared.topic: each for each in references}
        self._client = client
        self._group = group
        self._turn = turn
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="references", daemon=True)

    def hold_against(self, cluster: Cluster) -> None:
        """
        Hold the copies against the topics that they were read from.

        A topic that was made anew may be empty still, and no campaign would pay any more.  So
        it isn't read instead, until somebody has looked.

        Raises:
            RefusedError: If a topic was created anew, or is shorter than its copy.
            UnavailableError: If the broker fails.
        """
        ids = cluster.topic_ids(self._by_topic)
        ends = cluster.ends([(topic, 0) for topic in self._by_topic])
        for topic, reference in self._by_topic.items():
            store, end = reference.store, ends[topic, 0]
            known = store.topic_id(VERSIONS)
            if known is None:
                store.set_topic_id(VERSIONS, ids[topic])
            elif known != ids[topic] or reference.offset >= end:
                raise RefusedError(
                    f"{topic} was created anew or cut since the copy in {store.name} was read: see "
                    "that what it should hold is there, then delete the copy"
                )

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and let go of the folders."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(5)
        for reference in self.references.values():
            reference.close()

    @property
    def complete(self) -> bool:
        """Whether every reference has been read to its end."""
        return all(each.complete.is_set() for each in self.references.values())

    def await_complete(self, stopping: threading.Event) -> None:
        """Wait until every reference has been read to its end, or *stopping* is set."""
        for reference in self.references.values():
            while not reference.complete.wait(0.05) and not stopping.is_set():
                pass

    def _run(self) -> None:
        try:
            self._read()
        # Whatever it is, no batch may go on without.
        except (Exception, StateDamagedError) as error:  # noqa: BLE001
            exit_unacknowledged("references can't be read", error=place_of(error))

    def _read(self) -> None:
        if not self.references:
            return
        consumer = reader({**_LEAN, **self._client}, self._group)
        consumer.assign(
            [
                TopicPartition(topic, 0, self._start(consumer, topic, each))
                for topic, each in self._by_topic.items()
            ]
        )
        looked_at = time.monotonic()
        while not self._ending.is_set():
            self._take(consumer)
            if time.monotonic() - looked_at > LOOK_S:
                self._look(consumer)
                looked_at = time.monotonic()
        consumer.close()

    def _look(self, consumer: Consumer) -> None:
        """Ask for the ends: of a topic in which nothing is written nothing is heard either."""
        for topic, reference in self._by_topic.items():
            if reference.declared.stale_after_s is None:
                continue
            asked_at = time.monotonic()
            try:
                _, high = consumer.get_watermark_offsets(
                    TopicPartition(topic, 0), timeout=LOOK_ANSWER_S
                )
            except KafkaException as error:
                log.warning("a reference's end is unknown", topic=topic, error=place_of(error))
                continue
            # A negative one is none.
            if 0 <= high <= reference.offset + 1:
                reference.current_at = asked_at

    @staticmethod
    def _start(consumer: Consumer, topic: str, reference: HeldReference) -> int:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=ANSWER_S)
        return max(low, reference.offset + 1)

    def _take(self, consumer: Consumer) -> None:
        chunks: dict[str, list[Record]] = {}
        ended: dict[str, int] = {}
        first = consumer.poll(POLL_S)
        if first is None:
            return
        # `consume` alone would wait for its full number or its full time.
        for message in (first, *consumer.consume(CHUNK_RECORDS, 0)):
            topic, offset = message.topic() or "", message.offset() or 0
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    ended[topic] = offset - 1
                    continue
                if error.retriable() or not error.fatal():
                    log.warning("references wait for the broker", error=error.name())
                    continue
                raise KafkaException(error)
            key, value = message.key(), message.value()
            assert key is None or isinstance(key, bytes)
            assert value is None or isinstance(value, bytes)
            record = Record(topic, 0, offset, message.timestamp()[1], key, value)
            chunks.setdefault(topic, []).append(record)
        for topic in {*chunks, *ended}:
            records = chunks.get(topic, [])
            reference = self._by_topic[topic]
            end = max(ended.get(topic, -1), records[-1].offset if records else -1)
            if end > reference.offset:
                with self._turn:
                    reference.apply(records, end)
            if topic in ended:
                reference.current_at = time.monotonic()
                reference.complete.set()
