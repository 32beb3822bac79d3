"""
What every rival has to run, and what is measured of it.

One life: it starts on a backlog and works it off, then takes a small load and a larger one,
so that both find it as warm as it gets.  It is then stopped and started twice more, once
with its state and once without: the difference is the restore.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from benchmarks.rivals import job
from benchmarks.rivals.process import Running, cpu_s
from benchmarks.rivals.watching import Look, Reader, Topics, percentiles, watch, when
from streams.sandbox.kafka import EmbeddedKafka

Command = Callable[[str, str, str, str, str], list[str]]
"""Makes the command from brokers, source, out, app and the folder of the state."""


class Rival(Struct, frozen=True):
    """
    One contestant.

    Attributes:
        name: As it is called in the results.
        command: How it is started.
        small: Whether it runs the small backlog: it is too slow for the large one.
        restores: Whether it can get its state back from a changelog.
        topics: What must exist for it beside source and output, from the app's name, with
            the number of partitions.
    """

    name: str
    command: Command
    small: bool = False
    restores: bool = True
    topics: Callable[[str], Mapping[str, int]] = lambda _: {}


class Sizes(Struct, frozen=True):
    """How long a run is."""

    backlog: int
    small_backlog: int
    loads: tuple[int, ...]
    load_s: float
    settle_s: float
    """The first part of a load, whose latencies aren't counted."""


class Latency(Struct, frozen=True):
    """What a load of *rate* events a second met."""

    p50_ms: float
    p99_ms: float
    cores: float
    """CPU of the rival per second."""
    broker_cores: float


class Figures(Struct, frozen=True):
    """What one life came to; CPU in microseconds an event."""

    rate: float
    """Events a second over the whole backlog."""
    cpu_first: float
    """In the first third of the backlog, from the first output on."""
    cpu_last: float
    """In the last third."""
    broker_cpu: float
    latencies: dict[int, Latency]
    resident_mib: float
    peak_mib: float
    start_s: float
    """From its start, with its state there, to an output for an event in each partition."""
    restored: int
    restore_rate: float | None
    """Records a second, or None where there is too little to tell."""
    restore_cpu: float | None


class Course:
    """The course on *kafka*, with files below *folder*."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path, sizes: Sizes) -> None:
        self._kafka = kafka
        self._folder = folder
        self._sizes = sizes
        self._topics = Topics(kafka.bootstrap)
        self._lives = 0

    def prepare(self) -> None:
        """Write the backlogs."""
        for topic, count in (
            ("large", self._sizes.backlog),
            ("small", self._sizes.small_backlog),
        ):
            self._topics.create(topic)
            job.fill(self._kafka.bootstrap, topic, count)

    def run(self, rival: Rival, *, examine: bool) -> Figures:
        """
        Let *rival* run the course.

        Args:
            rival: Who runs.
            examine: Whether the counts are held against the truth afterwards.

        Raises:
            RuntimeError: If it ends, stops moving, or has counted wrongly.
        """
        self._lives += 1
        life = _Life(self._kafka, self._topics, rival, f"life{self._lives}", self._folder)
        try:
            return life.figures(self._sizes, examine=examine)
        finally:
            life.clean_up()


class _Life:
    """One rival's way through the course."""

    def __init__(
        self, kafka: EmbeddedKafka, topics: Topics, rival: Rival, name: str, folder: Path
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._rival = rival
        self._app = f"{name}-{rival.name.replace(' ', '-')}"
        self._source = "small" if rival.small else "large"
        self._out = f"{self._app}-out"
        self._state = folder / self._app
        self._log = folder / f"{self._app}.log"

    def figures(self, sizes: Sizes, *, examine: bool) -> Figures:
        """Run the course."""
        self._topics.create(self._out)
        for topic, partitions in self._rival.topics(self._app).items():
            self._topics.create(topic, partitions=partitions)
        events = self._topics.visible(self._source)
        with self._start() as running:
            looks = self._watch(running, events)
            loads = [rate for rate in sizes.loads if not self._rival.small or rate < 1000]
            latencies = {rate: self._load(running, rate, sizes) for rate in loads}
            resident, peak = running.resident_mib()
        if examine:
            self._examine()
        start, start_cpu = self._restart()
        restored, rate, cpu = 0, None, None
        if self._rival.restores:
            restored = self._topics.visible(*self._topics.like(self._app, "changelog"))
            shutil.rmtree(self._state, ignore_errors=True)
            again, again_cpu = self._restart()
            if again - start > 0.3:
                rate = restored / (again - start)
                cpu = (again_cpu - start_cpu) / restored * 1e6
        first, last = looks[0].visible or 1, events
        third = when(looks, events // 3)
        two = when(looks, 2 * events // 3)
        begun, done = when(looks, first + 1), when(looks, last)
        return Figures(
            rate=_per(done.visible - begun.visible, done.at - begun.at),
            cpu_first=_cpu(begun, third),
            cpu_last=_cpu(two, done),
            broker_cpu=_broker_cpu(begun, done),
            latencies=latencies,
            resident_mib=resident,
            peak_mib=peak,
            start_s=start,
            restored=restored,
            restore_rate=rate,
            restore_cpu=cpu,
        )

    def clean_up(self) -> None:
        """Delete its topics and its state."""
        self._topics.delete(*self._topics.like(self._app))
        shutil.rmtree(self._state, ignore_errors=True)

    def _start(self) -> Running:
        command = self._rival.command(
            self._kafka.bootstrap, self._source, self._out, self._app, str(self._state)
        )
        return Running(command, self._log, {})

    def _watch(self, running: Running, enough: int) -> list[Look]:
        def look() -> Look:
            visible = self._topics.visible(self._out)
            return Look(time.monotonic(), visible, running.cpu_s(), self._broker_cpu())

        return watch(look, enough, running.check)

    def _broker_cpu(self) -> float:
        assert self._kafka.pid is not None
        return cpu_s(self._kafka.pid)

    def _load(self, running: Running, rate: int, sizes: Sizes) -> Latency:
        """Take a load of *rate* events a second, read by a committed reader."""
        time.sleep(1)
        reader = Reader(self._kafka.bootstrap, self._out)
        before, broker_before, start = running.cpu_s(), self._broker_cpu(), time.monotonic()
        with feeding(self._kafka.bootstrap, self._source, rate, sizes.load_s):
            skip = int(rate * sizes.settle_s)
            found = reader.latencies(int(rate * sizes.load_s) - skip, skip=skip)
            seconds = time.monotonic() - start
            cores = (running.cpu_s() - before) / seconds
            broker = (self._broker_cpu() - broker_before) / seconds
        reader.close()
        running.check()
        p50, p99 = percentiles(found)
        return Latency(p50, p99, cores, broker)

    def _examine(self) -> None:
        """Hold the counts of the changelog against the events."""
        events = self._topics.visible(self._source)
        [changelog] = self._topics.like(self._app, "changelog")
        counted = self._topics.counts(changelog)
        if counted != events:
            raise RuntimeError(f"{self._rival.name} counted {counted} of {events} events")

    def _restart(self) -> tuple[float, float]:
        """Start again until an event in each partition is answered; give seconds and CPU."""
        had = self._topics.visible(self._out)
        with self._start() as running:
            job.one_each(self._kafka.bootstrap, self._source)
            looks = self._watch(running, had + job.PARTITIONS)
            return looks[-1].at - running.started_at, looks[-1].cpu_s


def feeding(brokers: str, topic: str, rate: int, seconds: float) -> Running:
    """Start a process that sends *rate* events a second to *topic*."""
    command = [sys.executable, "-m", "benchmarks.rivals.job", brokers, topic]
    command += [str(rate), str(seconds)]
    return Running(command, Path(os.devnull), {})


def _per(count: float, seconds: float) -> float:
    return count / max(seconds, 1e-9)


def _cpu(before: Look, after: Look) -> float:
    return (after.cpu_s - before.cpu_s) / max(1, after.visible - before.visible) * 1e6


def _broker_cpu(before: Look, after: Look) -> float:
    spent = after.broker_cpu_s - before.broker_cpu_s
    return spent / max(1, after.visible - before.visible) * 1e6
