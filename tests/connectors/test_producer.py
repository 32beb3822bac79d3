"""The POS producer on a real broker."""

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.pos import DeliveryError, DocumentError, PosProducer, Sale, SaleLine
from schemas.codec import committed
from streams.broker import apply
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port
from streams.topics import Names, plan

MILK = SaleLine("1029743", 199)


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory):
    """Start a broker with the topics of the plan."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), heap_mb=256) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for tenant in ("one", "many", "huge"):
            apply(plan(tenant, partitions=2), admin)
        yield kafka.bootstrap


def sale(number, **changes):
    """Make a sale of one line."""
    return Sale(
        **{
            "id": f"r-{number}",
            "store": "367",
            "till": "1",
            "sold_at": 1_483_289_606_000 + number,
            "lines": (MILK,),
            **changes,
        }
    )


def read(bootstrap, tenant, count):
    """Read *count* records of the receipts topic."""
    topic = Names(tenant).receipts
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    records = []
    while len(records) < count:
        found = consumer.consume(count, 10)
        assert found, f"only {len(records)} of {count} records"
        records += found
    consumer.close()
    return records


@pytest.mark.broker
def test_a_sale_is_keyed_by_its_id_and_stamped_with_its_acceptance(bootstrap):
    """A replay accepts at the time of the sale."""
    with PosProducer(bootstrap, "one") as till:
        till.send(sale(1), accepted_at_ms=1_483_289_606_001)

    (record,) = read(bootstrap, "one", 1)
    assert record.key() == b"r-1"
    assert record.timestamp()[1] == 1_483_289_606_001
    assert committed().decode(record.value(), "Receipt")["lines"][0]["amount"] == 199


@pytest.mark.broker
def test_a_full_queue_makes_the_till_wait_and_loses_nothing(bootstrap):
    """A queue of ten takes a thousand documents; each arrives once."""
    with PosProducer(bootstrap, "many", queue_max=10) as till:
        for number in range(1000):
            till.send(sale(number), accepted_at_ms=1_483_289_606_000)
    assert till.delivered == 1000

    keys = sorted(record.key() for record in read(bootstrap, "many", 1000))
    assert keys == sorted(f"r-{number}".encode() for number in range(1000))


@pytest.mark.broker
def test_a_refused_document_is_named_by_flush(bootstrap):
    """A record above the topic's limit is refused by the broker."""
    client = {"message.max.bytes": 4_000_000, "compression.type": "none"}
    till = PosProducer(bootstrap, "huge", client=client)
    till.send_bytes("r-huge", b"\x00" * 3_000_000)
    with pytest.raises(DeliveryError) as refused:
        till.flush()

    assert refused.value.documents == ("r-huge",)


def test_a_document_above_the_limit_is_refused_at_once():
    """The till hears of it while the customer is still there."""
    till = PosProducer(f"127.0.0.1:{free_port()}")
    lines = tuple(SaleLine("x" * 128, 1) for _ in range(8_000))
    with pytest.raises(DeliveryError, match=r"r-1.*too large"):
        till.send(sale(1, lines=lines))


def test_a_document_that_is_not_sound_is_not_sent():
    """No broker is needed to hear of it."""
    till = PosProducer(f"127.0.0.1:{free_port()}")
    with pytest.raises(DocumentError, match="lines: at least one"):
        till.send(sale(1, lines=()))

    till.flush(0.1)


def test_flush_says_when_no_broker_answers():
    """Nothing is given up silently."""
    till = PosProducer(f"127.0.0.1:{free_port()}", client={"log_level": 0})
    till.send(sale(1))
    with pytest.raises(DeliveryError, match="no answer within"):
        till.flush(0.3)
