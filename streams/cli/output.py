"""
How verbs print: tables for people, JSON for programs, progress on stderr.

With `--json` stdout holds JSON and nothing else: one document, or one a line where a verb
prints as it goes.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Table

# A pipe has no width; what is narrower would break lines that people grep.
PIPE_WIDTH = 200
DIGITS = 8  # Of an id, where a table needs it short.

Json = typer.Option("--json", help="Print JSON instead of text.")


def console(*, stderr: bool = False) -> Console:
    """Open the terminal as it is now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def say(text: str = "") -> None:
    """Print a line as it is."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line that is no part of the answer, on stderr."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print *value* as one line of JSON."""
    typer.echo(msgspec.json.encode(value).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* under *columns*; numbers go to the right."""
    cells = [[_cell(each) for each in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(_numeric(row[index]) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    # rich pads every line to the table's width, which breaks copies and comparisons.
    printer = console()
    with printer.capture() as captured:
        printer.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if type(value) is int else str(value)


def _numeric(text: str) -> bool:
    return text == "–" or text.lstrip("-").replace(",", "").replace(".", "").isdigit()


def when(at_ms: int | None, zone: ZoneInfo | None = None) -> str:
    """Write an instant to the minute in *zone*, or in UTC with a Z; None is a dash."""
    if at_ms is None:
        return "–"
    at = datetime.fromtimestamp(at_ms / 1000, zone or UTC)
    return at.strftime("%Y-%m-%d %H:%M") + ("" if zone else "Z")


def since(valid_from: int) -> str:
    """Write from when a document serves; 0 stands for always."""
    return "always" if valid_from == 0 else when(valid_from)


def money(minor: int, exponent: int) -> str:
    """Write minor units as people do: 1234 with two digits is 12.34."""
    sign, units = ("-" if minor < 0 else ""), abs(minor)
    if exponent == 0:
        return f"{sign}{units:,}"
    whole, part = divmod(units, 10**exponent)
    return f"{sign}{whole:,}.{part:0{exponent}}"


def quantity(thousandths: int) -> str:
    """Write thousandths without needless zeros: 1500 is 1.5."""
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03}".rstrip("0").rstrip(".")
