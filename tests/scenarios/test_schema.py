"""The published form of scenario files."""

import json
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from streams.scenarios.document import scenario_files
from streams.scenarios.publishing import scenario_schema

ROOT = Path(__file__).parents[2]
FILE = ROOT / "schemas" / "scenario.schema.json"
VALIDATOR = Draft202012Validator(scenario_schema())
SHIPPED = scenario_files(ROOT / "scenarios")


def as_editors_see(value):
    """Take times as text: editors know no others."""
    if isinstance(value, dict):
        return {str(key): as_editors_see(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_editors_see(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def loaded(text):
    """Read YAML as an editor does."""
    return as_editors_see(YAML(typ="safe", pure=True).load(text))


def test_the_published_schema_is_current():
    """It is `scenario_schema()` with an indent of 2."""
    text = json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
    assert FILE.read_text(encoding="utf-8") == text


def test_every_shipped_scenario_has_the_published_form():
    """What runs must not be marked as wrong by an editor."""
    for path in SHIPPED:
        document = loaded(path.read_text(encoding="utf-8"))
        assert not list(VALIDATOR.iter_errors(document)), path


@pytest.mark.parametrize(
    "text",
    [
        "{title: a, steps: []}",
        "{steps: [{time_passes: 2026-03-02}]}",
        "{title: a, steps: [{sale: S1}]}",
        "{title: a, steps: [{sal: S1, at: 2026-03-02}]}",
        "{title: a, stories: [], steps: [{time_passes: 2026-03-02}]}",
        "{title: a, steps: [{sale: S1, at: 2026-03-02, lines: [{sku: a, pieces: 1.5}]}]}",
        "{title: a, steps: [{sale: S1, at: 2026-03-02, expect: {earnd: 1}}]}",
    ],
)
def test_a_slip_is_seen_by_the_schema(text):
    """By editors, before the file is run."""
    assert list(VALIDATOR.iter_errors(loaded(text)))
