"""What docs/integrators.md tells the outside is what the code does."""

import inspect
import json
import re
from pathlib import Path

import schemas.codec
from schemas.catalogue import listed
from streams.topics import plan
from streams.wire.errors import CardDataError, MalformedError
from streams.wire.receipts import ID_LENGTH_MAX, LINES_MAX, RESERVED

PAGE = (Path(__file__).parents[2] / "docs/integrators.md").read_text(encoding="utf-8")


def test_the_table_of_topics_is_the_plan():
    """Name, record and key of every topic that holds records, in order."""
    rows = re.findall(
        r"^\| `(loyalty\.[a-z]+\.v1)` \| [^|]+ \| (\w+) \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
    planned = [(each.name, each.schema, each.key) for each in plan() if each.schema is not None]

    assert rows == planned


def test_the_ids_that_are_named_are_the_committed_ones():
    """A program outside may rely on them."""
    ids = {row["record"]: row["id"] for row in listed() if row["version"] == 1}

    for number, record in re.findall(r"(\d+) is ([A-Z]\w+) 1", PAGE):
        assert ids[record] == int(number)


def test_every_code_of_a_dead_letter_is_explained():
    """Operators and integrators look it up here."""
    source = inspect.getsource(schemas.codec)
    raised = set(re.findall(r'CodecError\(\s*"([A-Z_]+)"', source)) - {"UNENCODABLE"}
    raised |= {MalformedError.code, CardDataError.code}

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == raised


def test_the_bounds_that_are_named_hold():
    """A till's makers size their fields by them."""
    assert f"1 to {ID_LENGTH_MAX} printable characters" in PAGE
    assert f"at most {LINES_MAX:,} lines" in PAGE
    assert all(f"`{mark}`" in PAGE for mark in RESERVED)


def test_the_examples_name_fields_that_exist():
    """Every quoted word of the receipt in the Python example is a field of the schema."""
    tree = json.dumps(
        json.loads((Path(schemas.codec.__file__).parent / "avro/Receipt.1.avsc").read_text())
    )
    example = PAGE.split("receipt = {")[1].split("\n}")[0]

    for field in re.findall(r'"(\w+)":', example):
        assert f'"name": "{field}"' in tree
