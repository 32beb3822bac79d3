"""`loyalty vectors`: worked examples in the format of the specifications, through the core."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from streams.cli import output
from streams.cli.errors import FAILED, USAGE, VerbError
from streams.core import vectors_ledger, vectors_promotions

app = typer.Typer(
    help="Run worked examples through the core.",
    add_completion=False,
    rich_markup_mode="markdown",
)


class Report(Struct, frozen=True):
    """What came of one file; each difference names the vector, the path and both values."""

    file: str
    vectors: int
    differences: list[Any]


@app.callback()
def vectors() -> None:
    """Run worked examples through the core."""


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(help="Files {format, about, vectors}.")],
    *,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Run files of worked examples and print each difference by name and path.

    Takes examples of promotions (spread, lot, quote) and of the ledger (histories of
    events), whichever a file holds.  Exit code 0 only if all agree.
    """
    reports = [_run(path) for path in files]
    if json:
        output.print_json(reports)
    else:
        for report in reports:
            for each in report.differences:
                where = each.path or "(whole)"
                output.say(f"{each.name}: {where}: expected {each.expected!r}, got {each.got!r}")
            count = len(report.differences)
            output.say(f"{report.file}: {report.vectors} vectors, {count} differences")
    if any(report.differences for report in reports):
        raise typer.Exit(FAILED)


def _run(path: Path) -> Report:
    """
    Run one file.

    Raises:
        VerbError: If it is no file of worked examples.
    """
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise VerbError("NO_FILE", f"{path}: {error.strerror}", "check the path", USAGE) from error
    except msgspec.DecodeError as error:
        raise VerbError("VECTORS", f"{path} is not JSON: {error}", "mend the file") from error
    runner = vectors_ledger if _is_ledger(document) else vectors_promotions
    try:
        differences = runner.run(document)
    except ValueError as error:
        raise VerbError(
            "VECTORS", f"{path}: {error}", "write {format, about, vectors: […]}"
        ) from error
    return Report(str(path), len(document["vectors"]), list(differences))


def _is_ledger(document: Any) -> bool:
    """Tell a file of histories: its vectors have events, and no kind."""
    if not isinstance(document, Mapping):
        return False
    found = document.get("vectors")
    first = found[0] if isinstance(found, list) and found else {}
    return isinstance(first, Mapping) and "events" in first
