"""
A simulated worker: a process that runs the engine's own tenures on the simulated broker.

Before each effect a process gives the world a turn (`step`): it may be killed there, or
stand still for as long as the world likes.  Its disk outlives it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import greenlet

from streams.engine import EngineSettings, Output, changelog_topic
from streams.engine.batch import ReferenceView
from streams.engine.cluster import Chunk, Committed, Members, Place
from streams.engine.driver import MemoryTables
from streams.engine.failure import (
    AbortedError,
    FatalLogError,
    LostPartitionError,
    UnavailableError,
)
from streams.engine.kafka_log import INTRODUCTION
from streams.engine.stage import Stage
from streams.engine.suspects import Suspects
from streams.engine.tenure import Membership
from tests.simulation.broker import BrokenError, BusyError, FencedError, StaleMemberError
from tests.simulation.history import Fault
from tests.simulation.job import APP, TABLE, record_of

if TYPE_CHECKING:
    from tests.simulation.world import World

Puts = Mapping[str, Mapping[bytes, bytes | None]]
Writes = list[tuple[Puts, Mapping[str, int]]]


class KilledError(BaseException):
    """The process is gone."""


class Disk:
    """What a worker keeps of one shard: every write of it, in order."""

    def __init__(self) -> None:
        self.writes: Writes = []
        self.tables = MemoryTables((TABLE,))
        self.offsets: dict[str, int] = {}
        self.ids: dict[str, str] = {}

    def write(self, puts: Puts, ends: Mapping[str, int]) -> None:
        """Write all of it at once."""
        self.writes.append((puts, ends))
        self.tables.apply(puts)
        self.offsets.update(ends)

    def tear(self, lost: int) -> None:
        """Lose the last writes."""
        kept = self.writes[: max(len(self.writes) - lost, 0)]
        ids = self.ids
        self.__init__()  # type: ignore[misc]
        self.ids = ids
        for write in kept:
            self.write(*write)


class SimulatedState:
    """See RestorableState; it refuses to be ahead of what is committed."""

    def __init__(self, process: "Process", disk: Disk, stage: str, partition: int) -> None:
        self._process = process
        self._disk = disk
        self._stage = stage
        self._partition = partition
        self.name = f"{stage}-{partition}"
        self.get = disk.tables.get
        self.scan = disk.tables.scan

    def apply(self, puts: Puts, ends: Mapping[str, int]) -> None:
        """See State."""
        self._process.step()
        for table, end in ends.items():
            self._hold(puts[table], self._disk.offsets.get(table, -1), end, table)
        self._disk.write(puts, ends)

    def _hold(self, puts: Mapping[bytes, bytes | None], old: int, end: int, table: str) -> None:
        """Hold what is written against the changelog between the two offsets."""
        place = (changelog_topic(APP, self._stage, table), self._partition)
        log = self._process.world.broker.logs[place]
        if end >= len(log.entries):
            raise BrokenError(f"the state of {place} goes to {end}, past the changelog")
        if any(
            transaction is not None and transaction.verdict is None
            for _, _, transaction in log.entries[old + 1 : end + 1]
        ):
            raise BrokenError(f"the state of {place} is ahead of what is committed")
        logged = {key: value for _, key, value in log.committed(old + 1, end + 1)}
        if any(
            key not in logged or logged[key] != value for key, value in puts.items()
        ) or not log.holes.issuperset(
            offset for offset, key, _ in log.committed(old + 1, end + 1) if key not in puts
        ):
            raise BrokenError(f"the state of {place} takes {puts} for {logged} ({old}, {end}]")

    def offset(self, table: str) -> int:
        """See RestorableState."""
        return self._disk.offsets.get(table, -1)

    def topic_id(self, table: str) -> str | None:
        """See RestorableState."""
        return self._disk.ids.get(table)

    def set_topic_id(self, table: str, topic_id: str) -> None:
        """See RestorableState."""
        self._process.step()
        self._disk.ids[table] = topic_id

    def close(self) -> None:
        """See RestorableState."""


class SimulatedCluster:
    """See Cluster."""

    def __init__(self, process: "Process", stopping: Callable[[], bool]) -> None:
        self._process = process
        self._broker = process.world.broker
        self._stopping = stopping

    def _wait(self) -> None:
        self._process.step()
        if self._stopping():
            raise UnavailableError("stopping")

    def committed(self, places: Iterable[Place], *, settled: bool) -> dict[Place, Committed]:
        """See Cluster."""
        places = list(places)
        self._process.step()
        while settled and self._broker.pending(places):
            self._broker.happened["pending positions waited for"] += 1
            self._wait()
        found = {place: self._broker.positions.get(place, (-1, None)) for place in places}
        return {place: Committed(*each) for place, each in found.items()}

    def members(self) -> Members:
        """See Cluster."""
        self._process.step()
        members = self._broker.group.members.values()
        return Members(
            ids=frozenset(each.name for each in members),
            instances=frozenset(each.instance for each in members if each.instance),
        )

    def fence(self, writer: str) -> None:
        """See Cluster."""
        while True:
            self._process.step()
            try:
                self._broker.start_writer(writer)
            except BusyError:
                self._wait()
            else:
                return

    def starts(self, places: Iterable[Place]) -> dict[Place, int]:
        """See Cluster."""
        return dict.fromkeys(places, 0)

    def ends(self, places: Iterable[Place], *, settled: bool = False) -> dict[Place, int]:
        """See Cluster."""
        self._process.step()
        logs = self._broker.logs
        return {
            place: logs[place].stable if settled else len(logs[place].entries) for place in places
        }

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See Cluster."""
        return {topic: topic for topic in topics}

    def read(self, place: Place, start: int, end: int) -> Iterator[Chunk]:
        """See Cluster: as a reader does, it goes on while there is more, past *end* too."""
        while start < end and not self._stopping():
            self._process.step()
            found, start = self._broker.fetch(
                place, start, self._process.world.dice.randrange(1, 9)
            )
            self._broker.happened["restored record"] += len(found)
            yield Chunk({key: value for _, key, value in found}, len(found), start - 1)

    def looks(self) -> Iterator[None]:
        """See Cluster."""
        while not self._stopping():
            yield
            self._broker.happened["hidden by an open transaction"] += 1
            self._process.step()


class SimulatedWriter:
    """See Writer."""

    def __init__(self, process: "Process", stage: Stage, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self._process = process
        self._broker = process.world.broker
        self._stage = stage
        self.epoch = 0
        self._introduced: set[Place] = set()
        self._touched = False
        """Whether the broker knows of the transaction."""
        self._member: tuple[str, int] | None = None
        self._note = ""
        self.queue: dict[Place, list[tuple[bytes, bytes | None]]] = {}
        self._changed: dict[Place, tuple[str, int]] = {}

    def fence(self) -> None:
        """See Writer."""
        while not self.epoch:
            self._process.step()
            try:
                self.epoch = self._broker.start_writer(self.transactional_id)
            except BusyError:
                continue

    def join(self, group: object, note: str) -> None:
        """See Writer."""
        assert isinstance(group, tuple)
        self._member, self._note = group, note

    def introduce_to_changelogs(self, partitions: Iterable[int]) -> None:
        """See Writer."""
        topic = changelog_topic(APP, self._stage.name, TABLE)
        self._introduce_to([(topic, partition) for partition in partitions])

    def introduce(self, topics: Collection[str]) -> None:
        """See Log."""
        self._introduce_to([place for place in self._broker.logs if place[0] in topics])

    def _introduce_to(self, places: Sequence[Place]) -> None:
        """Send a tombstone to each place that is new, and abort it."""
        unknown = [each for each in places if each not in self._introduced]
        if not unknown:
            return
        self.begin()
        for place in unknown:
            self.queue[place] = [(INTRODUCTION, None)]
        self.flush()
        self.abort()
        self._introduced.update(unknown)

    def begin(self) -> None:
        """See Log."""
        self._process.step()
        self.queue = {}
        self._changed = {}
        self._touched = False

    def change(self, table: str, partition: int, items: Mapping[bytes, bytes | None]) -> None:
        """See Log."""
        place = (changelog_topic(APP, self._stage.name, table), partition)
        self.queue.setdefault(place, []).extend(items.items())
        self._changed[place] = (table, partition)

    def emit(self, outputs: Sequence[Output]) -> None:
        """See Log."""
        for output in outputs:
            assert output.key is not None
            assert output.partition is not None
            place = (output.topic, output.partition)
            self.queue.setdefault(place, []).append((output.key, output.value))

    def flush(self) -> dict[tuple[str, int], int]:
        """See Log: each partition gets its records by itself, and the process may die between."""
        ends = {}
        while self.queue:
            place = next(iter(self.queue))
            items = self.queue[place]
            last = self._call(
                lambda place=place, items=items: self._broker.produce(
                    self.transactional_id, self.epoch, place, items
                )
            )
            del self.queue[place]
            if place in self._changed:
                ends[self._changed[place]] = last
        return ends

    def acknowledge(self, position: Mapping[Place, int]) -> None:
        """See Log."""
        positions = {place: (offset, self._note) for place, offset in position.items()}
        self._call(
            lambda: self._broker.acknowledge(
                self.transactional_id, self.epoch, self._member, positions
            )
        )

    def commit(self) -> None:
        """See Log."""
        if self._touched:
            self._call(lambda: self._broker.end(self.transactional_id, self.epoch, verdict=True))
        self._process.step()

    def abort(self) -> None:
        """Abort what is open."""
        self.queue = {}
        self._process.step()
        if not self._touched:
            return
        try:
            self._broker.end(self.transactional_id, self.epoch, verdict=False)
        except FencedError:
            raise FatalLogError("fenced") from None

    def _call(self, call: Callable[[], int | None]) -> int:
        while True:
            self._process.step()
            try:
                if self._process.aborting:
                    self._process.aborting = False
                    self.abort()
                    raise AbortedError("by the world")
                last = call()
            except BusyError:
                continue
            except FencedError:
                raise FatalLogError("fenced") from None
            except StaleMemberError:
                self.abort()
                raise LostPartitionError("by the group") from None
            self._touched = True
            return last or 0


class Stop:
    """See Stopping: it is also set once the process has heard of a rebalance."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._set = False

    def is_set(self) -> bool:
        """See Stopping."""
        self._set = self._set or self._process.hears_of_rebalance()
        return self._set

    def set(self) -> None:
        """See Stopping."""
        self._set = True

    def wait(self, timeout: float) -> bool:
        """See Stopping."""
        assert timeout
        self._process.step()
        return self.is_set()


class SimulatedSpot:
    """See ShardSpot."""

    def __init__(self, process: "Process", settings: EngineSettings) -> None:
        self.app_id = APP
        self.settings = settings
        self.references: Mapping[str, ReferenceView] = {}
        self.turn: AbstractContextManager[object] = nullcontext()
        self._process = process

    def cluster(self, stopping: Callable[[], bool]) -> SimulatedCluster:
        """See ShardSpot."""
        return self._process.world.variant.cluster(self._process, stopping)

    def state(self, stage: str, partition: int) -> SimulatedState:
        """See ShardSpot."""
        disk = self._process.disks.setdefault((stage, partition), Disk())
        return SimulatedState(self._process, disk, stage, partition)

    def suspects(self, shard: str) -> Suspects:
        """See ShardSpot: a simulated handler kills nobody."""
        assert shard
        return Suspects(None)

    def flow(self, topic: str, partition: int, on: bool) -> None:  # noqa: FBT001 - see ShardSpot
        """See ShardSpot: the buffer is larger than any history."""


class Process:
    """One life of a worker."""

    def __init__(self, world: "World", name: str, disks: dict[tuple[str, int], Disk]) -> None:
        self.world = world
        self.name = name
        self.disks = disks
        self.member: str | None = None
        self.aborting = False
        self.leaving = False
        self.killed = False
        self.failed = ""
        self.tenures: list = []
        self._instance = name if world.history.static else None
        self._worker = name if world.history.static else f"{name}-{world.tick}"
        self.writers: dict[str, SimulatedWriter] = {}
        self.read_to: dict[Place, int] = {}
        self.life = greenlet.greenlet(self._live)

    # --- For the world --------------------------------------------------------------------

    def resume(self) -> None:
        """Let it do one effect."""
        self.life.switch()

    def kill(self) -> None:
        """End it where it stands."""
        self.killed = True
        if self.life:
            self.life.throw(KilledError)

    @property
    def working(self) -> bool:
        """Whether it has opened all that the group has given it, and has nothing in hand."""
        broker = self.world.broker
        member = broker.group.members.get(self.member or "")
        return (
            member is not None
            and broker.group.settled(member.name)
            and len(self.tenures) == (len(self.world.stages) if member.partitions else 0)
            and all(
                list(tenure.shards) == member.partitions
                and shard.state == "running"
                and all(
                    broker.positions.get((topic, shard.partition), (-1, ""))[0] == offset
                    for topic, offset in shard.position.items()
                )
                for tenure in self.tenures
                for shard in tenure.shards.values()
            )
        )

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.life.dead

    def suffer(self, fault: Fault) -> None:
        """Take a fault that changes what it does next."""
        if fault.kind == "abort":
            self.aborting = True
        elif fault.kind == "leave":
            self.leaving = True
        else:
            assert fault.kind == "rewind"
            self.read_to = {place: max(at - fault.amount, 0) for place, at in self.read_to.items()}

    # --- For what runs in it ----------------------------------------------------------------

    def step(self) -> None:
        """Give the world a turn; here a process may die."""
        if self.killed:
            raise KilledError
        self.world.life.switch()
        if self.read_to and self.world.dice.random() < self.world.variant.fetch_chance:
            self._fetch()

    def hears_of_rebalance(self) -> bool:
        """Say whether a heartbeat has told of a rebalance, or it is told to stop."""
        if self.leaving:
            return True
        group = self.world.broker.group
        return not group.settled(self.member or "") and self.world.dice.random() < 0.5

    def _live(self) -> None:
        try:
            while not self.leaving:
                self._join()
                self._hold_tenures()
            self.world.broker.group.leave(self.member or "")
        except KilledError:
            pass
        except (FatalLogError, UnavailableError, AbortedError) as error:
            self.failed = repr(error)

    def _join(self) -> None:
        group = self.world.broker.group
        self.step()
        self.member = group.join(self.member, self._instance)
        while not group.settled(self.member):
            self.step()
            self.member = group.join(self.member, self._instance)

    def _hold_tenures(self) -> None:
        member = self.world.broker.group.members[self.member or ""]
        stopping = Stop(self)
        membership = Membership((member.name, member.generation), member.name, member.instance)
        spot = SimulatedSpot(self, self.world.settings)
        self.tenures = [
            self.world.variant.tenure(
                spot,
                stage,
                tuple(member.partitions),
                writer=self._writer(stage),
                membership=membership,
                stopping=stopping,
            )
            for stage in self.world.stages
            if member.partitions
        ]
        for tenure in self.tenures:
            self._open(tenure, stopping)
        self.read_to = {
            (topic, partition): offset
            for tenure in self.tenures
            for partition, shard in tenure.shards.items()
            for topic, offset in shard.expected.items()
            if shard.state == "running"
        }
        while not stopping.is_set():
            self.step()
            self._fetch()
            for tenure in self.tenures:
                if tenure.waiting or self.world.dice.random() < 0.2:
                    tenure.work(tenure.take())
        self.read_to = {}
        for tenure in self.tenures:
            tenure.let_go()
        self.tenures = []

    def _open(self, tenure, stopping: Stop) -> None:
        try:
            for step in (
                tenure.take_over,
                *(lambda each=each: tenure.restore(each) for each in tenure.shards),
                tenure.claim,
            ):
                if stopping.is_set():
                    return
                step()
        except LostPartitionError:
            stopping.set()
        except UnavailableError:
            if not stopping.is_set():
                raise
            return
        # One that was thrown out meanwhile and doesn't know may open on what is old by now.
        if self.world.broker.group.settled(self.member or ""):
            self.world.hold_opened(tenure)

    def _writer(self, stage: Stage) -> SimulatedWriter:
        writer = f"{APP}-{stage.name}-{self._worker}"
        if writer not in self.writers:
            self.writers[writer] = self.world.variant.writer(self, stage, writer)
        return self.writers[writer]

    def _fetch(self) -> None:
        """Take some of what has come for the shards, at any moment."""
        dice, broker = self.world.dice, self.world.broker
        for tenure in self.tenures:
            for partition, shard in tenure.shards.items():
                for topic in tenure.stage.sources:
                    place = (topic, partition)
                    if place not in self.read_to or dice.random() < 0.3:
                        continue
                    found, at = broker.fetch(place, self.read_to[place], dice.randrange(1, 6))
                    if found:
                        if found[0][0] < shard.expected[topic]:
                            broker.happened["repeated record"] += 1
                        shard.feed([record_of(topic, partition, *each) for each in found])
                    self.read_to[place] = shard.read_to[topic] = at
