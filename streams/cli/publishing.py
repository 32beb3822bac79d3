"""
How documents are published: once, and never otherwise.

A version that is out serves receipts; another content under the same number would make
the log tell two stories of one sale.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, TypeVar

from confluent_kafka import KafkaException, Producer
from msgspec import Struct

from streams.cli import output
from streams.cli.errors import INFRASTRUCTURE, USAGE, VerbError
from streams.reading.log import silent
from streams.settings import Settings
from streams.topics import SENDING
from streams.wire.references import Document, key_of
from streams.written_documents import DocumentFileError, Problem

# A broker that takes a document at all takes it well within this.
TAKEN_S = 30.0

Loaded = TypeVar("Loaded")
Fate = Literal["new", "same", "other"]


class Candidate(Struct, frozen=True):
    """
    A document to publish, and what its number means already.

    Attributes:
        fate: new (nobody has it), same (published as it is), other (published with
            other content, so that this one is refused).
    """

    document: Document
    fate: Fate


def read(paths: Iterable[Path], load: Callable[[Path], Iterable[Loaded]]) -> list[Loaded]:
    """
    Load every file of *paths*, or list every problem of all of them on stderr.

    Raises:
        VerbError: If one has problems.
    """
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for path in paths:
        if not path.exists():
            raise VerbError("NO_FILE", f"there is no file {path}", "check the path", USAGE)
        try:
            loaded += load(path)
        except DocumentFileError as error:
            problems += error.problems
    if problems:
        for problem in problems:
            output.note(str(problem))
        raise VerbError(
            "DOCUMENT",
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}, {problems[0]}",
            "mend what is listed above; docs/marketers.md shows the language",
        )
    return loaded


def compared(wanted: Iterable[Document], published: Iterable[Document]) -> tuple[Candidate, ...]:
    """Compare documents with what is out, by id and version."""
    known = {(each.id, each.version): each for each in published}
    candidates = []
    for document in wanted:
        there = known.get((document.id, document.version))
        fate: Fate = "new"
        if there is not None:
            fate = "same" if there.document == document.document else "other"
        candidates.append(Candidate(document, fate))
        known.setdefault((document.id, document.version), document)
    return tuple(candidates)


def publish(
    chosen: Settings,
    topic: str,
    candidates: Iterable[Candidate],
    *,
    write: Callable[[Document], bytes],
    execute: bool,
    json: bool,
) -> None:
    """
    Publish what is new, or say what would be.

    Raises:
        VerbError: If a document is out with other content; then nothing is published.
    """
    rows = tuple(candidates)
    others = [each.document for each in rows if each.fate == "other"]
    if others:
        first = others[0]
        raise VerbError(
            "PUBLISHED",
            f"{first.id} version {first.version} is published with other content",
            f"give it version {first.version + 1}; what is out is never changed",
        )
    fresh = [each.document for each in rows if each.fate == "new"]
    if execute:
        _send(chosen, topic, fresh, write)
    _show(rows, execute=execute, json=json)


def now_ms() -> int:
    """Read the clock, for the time of publishing; no decision depends on it."""
    return time.time_ns() // 1_000_000


def _send(
    chosen: Settings, topic: str, documents: Iterable[Document], write: Callable[[Document], bytes]
) -> None:
    producer = Producer(
        {
            **chosen.client(),
            **SENDING,
            "partitioner": "murmur2_random",
        },
        logger=silent,
    )
    failures: list[str] = []

    def taken(error: object, _: object) -> None:
        if error is not None:
            failures.append(str(error))

    try:
        for each in documents:
            producer.produce(topic, write(each), key_of(each.id, each.version), on_delivery=taken)
        left = producer.flush(TAKEN_S)
    except (KafkaException, BufferError) as error:
        failures, left = [str(error)], 1
    if failures or left:
        cause = failures[0] if failures else "the broker took too long"
        raise VerbError(
            "KAFKA",
            f"not everything was published: {cause}",
            "run it again: what is out already is left as it is",
            INFRASTRUCTURE,
        )


def _show(rows: tuple[Candidate, ...], *, execute: bool, json: bool) -> None:
    done = {"new": "published" if execute else "would be published", "same": "is out already"}
    if json:
        output.print_json(
            [
                {
                    "id": each.document.id,
                    "version": each.document.version,
                    "valid_from": each.document.valid_from,
                    "outcome": done[each.fate],
                }
                for each in rows
            ]
        )
        return
    output.print_table(
        ("id", "version", "valid from", "outcome"),
        (
            (
                each.document.id,
                each.document.version,
                "always"
                if each.document.valid_from == 0
                else output.when(each.document.valid_from),
                done[each.fate],
            )
            for each in rows
        ),
    )
    if not execute and any(each.fate == "new" for each in rows):
        output.say("\nNothing is done yet: add --execute.")
