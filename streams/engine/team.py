"""
A team: the shards of a stage in one worker, and the one transactional writer they share.

A round takes whatever has arrived for any of them while the last one ran, up to a cap,
hands each shard's records to the handler, and commits it all in one transaction: at idle
one record at once, under load thousands.  A transaction costs the broker about as much for
one record as for a hundred, and for one shard as for four: sharing is what makes it cheap.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaException
from msgspec import Struct

from streams.engine.failpoints import reach
from streams.engine.failure import (
    AbortedError,
    LostPartitionError,
    RefusedError,
    StateDamagedError,
    exit_refused,
    exit_unacknowledged,
    log,
    place_of,
)
from streams.engine.health import TRANSACTION_SECONDS
from streams.engine.kafka_log import FatalLogError, KafkaLog
from streams.engine.record import Record
from streams.engine.shard import Shard, ShardSpot
from streams.engine.stage import Stage
from streams.engine.takeover import FENCE_S, Note, Takeover
from streams.engine.transaction import Share, commit

ABORTS_MAX = 10
"""Transactions that may fail in a row before the worker gives up and starts anew."""

BACK_OFF_S = 0.1
BACK_OFF_MAX_S = 3.0
STALE_S = 1.0
"""How long to wait before looking again whether a reference is current."""

ROUND_CALLS = 2
"""A round may take so many deadlines of one call, whatever it waits for."""


class Membership(Struct, frozen=True):
    """What a worker is in its group, in one generation."""

    metadata: object
    """For librdkafka, which sends it with offsets."""
    member: str
    instance: str | None


class Portion(Struct, frozen=True):
    """The records of one shard in a round; none if it only goes past markers."""

    shard: Shard
    records: Sequence[Record]
    position: Mapping[str, int]
    """For each source topic the next offset to read, once the round is committed."""


Round = Sequence[Portion]


class Team:
    """
    The shards *partitions* of *stage*, and their writer.

    Args:
        writer: Its own in this process; it outlives the team.
        membership: Of the generation in which the partitions were assigned.
    """

    def __init__(
        self,
        spot: ShardSpot,
        stage: Stage,
        partitions: Sequence[int],
        *,
        writer: KafkaLog,
        membership: Membership,
    ) -> None:
        self.stage = stage
        self.shards = {each: Shard(spot, stage, each) for each in partitions}
        self._spot = spot
        self._writer = writer
        self._membership = membership
        self._stopping = threading.Event()
        self._wake = asyncio.Event()
        self._settling = False
        self._turns = 0
        self._task: asyncio.Task[None] | None = None
        self._seconds = TRANSACTION_SECONDS.labels(spot.app_id, stage.name)

    # --- Opening ------------------------------------------------------------------

    async def open(self) -> None:
        """Take the partitions over, restore their state, and start to work."""
        loop, pool = asyncio.get_running_loop(), self._spot.pool
        await loop.run_in_executor(pool, self._attempt, self._take_over)
        restores = [
            loop.run_in_executor(pool, self._attempt, shard.open_state, self._stopping.is_set)
            for shard in self.shards.values()
        ]
        await asyncio.gather(*restores)
        await loop.run_in_executor(pool, self._attempt, self._claim)
        if not self._stopping.is_set():
            for shard in self.shards.values():
                shard.state = "running"
            self._task = asyncio.create_task(self._run(), name=self.stage.name)
            self._task.add_done_callback(self._ended)

    def _attempt(self, step: Callable[..., object], *arguments: object) -> None:
        """Do a step of opening, unless we are stopping; a failure ends the process."""
        if self._stopping.is_set():
            return
        try:
            step(*arguments)
        except RefusedError as error:
            exit_refused(str(error), stage=self.stage.name)
        except LostPartitionError:
            self._stopping.set()
        except (AbortedError, FatalLogError, KafkaException, StateDamagedError) as error:
            if not self._stopping.is_set():
                exit_unacknowledged(
                    "a stage can't open", stage=self.stage.name, error=place_of(error)
                )

    def _take_over(self) -> None:
        reach("opening")
        self._writer.fence(FENCE_S)
        takeover = Takeover(
            client=self._spot.client,
            admin=self._spot.admin,
            group=self._spot.app_id,
            sources=self.stage.sources,
            partitions=tuple(self.shards),
            writer=self._writer.transactional_id,
            timeout_ms=self._spot.settings.transaction_timeout_ms,
            stopping=self._stopping.is_set,
        )
        positions = takeover.run()
        for shard in self.shards.values():
            shard.begin_at(
                {topic: positions[topic, shard.partition] for topic in self.stage.sources}
            )

    def _claim(self) -> None:
        """
        Commit the positions as they are, under our name, before anything else is written.

        From here on whoever takes the partitions from us finds whom to fence.
        """
        note = Note(
            self._writer.transactional_id, self._membership.member, self._membership.instance
        )
        self._writer.join(self._membership.metadata, note.text())
        position = {
            (topic, shard.partition): offset
            for shard in self.shards.values()
            for topic, offset in shard.position.items()
        }
        self._insist(lambda: commit(self._writer, (), position=position, reach=lambda _: None), ())
        self._writer.warm_up(self.shards)
        reach("opened")
        log.info(
            "stage opened",
            stage=self.stage.name,
            partitions=sorted(self.shards),
            restored=sum(shard.restored for shard in self.shards.values()),
        )

    # --- Rounds, in the loop -----------------------------------------------------------

    def feed(self, partition: int, records: Sequence[Record]) -> None:
        """Take records of one source topic and partition, in the order of the log."""
        self.shards[partition].feed(records)
        self._wake.set()

    def settle(self) -> None:
        """Have the next round go past the markers that stand behind the last records."""
        if any(shard.idle_ends() for shard in self.shards.values()):
            self._settling = True
            self._wake.set()

    async def _run(self) -> None:
        settings = self._spot.settings
        loop = asyncio.get_running_loop()
        started_at = 0.0
        while not self._stopping.is_set():
            waiting = sum(shard.buffered for shard in self.shards.values())
            if not waiting and not self._settling:
                self._wake.clear()
                await self._wake.wait()
                continue
            if stale := self._spot.stale(self.stage):
                log.warning("waiting for references", stage=self.stage.name, stale=stale)
                await asyncio.sleep(STALE_S)
                continue
            wait = started_at + settings.min_interval_ms / 1000 - time.monotonic()
            if wait > 0 and waiting < settings.batch_records_max:
                await asyncio.sleep(wait)
            started_at = time.monotonic()
            await asyncio.wait_for(
                loop.run_in_executor(self._spot.pool, self._work, self._take()),
                settings.call_timeout_s * ROUND_CALLS,
            )
            for shard in self.shards.values():
                shard.relieve()

    def _take(self) -> Round:
        """Take the next round; where there is too much, every shard gets its portion."""
        self._settling = False
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
            position |= {record.topic: record.offset + 1 for record in records}
            if position:
                taken.append(Portion(shard, records, position))
        return taken

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            exit_unacknowledged("a stage failed", stage=self.stage.name, error=place_of(error))

    # --- Work, in a thread of the pool -----------------------------------------------

    def _work(self, taken: Round) -> None:
        """Do one round, once or not at all."""
        if taken:
            self._insist(lambda: self._commit(taken), taken)

    def _insist(self, transact: Callable[[], None], taken: Round) -> None:
        """Do a transaction, again when it was aborted, until it is committed or not our turn."""
        for attempt in range(ABORTS_MAX):
            try:
                transact()
            except AbortedError as error:
                self._note_abort(taken, "transaction aborted", error)
                if self._stopping.wait(min(BACK_OFF_S * 2**attempt, BACK_OFF_MAX_S)):
                    return
            except LostPartitionError as error:
                self._note_abort(taken, "partitions lost", error)
                self._stopping.set()
                return
            except FatalLogError as error:
                exit_unacknowledged("fenced or refused", stage=self.stage.name, verdict=str(error))
            except StateDamagedError as error:
                exit_unacknowledged(
                    "local state failed", stage=self.stage.name, error=place_of(error)
                )
            else:
                return
        exit_unacknowledged("too many aborted transactions", stage=self.stage.name)

    def _note_abort(self, taken: Round, what: str, error: Exception) -> None:
        log.warning(what, stage=self.stage.name, reason=str(error))
        for portion in taken:
            portion.shard.aborts += 1

    def _commit(self, taken: Round) -> None:
        started_at = time.monotonic()
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
        commit(self._writer, shares, position=position, reach=reach)
        seconds = time.monotonic() - started_at
        self._seconds.observe(seconds)
        for portion in taken:
            portion.shard.advance(portion.position, len(portion.records), seconds)

    # --- Ending -------------------------------------------------------------------

    def give_up(self) -> None:
        """Stop opening or working as soon as possible."""
        self._stopping.set()

    async def close(self) -> None:
        """Finish the round that is running, forget what is buffered, let go of the state."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._spot.pool, self._let_go)

    def _let_go(self) -> None:
        for shard in self.shards.values():
            shard.close_state()


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
