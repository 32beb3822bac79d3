"""
Worker processes that begin with everything imported.

Half of what a start costs is imports.  Tests start workers by the hundred, so a server that
has imported it all forks each of them; from there on a worker is a process like any other.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType

from streams.engine import failpoints

ROOT = Path(__file__).parents[2]
PRELOADED = ["tests.support.chain_worker", "tests.support.toy_worker"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


class Forged:
    """
    A process that runs `main` of a module of `tests.support`, with the face of a Popen.

    Args:
        module: Its `main` takes *arguments* and gives the exit code.
        log: What it says is added to it.
        environment: All of it.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        os.environ.setdefault("PYTHONPATH", str(ROOT))
        self._process: ForkServerProcess = _context.Process(
            target=_begin, args=(module, tuple(arguments), str(log), dict(environment)), daemon=True
        )
        # The new process would import the program of this one, which is pytest.
        program, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            self._process.start()
        finally:
            sys.modules["__main__"] = program

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended: an exit code, or a signal below 0; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """See returncode."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait until it ends.

        Raises:
            subprocess.TimeoutExpired: If it doesn't in *timeout* seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()


def fresh(
    module: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Run the same in a process of its own from the interpreter on; see Forged."""
    program = f"import sys; from tests.support.{module} import main; sys.exit(main(sys.argv[1:]))"
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            env=dict(environment),
            stdout=said,
            stderr=said,
        )


def _begin(module: str, arguments: tuple[str, ...], log: str, environment: dict[str, str]) -> None:
    """Become the worker, in the new process."""
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.clear()
    os.environ.update(environment)
    failpoints.arm(environment)
    sys.exit(importlib.import_module(f"tests.support.{module}").main(arguments))
