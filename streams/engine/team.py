"""
A team: the shards of a stage in one worker, and the one transactional writer they share.

What is done, and in which order, stands in `tenure`; here are the loop and the threads in
which it happens, and what ends the process.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from streams.engine.failure import (
    AbortedError,
    FatalLogError,
    LostPartitionError,
    RefusedError,
    StateDamagedError,
    UnavailableError,
    exit_refused,
    exit_unacknowledged,
    log,
    place_of,
)
from streams.engine.health import TRANSACTION_SECONDS
from streams.engine.record import Record
from streams.engine.shard import Shard
from streams.engine.stage import Stage
from streams.engine.tenure import Membership, Round, Tenure
from streams.engine.transaction import Writer
from streams.engine.worker_spot import WorkerSpot

STALE_S = 1.0
"""How long to wait before looking again whether a reference is current."""

MARKERS_S = 0.003
"""
How long the broker is left to write the markers of a transaction before the next begins.

One that comes sooner is refused, and librdkafka asks again only after 20 ms.  Under full
load nobody waits: there the broker has had as long while the batch was handled.
"""

ROUND_CALLS = 2
"""A round may take so many deadlines of one call, whatever it waits for."""


class Team:
    """
    The shards *partitions* of *stage*, and their writer.

    Args:
        writer: Its own in this process; it outlives the team.
        membership: Of the generation in which the partitions were assigned.
    """

    def __init__(
        self,
        spot: WorkerSpot,
        stage: Stage,
        partitions: Sequence[int],
        *,
        writer: Writer,
        membership: Membership,
    ) -> None:
        self.stage = stage
        self._stopping = threading.Event()
        self._tenure = Tenure(
            spot,
            stage,
            partitions,
            writer=writer,
            membership=membership,
            stopping=self._stopping,
        )
        self._spot = spot
        self._wake = asyncio.Event()
        self._settling = self._at_work = False
        self._task: asyncio.Task[None] | None = None
        self._seconds = TRANSACTION_SECONDS.labels(spot.app_id, stage.name)

    @property
    def at_work(self) -> bool:
        """Whether a round is under way, from taking it to the local states."""
        return self._at_work

    @property
    def shards(self) -> dict[int, Shard]:
        """Its shards by partition."""
        return self._tenure.shards

    # --- Opening ------------------------------------------------------------------

    async def open(self) -> None:
        """Take the partitions over, restore their state, and start to work."""
        loop, pool = asyncio.get_running_loop(), self._spot.pool
        await loop.run_in_executor(pool, self._attempt, self._tenure.take_over)
        restores = [
            loop.run_in_executor(pool, self._attempt, self._tenure.restore, partition)
            for partition in self.shards
        ]
        await asyncio.gather(*restores)
        await loop.run_in_executor(pool, self._attempt, self._tenure.claim)
        if not self._stopping.is_set():
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
        except (AbortedError, FatalLogError, UnavailableError, StateDamagedError) as error:
            if not self._stopping.is_set():
                exit_unacknowledged(
                    "a stage can't open", stage=self.stage.name, error=place_of(error)
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
        started_at = ended_at = 0.0
        while not self._stopping.is_set():
            waiting = self._tenure.waiting
            if not waiting and not self._settling:
                self._wake.clear()
                await self._wake.wait()
                continue
            if stale := self._spot.stale(self.stage):
                log.warning("waiting for references", stage=self.stage.name, stale=stale)
                await asyncio.sleep(STALE_S)
                continue
            due_at = max(started_at + settings.min_interval_ms / 1000, ended_at + MARKERS_S)
            wait = due_at - time.monotonic()
            if wait > 0 and waiting < settings.batch_records_max:
                await asyncio.sleep(wait)
            started_at = time.monotonic()
            self._settling = False
            self._at_work = True
            await asyncio.wait_for(
                loop.run_in_executor(self._spot.pool, self._work, self._tenure.take()),
                settings.call_timeout_s * ROUND_CALLS,
            )
            self._at_work = False
            ended_at = time.monotonic()
            for shard in self.shards.values():
                shard.relieve()

    def _work(self, taken: Round) -> None:
        """Do one round in a thread of the pool; a failure ends the process."""
        if not taken:
            return
        started_at = time.monotonic()
        try:
            self._tenure.work(taken)
        except FatalLogError as error:
            exit_unacknowledged("fenced or refused", stage=self.stage.name, verdict=str(error))
        except StateDamagedError as error:
            exit_unacknowledged("local state failed", stage=self.stage.name, error=place_of(error))
        except AbortedError:
            exit_unacknowledged("too many aborted transactions", stage=self.stage.name)
        seconds = time.monotonic() - started_at
        self._seconds.observe(seconds)
        for portion in taken:
            portion.shard.last_transaction_s = seconds

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            exit_unacknowledged("a stage failed", stage=self.stage.name, error=place_of(error))

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
        await asyncio.get_running_loop().run_in_executor(self._spot.pool, self._tenure.let_go)
