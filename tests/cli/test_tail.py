import json

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.codec import committed
from streams.reading.log import FETCH_RECORDS, LogReader
from streams.topics import Names


def rows(ended):
    """Read JSON lines."""
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_records_are_decoded_in_log_order(call, shop):
    """A short name, and the two results of the member."""
    first, second = rows(call("tail", "bonuses", "--json", **shop))

    assert (first["value"]["document"], second["value"]["document"]) == ("r-1", "r-2")
    assert first["headers"]["ce_type"] == "loyalty.Bonus.v1"
    assert first["key"] == "m-17"


def test_max_and_an_offset_bound_what_is_printed(call, shop):
    """One from the start; the second by its offset; nothing beyond the end."""
    assert len(rows(call("tail", "bonuses", "--max", "1", "--json", **shop))) == 1
    (second,) = rows(call("tail", "bonuses", "--from", "1", "--max", "1", "--json", **shop))
    assert second["offset"] == 1


def test_a_body_of_many_is_named(call, shop):
    """Envelopes say which record they hold."""
    first, _ = rows(call("tail", "commands", "--json", **shop))

    assert first["value"]["body"]["SettleReceipt"]["receipt"]["id"] == "r-1"


def test_raw_bytes_are_counted_and_not_printed(call, shop):
    """A dead letter may hold anything."""
    (letter,) = rows(call("tail", "receipts.dlq", "--json", **shop))

    assert letter["value"] is None
    assert letter["error"] == "(14 bytes of no known schema)"
    assert letter["key"] == "…hidden…"


def test_uncommitted_and_aborted_records_are_not_shown(call, shop):
    """What a killed worker half sent is never seen, and does not make the reader wait."""
    topic = Names(shop["tenant"]).notifications
    producer = Producer({"bootstrap.servers": shop["brokers"], "transactional.id": "test-cli-tail"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"aborted", "m-17")
    producer.flush(30)

    assert rows(call("tail", "notifications", "--json", **shop)) == []
    producer.abort_transaction(30)
    assert rows(call("tail", "notifications", "--json", **shop)) == []


def test_a_partition_in_which_records_keep_coming_is_read_to_where_it_ended(kafka):
    """Else nobody could read a busy topic to its end."""
    topic, count = "busy", 3 * FETCH_RECORDS
    client = {"bootstrap.servers": kafka.bootstrap}
    admin = AdminClient(client)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer(client | {"transactional.id": "test-cli-busy"})
    producer.init_transactions(30)

    def send(records):
        producer.begin_transaction()
        for _ in range(records):
            producer.produce(topic, b"v")
        producer.commit_transaction(30)

    send(count)
    send(1)
    with LogReader(client) as log:
        reading = log.to_end([topic])
        first = next(reading)
        send(5)
        assert 1 + sum(1 for _ in reading) == count + 1
        assert first.position.offset == 0


@pytest.mark.parametrize("flag", [(), ("--personal",)])
def test_identifiers_of_tills_are_hidden_unless_asked_for(call, shop, flag):
    """Cards and phones are in the receipts as tills write them."""
    receipt = {
        "id": "r-77", "store": "s", "till": "t", "sold_at": 0, "lines": [],
        "identifiers": [{"kind": "phone", "value": "4155550100"}],
    }  # fmt: skip
    producer = Producer({"bootstrap.servers": shop["brokers"]})
    producer.produce(
        Names(shop["tenant"]).receipts, committed().encode("Receipt", receipt), "4155550100"
    )
    producer.flush(30)

    printed = call("tail", "receipts", *flag, **shop).out

    assert "r-77" in printed
    assert ("4155550100" in printed) is bool(flag)


def test_an_unknown_topic_is_said_in_one_line(call, shop):
    """With what to do."""
    ended = call("tail", "nothing", **shop)

    assert ended.code == 1
    assert ended.err.startswith("error NO_TOPIC: there is no topic nothing")


def test_an_account_that_cannot_be_decoded_is_one_line(call, kafka, market):
    """Somebody wrote it with another registry's ids."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(Names(market["tenant"]).accounts, b"\0\0\0\x0f\xff", "m-1")
    producer.flush(30)

    shown = call("members", "show", "m-1", **market)
    (row,) = rows(call("tail", "accounts", "--json", **market))

    assert shown.code == 1
    assert "error UNREADABLE: a record cannot be decoded, UNKNOWN_SCHEMA" in shown.err
    assert row["error"] == "(UNKNOWN_SCHEMA)"
