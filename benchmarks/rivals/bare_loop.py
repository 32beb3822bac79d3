"""
The job as the barest loop that does it exactly once in Python: the floor for our engine.

One consumer, one transactional producer, one RocksDB; one transaction for whatever came.
It can't share partitions with a second process, restores nothing and heals nothing.

    python -m benchmarks.rivals.bare_loop BROKERS SOURCE OUT APP FOLDER
"""

import gc
import signal
import sys
import threading

from confluent_kafka import Consumer, Producer, TopicPartition
from rocksdict import Options, Rdict, WriteBatch

from benchmarks.rivals.job import counted, passed_on

BATCH = 4000
WAIT_S = 0.01
"""It sets the latency at a low load, and how many transactions are paid for it."""


def changelog(app: str) -> str:
    """Name the topic that gets the counts."""
    return f"{app}-changelog"


def main(brokers: str, source: str, out: str, app: str, folder: str) -> None:
    """Run until SIGTERM."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    common = {"bootstrap.servers": brokers, "log_level": 2}
    consumer = Consumer(
        {
            **common,
            "group.id": app,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            **common,
            "transactional.id": app,
            "linger.ms": 5,
            "retry.backoff.ms": 5,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 100_000,
        }
    )
    producer.init_transactions(30)
    consumer.subscribe([source])
    state = Rdict(folder, Options(raw_mode=True))
    gc.collect()
    gc.freeze()
    while not ending.is_set():
        messages = consumer.consume(BATCH, WAIT_S)
        if messages:
            _batch(consumer, producer, state, messages, log=changelog(app), out=out)
    consumer.close()
    state.close()


def _batch(consumer, producer, state, messages, *, log, out):  # noqa: ANN001, ANN202
    producer.begin_transaction()
    keys = [message.key() for message in messages]
    distinct = list(dict.fromkeys(keys))
    counts = dict(zip(distinct, state.get(distinct), strict=True))
    place_of: dict[bytes, int] = {}
    ends: dict[int, int] = {}
    for key, message in zip(keys, messages, strict=True):
        counts[key] = counted(counts[key])
        place_of[key] = ends_at = message.partition()
        ends[ends_at] = message.offset() + 1
        producer.produce(out, passed_on(message.value()), key)
    rows = WriteBatch(raw_mode=True)
    for key, count in counts.items():
        producer.produce(log, count, key, place_of[key])
        rows.put(key, count)
    producer.flush(30)
    producer.send_offsets_to_transaction(
        [TopicPartition(messages[0].topic(), place, end) for place, end in ends.items()],
        consumer.consumer_group_metadata(),
        30,
    )
    producer.commit_transaction(30)
    state.write(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
