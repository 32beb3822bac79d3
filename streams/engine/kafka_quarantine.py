"""
The quarantine as an operator works with it: what is in it, and sending it to its source again.

Once what killed is mended, `retry` sends a record to where it was read, and it comes after all
that was sent meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.engine.kafka_cluster import ANSWER_S, reader
from streams.engine.quarantine import PREFIX, Quarantined, set_aside_before
from streams.engine.record import Record
from streams.engine.stage import quarantine_topic

Client = Mapping[str, str | int | float | bool]

RETRIED = PREFIX + "retried"


class NotQuarantinedError(LookupError):
    """There is no such record in quarantine, or it was retried already."""


def quarantined(client: Client, app_id: str) -> list[Quarantined]:
    """
    List the records in quarantine that weren't retried, in the order they came.

    Args:
        client: Settings of librdkafka, `bootstrap.servers` included.
        app_id: The consumer group of the app.

    Raises:
        KafkaException: If the broker fails.
    """
    found: dict[int, Quarantined] = {}
    for record in _records(client, app_id):
        headers = dict(record.headers)
        if RETRIED in headers:
            found.pop(int(headers[RETRIED]), None)
        elif (each := set_aside_before(record)) is not None:
            found[each.number] = each
    return list(found.values())


def retry(client: Client, app_id: str, number: int) -> Quarantined:
    """
    Send a record to its source again, and strike it off the quarantine, both or neither.

    It is handled in the order in which it comes now, behind all that was sent meanwhile.

    Args:
        client: Settings of librdkafka, `bootstrap.servers` included.
        app_id: The consumer group of the app.
        number: Which record, as `quarantined` says.

    Raises:
        NotQuarantinedError: If there is no such record, or it was retried already.
        KafkaException: If the broker fails, or somebody else retries at the same time.
    """
    producer = Producer(
        {
            "acks": "all",
            "allow.auto.create.topics": False,
            **client,
            "transactional.id": f"{app_id}-quarantine-retry",
        }
    )
    # Whoever comes second fences the first, so that none is sent twice.
    producer.init_transactions(ANSWER_S)
    chosen = next((each for each in quarantined(client, app_id) if each.number == number), None)
    if chosen is None:
        raise NotQuarantinedError(number)
    record = chosen.record
    producer.begin_transaction()
    producer.produce(
        record.topic,
        record.value,
        record.key,
        record.partition,
        headers=list(record.headers),
        timestamp=record.timestamp,
    )
    producer.produce(
        quarantine_topic(app_id), None, record.key, 0, headers=[(RETRIED, b"%d" % number)]
    )
    producer.commit_transaction(ANSWER_S)
    return chosen


def _records(client: Client, app_id: str) -> list[Record]:
    """Read the quarantine topic to its end."""
    consumer = reader(client, f"{app_id}-quarantine-reader")
    place = TopicPartition(quarantine_topic(app_id), 0)
    found: list[Record] = []
    try:
        low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        if low == high >= 0:
            return []
        consumer.assign([TopicPartition(place.topic, 0, low)])
        while True:
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is None:
                    found.append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    return found
                elif error.fatal() or not error.retriable():
                    raise KafkaException(error)
    finally:
        consumer.close()


def _record(message: Message) -> Record:
    """Take a message over as it is."""
    headers: Any = message.headers()
    key, value = message.key(), message.value()
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        key if isinstance(key, bytes) else None,
        value if isinstance(value, bytes) else None,
        tuple((name, bytes(each or b"")) for name, each in headers or ()),
    )
