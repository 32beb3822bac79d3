"""
The world: it says who acts next, brings the faults, and judges.

Everything happens in one thread, one effect at a time, in an order drawn from the seed of
the history.  At every step the states are held against what is committed, and in the end
five views against each other: source, changelog, local states, outputs and positions.
"""

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

import greenlet
from msgspec import Struct

from streams.engine import EngineSettings, changelog_topic
from streams.engine.failure import RefusedError
from streams.engine.tenure import Tenure
from tests.simulation.broker import BrokenError, Broker, Transaction
from tests.simulation.history import Fault, History, shrunk
from tests.simulation.job import APP, TABLE, right_answer, stages
from tests.simulation.worker import Disk, Process, SimulatedCluster, SimulatedWriter

TICKS_MAX = 20_000
"""A history that isn't done by then never will be."""


class Variant(Struct, frozen=True):
    """What runs: the engine itself, or the engine with a bug planted."""

    tenure: type[Tenure] = Tenure
    writer: type[SimulatedWriter] = SimulatedWriter
    cluster: type[SimulatedCluster] = SimulatedCluster
    fetch_chance: float = 0.1
    """How often records arrive while a process is between two effects."""


ENGINE = Variant()


class Worker:
    """A worker: its disk, and the process that runs now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disks: dict[tuple[str, int], Disk] = {}
        self.process: Process | None = None
        self.back_at = 0
        """The tick at which it starts again, or goes on after a freeze."""


class World:
    """One run of *history*."""

    def __init__(self, history: History, variant: Variant = ENGINE) -> None:
        self.history = history
        self.variant = variant
        self.dice = random.Random(f"{history.seed} acts")  # noqa: S311 - a seed, not a secret
        self.stages = stages(history.stages, history.partitions)
        self.settings = EngineSettings(
            brokers="", data_dir=Path(tempfile.gettempdir()), batch_records_max=history.batch
        )
        sources = [topic for stage in self.stages for topic in stage.sources]
        self.changelogs = {
            stage.name: changelog_topic(APP, stage.name, TABLE) for stage in self.stages
        }
        self.broker = Broker((*sources, "out", *self.changelogs.values()), history.partitions)
        self.workers = [Worker(f"w{place}") for place in range(history.workers)]
        self.tick = 0
        self.life = greenlet.getcurrent()
        self.happened = self.broker.happened
        self.told: list[str] = []
        """What happened, for whoever replays a history."""
        self.acts: list[int] = []
        """The ticks at which a process did something."""
        self._to_send = list(range(history.records))
        self._origin: dict[bytes, int] = {}
        self._faults = list(history.faults)

    def tell(self, what: str) -> None:
        """Keep a sentence for the replay."""
        self.told.append(f"{self.tick:5} {what}")

    # --- Running --------------------------------------------------------------------------

    def run(self) -> "World":
        """
        Run to the end, and judge.

        Raises:
            BrokenError: If anything happened that must never happen.
        """
        try:
            while not self._done():
                self.tick += 1
                if self.tick > TICKS_MAX:
                    raise BrokenError("it never comes to an end")
                self._turn()
            self._judge()
        except RefusedError as error:
            raise BrokenError(f"a worker refused to start: {error}") from error
        finally:
            for worker in self.workers:
                if worker.process is not None and not worker.process.over:
                    worker.process.kill()
        return self

    def _done(self) -> bool:
        broker = self.broker
        if self.tick % 8 or self._faults or self._to_send or broker.markers:
            return False
        if not all(each.process is not None and each.process.working for each in self.workers):
            return False
        return not any(log.open for log in broker.logs.values()) and all(
            broker.positions.get((topic, partition), (0, ""))[0]
            == len(broker.logs[topic, partition].entries)
            for stage in self.stages
            for topic in stage.sources
            for partition in range(self.history.partitions)
        )

    def _turn(self) -> None:
        for worker in self.workers:
            if worker.back_at and worker.back_at <= self.tick:
                worker.back_at = 0
        if self.dice.random() < 0.25:
            self._broker_turn()
            return
        awake = [each for each in self.workers if not each.back_at]
        if not awake:
            return
        worker = awake[int(self.dice.random() * len(awake))]
        if worker.process is not None and not worker.process.tenures and self.dice.random() < 0.7:
            # Who has nothing in hand is slow, or the others would hardly get anywhere.
            worker = awake[int(self.dice.random() * len(awake))]
        if worker.process is None:
            worker.process = Process(self, worker.name, worker.disks)
            self.tell(f"{worker.name} starts")
        if self._faults and self._faults[0].tick <= self.tick:
            self._strike(worker, self._faults.pop(0))
            return
        process = worker.process
        self.acts.append(self.tick)
        process.resume()
        if process.over:
            self.tell(f"{worker.name} ends {process.failed}")
            worker.process = None
            worker.back_at = self.tick + 5

    def _broker_turn(self) -> None:
        """Something that the broker does by itself, or whoever writes to the source."""
        broker, dice = self.broker, self.dice
        kind = dice.random()
        if kind < 0.5 and broker.markers:
            broker.deliver_marker(dice.randrange(len(broker.markers)))
        elif kind < 0.75 and self._to_send:
            self._send(self._to_send.pop(0))
        elif broker.group.ready:
            broker.group.complete(dice.randrange(4))
            self.tell(f"generation {broker.group.generation}: " + self._members())
        else:
            self._forget_the_silent()

    def _members(self) -> str:
        members = self.broker.group.members.values()
        return ", ".join(f"{each.name} ({each.instance}) {each.partitions}" for each in members)

    def _send(self, number: int) -> None:
        """Write a record to the source; now and then one that is never committed."""
        dice = self.dice
        partition = dice.randrange(self.history.partitions)
        log = self.broker.logs["in", partition]
        key, value = b"k%d" % dice.randrange(self.history.keys), b"%d" % number
        self._origin[value] = partition
        log.entries.append((key, value, None))
        if dice.random() < 0.15:
            aborted = Transaction("another")
            aborted.verdict = False
            log.entries += [(key, b"-1", aborted), (None, None, aborted)]

    def _forget_the_silent(self) -> None:
        """Throw a member out, or abort a transaction, of a process that is silent."""
        heard = {
            each.process.member
            for each in self.workers
            if each.process is not None and not each.back_at
        }
        writers = {
            writer
            for each in self.workers
            if each.process is not None and not each.back_at
            for writer in each.process.writers
        }
        silent = [each for each in self.broker.group.members if each not in heard]
        if silent and self.dice.random() < 0.5:
            self.tell(f"{silent[0]} is thrown out for its silence")
            self.broker.group.leave(silent[0])
        for writer in self.broker.writers:
            if writer not in writers and self.dice.random() < 0.3:
                self.broker.expire(writer)

    def _strike(self, worker: Worker, fault: Fault) -> None:
        """Bring *fault* to the process whose turn it is."""
        process = worker.process
        assert process is not None
        self.tell(f"{worker.name} meets {fault}")
        self.happened[f"fault {fault.kind}"] += 1
        if fault.kind in ("crash", "wipe", "tear"):
            self._kill(worker, process, fault)
        elif fault.kind == "freeze":
            worker.back_at = self.tick + 1 + fault.amount
        elif fault.kind == "compact":
            self._compact()
        elif fault.kind == "expel":
            self.broker.group.leave(process.member or "")
        elif fault.kind == "expire":
            for writer in process.writers:
                self.broker.expire(writer)
        else:
            process.suffer(fault)

    def _kill(self, worker: Worker, process: Process, fault: Fault) -> None:
        """End a process; what it was sending may still arrive, and its disk may suffer."""
        for writer in process.writers.values():
            for place, items in writer.queue.items():
                if self.dice.random() < 0.3:
                    self.broker.produce_late(writer.transactional_id, writer.epoch, place, items)
        process.kill()
        worker.process = None
        worker.back_at = self.tick + 1 + fault.amount
        if fault.kind == "wipe":
            worker.disks.clear()
        elif fault.kind == "tear":
            for disk in worker.disks.values():
                disk.tear(fault.amount)

    def _compact(self) -> None:
        for topic in self.changelogs.values():
            for partition in range(self.history.partitions):
                self.broker.compact((topic, partition))

    # --- Judging ----------------------------------------------------------------------------

    def hold_opened(self, tenure: Tenure) -> None:
        """Hold a state that was just restored against all that is decided."""
        for partition, shard in tenure.shards.items():
            place = (self.changelogs[tenure.stage.name], partition)
            right = folded(self.broker.logs[place].committed())
            if dict(shard.tables.scan(TABLE, b"")) != right:
                raise BrokenError(f"{shard.name} opens with a state that isn't its changelog")

    def _judge(self) -> None:
        for stage in self.stages:
            source = stage.sources[0]
            target = "out" if stage.name == "last" else "mid"
            wanted: list[list[list[tuple[bytes, bytes]]]] = []
            for partition in range(self.history.partitions):
                records = self._read(source, partition)
                table, outputs = right_answer(stage.name, records, self.history.partitions)
                wanted.append(outputs)
                self._judge_state(stage.name, partition, table)
            self._judge_outputs(stage.name, target, source, wanted)

    def _read(self, topic: str, partition: int) -> list[tuple[int, bytes, bytes]]:
        """Read a log as a committed reader does."""
        return self.broker.fetch((topic, partition), 0, 1 << 30)[0]

    def _judge_state(self, stage: str, partition: int, right: dict[bytes, bytes]) -> None:
        """Hold the changelog and every local state against the source."""
        log = self._read(self.changelogs[stage], partition)
        if folded(log) != right:
            raise BrokenError(f"{stage}-{partition}: the changelog says {folded(log)}, not {right}")
        decided = self.broker.logs[self.changelogs[stage], partition].committed()
        for worker in self.workers:
            disk = worker.disks.get((stage, partition))
            if disk is None:
                continue
            upto = disk.offsets.get(TABLE, -1)
            own = worker.process is not None and any(
                partition in each.shards and each.stage.name == stage
                for each in worker.process.tenures
            )
            then = right if own else folded(each for each in decided if each[0] <= upto)
            if disk.tables.tables[TABLE] != then:
                raise BrokenError(f"{worker.name}'s {stage}-{partition} isn't as it should be")

    def _judge_outputs(
        self,
        stage: str,
        target: str,
        source: str,
        wanted: list[list[list[tuple[bytes, bytes]]]],
    ) -> None:
        """Hold the outputs against the source: each once, and those of one shard in order."""
        partitions = range(self.history.partitions)
        origin = {
            value: partition
            for partition in partitions
            for _, _, value in self._read(source, partition)
        }
        for at in partitions:
            found: list[list[tuple[bytes, bytes]]] = [[] for _ in partitions]
            for _, key, value in self._read(target, at):
                found[origin[value.split()[-1]]].append((key, value))
            for partition in partitions:
                if found[partition] != wanted[partition][at]:
                    raise BrokenError(
                        f"{stage}-{partition} to {target}-{at}: "
                        f"{found[partition]} instead of {wanted[partition][at]}"
                    )


def folded(records: Iterable[tuple[int, bytes, bytes]]) -> dict[bytes, bytes]:
    """Give the table that a changelog makes."""
    table: dict[bytes, bytes] = {}
    for _, key, value in records:
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return table


def breaks(history: History, variant: Variant = ENGINE) -> str | None:
    """Run *history*, and say what broke, if anything did."""
    try:
        World(history, variant).run()
    except BrokenError as error:
        return str(error)
    return None


def report(history: History, variant: Variant = ENGINE) -> str:
    """Shrink a history that breaks, and tell it, with what has to be pasted to replay it."""
    small = shrunk(history, lambda each: breaks(each, variant) is not None)
    world = World(small, variant)
    try:
        world.run()
    except BrokenError as error:
        told = "\n".join(world.told)
        return f"seed={history.seed}: {error}\n{told}\nreplay: World({small}).run()"
    raise AssertionError(f"{small} broke once and doesn't again: the simulator isn't a function")
