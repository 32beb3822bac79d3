"""The codec admits what the schema says, and nothing else gets through it."""

import io
import json
import random
import struct
import time
from collections import Counter
from typing import Literal

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, defstruct

from schemas.catalogue import Schema, catalogue
from schemas.codec import RECORD_BYTES_MAX, Codec, CodecError, committed, plain
from schemas.decoding import compile_reader, count
from schemas.encoding import OddError, compile_writer, zigzag
from schemas.faults import first_fault
from streams.core.result import Result
from streams.wire.outputs import bonus_bytes
from tests.support.golden import FOLDER
from tests.support.values import LONGS, values

CODEC = committed()
SCHEMAS = {schema.record: schema for schema in catalogue()}
PARSED = {record: fastavro.parse_schema(plain(schema.tree)) for record, schema in SCHEMAS.items()}
GOLDEN = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.avro"))}
RECEIPT = GOLDEN["Receipt.1.full"]


def frame(body, schema_id=1, magic=0):
    """Put a frame in front of a body."""
    return struct.pack(">bI", magic, schema_id) + body


def code_of(data, record="Receipt", **options):
    """Give the code of the error in which decoding ends."""
    with pytest.raises(CodecError) as refused:
        CODEC.decode(data, record, **options)
    return refused.value.code


class TestFrame:
    """What stands in front of the body, and what has to be behind it."""

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (None, "NO_VALUE"),
            (b"", "TRUNCATED"),
            (b"\0\0\0\0", "TRUNCATED"),
            (frame(b""), "TRUNCATED"),
            (b'{"id":"r"}', "BAD_MAGIC"),
            (frame(b"", schema_id=4_000_000_000), "UNKNOWN_SCHEMA"),
            (frame(RECEIPT[5:], schema_id=2), "WRONG_SCHEMA"),
            (RECEIPT[:-1], "TRUNCATED"),
            (RECEIPT + b"\0", "TRAILING_BYTES"),
            (frame(b"\x04\xff\xff"), "UNDECODABLE"),
            (bytes(RECORD_BYTES_MAX + 1), "TOO_LARGE"),
        ],
    )
    def test_each_fault_has_its_code(self, data, code):
        """Operators sort dead letters by it."""
        assert code_of(data) == code

    def test_a_caller_may_bound_the_size_further(self):
        """What a till sends is smaller than what stages send each other."""
        assert code_of(RECEIPT, bytes_max=len(RECEIPT) - 1) == "TOO_LARGE"
        assert CODEC.decode(RECEIPT, "Receipt", bytes_max=len(RECEIPT))["id"]

    @pytest.mark.parametrize("name", GOLDEN)
    def test_no_record_can_be_cut_short(self, name):
        """Every prefix ends in the one error."""
        record, data = name.split(".")[0], GOLDEN[name]
        for length in range(len(data)):
            assert code_of(data[:length], record) in {"TRUNCATED", "UNDECODABLE"}

    @pytest.mark.parametrize("name", GOLDEN)
    def test_no_record_has_anything_behind_it(self, name):
        """A second record behind the first would be lost silently."""
        record, data = name.split(".")[0], GOLDEN[name]

        assert code_of(data + data, record) == "TRAILING_BYTES"


class TestDamage:
    """Whatever the bytes are, there is a record or the one error, and soon."""

    @given(st.binary(max_size=300))
    def test_random_bytes(self, data):
        """Unframed noise."""
        _decode_or_refuse(data, "Receipt")

    @given(record=st.sampled_from(sorted(SCHEMAS)), body=st.binary(max_size=300))
    def test_random_bodies(self, record, body):
        """Noise behind a sound frame."""
        _decode_or_refuse(frame(body, SCHEMAS[record].id), record)

    @settings(max_examples=300)
    @given(name=st.sampled_from(sorted(GOLDEN)), data=st.data())
    def test_damaged_records(self, name, data):
        """One to three bytes of a sound record are others."""
        damaged = bytearray(GOLDEN[name])
        for _ in range(data.draw(st.integers(1, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        _decode_or_refuse(bytes(damaged), name.split(".")[0])

    @pytest.mark.soak
    def test_a_million_damaged_records(self):
        """In many, something that one in a thousand would not show."""
        dice = random.Random(2026)  # noqa: S311 -- damage is no secret
        names, ends = sorted(GOLDEN), Counter()
        for _ in range(1_000_000):
            name = dice.choice(names)
            damaged = bytearray(GOLDEN[name])
            for _ in range(dice.randint(1, 3)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            try:
                CODEC.decode(bytes(damaged), name.split(".")[0])
            except CodecError as refused:
                ends[refused.code] += 1
            else:
                ends["ok"] += 1

        assert {"ok", "TRUNCATED", "UNDECODABLE", "TRAILING_BYTES"} <= ends.keys()

    @pytest.mark.parametrize("count", [1_000_000, 2**31, 2**62, -(2**62), -1])
    def test_a_count_of_millions_costs_nothing(self, count):
        """Four bytes must not become five million objects."""
        head = CODEC.encode(
            "Receipt", {"id": "r", "store": "s", "till": "t", "sold_at": 0, "lines": []}
        )[5:-12]
        out = bytearray()
        zigzag = (count << 1) ^ (count >> 63)
        while zigzag > 0x7F:
            out.append(zigzag & 0x7F | 0x80)
            zigzag >>= 7
        out.append(zigzag)
        begun = time.perf_counter()
        for start in range(len(head) + 1):
            _decode_or_refuse(frame(head[:start] + bytes(out)), "Receipt")

        assert time.perf_counter() - begun < 5

    @given(st.integers(-(2**70), 2**70))
    def test_a_length_of_any_size_is_refused(self, length):
        """Also one that overflows sixty-four bits."""
        out = bytearray()
        rest = length % 2**77
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
        _decode_or_refuse(frame(bytes(out)), "Receipt")

    def test_no_message_repeats_what_the_bytes_held(self):
        """Dead letters' headers and logs must not hold what tills sent."""
        secret = b"+12125552368"
        for data in (secret, frame(b"\x18" + secret), RECEIPT + secret):
            with pytest.raises(CodecError) as refused:
                CODEC.decode(data, "Receipt")
            assert "2368" not in str(refused.value)
            assert refused.value.__cause__ is None


def _decode_or_refuse(data, record):
    try:
        value = CODEC.decode(data, record)
    except CodecError:
        return
    assert isinstance(value, dict)


class TestStrictness:
    """Encoding refuses what fastavro would bend."""

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ("long", 1.0),
            ("long", 1.7),
            ("long", float("nan")),
            ("long", True),
            ("long", "1"),
            ("long", None),
            ("long", 2**63),
            ("long", -(2**63) - 1),
            ("boolean", 1),
            ("boolean", None),
            ("string", b"x"),
            ("string", 1),
            ("string", "\ud800"),
            ("bytes", "x"),
            ("null", 0),
            ({"type": "array", "items": "long"}, "12"),
            ({"type": "array", "items": "long"}, {1}),
            ({"type": "map", "values": "long"}, {1: 1}),
            (["null", "long"], 1.0),
            (["string", "long"], True),
            ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}, {}),
            (
                {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]},
                {"a": 1, "b": 2},
            ),
            ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}, [1]),
        ],
    )
    def test_a_value_of_another_type_is_refused(self, schema, value):
        """Each row is one coercion that somebody's library makes."""
        holder = {
            "type": "record",
            "name": "Holder",
            "fields": [{"name": "held", "type": schema}],
        }
        with pytest.raises((OddError, UnicodeEncodeError, TypeError)):
            compile_writer(holder)(bytearray(), {"held": value})

        assert first_fault(holder, {"held": value}).startswith("Holder.held")

    @pytest.mark.parametrize("kind", ["float", "double", "int", {"type": "enum", "name": "E"}])
    def test_a_schema_with_a_type_that_we_do_not_use_is_refused(self, kind):
        """A float in a schema would let NaN in."""
        with pytest.raises(ValueError, match="no type"):
            compile_writer(kind)

    def test_a_record_inside_itself_is_refused(self):
        """Its depth would be the sender's to choose, and a deep one kills the process."""
        tree = {"type": "record", "name": "T", "fields": [{"name": "t", "type": ["null", "T"]}]}

        with pytest.raises(ValueError, match="no type"):
            compile_writer(tree)

    def test_a_refusal_names_the_field(self):
        """A programmer finds it without a debugger."""
        with pytest.raises(CodecError, match=r"Store\.attributes: none .* float"):
            CODEC.encode("Store", {"id": "S", "valid_from": 0, "attributes": {"lat": 1.5}})

    def test_a_record_larger_than_the_broker_takes_is_refused(self):
        """Better here, where a stage can answer, than in the producer."""
        big = {"id": "S", "valid_from": 0, "attributes": {"x": "y" * RECORD_BYTES_MAX}}

        with pytest.raises(CodecError) as refused:
            CODEC.encode("Store", big)

        assert refused.value.code == "TOO_LARGE"


class TestAgreement:
    """Our writer and fastavro's give the same bytes."""

    @given(LONGS)
    def test_on_every_long(self, number):
        """Zigzag and seven bits a byte."""
        assert _ours("long", number) == _fastavros("long", number)

    @given(value=values(Result))
    def test_on_whole_records(self, value):
        """A struct is written as the dict of its fields would be."""
        data = bonus_bytes(CODEC, value)
        read = CODEC.decode(data, "Bonus")
        out = io.BytesIO()
        fastavro.schemaless_writer(out, PARSED["Bonus"], read)

        assert data[5:] == out.getvalue()

    @pytest.mark.parametrize("name", GOLDEN)
    def test_on_every_golden_record(self, name):
        """Also on unions and maps."""
        record = name.split(".")[0]
        out = io.BytesIO()
        fastavro.schemaless_writer(out, PARSED[record], CODEC.decode(GOLDEN[name], record))

        assert GOLDEN[name][5:] == out.getvalue()

    def test_maps_are_written_in_the_order_of_their_keys(self):
        """Equal attributes have equal bytes, whichever was set first."""
        schema = {"type": "map", "values": "long"}

        assert _ours(schema, {"b": 1, "a": 2}) == _ours(schema, {"a": 2, "b": 1})


def _ours(schema, value):
    out = bytearray()
    compile_writer(schema)(out, value)
    return bytes(out)


def _fastavros(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


class Points(Struct):
    """A record of the tests."""

    kind: Literal["given", "taken"]
    points: tuple[int, ...]


POINTS = {
    "type": "record",
    "name": "Points",
    "namespace": "loyalty.v1",
    "fields": [
        {"name": "kind", "type": "string"},
        {"name": "points", "type": {"type": "array", "items": "long"}},
    ],
}
GIVEN = b"\x0agiven"


class TestReading:
    """Everything that writers of others may write is read, and nothing else."""

    @pytest.mark.parametrize(
        ("body", "points"),
        [
            (b"\x00", ()),
            (b"\x04\x02\x04\x00", (1, 2)),
            (b"\x02\x02\x02\x04\x00", (1, 2)),
            (b"\x03\x04\x02\x04\x00", (1, 2)),
            (b"\x02\x80\x80\x01\x00", (8192,)),
        ],
        ids=["empty", "one block", "two blocks", "a block with its size", "three bytes"],
    )
    def test_arrays_come_in_blocks(self, body, points):
        """Java's blocking encoder gives their size, too."""
        value, end = compile_reader(POINTS, Points)(GIVEN + body, 0)

        assert (value, end) == (Points("given", points), len(GIVEN + body))
        # fastavro is the judge of what the bytes mean.
        reading = fastavro.parse_schema(POINTS)
        assert (
            tuple(fastavro.schemaless_reader(io.BytesIO(GIVEN + body), reading)["points"]) == points
        )

    @pytest.mark.parametrize(
        "body",
        [
            b"\x02" + b"\xff" * 10 + b"\x01\x00",
            b"\x02" + b"\xff" * 9 + b"\x7f\x00",
            b"\x80\x00",
            b"\x7f\x02\x00",
            b"\x01\x01\x02\x00",
            b"\x04\x02",
        ],
        ids=["70 bits", "67 bits", "a block of none", "a huge block", "a negative size", "short"],
    )
    def test_what_no_writer_writes_is_refused(self, body):
        """Damage does not pass for another value."""
        with pytest.raises((OddError, EOFError, IndexError)):
            compile_reader(POINTS, Points)(GIVEN + body, 0)

    def test_a_truth_is_zero_or_one(self):
        """Two is damage, and no truth of any writer."""
        flag = {"name": "flag", "type": "boolean"}
        tree = {"type": "record", "name": "Flag", "namespace": "loyalty.v1", "fields": [flag]}

        assert compile_reader(tree)(b"\1", 0) == ({"flag": True}, 1)
        with pytest.raises(OddError):
            compile_reader(tree)(b"\2", 0)

    @pytest.mark.parametrize(("promised", "left"), [(3, 2), (2**40, 5), (1, 0)])
    def test_a_block_promises_no_more_items_than_bytes_are_left(self, promised, left):
        """Before anything is made of it."""
        with pytest.raises(EOFError):
            count(zigzag(promised) + bytes(left), 0)

    @given(LONGS)
    def test_every_long_is_read_back(self, number):
        """At each length from one byte to ten."""
        data = GIVEN + b"\x02" + zigzag(number) + b"\x00"

        assert compile_reader(POINTS, Points)(data, 0)[0].points == (number,)

    def test_a_word_that_the_type_does_not_admit_is_refused(self):
        """Codes are strings on the wire and checked at the door."""
        with pytest.raises(OddError):
            compile_reader(POINTS, Points)(b"\x0ataken\x00".replace(b"taken", b"stole"), 0)

    @pytest.mark.parametrize("fields", [["kind"], ["kind", "points", "more"]])
    def test_a_struct_of_other_fields_is_refused(self, fields):
        """A field that one side has alone would be lost or made up."""
        kind = defstruct("Other", [(name, str) for name in fields])

        with pytest.raises(ValueError, match=r"differ in (points|more)"):
            compile_reader(POINTS, kind)


class TestVersions:
    """What an older version wrote is read as the newest."""

    OLD = Schema(1, "Points", 1, json.dumps(POINTS))
    NEW = Schema(
        7,
        "Points",
        2,
        json.dumps(
            {
                **POINTS,
                "fields": [
                    {"name": "lot", "type": ["null", "string"], "default": None},
                    *POINTS["fields"],
                ],
            }
        ),
    )

    def test_a_new_field_reads_as_its_default(self):
        """Kafka keeps what was written before the field was there."""
        old = Codec([self.OLD]).encode("Points", Points("given", (1, 2)))

        assert Codec([self.OLD, self.NEW]).decode(old, "Points") == {
            "lot": None,
            "kind": "given",
            "points": [1, 2],
        }

    def test_the_newest_is_what_is_written(self):
        """Whatever the order in which the versions are given."""
        codec = Codec([self.NEW, self.OLD])

        assert codec.encode("Points", {"kind": "given", "points": []})[:5] == b"\0\0\0\0\7"

    def test_damage_of_an_older_version_is_found_as_well(self):
        """Resolution must not be a way around the door."""
        old = Codec([self.OLD]).encode("Points", Points("given", (1, 2)))
        codec = Codec([self.OLD, self.NEW])

        for data, code in ((old[:-1], "TRUNCATED"), (old + b"\0", "TRAILING_BYTES")):
            with pytest.raises(CodecError) as refused:
                codec.decode(data, "Points")
            assert refused.value.code == code
