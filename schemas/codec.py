"""
Records to bytes and back, in Confluent's framing: magic 0, schema id, Avro body.

The only place where bytes from Kafka are decoded.  Whatever is wrong with them ends in
one error type with a stable code, and no message repeats what the bytes held.

fastavro does the decoding, and is guarded where it trusts too much.  The size of a value
is bounded before it is read; since no array or map item of ours takes less than a byte
and no record holds itself (tests/schemas check both for every file), that bounds
counts, lengths, depth and memory too.  Every byte must be consumed.  There is no float
in the schemas, so no NaN can come in.
"""

import io
from collections.abc import Iterable, Mapping
from struct import Struct as Packing
from struct import error as packing_error
from typing import Any

import fastavro
from msgspec import Struct

from schemas.catalogue import Schema, catalogue
from schemas.encoding import Write, compile_writer
from schemas.faults import first_fault

# As large as the largest topic's max.message.bytes (streams.topics): less would refuse
# what the broker accepts, more would only let a bad length cost memory.
RECORD_BYTES_MAX = 2_097_152
HEADER = Packing(">bI")


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
        self._by_id: dict[int, tuple[str, Any]] = {}
        self._newest: dict[str, tuple[int, Any]] = {}
        self._writers: dict[str, tuple[bytes, Write]] = {}
        self._trees: dict[str, Any] = {}
        for schema in sorted(schemas, key=lambda each: (each.record, each.version)):
            tree = plain(schema.tree)
            parsed = fastavro.parse_schema(plain(schema.tree))
            self._by_id[schema.id] = (schema.record, parsed)
            self._newest[schema.record] = (schema.id, parsed)
            self._trees[schema.record] = tree
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

    def decode(
        self, data: bytes | None, record: str, *, bytes_max: int = RECORD_BYTES_MAX
    ) -> dict[str, Any]:
        """
        Read a *record*, whichever of its versions wrote it, as the newest.

        Among the types of a union of several records, the value is the pair
        (full name, dict); everything else is plain.

        Args:
            data: The value of a Kafka record, None for a tombstone.
            record: The record that the topic holds.
            bytes_max: Largest size to accept, frame included.

        Raises:
            CodecError: With any code but UNENCODABLE.
        """
        if data is None:
            raise CodecError("NO_VALUE", f"a {record} was expected, not a tombstone")
        if len(data) > bytes_max:
            raise CodecError("TOO_LARGE", f"{len(data)} bytes, at most {bytes_max} are read")
        schema_id = _schema_id(data)
        if schema_id not in self._by_id:
            raise CodecError("UNKNOWN_SCHEMA", f"no schema has the id {schema_id}")
        found, writer = self._by_id[schema_id]
        if found != record:
            raise CodecError("WRONG_SCHEMA", f"a {found} where a {record} was expected")
        newest_id, newest = self._newest[record]
        body = io.BytesIO(data)
        body.seek(HEADER.size)
        try:
            value = fastavro.schemaless_reader(
                body,
                writer,
                None if schema_id == newest_id else newest,
                return_record_name=True,
                return_record_name_override=True,
            )
        except EOFError:
            raise CodecError("TRUNCATED", f"{record} ends before its last field") from None
        except Exception as failed:  # noqa: BLE001 -- the one place where bytes are decoded
            # fastavro has no error type of its own: it raises what it stumbles over.
            raise CodecError("UNDECODABLE", f"{record}: {type(failed).__name__}") from None
        if body.tell() != len(data):
            raise CodecError("TRAILING_BYTES", f"{len(data) - body.tell()} bytes after {record}")
        if type(value) is not dict:
            raise CodecError("UNDECODABLE", f"{record}: no record")
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
