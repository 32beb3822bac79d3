"""
Bring a shard's local state to the end of its changelogs.

The changelogs are read committed and in bulk.  The transaction of a worker that died may
still be open in them and hide what was committed behind it: so their end is the true one,
and a restore waits until the broker shows everything below it.

Where the changelog itself can't be trusted, the worker refuses to start: restoring from a
log that was lost would turn balances to zero silently.
"""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from streams.engine.cluster import Cluster, Place
from streams.engine.failpoints import reach
from streams.engine.failure import RefusedError, UnavailableError, log
from streams.engine.transaction import State

SAY_S = 5.0
"""How often a long restore is logged."""


class RestorableState(State, Protocol):
    """The local tables of one shard, with what they were restored from."""

    @property
    def name(self) -> str:
        """Where it is, for whoever has to look."""

    def offset(self, table: str) -> int:
        """Give the changelog offset up to which *table* is applied, -1 if nothing is."""

    def topic_id(self, table: str) -> str | None:
        """Give the identity of the changelog that *table* was restored from."""

    def set_topic_id(self, table: str, topic_id: str) -> None:
        """Remember the identity of the changelog of *table*."""

    def close(self) -> None:
        """Let go of it."""


class Restore:
    """
    The restore of one shard, with its progress.

    Args:
        cluster: Where the changelogs are.
        partition: The partition of the shard.
        changelogs: The changelog topic of each table.
        stopping: Ends the restore early when it answers True.
        progress: Told of the records applied so far and of the offsets that are left.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        partition: int,
        changelogs: Mapping[str, str],
        stopping: Callable[[], bool],
        progress: Callable[[int, int], None],
    ) -> None:
        self._cluster = cluster
        self._partition = partition
        self._changelogs = changelogs
        self._stopping = stopping
        self._progress = progress
        self._records = 0
        self._said_at = time.monotonic()

    def run(self, state: RestorableState) -> None:
        """
        Apply what *state* lacks, to the end of each changelog.

        Raises:
            RefusedError: If a changelog is shorter than the state, or was recreated.
            UnavailableError: If the broker fails.
        """
        ids = self._cluster.topic_ids(self._changelogs.values())
        for table, topic in self._changelogs.items():
            self._hold_id(state, table, topic, ids[topic])
            self._table(state, table, (topic, self._partition))

    @staticmethod
    def _hold_id(state: RestorableState, table: str, topic: str, found: str) -> None:
        """Hold the changelog's identity against the one that the state came from."""
        known = state.topic_id(table)
        if known is None:
            state.set_topic_id(table, found)
        elif known != found:
            raise RefusedError(
                f"{topic} was deleted and created anew since the state in {state.name} was "
                "written: find its records, or delete the state if they are truly meant to be gone"
            )

    def _end(self, place: Place) -> int:
        """
        Give the true end of the changelog, once the broker shows all that is below it.

        Raises:
            UnavailableError: If something below it stays open for longer than any may.
        """
        end = shown = self._cluster.ends([place])[place]
        try:
            for _ in self._cluster.looks():
                shown = self._cluster.ends([place], settled=True)[place]
                if shown >= end:
                    break
        except UnavailableError:
            topic, partition = place
            log.critical(
                "a transaction stays open for longer than any may",
                topic=topic,
                partition=partition,
                offset=shown,
            )
            raise
        return end

    def _table(self, state: RestorableState, table: str, place: Place) -> None:
        end = self._end(place)
        applied = state.offset(table)
        if applied >= end:
            topic, partition = place
            raise RefusedError(
                f"the state of {topic}[{partition}] is at offset {applied} and the topic "
                f"ends at {end}: the topic was cut; find its records, or delete the state if they "
                "are truly meant to be gone"
            )
        start = max(applied + 1, self._cluster.starts([place])[place])
        if start >= end or self._stopping():
            return
        for chunk in self._cluster.read(place, start, end):
            state.apply({table: chunk.puts}, {table: chunk.last})
            self._records += chunk.records
            self._say(place, end - chunk.last - 1)
            reach("restoring")

    def _say(self, place: Place, left: int) -> None:
        """Tell how it goes on, and log it now and then."""
        left = max(left, 0)
        self._progress(self._records, left)
        if time.monotonic() - self._said_at > SAY_S:
            self._said_at = time.monotonic()
            topic, partition = place
            log.info(
                "restoring",
                changelog=topic,
                partition=partition,
                records=self._records,
                left=left,
            )
