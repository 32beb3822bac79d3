"""Of a producer's first two requests the partition refuses one: nothing is lost."""

import secrets

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.pos import PosProducer
from streams.broker import apply
from streams.engine.kafka_log import KafkaLog
from streams.engine.record import Output
from streams.sandbox.kafka import EmbeddedKafka, free_port
from streams.topics import Names, plan
from tests.support.refusing import Refusing


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
    made = Refusing(int(kafka.bootstrap.rpartition(":")[2]), kafka.port)
    yield made
    made.close()


def there(kafka, tenant):
    """Read the values that are there and committed; the last record of the topic is a marker."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.own_bootstrap, "group.id": "test", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(Names(tenant).receipts, 0, 0)])
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

    assert there(kafka, tenant) == [b"first", b"second"]
    assert not network.refused


def test_no_output_of_a_transaction_overtakes_one_that_is_refused(kafka, network, tenant):
    """What is committed is the whole batch."""
    log = KafkaLog(
        client={"bootstrap.servers": kafka.bootstrap},
        transactional_id=tenant,
        timeout_ms=10_000,
        changelogs={},
        call_timeout_s=30,
    )
    log.fence()
    log.begin()
    log.emit([Output(Names(tenant).receipts, b"k", b"first")])
    network.await_first()
    log.emit([Output(Names(tenant).receipts, b"k", b"second")])
    log.flush()
    log.commit()

    assert there(kafka, tenant) == [b"first", b"second"]
    assert not network.refused


@pytest.mark.parametrize(
    "settings", [{}, {"transactional.id": "plain"}], ids=["plain", "transaction"]
)
def test_with_several_requests_at_once_librdkafka_takes_a_lost_record_for_taken(
    kafka, network, tenant, settings
):
    """Why every producer has one at a time; should this fail, they need not any more."""
    failed = []
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "enable.idempotence": True,
            "linger.ms": 0,
            **settings,
        }
    )
    if settings:
        producer.init_transactions(30)
        producer.begin_transaction()
    for value in (b"first", b"second"):
        producer.produce(
            Names(tenant).receipts,
            value,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        network.await_first()
    assert producer.flush(30) == 0
    if settings:
        producer.commit_transaction(30)

    assert network.refused
    assert failed == []
    assert there(kafka, tenant) == [b"second"]
