"""`loyalty bench`: run one of the benchmarks and hold it to its goals."""

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from streams.cli import output
from streams.cli.errors import FAILED, USAGE, VerbError

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
FOLDER = Path(__file__).parents[2] / "benchmarks"


class Measure(Struct, frozen=True):
    """
    One measured figure.

    Attributes:
        value: What was measured; None where it could not be, and then the goal says why.
        baseline: What was measured beside it in the same run; None where nothing was.
        ratio: value ÷ baseline, or its inverse where less is better.
        goal: What it should be, in words; None where there is no goal.
        met: Whether the goal is met; None where there is none.
    """

    value: float | None
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    goal: str | float | None = None
    met: bool | None = None


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="A file of benchmarks/.")] = None,
    *,
    quick: Annotated[bool, typer.Option(help="A short run: tells order, not figures.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail on a missed goal.")] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Run a benchmark; without a name, list them.  With --json the last line is the result."""
    known = available()
    if name is None:
        output.print_json(known) if json else output.say("\n".join(known))
        return
    if name not in known:
        raise VerbError(
            "USAGE",
            f"there is no benchmark {name}",
            f"choose one of {', '.join(known) or 'none: benchmarks/ is in the checkout only'}",
            USAGE,
        )
    measures = measured(FOLDER / f"{name}.py", quick=quick)
    if json:
        output.print_json(measures)
    else:
        output.print_table(
            ("measure", "value", "unit", "baseline", "ratio", "goal", "met"),
            (
                (
                    measure,
                    _figure(each.value),
                    each.unit,
                    _figure(each.baseline),
                    _figure(each.ratio),
                    each.goal,
                    {None: "–", True: "✓", False: "✗"}[each.met],
                )
                for measure, each in measures.items()
            ),
        )
    if check and any(each.met is False for each in measures.values()):
        raise typer.Exit(FAILED)


def available() -> list[str]:
    """Name the benchmarks of the checkout: modules with a function `run`."""
    files = sorted(FOLDER.glob("*.py")) if FOLDER.is_dir() else []
    return [path.stem for path in files if "\ndef run(" in path.read_text(encoding="utf-8")]


def measured(path: Path, *, quick: bool) -> dict[str, Measure]:
    """
    Run the function `run` of a benchmark's file.

    Raises:
        VerbError: If what it returns are no measures.
    """
    spec = importlib.util.spec_from_file_location(f"benchmarks.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Any = module.run(quick=quick)
    try:
        return msgspec.convert(found, dict[str, Measure], from_attributes=True)
    except msgspec.ValidationError as error:
        raise VerbError(
            "BENCHMARK",
            f"{path.name} gave no measures: {error}",
            "run() returns measure → {value, unit, baseline, ratio, goal, met}",
        ) from error


def _figure(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
