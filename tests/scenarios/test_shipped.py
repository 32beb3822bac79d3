"""Every shipped scenario happens as it is written."""

from pathlib import Path

import pytest

from streams.scenarios.document import scenario_files
from streams.scenarios.running import run_file

ROOT = Path(__file__).parents[2]
SHIPPED = scenario_files(ROOT / "scenarios")
EXAMPLE = ROOT / "streams" / "scenarios" / "example.yaml"


def name(path):
    """Name a scenario by its folder and file."""
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", [*SHIPPED, EXAMPLE], ids=name)
def test_what_is_written_happens(path):
    """A difference is shown as `loyalty scenario run` shows it."""
    report = run_file(path)
    assert report.passed, (report.problems, report.failures)
