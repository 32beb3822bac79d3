"""A chain of stages on a real broker: latency and cost at a steady rate, by who shares a writer.

A chain of stages, a process each, counts the records of every key and passes each one on.
Values carry the instant at which they were sent; a reader of committed records at the end
takes the time.  CPU is that of broker and workers together in a measured window, broker and
workers warm.  Variants take turns, round by round, and figures are medians over rounds.

    python benchmarks/chain.py [--quick]
"""

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import AppDeclaration, Batch, Engine, EngineSettings, Stage, topics_needed
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port

ROOT = Path(__file__).parents[1]
PARTITIONS = 4
KEYS = 10_000
PAD = b"x" * 290
RATE = 500
WARM_SECONDS = 8.0
LANDING_SECONDS = 5.0
TICK = os.sysconf("SC_CLK_TCK")

Variant = tuple[int, str]
"""How many stages, and what a writer is shared by."""


def topic(number: int) -> str:
    """Name the topic that stage *number* reads."""
    return f"bench-{number}"


def declared(number: int) -> AppDeclaration:
    """Declare stage *number*: count, and pass on."""
    out = topic(number + 1)

    def count(batch: Batch) -> None:
        for record in batch.records:
            key = record.key or b""
            batch.put("counts", key, b"%d" % (int(batch.get("counts", key) or 0) + 1))
            batch.emit(out, key, record.value)

    return AppDeclaration(
        f"bench-stage-{number}", (Stage("count", (topic(number),), count, ("counts",)),)
    )


def work(brokers: str, folder: str, port: str, number: str, settings: str) -> int:
    """Be the worker of stage *number* until told to stop."""
    uvloop.install()
    engine = EngineSettings(
        brokers=brokers,
        data_dir=Path(folder),
        health_port=int(port),
        instance_id="one",
        **json.loads(settings),
    )
    return Engine(declared(int(number)), engine).run()


class Chain:
    """The processes of *stages* stages, ready to work."""

    def __init__(self, brokers: str, folder: Path, stages: int, settings: dict[str, Any]) -> None:
        ports = [free_port() for _ in range(stages)]
        self.processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    __file__,
                    "worker",
                    brokers,
                    str(folder / str(number)),
                    str(port),
                    str(number),
                    json.dumps(settings),
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            for number, port in enumerate(ports)
        ]
        for port in ports:
            await_ready(port)

    def stop(self) -> None:
        """End them in order."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


def await_ready(port: int) -> None:
    """Wait until a worker says that it is ready."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError("a worker doesn't become ready")


class Reader:
    """Takes the time of what arrives in *name*, from send to sight of committed records."""

    def __init__(self, brokers: str, name: str) -> None:
        self.seen: list[tuple[float, float]] = []
        """When each record was sent, and how long it took, in seconds."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "bench-reader",
                "isolation.level": "read_committed",
                "auto.offset.reset": "latest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 500,
            }
        )
        self._consumer.subscribe([name])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            # `consume` would wait for its full number or its full time, and count that too.
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            (sent,) = struct.unpack_from("<d", message.value() or b"")
            self.seen.append((sent, time.monotonic() - sent))
        self._consumer.close()

    def stop(self) -> None:
        """Read no more."""
        self._ending.set()
        self._thread.join()


def send(brokers: str, rate: float, seconds: float) -> int:
    """Send records evenly; give how many."""
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 0, "partitioner": "murmur2_random"}
    )
    began = time.monotonic()
    sent = 0
    while (now := time.monotonic()) - began < seconds:
        due = int((now - began) * rate)
        while sent < due:
            key = b"%d" % (sent * 7919 % KEYS)
            producer.produce(topic(0), struct.pack("<d", time.monotonic()) + PAD, key)
            sent += 1
        producer.poll(0)
        time.sleep(0.001)
    producer.flush(30)
    return sent


def cpu_seconds(pid: int) -> float:
    """Give the CPU time that process *pid* has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def percentile(values: Sequence[float], part: float) -> float:
    """Give the value below which *part* of *values* lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


@contextmanager
def broker() -> Iterator[EmbeddedKafka]:
    """Run a broker with the topics of three stages."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka(Path(folder) / "kafka", long_lived=True) as kafka,
    ):
        needs = [NewTopic(topic(number), PARTITIONS, 1) for number in range(4)]
        for number in range(3):
            app = declared(number)
            found = topics_needed(app.app_id, app.stages, {topic(number): PARTITIONS})
            needs += [NewTopic(each.name, each.partitions, 1, config=each.config) for each in found]
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for future in admin.create_topics(needs).values():
            future.result()
        yield kafka


def once(kafka: EmbeddedKafka, variant: Variant, seconds: float, rate: float) -> dict[str, float]:
    """Measure one variant in one window."""
    stages, shared_by = variant
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(kafka.bootstrap, Path(folder), stages, {"writer_per": shared_by})
        reader = Reader(kafka.bootstrap, topic(stages))
        try:
            send(kafka.bootstrap, rate, WARM_SECONDS)
            assert kafka.pid is not None
            pids = [process.pid for process in chain.processes]
            before = cpu_seconds(kafka.pid), sum(map(cpu_seconds, pids))
            began = time.monotonic()
            sent = send(kafka.bootstrap, rate, seconds)
            ended = time.monotonic()
            after = cpu_seconds(kafka.pid), sum(map(cpu_seconds, pids))
            time.sleep(LANDING_SECONDS)
        finally:
            reader.stop()
            chain.stop()
    took = [each for at, each in reader.seen if began <= at <= ended]
    assert len(took) == sent, f"{sent} were sent, {len(took)} arrived"
    return {
        "p50_ms": statistics.median(took) * 1000,
        "p99_ms": percentile(took, 0.99) * 1000,
        "broker_us": (after[0] - before[0]) * 1e6 / sent,
        "workers_us": (after[1] - before[1]) * 1e6 / sent,
        "cores": (sum(after) - sum(before)) / (ended - began),
    }


def run(*, quick: bool = False, rate: float = RATE) -> dict[str, Any]:
    """Run every variant, in turns; see `loyalty bench`."""
    variants: list[Variant] = [(1, "stage"), (1, "shard"), (3, "stage"), (3, "shard")]
    found: dict[Variant, list[dict[str, float]]] = {each: [] for each in variants}
    with broker() as kafka:
        for _ in range(1 if quick else 5):
            for variant in variants:
                figures = once(kafka, variant, 10 if quick else 30, rate)
                found[variant].append(figures)
                shown = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
                print(f"{variant}: {shown}", file=sys.stderr, flush=True)
    return measures(found)


def measures(found: dict[Variant, list[dict[str, float]]]) -> dict[str, Any]:
    """Turn rounds into measures."""

    def middle(variant: Variant, name: str) -> float:
        return statistics.median(each[name] for each in found[variant])

    def held(value: float, unit: str, goal: float) -> dict[str, Any]:
        return {"value": value, "unit": unit, "goal": goal, "met": value <= goal}

    result = {
        "one stage, p50": held(middle((1, "stage"), "p50_ms"), "ms", 15),
        "one stage, p99": held(middle((1, "stage"), "p99_ms"), "ms", 40),
        "three stages, p50": held(middle((3, "stage"), "p50_ms"), "ms", 60),
        "three stages, p99": held(middle((3, "stage"), "p99_ms"), "ms", 150),
        "three stages, broker and workers": held(middle((3, "stage"), "cores"), "cores", 1),
    }
    for stages in (1, 3):
        for name in ("broker_us", "workers_us"):
            pairs = zip(found[stages, "stage"], found[stages, "shard"], strict=True)
            result[f"{stages} stages, {name[:-3]} a record, a writer a stage"] = {
                "value": middle((stages, "stage"), name),
                "unit": "µs CPU",
                "baseline": middle((stages, "shard"), name),
                "ratio": statistics.median(one[name] / each[name] for one, each in pairs),
            }
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        sys.exit(work(*sys.argv[2:]))
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
