"""`loyalty reconcile`: the books, checked by a reader that trusts no stage."""

from collections.abc import Sequence
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.connection import codec, reading, settings
from streams.cli.errors import FAILED
from streams.reading.audit import Auditor
from streams.reading.checks import Check
from streams.topics import Names

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
# Records between two words of progress: some seconds of reading.
PROGRESS_EVERY = 100_000


@app.command()
def reconcile(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """
    Check from the topics alone that every receipt has its result and every point adds up.

    Run it when the workers have caught up: what is still on its way has no result yet.
    Exit code 1 if anything does not hold.
    """
    chosen = settings(context)
    with reading(chosen):
        names = Names(chosen.tenant)
        report = Auditor(chosen.client(), names, codec(chosen), progress=_progress).audit()
    if json:
        # The side that points come from runs below 0; what was issued is its opposite.
        totals = {
            currency: sides | {"issued": -sides.get("issued", 0)}
            for currency, sides in report.totals.items()
        }
        output.print_json({"holds": report.holds, "checks": report.checks, "totals": totals})
    else:
        for line in told(report.checks):
            output.say(line)
    if not report.holds:
        raise typer.Exit(FAILED)


def told(checks: Sequence[Check]) -> list[str]:
    """Write checks: what must hold, and below it what was counted and the first exceptions."""
    lines = []
    for check in checks:
        figures = ", ".join(f"{name} {value:,}" for name, value in check.figures.items())
        lines += [f"{'✓' if check.holds else '✗'} {check.name}", f"    {figures}"]
        lines += [f"    {problem}" for problem in check.problems]
    lines.append("")
    holds = all(check.holds for check in checks)
    lines.append("Everything holds." if holds else "The books do not balance.")
    return lines


def _progress(topic: str, count: int) -> None:
    if count and count % PROGRESS_EVERY == 0:
        output.note(f"{topic}: {count:,} records read")
