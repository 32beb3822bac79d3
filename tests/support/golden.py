"""
Golden files: bytes that were written once and have to stay readable for ever.

Each is a pair in `tests/golden`: `<Record>.<version>[.<Body>].<form>.avro`, the framed
bytes, and `.json`, the value that they hold.  `full` has every field and every branch of
a union that holds something, `least` has defaults and nulls.

`python -m tests.support.golden` writes the pairs that are missing, for a new record or
version; it never touches one that is there.
"""

import itertools
import json
from pathlib import Path

from schemas.catalogue import catalogue
from schemas.codec import committed, plain

FOLDER = Path(__file__).parents[1] / "golden"


def cases():
    """Go through (name, record, value) of every pair that should be there."""
    for schema in catalogue():
        tree = plain(schema.tree)
        for form in ("full", "least"):
            for body, value in _forms(tree, full=form == "full"):
                name = ".".join(filter(None, [schema.record, str(schema.version), body, form]))
                yield name, schema.record, value


def _forms(tree, *, full):
    """Give one value of a record, or one for each body of an envelope."""
    named = {}
    _name(tree, named)
    bodies = next((field["type"] for field in tree["fields"] if field["name"] == "body"), [None])
    for body in bodies:
        count = itertools.count(1)
        value = _sample(tree, "", named, count, full=full)
        name = None
        if body is not None:
            record = named.get(body, body) if isinstance(body, str) else body
            name = record["name"]
            chosen = _sample(record, "", named, count, full=full)
            value["body"] = {f"loyalty.v1.{name}": chosen}
        yield name, value


def _name(tree, named):
    if isinstance(tree, list):
        for each in tree:
            _name(each, named)
    elif isinstance(tree, dict):
        if tree.get("type") == "record":
            named[tree["name"]] = tree
        for part in ("items", "values", "type"):
            _name(tree.get(part), named)
        for field in tree.get("fields", []):
            _name(field["type"], named)


def _sample(tree, name, named, count, *, full):
    """Give a value of a type: different ones in a row, so that no two fields can swap."""
    tree = named.get(tree, tree) if isinstance(tree, str) else tree
    if isinstance(tree, list):
        branches = [each for each in tree if each != "null"]
        empty = not full and len(branches) < len(tree)
        return None if empty else _sample(branches[0], name, named, count, full=full)
    kind = tree["type"] if isinstance(tree, dict) else tree
    if kind == "record":
        return _record(tree, named, count, full=full)
    if kind == "array":
        return [_sample(tree["items"], name, named, count, full=full) for _ in range(2 * full)]
    if kind == "map":
        return _map(tree["values"], name, named, count) if full else {}
    return _simple(kind, name, next(count), full=full)


def _record(tree, named, count, *, full):
    return {
        field["name"]: field["default"]
        if not full and "default" in field
        else _sample(field["type"], field["name"], named, count, full=full)
        for field in tree["fields"]
        if field["name"] != "body"
    }


def _simple(kind, name, number, *, full):
    return {
        "string": f"{name} {number} é",
        "bytes": f"{name} {number} é",
        "boolean": bool(number % 2) or full,
        "long": -(2**40) - number if number % 7 == 0 else number * 1_001,
    }[kind]


def _map(values, name, named, count):
    """Give an entry for each branch of the map's values."""
    branches = values if isinstance(values, list) else [values]
    return {
        f"{name} {index}": _sample(branch, name, named, count, full=True)
        for index, branch in enumerate(branches)
    }


def as_value(tree):
    """Turn a golden file's JSON into what the codec takes: bodies by name, bytes as bytes."""
    if isinstance(tree, list):
        return [as_value(each) for each in tree]
    if isinstance(tree, dict):
        return {
            name: _body(each)
            if name == "body"
            else each.encode("latin-1")
            if name == "record"
            else as_value(each)
            for name, each in tree.items()
        }
    return tree


def _body(tree):
    ((name, value),) = tree.items()
    return name, as_value(value)


def write_missing():
    """Write the pairs that are not there yet."""
    codec = committed()
    for name, record, value in cases():
        data, text = FOLDER / f"{name}.avro", FOLDER / f"{name}.json"
        if not data.exists():
            data.write_bytes(codec.encode(record, as_value(value)))
            shown = json.dumps(value, indent=1, ensure_ascii=False)
            text.write_text(shown + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_missing()
