"""
Record headers: CloudEvents in binary mode, and which log positions a decision saw.

The positions are in the headers, so that a repeated document is answered with the same
bytes wherever its repetition stands in the log.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec import Struct

from streams.core.calendar import iso_millis
from streams.core.receipt import EpochMs
from streams.wire.messages import Source

Headers = tuple[tuple[str, bytes], ...]

SPECIFICATION = ("ce_specversion", b"1.0")
CONTENT = ("content-type", b"application/avro")
DECIDED = "loyalty_decided"
REFERENCES = "loyalty_references"


class Decided(Struct, frozen=True):
    """
    What a decision was made of.

    Attributes:
        source: The log position of the command.
        references: The offset up to which each reference had been read, by name.
    """

    source: Source
    references: dict[str, int]


def event_headers(
    kind: str,
    *,
    event: str,
    stage: str,
    subject: str,
    at: EpochMs | None = None,
    source: Source | None = None,
    references: Mapping[str, int] | None = None,
) -> Headers:
    """
    Describe a record by CloudEvents' attributes, besides what was decided on.

    Args:
        kind: The Avro record's name.
        event: Deterministic id of the record.
        stage: The stage that emits it.
        subject: The account or document that it is about; nothing that names a person.
        at: Event time; left out where it is none that a calendar has.
        source: Log position of the record that was decided on.
        references: Offset of each reference that the decision saw.
    """
    type_, origin = _described(kind, stage)
    headers = [
        SPECIFICATION,
        ("ce_id", event.encode()),
        type_,
        origin,
        ("ce_subject", subject.encode()),
        CONTENT,
    ]
    time = None if at is None else _iso(at)
    if time is not None:
        headers.append(("ce_time", time))
    if source is not None:
        position = f"{source.topic}/{source.partition}/{source.offset}"
        headers.append((DECIDED, position.encode()))
    if references:
        headers.append(_seen(*sorted(references.items())))
    return tuple(headers)


# Records of a batch have most of their headers in common.
@lru_cache(maxsize=256)
def _described(kind: str, stage: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    return ("ce_type", f"loyalty.{kind}.v1".encode()), ("ce_source", f"/loyalty/{stage}".encode())


@lru_cache(maxsize=256)
def _seen(*references: tuple[str, int]) -> tuple[str, bytes]:
    shown = ",".join(f"{name}={offset}" for name, offset in references)
    return REFERENCES, shown.encode()


def decided_from(headers: Iterable[tuple[str, bytes]]) -> Decided | None:
    """Read what a decision was made of, or None where the headers don't say."""
    found = dict(headers)
    if DECIDED not in found:
        return None
    topic, partition, offset = found[DECIDED].decode().rsplit("/", 2)
    shown = found.get(REFERENCES, b"").decode()
    pairs = (each.split("=") for each in shown.split(",") if each)
    return Decided(
        Source(topic, int(partition), int(offset)), {name: int(seen) for name, seen in pairs}
    )


@lru_cache(maxsize=4_096)
def _iso(at: EpochMs) -> bytes | None:
    try:
        return iso_millis(at).encode()
    except OverflowError:
        return None
