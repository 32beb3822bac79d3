"""What a demo says while it works: a line a step, a live table on a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

# Without a terminal there is no table to redraw: a line every so often tells enough.
LINE_SECONDS = 5.0
REDRAWS_A_SECOND = 4
# Shows a table as it is now, or a line that stands for it where no terminal is.
Show = Callable[[RenderableType, str], None]


class Screen:
    """
    Where a demo writes.

    Args:
        console: A terminal, a pipe or a file.
        quiet: Whether the table is left out, because another output is wanted.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self._live = console.is_terminal and not quiet

    def say(self, text: str = "") -> None:
        """Write a line."""
        self.console.print(text)

    @contextmanager
    def step(self, doing: str) -> Iterator[Callable[[str], None]]:
        """
        Show that a step is under way, and what it has come to.

        Gives a function that notes how far it is; its last word stands beside the step.
        """
        began = written = time.monotonic()
        last = ""

        def note(text: str) -> None:
            nonlocal last, written
            last = text
            if status is not None:
                status.update(f"{doing}: {text}")
            elif time.monotonic() - written >= LINE_SECONDS:
                written = time.monotonic()
                self.say(f"  {doing}: {text}")

        status = self.console.status(doing) if self._live else None
        if status is None:
            self.say(f"… {doing}")
            yield note
        else:
            with status:
                yield note
        told = f"{doing}: {last}" if last else doing
        self.say(f"✓ {told} ({time.monotonic() - began:.1f} s)")

    @contextmanager
    def table(self) -> Iterator[Show]:
        """Show a table that changes."""
        if self._live:
            with Live(console=self.console, refresh_per_second=REDRAWS_A_SECOND) as live:
                yield lambda table, _: live.update(table)
            return
        written = time.monotonic()

        def line(_: RenderableType, text: str) -> None:
            nonlocal written
            if time.monotonic() - written >= LINE_SECONDS:
                written = time.monotonic()
                self.say(f"  {text}")

        yield line
