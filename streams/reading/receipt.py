"""
What became of one document: everything that the log says about its id.

The topics have other keys than the receipt's id, so this reads them whole and decodes
only records that hold the id's bytes.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.reading.log import Logged, LogReader, Position
from streams.reading.results import Answer, answer_of
from streams.reading.values import Values
from streams.topics import Names


class Sighting(Struct, frozen=True):
    """
    A record about the document, before its result.

    Attributes:
        what: The Avro record; of an envelope, the body.
        value: Plain data, personal data hidden.
    """

    position: Position
    timestamp: int | None
    what: str
    value: Any


class Dossier(Struct, frozen=True):
    """
    Everything about a document, each in the order of the log.

    Attributes:
        answers: Every result: deferred ones, the final one, conflicts, repetitions.
    """

    document: str
    sightings: tuple[Sighting, ...]
    answers: tuple[Answer, ...]


def dossier(log: LogReader, values: Values, names: Names, document: str) -> Dossier:
    """
    Gather what the log has on *document*, its parts `id#k` included.

    Raises:
        LogError: If the log cannot be read.
    """
    sightings = []
    for topic in (names.receipts, names.routes, names.commands):
        for logged in _holding(log, topic, document):
            decoded = values.shown(topic, logged.value)
            if decoded.value is not None and document in _documents(decoded.value):
                what = _what(decoded.record or "", decoded.value)
                sightings.append(Sighting(logged.position, logged.timestamp, what, decoded.value))
    answers = []
    for logged in _holding(log, names.bonuses, document):
        answer = _answer(values.codec, logged)
        if answer is not None and document in _with_whole(answer.result.document):
            answers.append(answer)
    return Dossier(document, tuple(sightings), tuple(answers))


def _holding(log: LogReader, topic: str, document: str) -> Iterator[Logged]:
    wanted = document.encode()
    return (each for each in log.to_end([topic]) if each.value is not None and wanted in each.value)


def _answer(codec: Codec, logged: Logged) -> Answer | None:
    try:
        return answer_of(codec, logged)
    except CodecError:
        return None


def _with_whole(document: str) -> tuple[str, ...]:
    """Give a document's id and, of a part, the id of the whole."""
    whole, _, part = document.rpartition("#")
    return (document, whole) if whole and part.isdigit() else (document,)


def _documents(value: dict[str, Any]) -> set[str]:
    """Name the documents that a receipt or an envelope is about."""
    body = value.get("body")
    if not isinstance(body, dict):
        return set(_with_whole(value["id"]))
    (fields,) = body.values()
    named = {value["id"], *_with_whole(fields.get("document") or value["id"])}
    receipt = fields.get("receipt")
    if isinstance(receipt, dict):
        named.add(receipt["id"])
    return named


def _what(record: str, value: dict[str, Any]) -> str:
    body = value.get("body")
    return next(iter(body)) if isinstance(body, dict) else record
