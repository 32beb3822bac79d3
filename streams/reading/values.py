"""
Bytes of the topics as plain values that can be printed, without personal data.

A value of one of several records is written {record: {fields}}, as Avro's JSON form does.
What identifies a person is replaced by a mark unless it is asked for: a terminal, a log or
a ticket is no place for it.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from schemas.codec import Codec, CodecError, committed
from streams.topics import plan

HIDDEN = "…hidden…"
# By record: the fields that say who somebody is.  A field inside a list is hidden in
# each of its records.
PERSONAL: Mapping[str, frozenset[str]] = {
    "Receipt": frozenset({"identifiers.value"}),
    "Member": frozenset(
        {"name", "phone", "email", "cards", "replaced_cards", "born", "attributes", "reason"}
    ),
    "CommandEnvelope": frozenset({"body.MemberFacts.born", "body.MemberFacts.attributes"}),
}


class Decoded(Struct, frozen=True):
    """
    A value, read or not.

    Attributes:
        record: Name of the Avro record, or None where the topic holds raw bytes.
        value: Plain data; None for a tombstone or for what could not be read.
        error: Code of the codec's refusal, or None.
    """

    record: str | None
    value: Any = None
    error: str | None = None


class Values:
    """
    Read the values of one tenant's topics.

    Args:
        tenant: First word of the topic names.
        codec: With the ids that the values carry; by default the committed ones.
    """

    def __init__(self, tenant: str, codec: Codec | None = None) -> None:
        self.codec = codec or committed()
        self._records = {topic.name: topic.schema for topic in plan(tenant)}

    def record_of(self, topic: str) -> str | None:
        """Name the Avro record that *topic* holds, or None for raw bytes."""
        return self._records.get(topic)

    def read(self, topic: str, value: bytes | None) -> Any:
        """
        Give the plain value of a record of *topic*, everything in it.

        Raises:
            CodecError: If it cannot be read.
            KeyError: If no record is planned for *topic*.
        """
        record = self._records[topic]
        if record is None:
            raise KeyError(topic)
        return plain(self.codec.decode(value, record))

    def shown(self, topic: str, value: bytes | None, *, personal: bool = False) -> Decoded:
        """Give a record of *topic* for printing; with personal data only on request."""
        record = self._records.get(topic)
        if record is None or value is None:
            return Decoded(record)
        try:
            decoded = plain(self.codec.decode(value, record))
        except CodecError as error:
            return Decoded(record, error=error.code)
        hidden = frozenset() if personal else PERSONAL.get(record, frozenset())
        return Decoded(record, hide(decoded, hidden) if hidden else decoded)


def plain(value: Any) -> Any:
    """Turn what the codec gives into JSON's types; bytes become hex."""
    if isinstance(value, tuple):
        name, body = value
        return {name.rpartition(".")[2]: plain(body)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value


def hide(value: Any, fields: frozenset[str], path: str = "") -> Any:
    """Replace what stands under *fields* (dotted paths) and says something."""
    if isinstance(value, list):
        return [hide(each, fields, path) for each in value]
    if not isinstance(value, dict):
        return value
    shown = {}
    for key, each in value.items():
        below = f"{path}.{key}" if path else key
        says = each is not None and each != []
        shown[key] = HIDDEN if says and below in fields else hide(each, fields, below)
    return shown
