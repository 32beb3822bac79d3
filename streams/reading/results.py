"""
Results as the log has them, with the command that each one answers.

A result's headers name the position of its command, because a header is what a reader
without the schemas sees too.
"""

from msgspec import Struct

from schemas.codec import Codec
from streams.core.receipt import Receipt
from streams.core.result import Result
from streams.core.routing import Part
from streams.reading.log import Logged, LogReader, Position
from streams.wire.envelopes import command_from
from streams.wire.headers import decided_from
from streams.wire.outputs import bonus_from


class Answer(Struct, frozen=True):
    """
    A result and where it is.

    Attributes:
        command: Where the command is that it answers; None if the record does not say.
    """

    result: Result
    position: Position
    command: Position | None


def answer_of(codec: Codec, logged: Logged) -> Answer:
    """
    Read a record of the bonuses topic.

    Raises:
        CodecError: If the bytes are no bonus.
    """
    return Answer(bonus_from(codec, logged.value), logged.position, command_of(logged))


def command_of(logged: Logged) -> Position | None:
    """Read from the headers which command a record answers; None if they do not say."""
    try:
        decided = decided_from(logged.headers)
    except ValueError:
        return None
    if decided is None:
        return None
    source = decided.source
    return Position(source.topic, source.partition, source.offset)


def receipt_at(log: LogReader, codec: Codec, position: Position) -> Receipt | None:
    """
    Give the receipt that the command at *position* brought; None where it brought none.

    Raises:
        LogError: If the log cannot be read.
        CodecError: If the bytes are no command.
    """
    logged = log.at(position)
    if logged is None:
        return None
    body = command_from(codec, logged.value).body
    return body.receipt if isinstance(body, Part) else None
