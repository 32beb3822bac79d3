"""A rival as a process: started, watched through /proc, and ended."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
STOP_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


class Running:
    """
    A process of *command*; what it prints goes to *log*.

    Leaving the context ends it, with SIGKILL if it doesn't end on SIGTERM.
    """

    def __init__(self, command: Sequence[str], log: Path, more: Mapping[str, str]) -> None:
        self._log = log
        self.started_at = time.monotonic()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **more},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def cpu_s(self) -> float:
        """Give the CPU seconds used so far, by all its threads."""
        return cpu_s(self._process.pid)

    def resident_mib(self) -> tuple[float, float]:
        """Give the resident memory now, and the most it has been."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return _mib(found["VmRSS"]), _mib(found["VmHWM"])

    def check(self) -> None:
        """
        Make sure that it runs.

        Raises:
            RuntimeError: If it has ended; with the end of what it printed.
        """
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"a rival ended with {self._process.returncode}: {said}")

    def stop(self) -> float:
        """End it in order; give the seconds that took."""
        start = time.monotonic()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return time.monotonic() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def cpu_s(pid: int) -> float:
    """Give the CPU seconds that process *pid* has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _mib(said: str) -> float:
    return int(said.split(maxsplit=1)[0]) / 1024
