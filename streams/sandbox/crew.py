"""The workers of a demo: processes of their own, started again when they end.

A worker that ends is started again, as a supervisor in production would; each has its own
folder, port and log.  All of them end with the process that started them.

The kernel ends a worker when the *thread* that started it ends.  So the supervisor's thread
starts again what has ended, and outlives every worker.
"""

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from streams.sandbox.kafka import PR_SET_PDEATHSIG
from streams.sandbox.ports import free_port

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.2


class WorkerError(RuntimeError):
    """A worker doesn't become ready; says which and where its log is."""


class Worker:
    """One worker process and its successors under the same name."""

    def __init__(self, app: str, *, folder: Path, environment: Mapping[str, str]) -> None:
        self.app = app
        self.port = free_port()
        self.log = folder / f"{app}.log"
        self.starts = 0
        self.peak_rss_kb = 0
        # Settings of another Kafka, which the environment may hold, are not meant here.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("LOYALTY_") or name == "LOYALTY_HOME"
        }
        self._environment = {
            **inherited,
            **environment,
            "LOYALTY_PORT": str(self.port),
            "LOYALTY_INSTANCE": f"{app}-0",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its log is appended to."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own worker
                [sys.executable, "-m", "streams.cli", "worker", self.app],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Only prctl is called between fork and exec.
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Ask the worker's own readiness."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=1) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """End the process without warning."""
        if self.process is not None and self.running:
            self.process.kill()
            self.process.wait()

    def usage(self) -> tuple[float, int]:
        """Give CPU seconds and peak memory in kB of the running process; zeros if none."""
        if self.process is None or not self.running:
            return 0.0, self.peak_rss_kb
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0.0, self.peak_rss_kb
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self.peak_rss_kb = max(self.peak_rss_kb, int(line.split()[1]))
        return seconds, self.peak_rss_kb


class Crew:
    """All workers of a demo, and the supervisor that starts them again."""

    def __init__(
        self, apps: tuple[str, ...], *, folder: Path, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = [Worker(app, folder=folder, environment=environment) for app in apps]
        self.kills = 0
        self._ending = threading.Event()
        self._ended = threading.Event()
        # Held while a worker is started, so that none is started after `stop` has looked.
        self._starting = threading.Lock()
        self._watch = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every worker and the supervisor."""
        for worker in self.workers:
            worker.start()
        self._watch.start()

    def await_ready(self) -> None:
        """
        Wait until every worker says that it is ready.

        Raises:
            WorkerError: If one isn't within a minute.
        """
        deadline = time.monotonic() + READY_SECONDS
        for worker in self.workers:
            while not worker.ready():
                if time.monotonic() > deadline:
                    raise WorkerError(f"{worker.app} is not ready; see {worker.log}")
                time.sleep(LOOK_SECONDS)

    def kill_one(self, dice: random.Random) -> str:
        """Kill a worker chosen by *dice* and give its name; the supervisor starts it again."""
        worker = dice.choice(self.workers)
        worker.kill()
        self.kills += 1
        return worker.app

    def stop(self) -> dict[str, int | None]:
        """End all workers in order and give their exit codes; none is left behind."""
        with self._starting:
            self._ending.set()
        try:
            return self._end_workers()
        finally:
            self._ended.set()
            if self._watch.is_alive():
                self._watch.join()

    def _end_workers(self) -> dict[str, int | None]:
        for worker in self.workers:
            if worker.process is not None and worker.running:
                worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        codes: dict[str, int | None] = {}
        for worker in self.workers:
            if worker.process is None:
                continue
            try:
                codes[worker.app] = worker.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.kill()
                codes[worker.app] = None
        return codes

    def _supervise(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            for worker in self.workers:
                with self._starting:
                    if not worker.running and not self._ending.is_set():
                        worker.start()
        self._ended.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
