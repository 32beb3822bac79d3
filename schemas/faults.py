"""
What is wrong with a value that could not be encoded.

Asked only after the fact, so it may be slow: it walks schema and value together and
gives the first fault, by the path of its field.  It names types and never values, which
may be personal.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from schemas.encoding import LONG_MAX, LONG_MIN, MISSING, Written

PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "long": (int,),
    "string": (str,),
    "bytes": (bytes,),
    "array": (list, tuple),
    "map": (dict,),
}


def first_fault(schema: Any, value: object) -> str | None:
    """Give the path and kind of the first fault, or None if there is none."""
    return next(_Walk(schema.get("namespace", "")).faults(schema, value, schema["name"]), None)


class _Walk:
    """One walk, which meets each named record before its name."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._named: dict[str, Any] = {}

    def faults(self, schema: Any, value: object, path: str) -> Iterator[str]:
        self._learn(schema)
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            yield from self._in_union(schema, value, path)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "record":
            yield from self._in_record(schema, value, path)
        elif type(value) not in PYTHON_TYPES[kind] and not (
            kind == "array" and isinstance(value, list | tuple)
        ):
            yield f"{path}: {kind} expected, not {_shown(value)}"
        elif kind == "array" and isinstance(value, list | tuple):
            # Items that are written already were asked about when they were written.
            for each in () if isinstance(value, Written) else value:
                yield from self.faults(schema["items"], each, path)
        elif kind == "map" and isinstance(value, dict):
            for key, each in value.items():
                yield from self.faults("string", key, path)
                yield from self.faults(schema["values"], each, path)
        elif isinstance(value, int) and not LONG_MIN <= value <= LONG_MAX:
            yield f"{path}: long expected, not one of more than 64 bits"
        elif isinstance(value, str) and not _is_unicode(value):
            yield f"{path}: string expected, not one with half a surrogate pair"

    def _in_record(self, schema: Any, value: object, path: str) -> Iterator[str]:
        names = [field["name"] for field in schema["fields"]]
        if isinstance(value, Struct):
            items = {name.rstrip("_"): getattr(value, name) for name in value.__struct_fields__}
        elif isinstance(value, dict):
            defaults = {each["name"]: each.get("default", MISSING) for each in schema["fields"]}
            items = {**defaults, **value}
        else:
            yield f"{path}: record {schema['name']} expected, not {_shown(value)}"
            return
        odd = sorted(str(name) for name in items.keys() ^ set(names))
        if odd:
            yield f"{path}: {_shown(value)} and record {schema['name']} differ in {', '.join(odd)}"
            return
        for field in schema["fields"]:
            yield from self.faults(field["type"], items[field["name"]], f"{path}.{field['name']}")

    def _in_union(self, branches: list[Any], value: object, path: str) -> Iterator[str]:
        for branch in branches:
            self._learn(branch)
        branch, value = self._branch(branches, value)
        if branch is None:
            yield f"{path}: none of the union's types is {_shown(value)}"
        else:
            yield from self.faults(branch, value, path)

    def _branch(self, branches: list[Any], value: object) -> tuple[Any, object]:
        records: dict[str, Any] = {}
        for branch in branches:
            kind = branch["type"] if isinstance(branch, dict) else branch
            if kind not in PYTHON_TYPES:
                name = branch["name"] if isinstance(branch, dict) else branch
                records[name if "." in name else f"{self._namespace}.{name}"] = branch
            elif type(value) in PYTHON_TYPES[kind]:
                return branch, value
        if len(records) == 1 and isinstance(value, dict | Struct):
            return next(iter(records.values())), value
        if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004 -- name and value
            return records.get(value[0]), value[1]
        return records.get(f"{self._namespace}.{type(value).__name__}"), value

    def _learn(self, schema: Any) -> None:
        if isinstance(schema, dict) and schema["type"] == "record":
            self._named[schema["name"]] = schema
            for field in schema["fields"]:
                self._learn(field["type"])
        elif isinstance(schema, dict):
            self._learn(schema.get("items"))
            self._learn(schema.get("values"))
        elif isinstance(schema, list):
            for branch in schema:
                self._learn(branch)


def _shown(value: object) -> str:
    return "nothing" if value is MISSING else type(value).__name__


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
