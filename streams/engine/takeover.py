"""
How a worker comes by partitions: their last owner is fenced, and where it got to is known.

Whoever was thrown out of the group commits nothing more: each transaction carries offsets,
and the broker refuses those of an older generation.  What such an owner had sent before is
decided or pending, and the broker names no position while one is pending.  So the position
read here is final.

An owner that died may have left a transaction open, which holds up every reader behind it
until the broker gives it up.  Each commit carries a note of its writer, by which its
transaction can be ended at once.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from streams.engine.failure import RefusedError, log
from streams.engine.kafka_log import Client
from streams.engine.restore import ANSWER_S, FIRST, LAST, ends_of, reader

FENCE_S = 60.0
"""
How long the broker may take to decide what a predecessor had left open.

Longer than a transaction's time-out and the 10 s between two looks of the broker at it.
"""

BACK_OFF_S = 0.1

Answer = TypeVar("Answer")


class Note(Struct, frozen=True):
    """Who wrote a transaction; kept with the offsets that it committed."""

    writer: str
    """Its transactional id."""
    member: str
    """Its id in the group, anew with each start."""
    instance: str | None = None
    """Its name in the group, the same after a restart."""

    def text(self) -> str:
        """Write it as offsets keep it."""
        return msgspec.json.encode(self).decode()


def note_from(text: str | None) -> Note | None:
    """Read a note; None if there is none, or nothing that we wrote."""
    try:
        return msgspec.json.decode(text or "", type=Note)
    except msgspec.MsgspecError:
        return None


class Takeover:
    """
    The taking over of *partitions* of the topics *sources*.

    Args:
        client: Connection settings.
        admin: On the same cluster.
        group: The group of the app.
        writer: Our own transactional id.
        timeout_ms: The time-out of transactions.
        stopping: Ends every wait when it answers True.
    """

    def __init__(
        self,
        *,
        client: Client,
        admin: AdminClient,
        group: str,
        sources: Sequence[str],
        partitions: Sequence[int],
        writer: str,
        timeout_ms: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._client = client
        self._admin = admin
        self._group = group
        self._asked = [TopicPartition(topic, each) for topic in sources for each in partitions]
        self._writer = writer
        self._timeout_ms = timeout_ms
        self._stopping = stopping

    def run(self) -> dict[tuple[str, int], int]:
        """
        Fence owners that are gone, and give the next offset to read of each partition.

        Raises:
            RefusedError: If a committed offset lies outside its log.
            KafkaException: If the broker doesn't answer in time, or we are stopping.
        """
        for note in self._gone():
            self._fence(note.writer)
        return self._checked(self._committed("read_committed"))

    def _gone(self) -> list[Note]:
        """
        Find the last writers of our partitions that have left the group.

        A writer makes its transactional id its own only after the group has given it
        partitions, and no rebalance ends while we are opening: so nobody who isn't a
        member now can be at work under the id of one who left.
        """
        # Pending offsets don't matter for the name, and waiting for them is what this spares.
        notes = {note_from(each.metadata) for each in self._committed("read_uncommitted")}
        strangers = {note for note in notes if note is not None and note.writer != self._writer}
        if not strangers:
            return []
        members, instances = self._members()
        gone = [
            note
            for note in strangers
            if note.member not in members and note.instance not in instances
        ]
        return sorted(gone, key=lambda note: note.writer)

    def _members(self) -> tuple[set[str], set[str]]:
        """Give the ids and the names of the group's members."""

        def ask() -> Any:
            asked = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_S)
            return asked[self._group].result().members

        members = self._patiently(ask)
        names = {each.group_instance_id for each in members if each.group_instance_id}
        return {each.member_id for each in members}, names

    def _fence(self, writer: str) -> None:
        """End the transaction that *writer* may have left open; it can write no more."""
        log.info("a writer that left the group is fenced", writer=writer)
        producer = Producer(
            {
                **self._client,
                "transactional.id": writer,
                "transaction.timeout.ms": self._timeout_ms,
            }
        )
        self._patiently(lambda: producer.init_transactions(10))

    def _committed(self, isolation: str) -> list[TopicPartition]:
        """Ask for committed offsets; read committed, the broker lets wait for pending ones."""
        consumer = reader(self._client, self._group, isolation=isolation)
        try:
            return self._patiently(lambda: self._answer(consumer))
        finally:
            consumer.close()

    def _answer(self, consumer: Consumer) -> list[TopicPartition]:
        found: list[TopicPartition] = consumer.committed(self._asked, timeout=ANSWER_S)
        for each in found:
            if each.error is not None:
                # Without this a failed look-up would read as "begin at the beginning".
                raise KafkaException(each.error)
        return found

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again while the broker is busy with itself; it may move what we ask for."""
        until = time.monotonic() + FENCE_S
        while True:
            try:
                return ask()
            except KafkaException as error:
                late = time.monotonic() > until
                if error.args[0].fatal() or late or self._stopping():
                    raise
                time.sleep(BACK_OFF_S)

    def _checked(self, committed: Iterable[TopicPartition]) -> dict[tuple[str, int], int]:
        """Hold positions against the logs; where nothing is committed begin at the start."""
        starts = self._patiently(lambda: ends_of(self._admin, self._asked, FIRST))
        ends = self._patiently(lambda: ends_of(self._admin, self._asked, LAST))
        positions = {}
        for each in committed:
            place = (each.topic, each.partition)
            if each.offset < 0:
                positions[place] = starts[place]
                continue
            if not starts[place] <= each.offset <= ends[place]:
                raise RefusedError(
                    f"{each.topic}[{each.partition}] was read up to offset {each.offset}, and now "
                    f"begins at {starts[place]} and ends at {ends[place]}: records that were "
                    "never read are gone, or the topic was recreated; find them, or set the "
                    f"offset of group {self._group} to where it is right to go on"
                )
            positions[place] = each.offset
        return positions
