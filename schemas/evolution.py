"""
Whether one version of a record may follow another.

Backward: readers of the new version read what the old one wrote.  Forward: readers of
the old version read what the new one writes.  Full is both, transitive is against every
earlier version.  The rules are Avro's resolution for the types that our schemas use,
without promotions and aliases: stricter than a registry's, and sayable by path.

What outsiders read and write must be fully compatible, so that neither side has to be
upgraded first.  The envelopes between stages need only backward: their readers are
ours and are upgraded first.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from schemas.catalogue import Schema, catalogue, fingerprint, listed
from schemas.codec import plain

BACKWARD = frozenset({"RouteEnvelope", "CommandEnvelope", "BudgetEnvelope"})


def level_of(record: str) -> str:
    """Name the compatibility that a registry should hold the record's subjects to."""
    return "BACKWARD_TRANSITIVE" if record in BACKWARD else "FULL_TRANSITIVE"


def faults(schemas: Sequence[Schema]) -> tuple[str, ...]:
    """List every incompatibility between versions of one record, in order."""
    found: list[str] = []
    in_order = sorted(schemas, key=lambda each: (each.record, each.version))
    for old, new in combinations(in_order, 2):
        if old.record != new.record:
            continue
        name = f"{new.record} {new.version} cannot read {old.version}"
        found += [f"{name}: {fault}" for fault in unreadable(new.tree, old.tree)]
        if new.record not in BACKWARD:
            name = f"{new.record} {old.version} cannot read {new.version}"
            found += [f"{name}: {fault}" for fault in unreadable(old.tree, new.tree)]
    return tuple(found)


def edited() -> tuple[str, ...]:
    """Name the released files that are no longer as they were released."""
    return tuple(
        f"{schema.record}.{schema.version}"
        for schema, row in zip(catalogue(), listed(), strict=True)
        if fingerprint(schema.text) != row["sha256"]
    )


def unreadable(reader: Any, writer: Any) -> tuple[str, ...]:
    """
    List why a reader's schema cannot read what a writer's schema wrote, by path.

    Empty means that it can.
    """
    return tuple(_Resolution(reader, writer).faults("", reader, writer))


class _Resolution:
    """One comparison, which knows the named records of both sides."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader_names = dict(_named(plain(reader)))
        self._writer_names = dict(_named(plain(writer)))

    def faults(self, path: str, reader: Any, writer: Any) -> Iterator[str]:
        reader, writer = plain(reader), plain(writer)
        reader = self._reader_names.get(_name(reader), reader)
        writer = self._writer_names.get(_name(writer), writer)
        if isinstance(writer, list) or isinstance(reader, list):
            yield from self._unions(path, _branches(reader), _branches(writer))
            return
        kind = _kind(reader)
        if kind != _kind(writer):
            yield f"{path or 'the record'} is {kind}, was written as {_kind(writer)}"
        elif kind == "array":
            yield from self.faults(f"{path}[]", reader["items"], writer["items"])
        elif kind == "map":
            yield from self.faults(f"{path}{{}}", reader["values"], writer["values"])
        elif kind == "record":
            yield from self._records(path, reader, writer)

    def _records(self, path: str, reader: Any, writer: Any) -> Iterator[str]:
        if reader["name"] != writer["name"]:
            yield f"{path or 'the record'} is {reader['name']}, was written as {writer['name']}"
            return
        written = {field["name"]: field["type"] for field in writer["fields"]}
        for field in reader["fields"]:
            inner = f"{path}.{field['name']}".lstrip(".")
            if field["name"] in written:
                yield from self.faults(inner, field["type"], written[field["name"]])
            elif "default" not in field:
                yield f"{inner} was not written and has no default"

    def _unions(self, path: str, reader: list[Any], writer: list[Any]) -> Iterator[str]:
        """Every type that may have been written has to be one that is read."""
        for branch in writer:
            of_kind = [
                each
                for each in reader
                if self._label(each, self._reader_names) == self._label(branch, self._writer_names)
            ]
            if not of_kind:
                yield f"{path} may hold {self._label(branch, self._writer_names)}, not read here"
                continue
            yield from self.faults(path, of_kind[0], branch)

    @staticmethod
    def _label(schema: Any, names: dict[str, Any]) -> str:
        schema = names.get(_name(schema), schema)
        kind = _kind(schema)
        return f"record {schema['name']}" if kind == "record" else kind


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    # A long with a logical type is written {"type": "long"} once that is left out.
    return _kind(kind) if isinstance(kind, dict) else str(kind)


def _name(schema: Any) -> str:
    return schema.rpartition(".")[2] if isinstance(schema, str) else ""


def _branches(schema: Any) -> list[Any]:
    return schema if isinstance(schema, list) else [schema]


def _named(schema: Any) -> Iterator[tuple[str, Any]]:
    """Go through the records that a schema defines, wherever it does."""
    if isinstance(schema, list):
        for each in schema:
            yield from _named(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            yield schema["name"], schema
            for field in schema["fields"]:
                yield from _named(field["type"])
        for part in ("items", "values"):
            yield from _named(schema.get(part))
