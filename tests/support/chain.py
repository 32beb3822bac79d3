"""The chain on a real broker: its topics, what is sent into it, and the five views of it."""

import gc
import random
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct
from msgspec.structs import replace
from rocksdict import AccessType, Options, Rdict

from streams.engine import changelog_topic, topics_needed
from streams.reading.log import Logged, LogReader
from streams.topics import SENDING
from tests.support import chain_worker
from tests.support.chain_worker import (
    APP,
    LATE,
    MIDDLE,
    OUT,
    SOURCE,
    STAGES,
    group_key,
    row,
    sum_key,
)

PARTITIONS = 4
KEYS = 150
SENT_IN = 600.0
"""Seconds after which a record that no broker took is given up; longer than all faults."""
WAITING_MOST = 20_000
"""Records that wait for the broker; a source that it takes them from more slowly sends no more."""

Rows = dict[bytes, bytes]


def create_topics(client: Mapping[str, Any], *, copies: int) -> None:
    """Create what the chain needs on a broker that has nothing yet."""
    sources = {source: PARTITIONS for source, _, _ in STAGES.values()}
    topics = [NewTopic(name, PARTITIONS, copies) for name in (*sources, OUT)]
    topics += [
        NewTopic(need.name, need.partitions, copies, config=need.config)
        for need in topics_needed(APP, chain_worker.declared().stages, sources)
    ]
    admin = AdminClient(dict(client))
    for future in admin.create_topics(topics).values():
        future.result()
    # A broker acknowledges a topic before it tells everybody of it.
    while not {topic.topic for topic in topics} <= set(admin.list_topics(timeout=10).topics):
        time.sleep(0.05)


# What librdkafka says of a producer that it gives up, and of what that had under way.
GIVEN_UP = (KafkaError._FATAL, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)


class Feed:
    """
    Sends records into the chain from a thread of its own, at a steady rate.

    A lone broker that was killed may have forgotten what it had of a producer.  librdkafka
    then gives that producer up, and the feed goes on with another: what was under way may
    be there or not, and isn't sent again.

    Attributes:
        taken: The serials that the broker has acknowledged.
        given_up: How often it went on with another producer.
    """

    def __init__(self, client: Mapping[str, Any], *, seed: int, padding: int = 0) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a seed, not a secret
        self._padding = b"." * padding
        self._client = client
        self._fatal = False
        self._producer = self._connected()
        self.given_up = 0
        self._serial = 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.taken: set[int] = set()
        self.lost = 0
        self.rate = 0.0

    def _connected(self) -> Producer:
        self._fatal = False
        return Producer(
            {
                **self._client,
                **SENDING,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(SENT_IN * 1000),
                "queue.buffering.max.messages": 1_000_000,
                "error_cb": self._failed,
            }
        )

    def start(self, rate: float) -> None:
        """Send *rate* records a second until told otherwise."""
        self.rate = rate
        self._thread = threading.Thread(target=self._send, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending, and wait until the broker has everything."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        assert self._producer.flush(SENT_IN) == 0
        assert not self.lost, f"{self.lost} records weren't taken in {SENT_IN:.0f} s"

    def abandon(self) -> None:
        """Stop sending and don't care for what is under way."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self._producer.purge()

    def _send(self) -> None:
        owed, at = 0.0, time.monotonic()
        while not self._ending.wait(0.01):
            if self._fatal:
                self._begin_anew()
            now = time.monotonic()
            owed, at = owed + (now - at) * self.rate, now
            for _ in range(min(int(owed), WAITING_MOST - len(self._producer))):
                self._serial += 1
                key = b"k%d" % self._dice.randrange(KEYS)
                value = b"%d/%b" % (self._serial, self._padding)
                told = {"on_delivery": self._delivered}
                self._try(partial(self._producer.produce, SOURCE, value, key, **told))
            owed -= int(owed)
            self._try(lambda: self._producer.poll(0))

    def _begin_anew(self) -> None:
        """Go on with another producer; whatever this one still had is reported as failed."""
        self._try(lambda: self._producer.flush(1))
        self._producer = self._connected()
        self.given_up += 1

    def _try(self, work: Callable[[], object]) -> None:
        """Do something that librdkafka refuses once it gives the producer up."""
        try:
            work()
        except KafkaException as error:
            self._failed(error.args[0])
            if not self._fatal:
                raise

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.taken.add(int(message.value().split(b"/")[0]))
            return
        self._failed(error)
        self.lost += not self._fatal

    def _failed(self, error: KafkaError) -> None:
        """Remember an error after which librdkafka gives the producer up."""
        self._fatal |= error.fatal() or error.code() in GIVEN_UP


def abandon(client: Mapping[str, Any], *, name: str, abort: bool) -> Producer:
    """
    Send records into the chain that nobody may ever see, in a transaction.

    Args:
        client: Connection settings.
        name: Its transactional id.
        abort: Whether it is aborted now; otherwise it hangs until the broker aborts it.
    """
    producer = Producer({**client, "transactional.id": name, "transaction.timeout.ms": 3000})
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition in range(PARTITIONS):
        producer.produce(SOURCE, b"1000000000/never", b"k1", partition=partition)
    producer.flush(30)
    if abort:
        producer.abort_transaction(30)
    return producer


class Seen(Struct, frozen=True):
    """A record as a reader saw it; *at* by the monotonic clock."""

    topic: str
    partition: int
    offset: int
    value: bytes
    at: float


class Watcher:
    """Reads what the stages send, committed records only, while everything burns."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._consumer = Consumer(
            {
                **client,
                "group.id": "watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        self._consumer.assign(
            [TopicPartition(topic, each, 0) for topic in SENT for each in range(PARTITIONS)]
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self.seen: list[Seen] = []
        self.results = 0
        """How many records of the last topic have been seen."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        while not self._ending.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            value = shortened(message.value())
            self.seen.append(Seen(topic, partition, offset, value, time.monotonic()))
            self.results += topic == OUT

    def gaps(self, began: float) -> dict[int, float]:
        """Give the longest time since *began* without a result of each partition, in seconds."""
        last = dict.fromkeys(range(PARTITIONS), began)
        longest = dict.fromkeys(range(PARTITIONS), 0.0)
        for each in (each for each in self.seen if each.topic == OUT and each.at > began):
            longest[each.partition] = max(each.at - last[each.partition], longest[each.partition])
            last[each.partition] = each.at
        return longest


SENT = (MIDDLE, LATE, OUT)
CHANGED = {
    table: (stage, changelog_topic(APP, stage, table))
    for stage, (_, tables, _) in STAGES.items()
    for table in tables
}


def committed(client: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """Give the committed offset of each source partition; 0 where there is none yet."""
    consumer = Consumer({**client, "group.id": APP, "isolation.level": "read_committed"})
    sources = [source for source, _, _ in STAGES.values()]
    asked = [TopicPartition(topic, each) for topic in sources for each in range(PARTITIONS)]
    try:
        found = consumer.committed(asked, timeout=20)
    except KafkaException:
        # A coordinator that is just moving in; whoever waits asks again.
        return {}
    finally:
        consumer.close()
    return {(each.topic, each.partition): max(each.offset, 0) for each in found}


def ends(client: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """Give the end of each source partition."""
    with LogReader(dict(client)) as log:
        return {
            (source, partition): end
            for source, _, _ in STAGES.values()
            for partition, (_, end) in enumerate(log.ends(source))
        }


class Views(Struct):
    """
    The five views of the chain, when all of it is done and every worker has ended.

    Attributes:
        source: The records of the first source.
        sent: The records that the stages sent, by topic.
        changes: The records of the changelogs, by table.
        committed: The committed offset of each source partition.
        ends: The end of each source partition.
        taken: The serials of the source that its sender knows of.
        watched: What a reader saw meanwhile.
        folders: The data folders of every worker there was.
    """

    source: list[Logged]
    sent: dict[str, list[Logged]]
    changes: dict[str, list[Logged]]
    committed: dict[tuple[str, int], int]
    ends: dict[tuple[str, int], int]
    taken: set[int]
    watched: list[Seen]
    folders: list[Path]

    def differences(self) -> list[str]:
        """Say where the views differ from the right answer or from each other."""
        return [
            *self._of_source(),
            *self._of_outputs(),
            *self._of_changelogs(),
            *self._of_disks(),
            *self._of_offsets(),
        ]

    # --- Each view ----------------------------------------------------------------

    def _of_source(self) -> Iterator[str]:
        times = Counter(map(serial_of, self.source))
        yield from counted("source", "that were taken are missing", self.taken - set(times))
        yield from counted("source", "are there twice", doubled(times))

    def _of_outputs(self) -> Iterator[str]:
        wanted = set(map(serial_of, self.source))
        for topic, records in self.sent.items():
            times = Counter(map(serial_of, records))
            yield from counted(topic, "are missing", wanted - set(times))
            yield from counted(topic, "are there twice", doubled(times))
            yield from places(records, doubled(times))
            yield from counted(topic, "have no source", set(times) - wanted)
            yield from counted(topic, "are out of order", misplaced(records))
            there = {
                (each.position.partition, each.position.offset, each.value or b"")
                for each in records
            }
            watched = [
                (each.partition, each.offset, each.value)
                for each in self.watched
                if each.topic == topic
            ]
            yield from counted(topic, "were seen that aren't there", set(watched) - there)
            yield from counted(topic, "are there and weren't seen", there - set(watched))
            yield from counted(topic, "were seen twice", doubled(Counter(watched)))

    def _of_changelogs(self) -> Iterator[str]:
        for table, rows in self.answer().items():
            found: Rows = {}
            for partition in range(PARTITIONS):
                found |= self.fold(table, partition)
            yield from counted(f"changelog of {table}", "differ", differing(found, rows))

    def _of_disks(self) -> Iterator[str]:
        """Hold each copy on disk against the changelog as it was where the copy says it is."""
        whole: set[tuple[str, int]] = set()
        for path in self._databases():
            stage, _, number = path.name.partition("-")
            partition = int(number)
            rows = contents(path)
            complete = True
            for table in STAGES[stage][1]:
                raw = rows.get(b"\0offset\0" + table.encode())
                at = -1 if raw is None else int.from_bytes(raw, "big")
                prefix = table.encode() + b"\0"
                held = {k[len(prefix) :]: v for k, v in rows.items() if k.startswith(prefix)}
                then = self.fold(table, partition, at)
                yield from counted(
                    f"{path.parent.parent.name}/{path.name}, {table} at {at}",
                    "differ",
                    differing(held, then),
                )
                complete &= then == self.fold(table, partition)
            if complete:
                whole.add((stage, partition))
        every = {(stage, partition) for stage in STAGES for partition in range(PARTITIONS)}
        yield from counted("disks", "have no copy that is at the end", every - whole)

    def _of_offsets(self) -> Iterator[str]:
        behind = {place for place, end in self.ends.items() if self.committed.get(place) != end}
        yield from counted("committed offsets", "aren't the end", behind)

    # --- What they are made of ----------------------------------------------------

    def answer(self) -> dict[str, Rows]:
        """Give the right rows of every table, by the source alone."""
        counts: dict[str, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
        for each in self.source:
            serial = serial_of(each)
            counts["counts"][each.key or b""].append(serial)
            counts["groups"][group_key(serial)].append(serial)
            counts["sums"][sum_key(serial)].append(serial)
        rows = {
            table: {key: row(len(serials), sum(serials)) for key, serials in keys.items()}
            for table, keys in counts.items()
        }
        rows["odd"] = {key: b"odd" for key, each in counts["counts"].items() if len(each) % 2}
        return rows

    def fold(self, table: str, partition: int, at: int | None = None) -> Rows:
        """Give the rows that a changelog makes, up to offset *at* or to its end."""
        rows: Rows = {}
        for each in self.changes[table]:
            place = each.position
            if place.partition == partition and (at is None or place.offset <= at):
                if each.value is None:
                    rows.pop(each.key or b"", None)
                else:
                    rows[each.key or b""] = each.value
        return rows

    def _databases(self) -> Iterator[Path]:
        for folder in self.folders:
            for stage in STAGES:
                for path in sorted((folder / "state").glob(f"{stage}-*")):
                    if path.is_dir() and not path.suffix:
                        yield path


def views(
    client: Mapping[str, Any],
    *,
    taken: Iterable[int],
    watched: Iterable[Seen],
    folders: Iterable[Path],
) -> Views:
    """
    Read the views from the broker; see Views.

    The collector would go over millions of records again and again, and the proxy before the
    broker, which lives in this process, would answer nobody meanwhile.
    """
    gc.disable()
    try:
        with LogReader(dict(client)) as log:
            return Views(
                source=list(short(log.to_end([SOURCE]))),
                sent={topic: list(short(log.to_end([topic]))) for topic in SENT},
                changes={table: list(log.to_end([topic])) for table, (_, topic) in CHANGED.items()},
                committed=committed(client),
                ends=ends(client),
                taken=set(taken),
                watched=list(watched),
                folders=list(folders),
            )
    finally:
        # What was read holds no cycles, and is never gone over.
        gc.freeze()
        gc.enable()


def short(records: Iterable[Logged]) -> Iterator[Logged]:
    """Give records with their values shortened."""
    return (replace(each, value=shortened(each.value)) for each in records)


def shortened(value: bytes | None) -> bytes:
    """Put a checksum in the place of a value's padding, which is behind its last slash."""
    told, slash, padding = (value or b"").rpartition(b"/")
    return b"%b%b%d" % (told, slash, zlib.crc32(padding))


def contents(path: Path) -> Rows:
    """Read a whole database that nobody is writing."""
    database = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        return dict(database.items())
    finally:
        database.close()


def serial_of(record: Logged) -> int:
    """Give the serial that a record carries in every topic."""
    return int((record.value or b"").split(b"/")[0])


def misplaced(records: Sequence[Logged]) -> set[int]:
    """
    Give the serials of outputs that don't carry the next count of what they were counted under.

    What was counted under one key in one stage stands in one partition of that stage's
    source, but goes to several of the next; so each partition must rise, and together they
    must be 1 to the number of them.
    """
    last: dict[tuple[int, bytes], int] = {}
    counts: dict[bytes, dict[int, int]] = defaultdict(dict)
    wrong: set[int] = set()
    for each in records:
        serial, under, count, _ = (each.value or b"").split(b"/", 3)
        place = (each.position.partition, under)
        if int(count) <= last.get(place, 0):
            wrong.add(int(serial))
        last[place] = int(count)
        counts[under][int(count)] = int(serial)
    for numbered in counts.values():
        wrong |= {serial for count, serial in numbered.items() if count > len(numbered)}
    return wrong


def doubled(times: Counter[Any]) -> set[Any]:
    """Give what came more than once."""
    return {each for each, count in times.items() if count > 1}


def differing(found: Rows, wanted: Rows) -> set[bytes]:
    """Give the keys whose rows differ or are on one side alone."""
    return {key for key in found | wanted if found.get(key) != wanted.get(key)}


def places(records: Sequence[Logged], serials: set[int]) -> Iterator[str]:
    """Say where and when some of *serials* stand: what an investigation begins with."""
    for serial in sorted(serials)[:3]:
        for each in records:
            if serial_of(each) == serial:
                yield f"{serial} at {each.position}, {each.timestamp} ms, {each.value!r:.60}"


def counted(where: str, what: str, which: set[Any]) -> Iterator[str]:
    """Say how many there are, with a few of them; nothing when there are none."""
    if which:
        yield f"{where}: {len(which)} {what}, such as {sorted(which, key=repr)[:5]}"
