"""
How a worker ends when it is told to: in order, and in time whatever waits for whatever.

A round that is under way is finished, for only then is it known what became of it.  What
comes after is courtesy, such as closing connections: it is cut short where the broker is
away.  So the exit code tells what became of the rounds and nothing else.
"""

import threading
import time
from collections.abc import Callable

from streams.engine.failure import exit_stopped, exit_unacknowledged

LOOK_S = 0.05

COURTESY_S = 3.0
"""How long connections may take to close; a broker that is there needs a tenth of it."""


class Ending:
    """
    The end of a worker.

    Args:
        rounds_s: How long rounds that are under way may take to finish.
        under_way: Whether there are any; asked from a thread of its own.
    """

    def __init__(self, *, rounds_s: float, under_way: Callable[[], bool]) -> None:
        self._rounds_s = rounds_s
        self._under_way = under_way
        self.begun = threading.Event()
        self.told = False
        """Whether somebody outside wants the end; otherwise it is a failure of ours."""

    @property
    def in_order(self) -> bool:
        """Whether the worker may end now as if it had done so by itself."""
        return self.told and not self._under_way()

    def begin(self, *, told: bool) -> None:
        """Have the process end in time; only the first call does anything."""
        if self.begun.is_set():
            return
        self.told = told
        self.begun.set()
        threading.Thread(target=self._watch, name="ending", daemon=True).start()

    def _watch(self) -> None:
        until = time.monotonic() + self._rounds_s
        while self._under_way():
            if time.monotonic() > until:
                exit_unacknowledged("a round was still under way")
            time.sleep(LOOK_S)
        time.sleep(COURTESY_S)
        if self.in_order:
            exit_stopped("connections were still open")
        exit_unacknowledged("it did not stop in time")
