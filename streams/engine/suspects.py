"""
Which record killed the process, when it left no exception to say so.

After a start a shard writes down what it hands to the handler, and takes it back when the
handler returns.  What a start finds written down killed the one before: then the shard goes
on record by record, and the record that has killed three starts in a row is known.

A file write a handler call is too dear for every day: only the first calls after a start are
guarded, and a record that kills is among them at the latest when all before it is committed.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.engine.record import Record

DEATHS_MAX = 3
GUARDED_CALLS = 50
"""Calls of the handler after a start that are guarded."""


class Hand(Struct, frozen=True):
    """Records in the hands of a handler: for each topic the first and the last offset."""

    ranges: dict[str, tuple[int, int]]
    deaths: int = 0
    """Starts that ended with them in hand."""

    def holds(self, record: Record) -> bool:
        """Say whether *record* is among them."""
        first, last = self.ranges.get(record.topic, (0, -1))
        return first <= record.offset <= last

    @property
    def single(self) -> bool:
        """Whether it is one record."""
        return [last - first for first, last in self.ranges.values()] == [0]


class Suspects:
    """
    The suspects of one shard.

    Args:
        path: A file of its own, which outlives the process; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._calls = 0
        self._found = self._read()

    def _read(self) -> Hand | None:
        if self._path is None:
            return None
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Hand)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return replace(found, deaths=found.deaths + 1)

    def narrow(self, record: Record) -> bool:
        """Say whether *record* is to be handled alone, as it may have killed the last start."""
        return self._found is not None and self._found.holds(record)

    def guilty(self, record: Record) -> bool:
        """Say whether *record* killed so many starts that it is not handled again."""
        found = self._found
        return (
            found is not None
            and found.single
            and found.holds(record)
            and found.deaths >= DEATHS_MAX
        )

    @property
    def any(self) -> bool:
        """Whether there are suspects at all."""
        return self._found is not None

    @property
    def deaths(self) -> int:
        """How many starts ended with the suspects in hand."""
        return 0 if self._found is None else self._found.deaths

    @contextlib.contextmanager
    def guarding(self, records: Sequence[Record]) -> Iterator[None]:
        """Keep written down that the handler has *records*, while it has them."""
        self._calls += 1
        if self._path is None or self._calls > GUARDED_CALLS:
            yield
            return
        ranges: dict[str, tuple[int, int]] = {}
        for record in records:
            first, _ = ranges.get(record.topic, (record.offset, 0))
            ranges[record.topic] = first, record.offset
        deaths = self.deaths if self.narrow(records[0]) else 0
        # A disk that is full keeps nothing, and stops the worker where that matters.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode(Hand(ranges, deaths)))
        try:
            yield
        finally:
            # Also after an exception: that one says itself where it was.
            self._path.unlink(missing_ok=True)
