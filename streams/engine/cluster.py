"""
What the engine asks of a cluster before it writes anything: about groups, and about logs.

It is a protocol so that the simulator answers the same questions.  A question is asked
again while the cluster is busy with itself; what can't be answered in time is an
UnavailableError.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

Place = tuple[str, int]
"""A topic and one of its partitions."""


class Committed(Struct, frozen=True):
    """What a group has committed for one partition."""

    offset: int
    """The next offset to read, -1 if nothing is committed."""
    note: str | None
    """What the committer left with it."""


class Members(Struct, frozen=True):
    """Who is in a group now."""

    ids: frozenset[str]
    """Anew with each start of a worker."""
    instances: frozenset[str]
    """Names that stay the same after a restart, of those members that have one."""


class Chunk(Struct, frozen=True):
    """A part of a log, as read committed."""

    puts: Mapping[bytes, bytes | None]
    """The last value of each key in it."""
    records: int
    last: int
    """The offset up to which it goes, itself included."""


class Cluster(Protocol):
    """A cluster, as one worker sees it."""

    def committed(self, places: Iterable[Place], *, settled: bool) -> Mapping[Place, Committed]:
        """
        Give what the group has committed.

        Args:
            places: What is asked for.
            settled: Wait until no transaction that would change it is pending.
        """

    def members(self) -> Members:
        """Give the members of the group."""

    def fence(self, writer: str) -> None:
        """End what the transactional id *writer* may have left open; it can write no more."""

    def starts(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """Give the first offset of each log."""

    def ends(self, places: Iterable[Place], *, settled: bool = False) -> Mapping[Place, int]:
        """
        Give the end of each log.

        Args:
            places: What is asked for.
            settled: Give the first offset that an open transaction hides, if one does.
        """

    def topic_ids(self, topics: Iterable[str]) -> Mapping[str, str]:
        """Give the identity that each topic got when it was created."""

    def read(self, place: Place, start: int, end: int) -> Iterator[Chunk]:
        """Read the committed records of [*start*, *end*), until it ends or we are stopping."""

    def looks(self) -> Iterator[None]:
        """
        Give turns to look whether something has come true, with pauses between them.

        They end when we are stopping.

        Raises:
            UnavailableError: After longer than any transaction may be open.
        """
