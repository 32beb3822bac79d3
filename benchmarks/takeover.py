"""How soon another worker answers when one is killed, by the size of the state.

Two workers share a stage that keeps a row for each account; each holds standbys of what the
other owns.  Under a steady load one is killed with SIGKILL.  Measured is, for
the partitions it had, the time from the kill until an answer to a record that was sent after
it can be read: the group's session time-out, the rebalance, the restore of what the standby
lacks.  And for the others, how long the rebalance kept a record waiting.

    python benchmarks/takeover.py [--quick]
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
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import AppDeclaration, Batch, Engine, EngineSettings, Stage, topics_needed
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port

ROOT = Path(__file__).parents[1]
PARTITIONS = 4
RATE = 100
ROW = b"x" * 200
BEFORE_S = 5.0
AFTER_S = 20.0
PATIENCE_S = 240.0
GOAL_S = 10.0
SENT = struct.Struct("<d")


def remember(batch: Batch) -> None:
    """Keep a row for each account, and answer what carries the time it was sent at."""
    for record in batch.records:
        key = record.key or b""
        batch.get("accounts", key)
        batch.put("accounts", key, ROW)
        if record.value:
            batch.emit("answers", key, record.value, partition=batch.partition)


DECLARED = AppDeclaration("takeover", (Stage("remember", ("sales",), remember, ("accounts",)),))


def work(brokers: str, folder: str, port: str) -> int:
    """Be a worker until told to stop, with the settings that workers have by default."""
    uvloop.install()
    settings = EngineSettings(brokers=brokers, data_dir=Path(folder), health_port=int(port))
    return Engine(DECLARED, settings).run()


class Worker:
    """A process of the stage."""

    def __init__(self, brokers: str, folder: Path) -> None:
        self._port = free_port()
        command = [sys.executable, __file__, "worker", brokers, str(folder), str(self._port)]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def health(self) -> dict[str, Any]:
        """Ask how it is; nothing is known of one that doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ready", timeout=5) as said:
                found: dict[str, Any] = json.load(said)
                return found
        except OSError:
            return {}


@contextmanager
def broker() -> Iterator[EmbeddedKafka]:
    """Run a broker with the topics of the stage."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        needs = topics_needed(DECLARED.app_id, DECLARED.stages, {"sales": PARTITIONS})
        topics = [NewTopic(name, PARTITIONS, 1) for name in ("sales", "answers")]
        topics += [NewTopic(each.name, each.partitions, 1, config=each.config) for each in needs]
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for future in admin.create_topics(topics).values():
            future.result()
        yield kafka


class Answers(threading.Thread):
    """Notes when the answers of each partition can be read, for whom reads committed."""

    def __init__(self, brokers: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[int, float, float]] = []
        """Partition, when the record was sent, when its answer was read."""
        self.ending = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "takeover-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign([TopicPartition("answers", each, 0) for each in range(PARTITIONS)])

    def run(self) -> None:
        """Read until told to end."""
        while not self.ending.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                (sent,) = SENT.unpack(message.value() or b"")
                self.seen.append((message.partition() or 0, sent, time.monotonic()))
        self._consumer.close()


def fill(brokers: str, accounts: int) -> None:
    """Make a row for each of *accounts*."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 20})
    for number in range(accounts):
        while True:
            try:
                producer.produce("sales", b"", b"%d" % number, number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)


def load(brokers: str, accounts: int, seconds: float, sent: list[float]) -> None:
    """Send records evenly in time and over the partitions; note in *sent* when."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0})
    began = time.monotonic()
    for number in range(int(seconds * RATE)):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        sent.append(time.monotonic())
        key = b"%d" % (number % accounts)
        producer.produce("sales", SENT.pack(sent[-1]), key, number % PARTITIONS)
        producer.poll(0)
    producer.flush(30)


def until(holds: Callable[[], bool], what: str) -> None:
    """
    Wait until *holds*.

    Raises:
        TimeoutError: If that takes longer than anything here may.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.2)


def warm(workers: list[Worker]) -> bool:
    """Say whether all is done, each partition owned by one and warm at another."""
    healths = [each.health() for each in workers]
    shards = [shard for health in healths for shard in health.get("shards", ())]
    standbys = [each for health in healths for each in health.get("standbys", ())]
    return (
        all(health.get("shards") for health in healths)
        and len(shards) == len(standbys) == PARTITIONS
        and all(shard["state"] == "running" and not shard["lag"] for shard in shards)
        and not any(each["left"] for each in standbys)
    )


def once(kafka: EmbeddedKafka, folder: Path, accounts: int) -> dict[str, float]:
    """Let one of two workers die; give how long its partitions and the others' had to wait."""
    workers = [Worker(kafka.bootstrap, folder / str(number)) for number in range(2)]
    answers = Answers(kafka.bootstrap)
    sent: list[float] = []
    try:
        until(lambda: warm(workers), "the standbys don't get warm")
        answers.start()
        seconds = BEFORE_S + AFTER_S
        sender = threading.Thread(
            target=load, args=(kafka.bootstrap, accounts, seconds, sent), daemon=True
        )
        sender.start()
        time.sleep(BEFORE_S)
        dead = {int(shard["name"].rsplit("-", 1)[1]) for shard in workers[0].health()["shards"]}
        killed_at = time.monotonic()
        workers[0].process.kill()
        sender.join()
        time.sleep(1)
        heir = workers[1].health()
        after = [each for each in answers.seen if each[1] > killed_at]
        restored = sum(shard["restored"] for shard in heir["shards"])
    finally:
        answers.ending.set()
        answers.join()
        for each in workers:
            each.process.terminate()
        for each in workers:
            each.process.wait(30)
    expected = sum(1 for each in sent if each > killed_at)
    assert len(after) == expected, f"{expected} were sent, {len(after)} answered"
    return {
        "taken": max(min(read for at, _, read in after if at == each) for each in dead) - killed_at,
        "kept": max(read - begun for at, begun, read in after if at not in dead),
        "restored": restored,
    }


def run(*, quick: bool = False) -> dict[str, Any]:
    """Let a worker die, with the state of so many accounts; see `loyalty bench`."""
    accounts = 50_000 if quick else 1_000_000
    found = []
    with broker() as kafka, tempfile.TemporaryDirectory() as folder:
        fill(kafka.bootstrap, accounts)
        for number in range(1 if quick else 3):
            # Each time on folders of their own: they fetch the whole state first.
            found.append(once(kafka, Path(folder) / str(number), accounts))
            print(f"round {number + 1}: {found[-1]}", file=sys.stderr, flush=True)
    return measures(found, accounts)


def measures(found: list[dict[str, float]], accounts: int) -> dict[str, Any]:
    """Turn rounds into measures."""
    taken = max(each["taken"] for each in found)
    return {
        f"kill to answer, {accounts} accounts, worst": {
            "value": taken,
            "unit": "s",
            "goal": GOAL_S,
            "met": taken <= GOAL_S,
        },
        "wait at partitions that stay, worst": {
            "value": max(each["kept"] for each in found),
            "unit": "s",
        },
        "records the heir restored": {
            "value": statistics.median(each["restored"] for each in found),
            "unit": "records",
        },
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        sys.exit(work(*sys.argv[2:]))
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
