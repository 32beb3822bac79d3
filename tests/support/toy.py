"""The toy job on a real broker: its topics, its workers, and the five views of its outcome."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rocksdict import AccessType, Options, Rdict

from streams.engine import changelog_topic, topics_needed
from streams.reading.log import LogError, LogReader
from streams.sandbox.ports import free_port
from tests.support import toy_worker
from tests.support.forge import Forged, fresh
from tests.support.toy_worker import APP, OUT, SOURCE, STAGE, TABLE

PARTITIONS = 4
KEYS = 200


class ToyWorker:
    """
    A worker process that is started again under the same name and folder.

    Args:
        module: The job, as a module of `tests.support`.
        settings: What differs from the job's own settings of the engine.
        forged: Whether it begins with everything imported; otherwise as an operator starts one.
    """

    def __init__(
        self,
        brokers: str,
        folder: Path,
        *,
        instance: str = "",
        module: str = "toy_worker",
        settings: dict[str, Any] | None = None,
        forged: bool = True,
    ) -> None:
        self.brokers, self.folder, self.instance = brokers, folder, instance
        self.module, self.settings = module, settings or {}
        self.port = free_port()
        self.log = folder.with_suffix(".log")
        self.start_process = Forged if forged else fresh
        self.process: Forged | subprocess.Popen[bytes] | None = None

    def start(self, *, failpoints: str = "", seed: int = 0) -> None:
        """Start the process, armed to die at *failpoints*."""
        arguments = [self.brokers, str(self.folder), str(self.port), self.instance]
        arguments.append(json.dumps(self.settings))
        environment = {
            **os.environ,
            "LOYALTY_FAILPOINTS": failpoints,
            "LOYALTY_FAILPOINTS_SEED": str(seed),
        }
        self.process = self.start_process(
            self.module, arguments, log=self.log, environment=environment
        )

    def kill(self, *, wipe: bool = False) -> None:
        """End the process without warning; with *wipe* its disk is lost too."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if wipe:
            shutil.rmtree(self.folder, ignore_errors=True)

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        # Whatever it is about to be told, it may have just ended.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, which)

    def state(self) -> str:
        """Give the kernel's letter for what the process does: T is frozen, X is gone."""
        assert self.process is not None
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return "X"
        return stat.rsplit(")", 1)[1].split()[0]

    def await_frozen(self, timeout_s: float = 30) -> None:
        """Wait until the process has been stopped by a failpoint."""
        until = time.monotonic() + timeout_s
        while self.state() != "T":
            assert time.monotonic() < until, self.log.read_text()[-2000:]
            time.sleep(0.02)

    def stop(self, timeout_s: float = 20) -> int:
        """Ask the process to end, and give its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)

    def wait(self, timeout_s: float = 30) -> int:
        """Wait until the process ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def ask(self, path: str) -> bytes:
        """
        Ask the worker's own health server.

        Raises:
            OSError: If it isn't there, isn't ready, or ends in the midst of its answer.
        """
        address = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                said: bytes = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError from error
        return said

    def await_ready(self, timeout_s: float = 40) -> float:
        """Wait until the worker says it is ready; give the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            try:
                self.ask("/ready")
            except OSError:
                time.sleep(0.05)
            else:
                return time.monotonic() - began
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-2000:]
        raise AssertionError(f"not ready in {timeout_s} s: {self.log.read_text()[-2000:]}")


class Toy:
    """The job's topics, remade for each test."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.client = {"bootstrap.servers": brokers, "log_level": 0}
        self.sent: Counter[bytes] = Counter()
        stages = toy_worker.declared().stages
        needs = topics_needed(APP, stages, {SOURCE: PARTITIONS})
        topics = [NewTopic(SOURCE, PARTITIONS, 1), NewTopic(OUT, PARTITIONS, 1)]
        topics += [NewTopic(each.name, each.partitions, 1, config=each.config) for each in needs]
        admin = AdminClient(self.client)
        # Whether there are any is asked of the controller: a broker that has just come back may
        # not have heard of them yet.
        names = [topic.topic for topic in topics]
        for future in admin.delete_topics(names).values():
            error = future.exception()
            if error is not None and error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise error
        for future in admin.delete_consumer_groups([APP]).values():
            future.exception()
        # A broker acknowledges that a topic is deleted before it has forgotten it.
        while set(names) & set(admin.list_topics(timeout=10).topics):
            time.sleep(0.05)
        for future in admin.create_topics(topics).values():
            future.result()

    def produce(self, count: int, *, seed: int, rate: float = 0) -> None:
        """Send *count* records of keys chosen by *seed*."""
        dice = random.Random(seed)  # noqa: S311 - a seed, not a secret
        producer = Producer(
            {
                **self.client,
                "linger.ms": 5,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )
        for place in range(count):
            key = b"k%d" % dice.randrange(KEYS)
            producer.produce(SOURCE, b"v", key)
            self.sent[key] += 1
            if place % 200 == 0:
                producer.poll(0)
                if rate:
                    time.sleep(200 / rate)
        assert producer.flush(30) == 0

    def committed(self) -> dict[int, int]:
        """Give the committed offset of each partition of the source."""
        consumer = Consumer({**self.client, "group.id": APP, "isolation.level": "read_committed"})
        asked = [TopicPartition(SOURCE, each) for each in range(PARTITIONS)]
        try:
            found = consumer.committed(asked, timeout=20)
        except KafkaException:
            # A coordinator that is just moving in; whoever waits asks again.
            return {}
        finally:
            consumer.close()
        return {each.partition: each.offset for each in found}

    def ends(self) -> dict[int, int]:
        """Give the end of each partition of the source."""
        with LogReader(self.client) as log:
            return {each: end for each, (_, end) in enumerate(log.ends(SOURCE))}

    def outputs(self) -> Counter[tuple[int, int]]:
        """Count how often each place of the source stands among the outputs."""
        with LogReader(self.client) as log:
            found = [(each.value or b"").split(b"/") for each in log.to_end([OUT])]
        return Counter((int(partition), int(offset)) for partition, offset in found)

    def await_done(self, timeout_s: float = 90) -> None:
        """Wait until everything that was sent has been committed."""
        until = time.monotonic() + timeout_s
        ends = self._ends_in_time(until)
        while time.monotonic() < until:
            if self.committed() == ends:
                return
            time.sleep(0.3)
        raise AssertionError(f"committed {self.committed()} of {ends} in {timeout_s} s")

    def _ends_in_time(self, until: float) -> dict[int, int]:
        """Ask for the ends; a broker that has just come back doesn't lead its partitions yet."""
        while True:
            try:
                return self.ends()
            except LogError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def differences(self, *folders: Path) -> list[str]:
        """
        Hold the five views against each other; empty when all agree.

        Source, changelog, local state of the workers in *folders*, outputs, and committed
        offsets.  Only the newest copy of a shard's state counts: a worker that lost a
        partition keeps what it had.
        """
        with LogReader(self.client) as log:
            source = {
                (each.position.partition, each.position.offset): each.key
                for each in log.to_end([SOURCE])
            }
            outputs = Counter(
                tuple(map(int, (each.value or b"").split(b"/"))) for each in log.to_end([OUT])
            )
            changelog: dict[bytes, bytes] = {}
            for each in log.to_end([changelog_topic(APP, STAGE, TABLE)]):
                changelog[each.key or b""] = each.value or b""
        wanted = {key: b"%d" % count for key, count in self.sent.items()}
        found = []
        if Counter(source.values()) != self.sent:
            found.append("the source isn't what was sent")
        if changelog != wanted:
            found.append("the changelog isn't the right answer")
        if missing := set(source) - set(outputs):
            found.append(f"{len(missing)} outputs are missing")
        if twice := [place for place, count in outputs.items() if count > 1]:
            found.append(f"{len(twice)} outputs came twice")
        if self.committed() != self.ends():
            found.append("the committed offsets aren't the end")
        if self.local(folders) != wanted:
            found.append("the local state isn't the right answer")
        return found

    @staticmethod
    def local(folders: tuple[Path, ...]) -> dict[bytes, bytes]:
        """Read the counts that workers have on disk; of two copies the one further on."""
        best: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        for folder in folders:
            for path in sorted((folder / "state").glob(f"{STAGE}-*")):
                if path.suffix or not path.is_dir():
                    continue
                database = Rdict(
                    str(path), Options(raw_mode=True), access_type=AccessType.read_only()
                )
                rows = dict(database.items())
                database.close()
                at = int.from_bytes(rows.get(b"\0offset\0" + TABLE.encode(), b""), "big")
                prefix = TABLE.encode() + b"\0"
                counts = {k[len(prefix) :]: v for k, v in rows.items() if k.startswith(prefix)}
                if path.name not in best or best[path.name][0] < at:
                    best[path.name] = (at, counts)
        return {key: value for _, counts in best.values() for key, value in counts.items()}
