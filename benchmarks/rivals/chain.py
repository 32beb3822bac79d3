"""
Three stages of ours one after the other, at a steady load: the pipeline's own shape.

Each stage counts in a table and passes on, all in transactions; the reader sees committed
records only.  Once all stages run in one worker, once each in a worker of its own.
"""

import contextlib
import sys
import time
from pathlib import Path

from msgspec import Struct

from benchmarks.rivals import job, ours
from benchmarks.rivals.course import Sizes, feeding
from benchmarks.rivals.process import Running, cpu_s
from benchmarks.rivals.watching import Reader, Topics, percentiles
from streams.engine import topics_needed
from streams.sandbox.kafka import EmbeddedKafka

STAGES = 3
INTERVAL_MS = {1: 15, STAGES: 20}
"""
By the number of workers, the time between two transactions of a writer.

Where many writers share a machine, fewer transactions with more in each cost less, and a
chain has the time.  Stages in one worker wait for each other's fetches as well.
"""


class Chained(Struct, frozen=True):
    """What a chain came to."""

    p50_ms: float
    p99_ms: float
    cores: float
    """CPU of broker and workers per second, once the load has settled."""
    worker_cores: float


def chained(
    kafka: EmbeddedKafka, folder: Path, name: str, rate: int, sizes: Sizes, *, workers: int
) -> Chained:
    """
    Run three stages at *rate* events a second.

    Args:
        kafka: The broker.
        folder: For state and logs.
        name: Of topics and apps; of its own.
        rate: Events a second.
        sizes: How long.
        workers: 1 for all stages in one, or one for each.
    """
    topics = Topics(kafka.bootstrap)
    topics.create(*_links(name))
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(_worker(kafka, topics, folder, app, (source, out), stages))
            for app, source, out, stages in _apps(name, workers)
        ]
        reader = Reader(kafka.bootstrap, _links(name)[-1])
        stack.callback(reader.close)
        job.one_each(kafka.bootstrap, _links(name)[0])
        reader.latencies(job.PARTITIONS, skip=0)
        assert kafka.pid is not None
        settling = int(rate * sizes.settle_s)
        with feeding(kafka.bootstrap, _links(name)[0], rate, sizes.load_s):
            reader.latencies(settling, skip=0)
            before = (time.monotonic(), cpu_s(kafka.pid), sum(each.cpu_s() for each in running))
            found = reader.latencies(int(rate * sizes.load_s) - settling, skip=0)
        after = (time.monotonic(), cpu_s(kafka.pid), sum(each.cpu_s() for each in running))
        for each in running:
            each.check()
    topics.delete(*topics.like(name))
    seconds, broker, worker = (b - a for a, b in zip(before, after, strict=True))
    p50, p99 = percentiles(found)
    return Chained(p50, p99, (broker + worker) / seconds, worker / seconds)


def _links(name: str) -> list[str]:
    """Name the topics of the chain, from its source to its last output."""
    return [f"{name}-source", *ours.between(f"{name}-out", STAGES)]


def _apps(name: str, workers: int) -> list[tuple[str, str, str, int]]:
    """Say which app reads and writes what, with how many stages."""
    links = _links(name)
    if workers == 1:
        return [(f"{name}-app", links[0], links[-1], STAGES)]
    return [(f"{name}-app{place}", links[place], links[place + 1], 1) for place in range(STAGES)]


def _worker(
    kafka: EmbeddedKafka,
    topics: Topics,
    folder: Path,
    app: str,
    ends: tuple[str, str],
    stages: int,
) -> Running:
    source, out = ends
    for topic, partitions in needs(app, source, out, stages).items():
        topics.create(topic, partitions=partitions)
    interval_ms = INTERVAL_MS[STAGES // stages]
    command = [sys.executable, "-m", "benchmarks.rivals.ours", kafka.bootstrap, source, out]
    command += [app, str(folder / app), str(stages), str(interval_ms)]
    return Running(command, folder / f"{app}.log", {})


def needs(app: str, source: str, out: str, stages: int = 1) -> dict[str, int]:
    """Give the topics that an app of ours needs beside its own."""
    declared = ours.declared(app, source, out, stages)
    counts = {topic: job.PARTITIONS for stage in declared.stages for topic in stage.sources}
    return {need.name: need.partitions for need in topics_needed(app, declared.stages, counts)}
