"""
The reconciliation: does every receipt have its result, and does every point add up?

An auditor that trusts no stage: it reads what tills sent and what was published, from
the topics alone, committed records only, and folds the entries anew.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.reading.books import Books
from streams.reading.checks import Check
from streams.reading.log import Logged, LogReader
from streams.topics import Names, dead_letters
from streams.wire.outputs import account_from, bonus_from

# Records between two words of progress: under a second of reading.
PROGRESS_EVERY = 1000

Progress = Callable[[str, int], None]


class AuditReport(Struct, frozen=True):
    """All checks, and the balances that the entries lead to: currency → side → points."""

    checks: tuple[Check, ...]
    totals: dict[str, dict[str, int]]

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return all(check.holds for check in self.checks)


class Auditor:
    """
    Reads one tenant's topics.

    Args:
        client: librdkafka's connection settings.
        names: The tenant's topics.
        codec: Of the registry's ids.
        progress: Told the topic and how many of its records have been read.

    Attributes:
        books: What has been read, added up.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        names: Names,
        codec: Codec,
        progress: Progress | None = None,
    ) -> None:
        self._client = client
        self._names = names
        self._codec = codec
        self._progress = progress
        self.books = Books()

    def audit(self) -> AuditReport:
        """
        Read everything and give the report.

        Raises:
            LogError: If a topic cannot be read to its end.
            CodecError: If something published cannot be decoded.
        """
        names, books = self._names, self.books
        with LogReader(self._client) as log:
            for logged in self._each(log, names.receipts):
                self._take_receipt(logged)
            for _ in self._each(log, dead_letters(names.receipts)):
                books.letters += 1
            for logged in self._each(log, names.bonuses):
                books.take_result(bonus_from(self._codec, logged.value))
            for value in self._newest(log, names.accounts):
                books.take_snapshot(account_from(self._codec, value))
        return AuditReport(books.checks(), books.totals())

    def _newest(self, log: LogReader, topic: str) -> list[bytes | None]:
        """
        Give the last value of each key of a topic that Kafka compacts.

        What it will throw away is not decoded: an account is published anew with every
        receipt, whole, which makes the earlier ones most of the reading.
        """
        newest: dict[bytes | None, bytes | None] = {}
        for logged in self._each(log, topic):
            newest[logged.key] = logged.value
        return list(newest.values())

    def _each(self, log: LogReader, topic: str) -> Iterator[Logged]:
        count = 0
        for logged in log.to_end([topic]):
            yield logged
            count += 1
            if self._progress is not None and count % PROGRESS_EVERY == 0:
                self._progress(topic, count)
        if self._progress is not None:
            self._progress(topic, count)

    def _take_receipt(self, logged: Logged) -> None:
        try:
            document: Any = self._codec.decode(logged.value, "Receipt")
        except CodecError:
            self.books.unreadable += 1
        else:
            self.books.receipts[document["id"]] += 1
