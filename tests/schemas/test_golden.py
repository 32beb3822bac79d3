"""Bytes of earlier builds stay readable, and today's build writes the same."""

import json

import pytest

from schemas.codec import committed
from tests.support.golden import FOLDER, as_value, cases

CODEC = committed()
PAIRS = sorted(path.stem for path in FOLDER.glob("*.avro"))


def golden(name):
    """Read one pair: record, version, bytes and value."""
    record, version, *_ = name.split(".")
    value = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return record, int(version), (FOLDER / f"{name}.avro").read_bytes(), as_value(value)


@pytest.mark.parametrize("name", PAIRS)
def test_golden_bytes_are_read_as_the_value_they_hold(name):
    """Kafka keeps what was written; a reader of today must not read it otherwise."""
    record, _, data, value = golden(name)
    read = CODEC.decode(data, record)

    # A field that the record has gained since reads as its default.
    assert {field: read[field] for field in value} == value


@pytest.mark.parametrize("name", PAIRS)
def test_the_newest_version_is_written_as_it_was(name):
    """Equal values have equal bytes, today and after every change of the code."""
    record, version, data, value = golden(name)
    newest = max(golden(other)[1] for other in PAIRS if other.split(".")[0] == record)
    if version == newest:
        assert CODEC.encode(record, value) == data


def test_every_record_and_body_has_a_golden_pair():
    """`python -m tests.support.golden` writes what is missing."""
    assert {name for name, _, _ in cases()} <= set(PAIRS)
