"""An expectation that cannot fail says nothing: each kind of them is made wrong once."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from streams.scenarios.document import read_scenario, scenario_files
from streams.scenarios.running import run

FOLDER = Path(__file__).parents[2] / "scenarios"
SHIPPED = [read_scenario(path) for path in scenario_files(FOLDER)]
# What stands for a name of the scenario's own, so that one of each kind is enough.
OWN = ("lots", "balances", "results", "earned", "earns", "off", "redeemed", "earn", "lines",
       "not_applied", "new_lots", "variance")  # fmt: skip


def leaves(value, path=()):
    """List the path of every value within an expectation that is no map."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    else:
        yield path, value


def kind(verb, path):
    """Name an expectation without the names of one scenario."""
    words, own = [verb], False
    for step in path:
        words.append("*" if own else step)
        own = not own and step in OWN
    return tuple(words)


def one_of_each():
    """Choose one expectation of each kind: scenario, step, path, value."""
    found = {}
    for scenario in SHIPPED:
        for index, step in enumerate(scenario.steps):
            for path, value in leaves(step.fields.get("expect", {})):
                name = (*kind(step.verb, path), type(value).__name__)
                found.setdefault(name, (scenario, index, path, value))
    return [pytest.param(*case, id=".".join(name)) for name, case in found.items()]


def wrong(value):
    """Give another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return [{key: wrong(each) for key, each in value[0].items()}, *value[1:]]
        return [*value, "more"]
    if re.match(r"[0-9]{4}-|never", value):
        return "1999-01-01"
    return "another"


def changed(expected, path, value):
    """Give *expected* with *value* at *path*."""
    if not path:
        return value
    return {**expected, path[0]: changed(expected[path[0]], path[1:], value)}


@pytest.mark.parametrize(("scenario", "index", "path", "value"), one_of_each())
def test_an_expectation_made_wrong_fails(scenario, index, path, value):
    """At its step and nowhere else."""
    steps = list(scenario.steps)
    fields = dict(steps[index].fields)
    fields["expect"] = changed(fields["expect"], path, wrong(value))
    steps[index] = replace(steps[index], fields=fields)
    report = run(replace(scenario, steps=tuple(steps)))
    assert [each.number for each in report.failures] == [index + 1]
