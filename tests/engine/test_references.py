"""A copy of a reference is kept from start to start, and says when it may be too old."""

import contextlib
import threading
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import Reference, references
from streams.engine.failure import RefusedError
from streams.engine.kafka_cluster import KafkaCluster
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
def owners(engine_broker):
    """Make the topic, with somebody in it."""
    topic = Owners(engine_broker.bootstrap)
    topic.create()
    topic.publish(card=b"somebody")
    yield topic
    topic.delete()


class Owners:
    """The topic that the references of these tests are read from."""

    def __init__(self, bootstrap):
        self.client = {"bootstrap.servers": bootstrap, "log_level": 0}
        self.admin = AdminClient(self.client)

    def create(self):
        """Make the topic, and wait until everybody knows it."""
        for made in self.admin.create_topics([NewTopic(TOPIC, 1, 1)]).values():
            made.result()
        until(lambda: TOPIC in self.admin.list_topics(timeout=10).topics)

    def delete(self):
        """Delete the topic, and wait until everybody has forgotten it."""
        for gone in self.admin.delete_topics([TOPIC]).values():
            gone.result()
        until(lambda: TOPIC not in self.admin.list_topics(timeout=10).topics)

    def publish(self, **values):
        """Write some values by their keys."""
        producer = Producer(self.client)
        for key, value in values.items():
            producer.produce(TOPIC, value, key.encode())
        assert producer.flush(10) == 0

    @contextlib.contextmanager
    def copied(self, folder, *, turn=None):
        """Hold a copy that is read to the end that the topic has now."""
        memory = Memory(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=1)
        copy = HeldReference(Reference("owners", TOPIC, stale_after_s=STALE_S), folder, memory)
        reader = ReferenceReader(
            [copy], client=self.client, group="test", turn=turn or threading.Lock()
        )
        try:
            reader.hold_against(
                KafkaCluster(
                    client=self.client,
                    admin=self.admin,
                    group="test",
                    timeout_ms=1000,
                    stopping=lambda: False,
                )
            )
            reader.start()
            reader.await_complete(threading.Event())
            yield copy
        finally:
            reader.stop()


@pytest.fixture
def held(owners, tmp_path, monkeypatch):
    """Hold a reference that is too old after a second, and is looked after more often."""
    monkeypatch.setattr(references, "LOOK_S", 0.1)
    monkeypatch.setattr(references, "LOOK_ANSWER_S", 0.5)
    with owners.copied(tmp_path) as copy:
        yield copy


def test_a_restart_reads_only_what_is_new(owners, tmp_path, monkeypatch):
    """A copy of a million products isn't read again for one that changed."""
    with owners.copied(tmp_path):
        pass
    owners.publish(phone=b"somebody else")
    taken = []
    apply = HeldReference.apply

    def noted(self, records, end):
        taken.extend(record.key for record in records)
        apply(self, records, end)

    monkeypatch.setattr(HeldReference, "apply", noted)
    with owners.copied(tmp_path) as copy:
        assert taken == [b"phone"]
        assert dict(copy.scan()) == {b"card": b"somebody", b"phone": b"somebody else"}


def test_nothing_changes_while_a_handler_has_its_turn(owners, tmp_path):
    """A batch sees one state of all references."""
    turn = threading.Lock()
    with owners.copied(tmp_path, turn=turn) as copy:
        with turn:
            offset = copy.offset
            owners.publish(card=b"somebody else")
            for _ in range(10):
                time.sleep(0.05)
                assert (copy.get(b"card"), copy.offset) == (b"somebody", offset)
        until(lambda: copy.get(b"card") == b"somebody else")


def test_a_damaged_copy_is_set_aside_and_read_again(owners, tmp_path):
    """All that it held is in the topic."""
    for _ in range(2):
        with owners.copied(tmp_path):
            pass
    for path in (tmp_path / "owners").glob("MANIFEST-*"):
        path.unlink()
    with owners.copied(tmp_path) as copy:
        assert dict(copy.scan()) == {b"card": b"somebody"}
    assert (tmp_path / "owners.aside").is_dir()


def test_a_copy_of_a_topic_that_was_made_anew_is_refused(owners, tmp_path):
    """An empty topic of campaigns would pay nothing, and nobody would have decided that."""
    with owners.copied(tmp_path):
        pass
    owners.delete()
    owners.create()
    owners.publish(card=b"x", phone=b"y", app=b"z")
    with pytest.raises(RefusedError, match="created anew"), owners.copied(tmp_path):
        pass


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
