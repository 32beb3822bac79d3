import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.engine import AppDeclaration, Stage
from streams.engine.store import Memory, ShardStore
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.local_state import local_state_is_changelog

pytestmark = pytest.mark.broker

APP = AppDeclaration("shop", (Stage("count", ("sales",), lambda _: None, tables=("sums",)),))
CHANGELOG = "shop-count-sums-changelog"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """A broker with the topics of a stage of two partitions, and a changelog of both."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), heap_mb=256) as broker:
        client = {"bootstrap.servers": broker.bootstrap}
        admin = AdminClient(client)
        for made in admin.create_topics([NewTopic(t, 2, 1) for t in ("sales", CHANGELOG)]).values():
            made.result(30)
        producer = Producer(client | {"transactional.id": "shop"})
        producer.init_transactions()
        producer.begin_transaction()
        producer.produce(CHANGELOG, b"1", b"a", partition=0)
        producer.produce(CHANGELOG, b"2", b"a", partition=0)
        producer.produce(CHANGELOG, b"3", b"gone", partition=0)
        producer.produce(CHANGELOG, None, b"gone", partition=0)
        producer.produce(CHANGELOG, b"5", b"b", partition=1)
        producer.commit_transaction()
        # What was taken back is no part of the state.
        producer.begin_transaction()
        producer.produce(CHANGELOG, b"9", b"a", partition=0)
        producer.flush()
        producer.abort_transaction()
        yield broker


def check(kafka, folder, disk):
    """Write *disk*, rows by partition, as the engine does, and compare it with the changelog."""
    memory = Memory(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=2)
    for partition, rows in disk.items():
        owner = f"shop/count/{partition}"
        store = ShardStore(folder / "count" / str(partition), owner=owner, memory=memory)
        store.apply({"sums": rows}, {"sums": 4})
        store.close()
    return local_state_is_changelog({"bootstrap.servers": kafka.bootstrap}, folder, (APP,))


def test_equal_state_passes_and_counts_every_row(kafka, tmp_path):
    """Only the newest committed value of a key counts, and a tombstone is no row."""
    found = check(kafka, tmp_path, {0: {b"a": b"2"}, 1: {b"b": b"5"}})

    assert found.holds, found.problems
    assert found.figures == {"shards": 2, "rows": 2}


@pytest.mark.parametrize(
    ("disk", "problem"),
    [
        ({0: {b"a": b"9"}, 1: {b"b": b"5"}}, "shop/count/0 sums a: not what the changelog says"),
        ({0: {}, 1: {b"b": b"5"}}, "shop/count/0 sums a: missing on disk"),
        ({0: {b"a": b"2", b"gone": b"3"}, 1: {b"b": b"5"}}, "shop/count/0 sums gone: not in the"),
        ({0: {b"a": b"2"}}, "shop/count/1 sums b: missing on disk"),
    ],
)
def test_a_difference_is_named_by_shard_table_and_key(kafka, tmp_path, disk, problem):
    """An aborted value, a lost row, a row too many, and a shard that is not there."""
    found = check(kafka, tmp_path, disk)

    assert not found.holds
    assert [each for each in found.problems if each.startswith(problem)] == list(found.problems)
    assert found.problems
