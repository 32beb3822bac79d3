"""`loyalty scenario`: stories of a shop, run through the core."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.errors import FAILED, USAGE, VerbError
from streams.scenarios.document import read_scenario, scenario_files
from streams.scenarios.running import Failure, Report, run_file
from streams.scenarios.table import RULES, rules_of
from streams.scenarios.table import table as write_table
from streams.written_documents import DocumentFileError, Problem

app = typer.Typer(
    help="Run stories of a shop through the core.", add_completion=False,
    rich_markup_mode="markdown",
)  # fmt: skip
Paths = Annotated[list[Path], typer.Argument(help="Scenario files, or folders of them.")]


@app.callback()
def scenario() -> None:
    """Run stories of a shop through the core."""


@app.command()
def run(
    paths: Paths,
    *,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Run scenarios and show where what came is not what was expected.

    Needs no broker.  Exit code 1 if anything differs or a file is wrong.
    """
    reports = [run_file(path) for path in _files(paths)]
    if json:
        output.print_json(reports)
    else:
        for report in reports:
            _show(report)
        failed = sum(not report.passed for report in reports)
        output.say(f"{len(reports)} scenarios, {failed} failed.")
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)


@app.command()
def check(paths: Paths, *, json: Annotated[bool, output.Json] = False) -> None:
    """Check the form of scenarios without running them.  Exit code 1 if one is wrong."""
    files = _files(paths)
    problems: list[Problem] = []
    for file in files:
        try:
            read_scenario(file)
        except DocumentFileError as error:
            problems += error.problems
    if json:
        output.print_json({"files": len(files), "problems": problems})
    else:
        for problem in problems:
            output.say(str(problem))
        output.say(f"{len(files)} files checked, {len(problems)} problems.")
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def new() -> None:
    """Print a scenario to begin with, every line explained."""
    output.say(EXAMPLE.read_text(encoding="utf-8").rstrip())


@app.command()
def table(folder: Annotated[Path, typer.Argument(help="A folder with a rules.yaml.")]) -> None:
    """Print which scenarios show which rule, as Markdown."""
    if not (folder / RULES).is_file():
        raise VerbError("NO_FILE", f"there is no file {folder / RULES}", "check the path", USAGE)
    read = [read_scenario(each) for each in _files([folder])]
    output.say(write_table(rules_of(folder), read, folder))


EXAMPLE = Path(__file__).parents[1] / "scenarios" / "example.yaml"


def _files(paths: list[Path]) -> list[Path]:
    """
    List the files to run.

    Raises:
        VerbError: If a path does not exist, or there is no scenario at all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise VerbError("NO_FILE", f"there is no file {path}", "check the path", USAGE)
        found += scenario_files(path)
    if not found:
        raise VerbError(
            "NO_SCENARIO",
            f"no scenario in {', '.join(map(str, paths))}",
            "loyalty scenario new prints one to begin with",
            USAGE,
        )
    return found


def _show(report: Report) -> None:
    """Tell of a file only what is not as expected."""
    for problem in report.problems:
        output.say(str(problem))
    if not report.failures:
        return
    output.say(_coloured(f"{report.file}: {report.title}", bold=True))
    for failure in report.failures:
        _show_failure(report.file, failure)


def _show_failure(file: str, failure: Failure) -> None:
    output.say(f"  step {failure.number}, {failure.step} ({file}:{failure.line})")
    for each in failure.differences:
        output.say(f"    line {each.line}, {each.path}")
        output.say(_coloured(f"      expected  {each.expected}", "green"))
        output.say(_coloured(f"      came      {each.got}", "red"))
    output.say("    what happened")
    for line in failure.happened:
        output.say(f"      {line}")
    output.say()


def _coloured(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """Colour *text* where a person looks at it."""
    return typer.style(text, fg=colour, bold=bold) if sys.stdout.isatty() else text
