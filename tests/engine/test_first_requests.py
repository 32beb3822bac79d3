"""Of a producer's first requests to a partition one is refused: nothing is lost."""

import secrets
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.pos import PosProducer
from streams.broker import apply
from streams.engine import kafka_log
from streams.engine.failure import AbortedError
from streams.engine.kafka_log import REMEMBERED_S, KafkaLog
from streams.engine.record import Output
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port
from streams.topics import Names, plan
from tests.support.refusing_network import RefusingNetwork


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """Start a broker that advertises a port where such a network can be."""
    folder = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(folder, heap_mb=256, advertised_port=free_port()) as started:
        yield started


@pytest.fixture
def tenant():
    """Name topics that no producer has sent to."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def network(kafka, tenant):
    """Make topics of one partition, and put the network before their broker."""
    admin = AdminClient({"bootstrap.servers": kafka.own_bootstrap})
    apply(plan(tenant, partitions=1), admin)
    made = RefusingNetwork(int(kafka.bootstrap.rpartition(":")[2]), kafka.port)
    yield made
    made.close()


def there(kafka, topic, level="read_committed"):
    """Read the values that are in a topic at an isolation level."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.own_bootstrap,
            "group.id": "test",
            "enable.partition.eof": True,
            "isolation.level": level,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(10)) is not None and message.error() is None:
        found.append(message.value())
    consumer.close()
    return found


def test_no_receipt_overtakes_one_that_is_refused(kafka, network, tenant):
    """Both are there, though the network would have refused the first."""
    with PosProducer(kafka.bootstrap, tenant, client={"linger.ms": 0}) as till:
        till.send_bytes("r-1", b"first")
        network.await_first()
        till.send_bytes("r-2", b"second")
        till.flush()

    assert there(kafka, Names(tenant).receipts) == [b"first", b"second"]
    assert not network.refused


@pytest.fixture
def log(kafka, network, tenant):
    """Make the writer of a stage that meets the network once the test arms it."""
    network.armed = False
    made = KafkaLog(
        client={"bootstrap.servers": kafka.bootstrap, "linger.ms": 0},
        transactional_id=tenant,
        timeout_ms=10_000,
        changelogs={"accounts": Names(tenant).accounts},
        call_timeout_s=30,
    )
    made.fence()
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": tenant})
    made.join(reader.consumer_group_metadata(), "")
    return made


def transact(log, network, topic):
    """Commit two records, in two requests where the network is armed."""
    log.begin()
    log.emit([Output(topic, b"k", b"first")])
    if network.armed:
        network.await_first()
    log.emit([Output(topic, b"k", b"second")])
    log.flush()
    log.acknowledge({(topic, 0): 0})
    log.commit()


def test_the_first_request_of_a_stage_to_a_partition_carries_nothing_and_goes_alone(
    kafka, network, log, tenant
):
    """None overtakes it, and what is committed is the whole batch."""
    network.armed = True
    log.introduce({Names(tenant).receipts})
    transact(log, network, Names(tenant).receipts)

    assert not network.refused
    assert there(kafka, Names(tenant).receipts) == [b"first", b"second"]


def test_a_batch_whose_request_is_overtaken_is_done_again_where_the_partition_knows_the_stage(
    kafka, network, log, tenant
):
    """The broker takes no number before the one that is due, and says so."""
    log.introduce({Names(tenant).receipts})
    network.armed = True
    with pytest.raises(AbortedError):
        transact(log, network, Names(tenant).receipts)
    assert network.refused
    assert there(kafka, Names(tenant).receipts) == []

    network.armed = False
    log.introduce({Names(tenant).receipts})
    transact(log, network, Names(tenant).receipts)
    assert there(kafka, Names(tenant).receipts) == [b"first", b"second"]


def test_a_stage_introduces_itself_once_and_again_before_it_may_be_forgotten(
    kafka, log, tenant, monkeypatch
):
    """An introduction is a tombstone that no reader of committed records sees."""
    for _ in range(2):
        log.introduce({Names(tenant).receipts})
        log.introduce_to_changelogs([0])
    both = Names(tenant).receipts, Names(tenant).accounts
    assert [there(kafka, each, "read_uncommitted") for each in both] == [[None], [None]]

    now = time.monotonic
    monkeypatch.setattr(kafka_log.time, "monotonic", lambda: now() + REMEMBERED_S + 1)
    for _ in range(2):
        log.introduce({Names(tenant).receipts})
    assert [there(kafka, each, "read_uncommitted") for each in both] == [[None] * 2] * 2
    assert [there(kafka, each) for each in both] == [[], []]


def test_a_stage_whose_introduction_failed_introduces_itself_again(kafka, log, tenant, monkeypatch):
    """The round is done again, and must not go without."""

    def fail(_):
        raise AbortedError("in time")

    with monkeypatch.context() as patch:
        patch.setattr(log, "_introduce_to", fail)
        with pytest.raises(AbortedError):
            log.introduce({Names(tenant).receipts})
    log.introduce({Names(tenant).receipts})

    assert there(kafka, Names(tenant).receipts, "read_uncommitted") == [None]


def test_with_several_requests_at_once_librdkafka_takes_a_lost_record_for_taken(
    kafka, network, tenant
):
    """Why no first request may be overtaken; should this fail, none need be alone any more."""
    failed = []
    settings = {"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "linger.ms": 0}
    producer = Producer(settings)
    for value in (b"first", b"second"):
        producer.produce(
            Names(tenant).receipts,
            value,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        network.await_first()
    assert producer.flush(30) == 0

    assert network.refused
    assert failed == []
    assert there(kafka, Names(tenant).receipts) == [b"second"]
