"""What a demo shows while it runs: a reader of the outputs, and the table it fills.

The watcher is one more consumer downstream: it reads committed records only, and times a
receipt from the moment the till sent it to the moment its bonus can be read.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from statistics import quantiles

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct
from rich.table import Table

from schemas.codec import Codec
from streams.core.result import Result
from streams.reading.log import silent
from streams.topics import Names, dead_letters
from streams.wire.outputs import bonus_from

# Latencies kept for the percentiles: enough for a steady picture, and the last ones alone.
LATENCIES = 20_000
POLL_S = 0.2
RATE_S = 5.0


class Stage(Struct, frozen=True):
    """A consumer group and the topics whose lag is its own."""

    name: str
    group: str
    topics: tuple[str, ...]


class Figures(Struct, frozen=True):
    """What the watcher has counted by now; milliseconds for the latencies."""

    results: int
    points: dict[str, int]
    notifications: int
    letters: int
    p50_ms: float | None
    p99_ms: float | None
    rate: float


class Watcher:
    """
    Counts what comes out, in a thread of its own.

    Args:
        client: librdkafka's connection settings.
        names: The tenant's topics.
        codec: Of the registry's ids.
        sent_at: Receipt id → when the till sent it, by `time.monotonic`; filled meanwhile.
        answered: Told the document of every result of a receipt, from the watcher's thread.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        names: Names,
        codec: Codec,
        sent_at: Mapping[str, float],
        *,
        answered: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._names = names
        self._codec = codec
        self._sent_at = sent_at
        self._answered = answered
        self._client = client
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._moments: deque[float] = deque(maxlen=LATENCIES)
        self._points: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._results = self._notifications = self._letters = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.first_bonus_at: float | None = None
        self.last_result_at = time.monotonic()
        self.by_account: Counter[str] = Counter()
        self.finals: set[str] = set()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._ending.set()
        self._thread.join()

    def figures(self) -> Figures:
        """Give what has been counted by now."""
        latencies = list(self._latencies)
        p50 = p99 = None
        if len(latencies) > 1:
            cuts = quantiles(latencies, n=100)
            p50, p99 = cuts[49] * 1000, cuts[98] * 1000
        now = time.monotonic()
        recent = sum(1 for moment in list(self._moments) if now - moment <= RATE_S)
        return Figures(
            self._results,
            dict(self._points),
            self._notifications,
            self._letters,
            p50,
            p99,
            recent / RATE_S,
        )

    def _run(self) -> None:
        names = self._names
        letters = [
            dead_letters(each)
            for each in (names.receipts, names.members, names.routes, names.commands)
        ]
        consumer = Consumer(
            {
                **self._client,
                "group.id": "loyalty-demo-watcher",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
            },
            logger=silent,
        )
        known = consumer.list_topics(timeout=10).topics
        consumer.assign(
            [
                TopicPartition(topic, partition, 0)
                for topic in (names.bonuses, names.notifications, *letters)
                for partition in known[topic].partitions
            ]
        )
        while not self._ending.is_set():
            first = consumer.poll(POLL_S)
            if first is None:
                continue
            # `consume` alone would wait for its full number or its full time, and what had come
            # meanwhile would look as if it had taken longer.
            for message in (first, *consumer.consume(500, 0)):
                if message.error() is not None:
                    continue
                value = message.value()
                assert value is None or isinstance(value, bytes)
                if message.topic() == names.bonuses:
                    self._take(bonus_from(self._codec, value))
                elif message.topic() == names.notifications:
                    self._notifications += 1
                else:
                    self._letters += 1
        consumer.close()

    def _take(self, result: Result) -> None:
        now = time.monotonic()
        self.last_result_at = now
        if result.result_id in self._seen:
            # A document that came again is answered again; nothing new has happened.
            return
        self._seen.add(result.result_id)
        self._results += 1
        if result.kind != "receipt":
            return
        self._answered(result.document)
        self._moments.append(now)
        if result.status in {"ok", "refused"}:
            self.finals.add(result.document)
        sent_at = self._sent_at.get(result.document)
        if sent_at is not None:
            self._latencies.append(now - sent_at)
        if result.account is not None and result.entries:
            self.by_account[result.account] += 1
        for entry in result.entries:
            self._points[entry.kind] += entry.points
            if entry.kind == "accrual" and self.first_bonus_at is None:
                self.first_bonus_at = now


class LagReader:
    """Reads how far each stage is behind, by the positions it has committed."""

    def __init__(self, client: Mapping[str, str], stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._consumers = {
            stage.name: Consumer(
                {**client, "group.id": stage.group, "enable.auto.commit": False}, logger=silent
            )
            for stage in stages
        }

    def lag(self) -> dict[str, int]:
        """Sum the records that each stage has still to read; markers count as records."""
        found = {}
        for stage in self._stages:
            try:
                found[stage.name] = self._lag(self._consumers[stage.name], stage.topics)
            except KafkaException:
                # A broker that is being killed answers later; the picture goes on.
                found[stage.name] = -1
        return found

    def close(self) -> None:
        """Leave the broker."""
        for consumer in self._consumers.values():
            consumer.close()

    @staticmethod
    def _lag(consumer: Consumer, topics: Sequence[str]) -> int:
        known = consumer.list_topics(timeout=5).topics
        asked = [
            TopicPartition(topic, each) for topic in topics for each in known[topic].partitions
        ]
        behind = 0
        for committed in consumer.committed(asked, timeout=5):
            low, high = consumer.get_watermark_offsets(
                TopicPartition(committed.topic, committed.partition), timeout=5
            )
            at = committed.offset if committed.offset >= 0 else low
            # The transaction's own marker at the end is no work.
            behind += max(0, high - at - 1) if high > low else 0
        return behind


class LagWatcher:
    """
    Looks at the lag again and again in a thread of its own.

    A broker that has much to do takes seconds to answer, which must hold up nobody.

    Attributes:
        latest: What the last look saw.
        looks: How many looks there were: a look is news only when this has risen.
    """

    def __init__(self, reader: LagReader) -> None:
        self.latest: dict[str, int] = {}
        self.looks = 0
        self._reader = reader
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the thread has ended and the broker was left."""
        self._ending.set()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        while not self._ending.wait(POLL_S):
            self.latest = self._reader.lag()
            self.looks += 1


def picture(
    figures: Figures, lag: Mapping[str, int], sent: int, wanted: int, extra: Mapping[str, str]
) -> Table:
    """Draw the live table."""
    table = Table(title="loyalty-streams", title_style="bold", min_width=64)
    table.add_column("what")
    table.add_column("now", justify="right")
    table.add_row("receipts sent", f"{sent:,} of {wanted:,}")
    table.add_row("results", f"{figures.results:,}")
    table.add_row("receipts/s", f"{figures.rate:,.0f}")
    table.add_row("points earned", f"{figures.points.get('accrual', 0):,}")
    table.add_row("points spent", f"{figures.points.get('redemption', 0):,}")
    table.add_row("points expired", f"{figures.points.get('expiry', 0):,}")
    table.add_row("points taken back", f"{figures.points.get('clawback', 0):,}")
    table.add_row("notifications", f"{figures.notifications:,}")
    table.add_row("dead letters", f"{figures.letters:,}")
    for name, behind in lag.items():
        table.add_row(f"lag of {name}", "–" if behind < 0 else f"{behind:,}")
    if figures.p50_ms is not None and figures.p99_ms is not None:
        table.add_row(
            "till to bonus p50 / p99", f"{figures.p50_ms:,.0f} / {figures.p99_ms:,.0f} ms"
        )
    for name, value in extra.items():
        table.add_row(name, value)
    return table
