"""Whoever takes partitions over sees all that their last owner committed, and nothing else."""

import signal
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import changelog_topic
from streams.engine.failure import RefusedError
from streams.engine.kafka_cluster import KafkaCluster
from streams.engine.stage import CHANGELOG_CONFIG
from streams.engine.takeover import Note, note_from, take_over
from tests.support.toy import PARTITIONS
from tests.support.toy_worker import APP, SOURCE, STAGE, TABLE

REFUSED = 78
CHANGELOG = changelog_topic(APP, STAGE, TABLE)
LONG_MS = 600_000
"""Longer than any test waits: what hangs until then hangs for good."""


def writer(toy, name, timeout_ms=LONG_MS):
    """Make a transactional producer with an open transaction."""
    producer = Producer(
        {**toy.client, "transactional.id": name, "transaction.timeout.ms": timeout_ms}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    return producer


def acknowledge(producer, offset, note="", *, partition=0):
    """Send an offset of a partition of the source with the open transaction."""
    place = TopicPartition(SOURCE, partition, offset, note)
    # A consumer that is no member of a group: as if by a tool, and never refused.
    outsider = b"CGMDv2:\xff\xff\xff\xff" + APP.encode() + b"\0\0\1"
    producer.send_offsets_to_transaction([place], outsider, 10)


def cluster(toy):
    """Ask the broker as the app."""
    return KafkaCluster(
        client=toy.client,
        admin=AdminClient(toy.client),
        group=APP,
        timeout_ms=10_000,
        stopping=lambda: False,
    )


def taken_over(toy):
    """Take the source's first partition over."""
    return take_over(cluster(toy), [(SOURCE, 0)], writer="heir", logs={})


@pytest.mark.parametrize("point", ["produced", "flushed", "offsets", "committed"])
def test_the_open_transaction_of_a_dead_worker_is_ended_by_its_heir(toy, worker_named, point):
    """The broker would give it up in ten minutes, and nobody waits for that."""
    dead, heir = worker_named("dead"), worker_named("heir")
    for worker in (dead, heir):
        worker.settings |= {"transaction_timeout_ms": LONG_MS, "session_timeout_s": 3.0}
    toy.produce(300, seed=1)
    dead.start(failpoints=f"{point}=0.2")
    while dead.process.poll() is None:
        toy.produce(20, seed=2)
        time.sleep(0.05)
    assert dead.process.returncode == -signal.SIGKILL
    heir.start()
    # The dead one may have done everything: then there is nothing else to wait for.
    heir.await_ready()
    toy.await_done()

    assert heir.stop() == 0
    assert toy.differences(heir.folder, dead.folder) == []


def test_a_restore_sees_what_was_committed_behind_a_strangers_open_transaction(toy, worker_named):
    """Read committed, the changelog seems to end where the stranger's transaction begins."""
    worker = worker_named("w", instance="w")
    worker.start()
    worker.await_ready()
    stranger = writer(toy, "stranger", timeout_ms=1000)
    stranger.produce(CHANGELOG, b"wrong", b"stranger", partition=0)
    stranger.flush(10)
    toy.produce(400, seed=1)
    toy.await_done()
    worker.kill(wipe=True)
    worker.start()
    toy.produce(400, seed=2)
    toy.await_done()

    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []


@pytest.mark.parametrize(
    ("wipe", "said"),
    [
        (False, f"{CHANGELOG} was deleted and created anew since the state"),
        (True, f"the changelog of {TABLE} was deleted and created anew since {SOURCE}"),
    ],
    ids=["the state on the disk tells", "the offsets tell"],
)
def test_a_changelog_that_was_made_anew_is_refused(toy, worker_named, wipe, said):
    """It has no balance of anybody, and would pass for a shop that just opened."""
    worker = worker_named("w", instance="w")
    toy.produce(300, seed=1)
    worker.start()
    toy.await_done()
    assert worker.stop() == 0
    worker.kill(wipe=wipe)
    if not wipe:
        # As a tool sets offsets, without a note.
        tool = writer(toy, "tool")
        for partition, offset in toy.committed().items():
            acknowledge(tool, offset, partition=partition)
        tool.commit_transaction(10)
    admin = AdminClient(toy.client)
    admin.delete_topics([CHANGELOG])[CHANGELOG].result()
    time.sleep(1)
    admin.create_topics([NewTopic(CHANGELOG, PARTITIONS, 1, config=CHANGELOG_CONFIG)])[
        CHANGELOG
    ].result()
    # Long enough to look whole to a worker that compares offsets only.
    producer = Producer(toy.client)
    for _ in range(2000):
        producer.produce(CHANGELOG, b"1", b"k1", partition=0)
    producer.flush(10)
    worker.start()

    assert worker.wait(120) == REFUSED
    assert said in worker.log.read_text()


@pytest.mark.parametrize("beyond", [-1, 1], ids=["lost at its start", "lost at its end"])
def test_a_position_outside_the_source_is_refused(toy, beyond):
    """Records that nobody has read are gone, and only an operator may say so."""
    toy.produce(100, seed=1)
    end = toy.ends()[0]
    admin = AdminClient(toy.client)
    cut = TopicPartition(SOURCE, 0, end)
    admin.delete_records([cut])[cut].result()
    producer = writer(toy, "tool")
    acknowledge(producer, end + beyond)
    producer.commit_transaction(10)

    with pytest.raises(RefusedError, match=rf"{SOURCE}\[0\] was read up to offset {end + beyond}"):
        taken_over(toy)


def test_a_partition_without_a_position_begins_where_its_log_does(toy):
    """A new group on a topic that was cut before loses nothing more."""
    toy.produce(100, seed=1)
    admin = AdminClient(toy.client)
    cut = TopicPartition(SOURCE, 0, 7)
    admin.delete_records([cut])[cut].result()

    assert taken_over(toy) == {(SOURCE, 0): 7}


def test_the_position_is_not_read_while_one_is_pending(toy):
    """It is the pending one if its transaction commits, and a replay of it would count twice."""
    toy.produce(100, seed=1)
    producer = writer(toy, "slow")
    acknowledge(producer, 5)
    pending = Consumer({**toy.client, "group.id": APP, "isolation.level": "read_committed"})

    with pytest.raises(KafkaException):
        pending.committed([TopicPartition(SOURCE, 0)], timeout=1)
    producer.commit_transaction(10)

    assert pending.committed([TopicPartition(SOURCE, 0)], timeout=10)[0].offset == 5
    pending.close()


def test_a_writer_that_left_the_group_is_fenced_with_its_pending_offsets(toy):
    """Its note stands with the offsets it committed before."""
    toy.produce(100, seed=1)
    gone = writer(toy, "gone")
    acknowledge(gone, 3, Note("gone", "member-of-old").text())
    gone.commit_transaction(10)
    gone.begin_transaction()
    acknowledge(gone, 9, Note("gone", "member-of-old").text())

    assert taken_over(toy) == {(SOURCE, 0): 3}
    with pytest.raises(KafkaException):
        gone.commit_transaction(10)


def test_a_writer_that_is_in_the_group_is_left_alone(toy, worker_named):
    """It may be at work on other partitions."""
    worker = worker_named("w", instance="w")
    worker.start()
    worker.await_ready()
    toy.produce(100, seed=1)
    toy.await_done()
    positions = taken_over(toy)

    assert positions == {(SOURCE, 0): toy.ends()[0]}
    toy.produce(100, seed=2)
    toy.await_done()
    assert worker.stop() == 0


def test_the_true_end_counts_what_an_open_transaction_hides(toy):
    """Two questions to the broker; only one of them is about what readers see."""
    producer = writer(toy, "open")
    producer.produce(SOURCE, b"v", b"k", partition=0)
    producer.flush(10)
    asked = [(SOURCE, 0)]

    assert cluster(toy).ends(asked) == {(SOURCE, 0): 1}
    assert cluster(toy).ends(asked, settled=True) == {(SOURCE, 0): 0}
    producer.abort_transaction(10)


@pytest.mark.parametrize("text", ["", None, "note of a tool", '{"writer": 3}', "[]"])
def test_a_note_that_is_not_ours_names_nobody(text):
    """Tools write what they like with the offsets they set."""
    assert note_from(text) is None


def test_a_note_says_who_wrote_it():
    """What is written is what is read."""
    note = Note("app-stage-w", "member", "w", (("table", "id"),))

    assert note_from(note.text()) == note
