"""
Dead letters: what could not be read, with the reason and the way back.

A letter keeps key and bytes as they came, so it may hold personal data; what is listed
here is the headers' alone.
"""

from collections.abc import Iterator

from msgspec import Struct

from streams.reading.log import Logged, LogReader, Position
from streams.wire.dead_letters import reason_from

SUFFIX = ".dlq"


class Letter(Struct, frozen=True):
    """
    One dead letter.

    Attributes:
        position: In its `.dlq` topic.
        code: Stable code of the reason.
        reason: In words; never repeats what the bytes held.
        document: Id of the document, where that much could be read.
        withheld: Whether the bytes were left out, because of a payment card's number.
        origin: Where the record was, or None where the headers do not say.
        stage: What could not read it.
        key_bytes: Size of the key, 0 for none.
        value_bytes: Size of the value, 0 for none.
    """

    position: Position
    at: int | None
    code: str | None
    reason: str | None
    document: str | None
    withheld: bool
    origin: Position | None
    stage: str | None
    key_bytes: int
    value_bytes: int


def letter_of(logged: Logged) -> Letter:
    """Read a dead letter's headers; what they do not say is None."""
    try:
        reason = reason_from(logged.headers)
    except (KeyError, ValueError):
        reason = None
    origin = None
    if reason is not None:
        source = reason.source
        origin = Position(source.topic, source.partition, source.offset)
    return Letter(
        position=logged.position,
        at=logged.timestamp,
        code=reason.code if reason else None,
        reason=reason.message if reason else None,
        document=reason.document if reason else None,
        withheld=reason.withheld if reason else False,
        origin=origin,
        stage=reason.stage if reason else None,
        key_bytes=len(logged.key or b""),
        value_bytes=len(logged.value or b""),
    )


def letters(log: LogReader, tenant: str, *, topic: str | None = None) -> Iterator[Letter]:
    """
    Give the dead letters of *tenant*, topic by topic, each partition in the order of its log.

    Args:
        log: Of the broker.
        tenant: First word of the topic names.
        topic: Only the letters of this topic, named with or without `.dlq`.

    Raises:
        LogError: If the log cannot be read.
    """
    if topic is None:
        topics = sorted(
            name for name in log.topics() if name.endswith(SUFFIX) and name.startswith(f"{tenant}.")
        )
    else:
        topics = [topic if topic.endswith(SUFFIX) else topic + SUFFIX]
    for name in topics:
        for logged in log.to_end([name]):
            yield letter_of(logged)
