"""
The job of the benchmark: count the records of each key, and pass each record on.

An event is 300 bytes, its first 16 the microsecond it was sent at.  The state of a key is
its count as decimal digits, kept in a table with a changelog; the output is the key and
the first 16 bytes.  Whoever has done the job has passed on as many records as came in, and
the counts of its changelog add up to them.

    python -m benchmarks.rivals.job BROKERS TOPIC RATE SECONDS
"""

import random
import sys
import time

from confluent_kafka import Producer

PARTITIONS = 4
KEYS = 10_000
VALUE_BYTES = 300
SENT_BYTES = 16
SEED = 20170407
STEP_S = 0.002
"""Between two bursts of a load; at 500/s each burst is one event."""


def counted(seen: bytes | None) -> bytes:
    """Give the state of a key after one more record."""
    return b"%d" % (int(seen or 0) + 1)


def passed_on(value: bytes) -> bytes:
    """Give the output for an event."""
    return value[:SENT_BYTES]


def sent_at(output: bytes) -> float:
    """Give the second since the epoch at which the event of *output* was sent."""
    return int(output) / 1e6


def fill(brokers: str, topic: str, count: int) -> None:
    """Write *count* events as fast as possible; random keys, evenly over the partitions."""
    producer = _producer(brokers, linger_ms=20)
    dice = random.Random(SEED)
    for place in range(count):
        _send(producer, topic, dice.randrange(KEYS))
        if place % 1000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0


def one_each(brokers: str, topic: str) -> None:
    """Write one event to each partition."""
    producer = _producer(brokers, linger_ms=0)
    for partition in range(PARTITIONS):
        _send(producer, topic, partition)
    assert producer.flush(30) == 0


def feed(brokers: str, topic: str, rate: int, seconds: float) -> None:
    """Write *rate* events a second, evenly in time as far as the machine lets us."""
    producer = _producer(brokers, linger_ms=0)
    dice = random.Random(SEED)
    count = int(rate * seconds)
    burst = max(1, round(rate * STEP_S))
    start = time.monotonic()
    for first in range(0, count, burst):
        ahead = start + first / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        for _ in range(min(burst, count - first)):
            _send(producer, topic, dice.randrange(KEYS))
        producer.poll(0)
    assert producer.flush(30) == 0


def _producer(brokers: str, *, linger_ms: int) -> Producer:
    return Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": linger_ms,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 200_000,
            "log_level": 2,
        }
    )


def _send(producer: Producer, topic: str, key: int) -> None:
    value = (b"%016d" % (time.time_ns() // 1000)).ljust(VALUE_BYTES, b"x")
    while True:
        try:
            producer.produce(topic, value, b"k%05d" % key, key % PARTITIONS)
        except BufferError:
            producer.poll(0.5)
        else:
            return


if __name__ == "__main__":
    feed(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
