"""
Records to bytes and back, in Confluent's framing: magic 0, schema id, Avro body.

The only place where bytes from Kafka are decoded.  Whatever is wrong with them ends in
one error type with a stable code, and no message repeats what the bytes held.

The size of a value is bounded before it is read; since no array or map item of ours takes
less than a byte and no record holds itself (tests/schemas check both for every file),
that bounds counts, lengths, depth and memory too.  Every byte must be consumed.  There is
no float in the schemas, so no NaN can come in.

`encoding` and `decoding` do the work.  fastavro, which is too trusting to stand at the
door, resolves older versions and is what tests hold our bytes to.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from struct import Struct as Packing
from struct import error as packing_error
from typing import Any, TypeVar

import fastavro
from msgspec import Struct

from schemas.catalogue import Schema, catalogue
from schemas.decoding import Read, compile_reader
from schemas.encoding import OddError, Write, Written, compile_writer
from schemas.faults import first_fault

# As large as the largest topic's max.message.bytes (streams.topics): less would refuse
# what the broker accepts, more would only let a bad length cost memory.
RECORD_BYTES_MAX = 2_097_152
HEADER = Packing(">bI")
Value = TypeVar("Value")


class CodecError(Exception):
    """
    Bytes that are no record, or a value that no record can hold.

    *code* is stable: NO_VALUE, TOO_LARGE, TRUNCATED, BAD_MAGIC, UNKNOWN_SCHEMA,
    WRONG_SCHEMA, TRAILING_BYTES, UNDECODABLE, UNENCODABLE.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Codec:
    """
    Encode with the newest version of a record, decode any version of it.

    Args:
        schemas: Every version of every record, with the ids that values carry.  Ids may
            be those of `ids.json` or of a registry (`schemas.registry`).
    """

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._by_id: dict[int, Schema] = {}
        self._newest: dict[str, Schema] = {}
        self._trees: dict[str, Any] = {}
        self._writers: dict[str, tuple[bytes, Write]] = {}
        self._readers: dict[tuple[str, Any], Read] = {}
        for schema in sorted(schemas, key=lambda each: (each.record, each.version)):
            self._by_id[schema.id] = schema
            self._newest[schema.record] = schema
            self._trees[schema.record] = tree = plain(schema.tree)
            self._writers[schema.record] = (HEADER.pack(0, schema.id), compile_writer(tree))

    def encode(self, record: str, value: Mapping[str, Any] | Struct) -> bytes:
        """
        Write *value*, a dict or a struct, as *record*, with the frame in front.

        Raises:
            CodecError: UNENCODABLE, naming the field and the type that was expected, or
                TOO_LARGE.
        """
        header, write = self._writers[record]
        out = bytearray(header)
        try:
            write(out, value)
        except Exception:
            fault = first_fault(self._trees[record], value)
            if fault is None:  # Then it is the writer that is wrong.
                raise
            raise CodecError("UNENCODABLE", fault) from None
        if len(out) > RECORD_BYTES_MAX:
            raise CodecError("TOO_LARGE", f"{record} of {len(out)} bytes")
        return bytes(out)

    def items(self, record: str, field: str) -> Callable[[Iterable[Any]], Written]:
        """
        Give the function that writes items of the array *field* of *record*, each by itself.

        What it gives stands for the field in a value to encode, in parts or whole.  The
        function raises CodecError, UNENCODABLE, as `encode` does.
        """
        fields = {each["name"]: each["type"] for each in self._trees[record]["fields"]}
        tree = fields[field]["items"]
        write = compile_writer(tree, namespace=self._trees[record]["namespace"])

        def written(values: Iterable[Any]) -> Written:
            found = Written()
            for value in values:
                out = bytearray()
                try:
                    write(out, value)
                except Exception:
                    fault = first_fault(tree, value)
                    if fault is None:  # Then it is the writer that is wrong.
                        raise
                    raise CodecError("UNENCODABLE", fault) from None
                found.append(bytes(out))
            return found

        return written

    def decode(
        self, data: bytes | None, record: str, *, bytes_max: int = RECORD_BYTES_MAX
    ) -> dict[str, Any]:
        """
        Read a *record* as a dict, whichever of its versions wrote it, as the newest.

        Among the types of a union of several records, the value is the pair
        (full name, dict); everything else is plain.

        Args:
            data: The value of a Kafka record, None for a tombstone.
            record: The record that the topic holds.
            bytes_max: Largest size to accept, frame included.

        Raises:
            CodecError: With any code but UNENCODABLE.
        """
        value: dict[str, Any] = self._read(data, record, None, None, bytes_max)
        return value

    def read(
        self,
        data: bytes | None,
        record: str,
        kind: type[Value],
        bodies: Mapping[str, type] | None = None,
    ) -> Value:
        """
        Read a *record* as the struct *kind*, which has the same fields.

        Args:
            data: The value of a Kafka record, None for a tombstone.
            record: The record that the topic holds.
            kind: The struct to build.
            bodies: For a union of several records, the struct for each record's name;
                always the same for a *kind*.

        Raises:
            CodecError: With any code but UNENCODABLE.
        """
        value: Value = self._read(data, record, kind, bodies, RECORD_BYTES_MAX)
        return value

    def _read(
        self,
        data: bytes | None,
        record: str,
        kind: type | None,
        bodies: Mapping[str, type] | None,
        bytes_max: int,
    ) -> Any:
        if data is None:
            raise CodecError("NO_VALUE", f"a {record} was expected, not a tombstone")
        if len(data) > bytes_max:
            raise CodecError("TOO_LARGE", f"{len(data)} bytes, at most {bytes_max} are read")
        schema = self._by_id.get(_schema_id(data))
        if schema is None:
            raise CodecError("UNKNOWN_SCHEMA", f"no schema has the id {_schema_id(data)}")
        if schema.record != record:
            raise CodecError("WRONG_SCHEMA", f"a {schema.record} where a {record} was expected")
        newest = self._newest[record]
        if schema.id != newest.id:
            data = self._renewed(data, schema, newest)
        reader = self._readers.get((record, kind))
        if reader is None:
            reader = compile_reader(self._trees[record], kind, bodies)
            self._readers[record, kind] = reader
        return _guarded(reader, data, record)

    def _renewed(self, data: bytes, schema: Schema, newest: Schema) -> bytes:
        """Write a value of an older version anew as the newest, by Avro's own resolution."""
        tree = plain(schema.tree)
        # Read it strictly first: fastavro would accept more.
        _guarded(compile_reader(tree), data, schema.record)
        value: Any = fastavro.schemaless_reader(
            io.BytesIO(data[HEADER.size :]),
            fastavro.parse_schema(tree),
            fastavro.parse_schema(plain(newest.tree)),
            return_record_name=True,
            return_record_name_override=True,
        )
        return self.encode(schema.record, value)


def _guarded(reader: Read, data: bytes, record: str) -> Any:
    """Read a whole value, and turn every way in which that fails into the one error."""
    try:
        value, end = reader(data, HEADER.size)
    except (IndexError, EOFError):
        raise CodecError("TRUNCATED", f"{record} ends before its last field") from None
    except (OddError, UnicodeDecodeError) as failed:
        raise CodecError("UNDECODABLE", f"{record}: {type(failed).__name__}") from None
    if end != len(data):
        raise CodecError("TRAILING_BYTES", f"{len(data) - end} bytes after {record}")
    return value


def _schema_id(data: bytes) -> int:
    try:
        magic, schema_id = HEADER.unpack_from(data)
    except packing_error:
        raise CodecError("TRUNCATED", f"{len(data)} bytes are less than a frame") from None
    if magic != 0:
        raise CodecError("BAD_MAGIC", "the value is not framed: its first byte is not 0")
    return int(schema_id)


def plain(schema: Any) -> Any:
    """Copy a schema without its logical types: instants stay whole milliseconds."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if isinstance(schema, dict):
        return {key: plain(each) for key, each in schema.items() if key != "logicalType"}
    return schema


def committed() -> Codec:
    """Build the codec of the committed ids, which the in-process registry gives too."""
    return Codec(catalogue())
