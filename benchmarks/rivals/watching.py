"""What can be seen from outside: how much is visible in a topic, when, and at what cost."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct

from benchmarks.rivals.job import PARTITIONS, sent_at

LOOK_S = 0.1
TRIES = 100
PATIENCE_S = 240.0
"""Without progress for so long a rival is given up."""


class Look(Struct, frozen=True):
    """One look at a run."""

    at: float
    """Seconds of the monotonic clock."""
    visible: int
    """Records a committed reader could have read, transaction markers included."""
    cpu_s: float
    """CPU of the rival so far."""
    broker_cpu_s: float


class Topics:
    """The topics of the broker at *brokers*, from outside."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 2})
        self._reader = _reader(brokers, eof=False)

    def create(self, *names: str, partitions: int = PARTITIONS) -> None:
        """Create topics that keep everything."""
        asked = [NewTopic(name, partitions, 1, config={"retention.ms": "-1"}) for name in names]
        for made in self._admin.create_topics(asked).values():
            made.result()
        for name in names:
            # Without it a client that has heard of other topics doesn't ask for this one.
            while not self._reader.list_topics(name, timeout=20).topics[name].partitions:
                time.sleep(LOOK_S)

    def like(self, *parts: str) -> list[str]:
        """Give the topics whose names hold all *parts*."""
        known = self._admin.list_topics(timeout=20).topics
        return sorted(name for name in known if all(part in name for part in parts))

    def delete(self, *names: str) -> None:
        """Delete topics."""
        if names:
            for done in self._admin.delete_topics(list(names)).values():
                done.result()

    def visible(self, *names: str) -> int:
        """Give how many records can be read committed, markers among them counted too."""
        # The admin client would do it in one call, but goes on asking for the leaders of
        # topics that are gone.
        places = [TopicPartition(name, each) for name in names for each in range(PARTITIONS)]
        for _ in range(TRIES):
            with contextlib.suppress(KafkaException):
                return sum(self._reader.get_watermark_offsets(each, 20)[1] for each in places)
            # Its leaders aren't known yet.
            time.sleep(LOOK_S)
        raise RuntimeError(f"the broker doesn't say where {names} end")

    def counts(self, changelog: str) -> int:
        """Add up the counts that *changelog* ends with."""
        latest = dict(read_all(self.brokers, changelog))
        return sum(int(value) for value in latest.values() if value)


def read_all(brokers: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Read a topic committed, from its beginning to its end."""
    consumer = _reader(brokers, eof=True)
    consumer.assign([TopicPartition(topic, each, 0) for each in range(PARTITIONS)])
    found: list[tuple[bytes, bytes]] = []
    open_ends = PARTITIONS
    while open_ends:
        for message in consumer.consume(5000, 0.2):
            if message.error() is not None:
                open_ends -= 1
            else:
                found.append((message.key(), message.value()))
    consumer.close()
    return found


def watch(look: Callable[[], Look], enough: int, check: Callable[[], None]) -> list[Look]:
    """
    Look until *enough* is visible.

    Raises:
        RuntimeError: If nothing moves any more.
    """
    looks = [look()]
    moved_at = looks[0].at
    while looks[-1].visible < enough:
        time.sleep(LOOK_S)
        check()
        looks.append(look())
        if looks[-1].visible > looks[-2].visible:
            moved_at = looks[-1].at
        if looks[-1].at - moved_at > PATIENCE_S:
            raise RuntimeError(f"stopped at {looks[-1].visible} of {enough}")
    return looks


def when(looks: Sequence[Look], visible: int) -> Look:
    """Say how things stood when *visible* was reached, between two looks in proportion."""
    for before, after in itertools.pairwise(looks):
        if after.visible >= visible:
            gone = max(0.0, (visible - before.visible) / max(1, after.visible - before.visible))
            return Look(
                before.at + gone * (after.at - before.at),
                visible,
                before.cpu_s + gone * (after.cpu_s - before.cpu_s),
                before.broker_cpu_s + gone * (after.broker_cpu_s - before.broker_cpu_s),
            )
    return looks[-1]


class Reader:
    """A committed reader of *topic*, from its present end, that takes the time of each record."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._consumer = _reader(brokers, eof=False)
        places = [TopicPartition(topic, each) for each in range(PARTITIONS)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=20)[1]
        self._consumer.assign(places)

    def latencies(self, count: int, *, skip: int) -> list[float]:
        """Give the milliseconds from sending to reading of *count* records after *skip*."""
        found: list[float] = []
        until = time.monotonic() + PATIENCE_S
        while len(found) < skip + count and time.monotonic() < until:
            message = self._consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append((time.time() - sent_at(message.value())) * 1000)
        if len(found) < skip + count:
            raise RuntimeError(f"only {len(found)} of {skip + count} records came")
        return found[skip:]

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


def _reader(brokers: str, *, eof: bool) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "watching",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": eof,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Give the 50th and the 99th percentile."""
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return cut[49], cut[98]
