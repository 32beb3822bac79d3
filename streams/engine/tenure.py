"""
A tenure: what is done with partitions of a stage between taking them over and losing them.

Take over (fence, positions), restore to the true end, claim; then rounds.  A round takes
whatever has arrived for any shard while the last one ran, up to a cap, hands each shard's
records to the handler, and commits it all in one transaction: at idle one record at once,
under load thousands.  A transaction costs the broker about as much for one record as for
a hundred, and for one shard as for four: sharing is what makes it cheap.

Nothing here knows Kafka, threads or a clock: the simulator runs this same code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from streams.engine.failpoints import reach
from streams.engine.failure import AbortedError, LostPartitionError, log
from streams.engine.record import Record
from streams.engine.shard import Shard, ShardSpot
from streams.engine.stage import Stage, changelogs
from streams.engine.takeover import Note, take_over
from streams.engine.transaction import Position, Share, Writer, commit

ABORTS_MAX = 10
"""Transactions that may fail in a row before the worker gives up and starts anew."""

BACK_OFF_S = 0.1
BACK_OFF_MAX_S = 3.0


class Membership(Struct, frozen=True):
    """What a worker is in its group, in one generation."""

    metadata: object
    """For the writer, which sends it with offsets."""
    member: str
    instance: str | None


class Portion(Struct, frozen=True):
    """The records of one shard in a round; none if it only goes past markers."""

    shard: Shard
    records: Sequence[Record]
    position: Mapping[str, int]
    """For each source topic the next offset to read, once the round is committed."""


Round = Sequence[Portion]


class Stopping(Protocol):
    """Whether the tenure is to end, as a `threading.Event` says it."""

    def is_set(self) -> bool:
        """Say whether it is."""

    def set(self) -> None:
        """End it as soon as possible."""

    def wait(self, timeout: float) -> bool:
        """Wait for *timeout* seconds or the end, and say whether it is the end."""


class Tenure:
    """
    The hold of one worker on *partitions* of *stage*.

    Its calls come one after another, except that shards may be restored side by side.

    Args:
        writer: The worker's for these partitions alone; it outlives the tenure.
        membership: Of the generation in which the partitions were assigned.
        stopping: Set from outside, or here once the partitions are another's.
    """

    def __init__(
        self,
        spot: ShardSpot,
        stage: Stage,
        partitions: Sequence[int],
        *,
        writer: Writer,
        membership: Membership,
        stopping: Stopping,
    ) -> None:
        self.stage = stage
        self.shards = {each: Shard(spot, stage, each) for each in partitions}
        self.stopping = stopping
        self._spot = spot
        self._writer = writer
        self._membership = membership
        self._turns = 0
        self._logs: dict[str, str] = {}

    # --- Opening, in this order -----------------------------------------------------------

    def take_over(self) -> None:
        """
        Fence who was here before, and learn where to go on.

        Raises:
            RefusedError: If what the group has committed can't be.
            FatalLogError: If the broker refuses us.
            UnavailableError: If the cluster doesn't answer in time.
        """
        reach("opening")
        self._writer.fence()
        places = [(topic, each) for topic in self.stage.sources for each in self.shards]
        cluster = self._spot.cluster(self.stopping.is_set)
        topics = changelogs(self._spot.app_id, self.stage)
        ids = cluster.topic_ids(topics.values()) if topics else {}
        self._logs = {table: ids[topic] for table, topic in topics.items()}
        positions = take_over(
            cluster, places, writer=self._writer.transactional_id, logs=self._logs
        )
        for shard in self.shards.values():
            shard.begin_at(
                {topic: positions[topic, shard.partition] for topic in self.stage.sources}
            )

    def restore(self, partition: int) -> None:
        """
        Bring the state of a shard to the end of its changelogs.

        Raises:
            RefusedError: If a changelog can't be trusted.
            UnavailableError: If the cluster doesn't answer in time.
            StateDamagedError: If the state can't be written.
        """
        self.shards[partition].open_state(self.stopping.is_set)

    def claim(self) -> None:
        """
        Commit the positions as they are, under our name, before anything else is written.

        From here on whoever takes the partitions from us finds whom to fence.

        Raises:
            FatalLogError: If the broker refuses us.
            AbortedError: If transactions fail again and again.
        """
        note = Note(
            self._writer.transactional_id,
            self._membership.member,
            self._membership.instance,
            tuple(self._logs.items()),
        )
        self._writer.join(self._membership.metadata, note.text())
        position = {
            (topic, shard.partition): offset
            for shard in self.shards.values()
            for topic, offset in shard.position.items()
        }
        self._insist(lambda: self._transact((), position, _unseen), ())
        if self.stopping.is_set():
            return
        self._insist(lambda: self._writer.introduce_to_changelogs(self.shards), ())
        if self.stopping.is_set():
            return
        for shard in self.shards.values():
            shard.state = "running"
        reach("opened")
        log.info(
            "stage opened",
            stage=self.stage.name,
            partitions=sorted(self.shards),
            restored=sum(shard.restored for shard in self.shards.values()),
        )

    # --- Rounds -----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many records have come and aren't in a round yet."""
        return sum(shard.buffered for shard in self.shards.values())

    def take(self) -> Round:
        """
        Take the next round; where there is too much, every shard gets its portion.

        May be asked between two rounds only.
        """
        self._turns += 1
        shards = list(self.shards.values())
        counts = portions(
            [shard.buffered for shard in shards],
            self._spot.settings.batch_records_max,
            turn=self._turns,
        )
        taken = []
        for shard, count in zip(shards, counts, strict=True):
            # Going past markers costs next to nothing where there is a transaction anyway.
            position = shard.idle_ends()
            records = shard.take(count)
            position |= self._behind(records)
            if position:
                taken.append(Portion(shard, records, position))
        return taken

    def _behind(self, records: Sequence[Record]) -> dict[str, int]:
        """Give the offset behind the last of *records* of each source."""
        if len(self.stage.sources) == 1:
            # Nearly every stage; to go through all records would be a cost of its own.
            return {each.topic: each.offset + 1 for each in records[-1:]}
        return {each.topic: each.offset + 1 for each in records}

    def work(self, taken: Round) -> None:
        """
        Do one round, once or not at all.

        Raises:
            FatalLogError: If the broker refuses us.
            AbortedError: If transactions fail again and again.
            StateDamagedError: If a local state can't be read or written.
        """
        if taken:
            self._insist(lambda: self._commit(taken), taken)

    def _insist(self, transact: Callable[[], None], taken: Round) -> None:
        """Do a transaction, again when it was aborted, until it is committed or not our turn."""
        for attempt in range(1, ABORTS_MAX + 1):
            try:
                transact()
            except AbortedError as error:
                self._note_abort(taken, "transaction aborted", error)
                if attempt == ABORTS_MAX:
                    raise
                if self.stopping.wait(min(BACK_OFF_S * 2**attempt, BACK_OFF_MAX_S)):
                    return
            except LostPartitionError as error:
                self._note_abort(taken, "partitions lost", error)
                self.stopping.set()
                return
            else:
                return

    def _note_abort(self, taken: Round, what: str, error: Exception) -> None:
        log.warning(what, stage=self.stage.name, reason=str(error))
        for portion in taken:
            portion.shard.aborts += 1

    def _commit(self, taken: Round) -> None:
        shares = []
        for portion in taken:
            if portion.records:
                shard = portion.shard
                draft = shard.handle(portion.records)
                shares.append(Share(shard.partition, shard.tables, draft.puts, draft.outputs))
        position = {
            (topic, portion.shard.partition): offset
            for portion in taken
            for topic, offset in portion.position.items()
        }
        self._transact(shares, position, reach)
        for portion in taken:
            portion.shard.advance(portion.position, len(portion.records))

    def _transact(
        self, shares: Sequence[Share], position: Position, reach: Callable[[str], None]
    ) -> None:
        commit(self._writer, shares, position=position, reach=reach)

    # --- Ending -------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Forget what is buffered and let go of the state, once no round runs."""
        for shard in self.shards.values():
            shard.close_state()


def _unseen(point: str) -> None:
    """Pass *point* without a failpoint: a claim isn't a round."""


def portions(waiting: Sequence[int], room: int, *, turn: int) -> list[int]:
    """
    Divide *room* over queues: each gets what it has, or an equal part of what others leave.

    Args:
        waiting: The length of each queue.
        room: How many may go in all, at least 1.
        turn: Where the queues differ by nothing else, the one it points at is first.

    Returns:
        How many of each may go.
    """
    count = len(waiting)
    given = [0] * count
    order = sorted(range(count), key=lambda place: (waiting[place], (place - turn) % count))
    for place, left in zip(order, range(count, 0, -1), strict=True):
        # Rounded up, so that room for less than one each is used all the same.
        given[place] = min(waiting[place], -(-room // left))
        room -= given[place]
    return given
