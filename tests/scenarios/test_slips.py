"""Whatever is written in a file, a report comes of it."""

import random
import re
from pathlib import Path

import pytest

from streams.scenarios.document import scenario_files
from streams.scenarios.running import Report, run_file

SHIPPED = scenario_files(Path(__file__).parents[2] / "scenarios")
WORDS = ("0", "-1", "99999999999999999999", "null", "[]", "{}", "x", "1.5", "10%", "true", '""',
         "2026-13-45", "9999-12-31", "0001-01-01", "S1", "ann", "{a: b}", '"---"')  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_slip_never_stops_the_runner(seed, tmp_path):
    """One or two words of a shipped scenario are replaced, lost or swapped."""
    chance = random.Random(seed)  # noqa: S311 - a test's own choice.
    text = chance.choice(SHIPPED).read_text(encoding="utf-8")
    for _ in range(chance.randint(1, 2)):
        start, end = chance.choice([each.span() for each in re.finditer(r"[\w.:%-]+", text)])
        text = text[:start] + chance.choice(("", *WORDS)) + text[end:]
    path = tmp_path / "slip.yaml"
    path.write_text(text, encoding="utf-8")
    assert isinstance(run_file(path), Report)


def test_an_identifier_that_is_none_is_told(tmp_path):
    """Members are registered before the first step."""
    path = tmp_path / "nobody.yaml"
    path.write_text('{title: a, members: {ann: {card: "---"}}, steps: [{time_passes: 2026-01-01}]}')
    (problem,) = run_file(path).problems
    assert problem.path == "members"


def test_broken_files_are_not_passed_over(tmp_path):
    """A file that can't be read is reported and not taken for another kind."""
    (tmp_path / "other.yaml").write_text("rules: none\n", encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"steps: \xff")
    assert scenario_files(tmp_path) == [broken]
    assert not run_file(broken).passed
