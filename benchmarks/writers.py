"""What a round costs, when all shards of a stage share a transactional writer or each has one.

The same rounds, a record for each of four shards, are committed on a warm broker in both
ways in turns, by the engine's own order of effects: each shard's change and output, and its
offset.  CPU is that of the broker's process and of this one; it tells the same on a machine
that has other things to do.

    python benchmarks/writers.py [--quick]
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine.kafka_log import KafkaLog
from streams.engine.record import Output
from streams.engine.transaction import Share, commit
from streams.sandbox.kafka import EmbeddedKafka

SHARDS = 4
GROUP = "bench-writers"
TICK = os.sysconf("SC_CLK_TCK")
VALUE = b"x" * 300

# A client that is no member of the group, whose offsets are never refused.
OUTSIDER = b"CGMDv2:\xff\xff\xff\xff" + GROUP.encode() + b"\0\0\1"


class Nowhere:
    """A local state that takes no time."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """Know nothing."""

    def scan(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:  # noqa: ARG002
        """Know nothing."""
        return iter(())

    def apply(self, puts: object, ends: object) -> None:
        """Keep nothing."""


@contextmanager
def broker() -> Iterator[EmbeddedKafka]:
    """Run a broker with a source, a changelog and an output topic."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        topics = [NewTopic(name, SHARDS, 1) for name in ("source", "changelog", "out")]
        for future in admin.create_topics(topics).values():
            future.result()
        # The first question makes the broker create the topic of offsets: without it the
        # first transaction waits for its coordinator in vain.
        asking = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": GROUP})
        asking.committed([TopicPartition("source", 0)], timeout=60)
        asking.close()
        yield kafka


def writer(kafka: EmbeddedKafka, name: str) -> KafkaLog:
    """Make a writer that is ready."""
    log = KafkaLog(
        client={"bootstrap.servers": kafka.bootstrap, "socket.nagle.disable": True},
        transactional_id=name,
        timeout_ms=600_000,
        changelogs={"table": "changelog"},
        call_timeout_s=60,
    )
    log.fence()
    log.join(OUTSIDER, "note")
    return log


def share(shard: int, number: int) -> Share:
    """Say what a shard did with its record of a round."""
    key = b"%d" % (number % 1000)
    puts = {"table": {key: VALUE}}
    return Share(shard, Nowhere(), puts, (Output("out", key, VALUE, shard),))


def do_rounds(writers: list[KafkaLog], first: int, count: int) -> None:
    """Commit *count* rounds; with one writer a shard they follow each other."""
    for number in range(first, first + count):
        for shards in [range(SHARDS)] if len(writers) == 1 else [[each] for each in range(SHARDS)]:
            commit(
                writers[0 if len(writers) == 1 else shards[0]],
                [share(shard, number) for shard in shards],
                position={("source", shard): number for shard in shards},
                reach=lambda _: None,
            )


def cpu_seconds(pid: int) -> float:
    """Give the CPU time that process *pid* has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure both ways in turns; see `loyalty bench`."""
    found: dict[str, list[tuple[float, float]]] = {"stage": [], "shard": []}
    count = 40 if quick else 500
    with broker() as kafka:
        assert kafka.pid is not None
        ways = {
            "stage": [writer(kafka, "shared")],
            "shard": [writer(kafka, f"own-{shard}") for shard in range(SHARDS)],
        }
        for turn in range(5 if quick else 9):
            for way, writers in ways.items():
                before = cpu_seconds(kafka.pid), time.process_time()
                do_rounds(writers, turn * count, count)
                after = cpu_seconds(kafka.pid), time.process_time()
                # The first turn warms the broker's compiler.
                if turn:
                    records = count * SHARDS
                    found[way].append(
                        (
                            (after[0] - before[0]) * 1e6 / records,
                            (after[1] - before[1]) * 1e6 / records,
                        )
                    )
    return measures(found)


def measures(found: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Turn turns into measures."""
    result = {}
    for place, who in enumerate(("broker", "client")):
        shared, own = ([each[place] for each in found[way]] for way in ("stage", "shard"))
        result[f"{who} a record, one writer a stage"] = {
            "value": statistics.median(shared),
            "unit": "µs CPU",
            "baseline": statistics.median(own),
            "ratio": statistics.median(a / b for a, b in zip(shared, own, strict=True)),
            "goal": "below one writer a shard" if who == "broker" else None,
            "met": statistics.median(shared) < statistics.median(own) if who == "broker" else None,
        }
    return result


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
