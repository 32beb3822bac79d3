"""
Dead letters: what could not be read, kept with the reason.

The key and the bytes are as they came, and so are the headers; ours are added in the
form of Kafka Connect, so that the tools of others read them too.  A reason names
fields and types, never what they held.  The one thing that is not kept is the number of
a payment card: then the letter has no value.
"""

from collections.abc import Iterable

from msgspec import Struct

from schemas.codec import CodecError
from streams.wire.errors import MalformedError
from streams.wire.headers import Headers
from streams.wire.messages import Source

PREFIX = "__connect.errors."
CODE = "loyalty.error.code"
DOCUMENT = "loyalty.error.document"
WITHHELD = "loyalty.error.value.withheld"


class DeadLetter(Struct, frozen=True):
    """
    A record to send to the dead letters of the topic it came from.

    Attributes:
        value: As it came, or None where it had none or may not be kept.
    """

    value: bytes | None
    headers: Headers


class Reason(Struct, frozen=True):
    """
    Why a record is a dead letter, as its headers say.

    Attributes:
        source: Where it was read.
        stage: The stage that could not read it.
        document: The id of the document, where that much could be read.
        withheld: Whether the value was left out because of a payment card's number.
    """

    source: Source
    stage: str
    code: str
    message: str
    document: str | None = None
    withheld: bool = False


def dead_letter(
    error: CodecError | MalformedError,
    *,
    stage: str,
    source: Source,
    value: bytes | None,
    headers: Headers = (),
) -> DeadLetter:
    """
    Make the dead letter of a record that ended in *error*; send it under its own key.

    Args:
        error: What reading it raised.
        stage: The stage that read it.
        source: Where it was read.
        value: The record's value.
        headers: The record's headers.
    """
    added = [
        (PREFIX + "topic", source.topic.encode()),
        (PREFIX + "partition", str(source.partition).encode()),
        (PREFIX + "offset", str(source.offset).encode()),
        (PREFIX + "stage", stage.encode()),
        (PREFIX + "exception.class.name", type(error).__name__.encode()),
        (PREFIX + "exception.message", str(error).encode()),
        (CODE, error.code.encode()),
    ]
    document = error.document if isinstance(error, MalformedError) else None
    if document is not None:
        added.append((DOCUMENT, document.encode()))
    if isinstance(error, MalformedError) and not error.quotable:
        value = None
        added.append((WITHHELD, b"true"))
    return DeadLetter(value, (*headers, *added))


def reason_from(headers: Iterable[tuple[str, bytes]]) -> Reason | None:
    """
    Read why a record is a dead letter, or None where its headers don't say.

    Of headers with the same name the last counts: a letter may be of a letter.
    """
    found = {name: value.decode("utf-8", "replace") for name, value in headers}
    if CODE not in found:
        return None
    return Reason(
        source=Source(
            found[PREFIX + "topic"],
            int(found[PREFIX + "partition"]),
            int(found[PREFIX + "offset"]),
        ),
        stage=found[PREFIX + "stage"],
        code=found[CODE],
        message=found[PREFIX + "exception.message"],
        document=found.get(DOCUMENT),
        withheld=WITHHELD in found,
    )
