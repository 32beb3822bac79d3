from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.cli.dlq import hexdump
from streams.cli.output import money, quantity, when
from streams.core.lots import Lot
from streams.reading.letters import letter_of
from streams.reading.log import LogError, Logged, LogReader, Position
from streams.reading.member import state_of
from streams.reading.results import command_of
from streams.reading.values import HIDDEN, PERSONAL, hide, plain

PLACE = Position("loyalty.bonuses.v1", 1, 7)
LOT = Lot("L", "P", "regular", "m", 100, 200, 5, 5)


def logged(*headers):
    """Make a record with headers and nothing else."""
    return Logged(PLACE, None, None, None, headers)


@pytest.mark.parametrize(
    ("lot", "at", "state"),
    [
        (LOT, 99, "pending"),
        (LOT, 100, "active"),
        (LOT, 199, "active"),
        (LOT, 200, "ended"),
        (replace(LOT, held=True), 150, "held"),
        (replace(LOT, held=True), 200, "ended"),
        (replace(LOT, expires_at=None), 10**15, "active"),
        (replace(LOT, closed_at=150), 150, "ended"),
    ],
)
def test_a_lot_is_active_from_its_first_instant_until_before_its_last(lot, at, state):
    """The end itself is not part of the term; ended wins over held."""
    assert state_of(lot, at) == state


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("loyalty_decided", b"nonsense"),),
        (("loyalty_decided", b"topic/one/two"),),
        (("loyalty_decided", b"\xff"),),
    ],
)
def test_a_result_whose_headers_do_not_name_a_command_has_none(headers):
    """Whoever wrote it, reading goes on."""
    assert command_of(logged(*headers)) is None


def test_a_result_names_its_command_in_a_header():
    """Written topic/partition/offset."""
    found = command_of(logged(("loyalty_decided", b"loyalty.commands.v1/3/17")))

    assert str(found) == "loyalty.commands.v1[3]@17"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("loyalty.error.code", b"TRUNCATED"),),
        (("loyalty.error.code", b"TRUNCATED"), ("__connect.errors.partition", b"x")),
    ],
)
def test_a_dead_letter_of_somebody_else_is_listed_all_the_same(headers):
    """Kafka Connect writes there too, with other headers."""
    letter = letter_of(logged(*headers))

    assert letter.position == PLACE
    assert letter.origin is None


def test_what_names_a_person_is_hidden_wherever_it_stands():
    """In lists of records too; what says nothing stays as it is."""
    receipt = {"id": "r", "identifiers": [{"kind": "card", "value": "299"}], "codes": ["SPRING"]}
    member = {"account": "m", "name": "Ann", "phone": None, "cards": [], "born": "1980-02-29"}

    assert hide(receipt, PERSONAL["Receipt"]) == {
        "id": "r",
        "identifiers": [{"kind": "card", "value": HIDDEN}],
        "codes": ["SPRING"],
    }
    assert hide(member, PERSONAL["Member"]) == {
        "account": "m",
        "name": HIDDEN,
        "phone": None,
        "cards": [],
        "born": HIDDEN,
    }


def test_what_is_hidden_are_fields_that_exist():
    """A field that is renamed in a schema must not come out of hiding."""
    from schemas.catalogue import catalogue  # noqa: PLC0415 -- this test's alone

    trees = {schema.record: schema.tree for schema in catalogue()}
    for record, fields in PERSONAL.items():
        for path in fields:
            assert path in set(paths(trees[record])), f"{record}.{path}"


def paths(schema, prefix=""):
    """Name every field of a schema, as `hide` walks values."""
    if isinstance(schema, list):
        records = [each for each in schema if isinstance(each, dict)]
        several = sum(each.get("type") == "record" for each in records) > 1
        for each in records:
            name = f"{prefix}.{each['name']}" if several else prefix
            yield from paths(each, name)
    elif isinstance(schema, dict) and schema.get("type") == "record":
        for field in schema["fields"]:
            name = f"{prefix}.{field['name']}".lstrip(".")
            yield name
            yield from paths(field["type"], name)
    elif isinstance(schema, dict):
        yield from paths(schema.get("items") or schema.get("values"), prefix)


def test_a_value_of_several_records_is_named():
    """As Avro's JSON form does; bytes become hex."""
    assert plain({"body": ("loyalty.v1.Tick", {"at": 1}), "raw": b"\x01\xff"}) == {
        "body": {"Tick": {"at": 1}},
        "raw": "01ff",
    }


@given(st.binary(max_size=100))
def test_a_hexdump_holds_every_byte(data):
    """Sixteen a line, none lost."""
    shown = "".join(line[10:57].replace(" ", "") for line in hexdump(data))

    assert bytes.fromhex(shown) == data


@pytest.mark.parametrize(
    ("minor", "exponent", "shown"),
    [
        (1234, 2, "12.34"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (1234567, 0, "1,234,567"),
        (7, 3, "0.007"),
    ],
)
def test_money_is_written_as_people_do(minor, exponent, shown):
    """With the digits of its currency."""
    assert money(minor, exponent) == shown


def test_quantities_lose_needless_zeros():
    """A piece is 1, not 1.000."""
    assert [quantity(each) for each in (1000, 345, 1500, 0)] == ["1", "0.345", "1.5", "0"]


def test_an_instant_without_a_zone_says_that_it_is_utc():
    """And none is a dash."""
    assert (when(0), when(None)) == ("1970-01-01 00:00Z", "–")


# As librdkafka answers for a partition whose leader is not elected yet, for one that the
# broker left out, and for one that is not ours to read.
NO_LEADER = KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
LEFT_OUT = (0, OFFSET_INVALID)
REFUSED = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.fixture
def reader_told(monkeypatch):
    """Give a function that makes a reader of t[0] that is given *answers* for its ends."""

    @contextmanager
    def reader(*answers):
        ends = Mock(side_effect=answers)
        with LogReader({"bootstrap.servers": "127.0.0.1:1"}) as log:
            told = SimpleNamespace(get_watermark_offsets=ends, close=log._consumer.close)
            monkeypatch.setattr(log, "_consumer", told)
            monkeypatch.setattr(log, "_counts", {"t": 1})
            yield log

    monkeypatch.setattr("streams.reading.log.RETRY_S", 0.001)
    return reader


def test_a_reader_does_not_take_a_missing_end_for_an_empty_topic(monkeypatch, reader_told):
    """Nothing would be read, and the books would seem to hold."""
    monkeypatch.setattr("streams.reading.log.ANSWER_S", 0)
    with (
        reader_told(LEFT_OUT) as log,
        pytest.raises(LogError, match="t: the broker doesn't say where it ends"),
    ):
        list(log.to_end(["t"]))


def test_a_reader_asks_again_for_the_end_of_a_partition_that_is_new(reader_told):
    """It has no leader for a moment, and an answer may leave it out."""
    with reader_told(NO_LEADER, LEFT_OUT, (3, 7)) as log:
        assert log.ends("t") == ((3, 7),)


def test_a_reader_asks_once_for_what_waiting_does_not_change(reader_told):
    """Whoever may not read the topic is told so at once."""
    with reader_told(REFUSED) as log, pytest.raises(LogError, match="authoriz"):
        log.ends("t")
