"""
The quarantine: records that killed a worker again and again, set aside for an operator.

Each stands in the app's quarantine topic as it was read, with its place in headers; its stage
went on without it, in the same transaction.
"""

from collections.abc import Sequence

from msgspec import Struct

from streams.engine.record import Headers, Output, Record
from streams.engine.stage import quarantine_topic

PREFIX = "quarantine."
STAGE, TOPIC, PARTITION, OFFSET = (
    PREFIX + name for name in ("stage", "topic", "partition", "offset")
)


class Quarantined(Struct, frozen=True):
    """A record in quarantine."""

    number: int
    """Its own offset in the quarantine topic, by which it is retried."""
    stage: str
    """The stage that it killed."""
    record: Record
    """The record as it was read, with the place where it was read."""


def set_aside(app_id: str, stage: str, record: Record) -> Output:
    """Give what to emit for a *record* that is not handled."""
    place: Headers = (
        (STAGE, stage.encode()),
        (TOPIC, record.topic.encode()),
        (PARTITION, b"%d" % record.partition),
        (OFFSET, b"%d" % record.offset),
    )
    return Output(
        quarantine_topic(app_id),
        record.key,
        record.value,
        0,
        (*record.headers, *place),
        record.timestamp,
    )


def set_aside_before(found: Record) -> Quarantined | None:
    """Give what *found*, a record of the quarantine topic, was; None if it is a tool's."""
    place = {name: value for name, value in found.headers if name.startswith(PREFIX)}
    if not place.keys() >= {STAGE, TOPIC, PARTITION, OFFSET}:
        return None
    record = Record(
        place[TOPIC].decode(),
        int(place[PARTITION]),
        int(place[OFFSET]),
        found.timestamp,
        found.key,
        found.value,
        _own(found.headers),
    )
    return Quarantined(found.offset, place[STAGE].decode(), record)


def _own(headers: Sequence[tuple[str, bytes]]) -> Headers:
    return tuple(each for each in headers if not each[0].startswith(PREFIX))
