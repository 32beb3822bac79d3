"""A copy of a reference says when it may be too old, and nobody decides by it then."""

import threading
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import Reference, references
from streams.engine.references import HeldReference, ReferenceReader
from streams.engine.store import Memory

TOPIC = "test-owners"
STALE_S = 1.0


def until(wanted, seconds=30):
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def held(engine_broker, tmp_path, monkeypatch):
    """Hold a reference that is too old after a second, and is looked after more often."""
    monkeypatch.setattr(references, "LOOK_S", 0.1)
    monkeypatch.setattr(references, "LOOK_ANSWER_S", 0.5)
    client = {"bootstrap.servers": engine_broker.bootstrap, "log_level": 0}
    admin = AdminClient(client)
    for made in admin.create_topics([NewTopic(TOPIC, 1, 1)]).values():
        made.result()
    producer = Producer(client)
    producer.produce(TOPIC, b"somebody", b"card")
    producer.flush(10)
    memory = Memory(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=1)
    reference = HeldReference(Reference("owners", TOPIC, stale_after_s=STALE_S), tmp_path, memory)
    reader = ReferenceReader([reference], client=client, group="test", turn=threading.Lock())
    reader.start()
    reader.await_complete(threading.Event())
    yield reference
    reader.stop()
    for gone in admin.delete_topics([TOPIC]).values():
        gone.result()


def test_a_copy_of_a_quiet_topic_stays_current(held):
    """Nothing is written and nothing heard, and yet it is known that nothing is lacking."""
    for _ in range(30):
        assert not held.stale
        time.sleep(STALE_S / 10)


def test_a_copy_is_too_old_while_the_broker_is_silent_and_current_again_after(held, engine_broker):
    """What was committed meanwhile can't be known."""
    engine_broker.pause()
    try:
        until(lambda: held.stale)
    finally:
        engine_broker.resume()

    until(lambda: not held.stale)
    assert held.get(b"card") == b"somebody"
