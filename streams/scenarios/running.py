"""Running scenario files and telling what came of them."""

from pathlib import Path as FilePath

import msgspec
from msgspec import Struct

from streams.core.grammar import DocumentError
from streams.scenarios.comparing import Comparison, Difference
from streams.scenarios.document import Scenario, Step, read_scenario
from streams.scenarios.explaining import explained
from streams.scenarios.playing import Player, StoryError
from streams.written_documents import DocumentFileError, Problem


class Failure(Struct, frozen=True):
    """
    A step that did not end as expected.

    Attributes:
        number: Of the step, from 1.
        line: Where it begins.
        step: What it does, in a few words.
        happened: What came of it, explained line by line.
    """

    number: int
    line: int
    step: str
    differences: tuple[Difference, ...]
    happened: tuple[str, ...]


class Report(Struct, frozen=True):
    """
    What came of one file.

    Attributes:
        problems: Why it could not be run, or not to its end.
    """

    file: str
    title: str = ""
    steps: int = 0
    failures: tuple[Failure, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all happened as expected."""
        return not self.failures and not self.problems


def run_file(path: FilePath) -> Report:
    """Read and run one scenario; what is wrong with it is part of the report."""
    try:
        scenario = read_scenario(path)
    except DocumentFileError as error:
        return Report(str(path), problems=error.problems)
    return run(scenario)


def run(scenario: Scenario) -> Report:
    """Run *scenario* to its end: one difference may explain another."""
    try:
        player = Player(scenario)
    except ValueError as error:
        wrong = Problem(scenario.file, 1, 1, "members", str(error))
        return Report(scenario.file, scenario.title, problems=(wrong,))
    first: dict[str, bytes] = {}
    failures: list[Failure] = []
    for number, step in enumerate(scenario.steps, start=1):
        try:
            played = player.play(step)
        except (StoryError, DocumentError, msgspec.MsgspecError, ValueError) as error:
            problem = _problem(scenario, step, number, error)
            return Report(
                scenario.file, scenario.title, number, tuple(failures), problems=(problem,)
            )
        comparison = Comparison(player, played, first)
        differences = tuple(comparison.differences())
        if differences:
            happened = tuple(explained(comparison))
            failures.append(Failure(number, step.line, told(step), differences, happened))
    return Report(scenario.file, scenario.title, len(scenario.steps), tuple(failures))


def told(step: Step) -> str:
    """Say in a few words what *step* does: `sale S1 of ann on 2026-03-02 12:00`."""
    fields = step.fields
    words = [step.verb.replace("_", " "), step.name]
    if "member" in fields:
        words += ["of", str(fields["member"])]
    if "at" in fields:
        words += ["on", str(fields["at"]).replace("T", " ")]
    return " ".join(each for each in words if each)


def _problem(scenario: Scenario, step: Step, number: int, error: Exception) -> Problem:
    path = error.path if isinstance(error, StoryError | DocumentError) else ()
    line = step.line_of(tuple(path))
    where = ".".join(map(str, (f"steps[{number - 1}]", *path)))
    return Problem(scenario.file, line, 1, where, str(error))
