"""Of a producer's first two requests the partition refuses one: nothing is lost."""

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

TOPIC = Names("one").receipts


@pytest.fixture
def refusing(tmp_path):
    """Start a broker behind such a network, with topics of one partition; give both."""
    port = free_port()
    with EmbeddedKafka(tmp_path / "kafka", heap_mb=256, advertised_port=port) as kafka:
        apply(plan("one", partitions=1), AdminClient({"bootstrap.servers": kafka.own_bootstrap}))
        network = Refusing(port, kafka.port)
        yield kafka, network
        network.close()


def there(kafka):
    """Read the values that are there and committed; the last record of the topic is a marker."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.own_bootstrap, "group.id": "test", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while (message := consumer.poll(10)) is not None and message.error() is None:
        found.append(message.value())
    consumer.close()
    return found


def test_no_receipt_overtakes_one_that_is_refused(refusing):
    """Both are there, though the network would have refused the first."""
    kafka, network = refusing
    with PosProducer(kafka.bootstrap, "one", client={"linger.ms": 0}) as till:
        till.send_bytes("r-1", b"first")
        network.await_first()
        till.send_bytes("r-2", b"second")
        till.flush()

    assert there(kafka) == [b"first", b"second"]
    assert not network.refused


def test_no_output_of_a_transaction_overtakes_one_that_is_refused(refusing):
    """What is committed is the whole batch."""
    kafka, network = refusing
    log = KafkaLog(
        client={"bootstrap.servers": kafka.bootstrap},
        transactional_id="t",
        timeout_ms=10_000,
        changelogs={},
        call_timeout_s=30,
    )
    log.fence()
    log.begin()
    log.emit([Output(TOPIC, b"k", b"first")])
    network.await_first()
    log.emit([Output(TOPIC, b"k", b"second")])
    log.flush()
    log.commit()

    assert there(kafka) == [b"first", b"second"]
    assert not network.refused


@pytest.mark.parametrize("settings", [{}, {"transactional.id": "t"}], ids=["plain", "transaction"])
def test_with_several_requests_at_once_librdkafka_takes_a_lost_record_for_taken(refusing, settings):
    """Why every producer has one at a time; should this fail, they need not any more."""
    kafka, network = refusing
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
            TOPIC, value, on_delivery=lambda error, _: failed.append(error) if error else None
        )
        network.await_first()
    assert producer.flush(30) == 0
    if settings:
        producer.commit_transaction(30)

    assert network.refused
    assert failed == []
    assert there(kafka) == [b"second"]
