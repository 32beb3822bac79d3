"""
What was looked up lately, in front of a database.

A look-up in RocksDB takes longer than all else that the engine does for a record.  Kafka
Streams has such a cache too.
"""

from collections.abc import Iterable
from typing import Final

UNKNOWN: Final = object()

ROW_BYTES = 200
"""What Python takes for a row besides its bytes: two objects and its place in a dict."""


class Recent:
    """
    The rows that were looked up last, in at most about *bytes_max* of memory.

    Rows live in two generations.  What is used comes into the young one; when that is half
    of all there may be, the old one is forgotten and the young one grows old.  A row that
    was written many times counts many times, so that it is a bound and no exact measure.
    """

    __slots__ = ("_half", "_old", "_room", "_young")

    def __init__(self, bytes_max: int) -> None:
        self._half = self._room = bytes_max // 2
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}

    def get(self, row: bytes) -> object:
        """Give the value of *row*, None if the database has none, or UNKNOWN."""
        found: object = self._young.get(row, UNKNOWN)
        if found is UNKNOWN and row in self._old:
            value = self._old[row]
            self.put(row, value)
            return value
        return found

    def put(self, row: bytes, value: bytes | None) -> None:
        """Keep what the database says of *row*."""
        self._young[row] = value
        self._room -= len(row) + (0 if value is None else len(value)) + ROW_BYTES
        if self._room < 0:
            self._old, self._young, self._room = self._young, {}, self._half

    def change(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Follow the database, where a row is known; nobody has asked for the others."""
        for row, value in rows:
            if row in self._young or row in self._old:
                self.put(row, value)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
