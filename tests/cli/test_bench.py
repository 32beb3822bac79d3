import json

import pytest

BENCHMARK = '''
"""A benchmark that takes no time."""


def run(*, quick):
    """Measure nothing."""
    return {
        "speed": {"value": 12.5, "unit": "µs", "baseline": 25.0, "ratio": 2.0,
                  "goal": "2× or more", "met": quick},
        "rival": {"value": None, "unit": "µs", "goal": "not measured: it is not here"},
    }
'''


@pytest.fixture(autouse=True)
def _folder(monkeypatch, tmp_path):
    """Look for benchmarks in a folder with one."""
    (tmp_path / "toy.py").write_text(BENCHMARK, encoding="utf-8")
    monkeypatch.setattr("streams.cli.bench.FOLDER", tmp_path)


def test_the_last_line_is_one_object(call):
    """Measure → value, unit, baseline, ratio, goal, met."""
    last = call("bench", "toy", "--quick", "--json").out.splitlines()[-1]

    assert json.loads(last) == {
        "speed": {
            "value": 12.5,
            "unit": "µs",
            "baseline": 25.0,
            "ratio": 2.0,
            "goal": "2× or more",
            "met": True,
        },
        "rival": {
            "value": None,
            "unit": "µs",
            "baseline": None,
            "ratio": None,
            "goal": "not measured: it is not here",
            "met": None,
        },
    }


def test_a_missed_goal_fails_when_checked(call):
    """Without --check it is told and nothing else."""
    assert call("bench", "toy").code == 0
    assert call("bench", "toy", "--check").code == 1
    assert call("bench", "toy", "--quick", "--check").code == 0


def test_an_unknown_benchmark_names_those_there_are(call):
    """Also in the list that comes without a name."""
    assert "choose one of toy" in call("bench", "nope").err
    assert call("bench").out == "toy\n"
