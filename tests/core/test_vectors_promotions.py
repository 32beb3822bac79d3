"""The worked examples of promotions.md, as shipped."""

import json
from pathlib import Path

import pytest

from streams.core.vectors_promotions import VectorsError, run, run_one

DOCUMENT = json.loads((Path(__file__).parent / "vectors" / "promotions.json").read_text())
VECTORS = {vector["name"]: vector for vector in DOCUMENT["vectors"]}


@pytest.mark.parametrize("name", VECTORS)
def test_the_core_agrees_with(name):
    """Every figure of the example is exact."""
    assert list(run_one(VECTORS[name])) == []


def test_all_examples_are_run():
    """No two share a name, and none is lost on the way."""
    assert len(VECTORS) == len(DOCUMENT["vectors"]) == 124


def test_a_wrong_figure_is_named_by_its_path():
    """One changed figure is one difference."""
    vector = json.loads(json.dumps(VECTORS["worked example"]))
    vector["expected"]["lines"][1]["earn"]["base"] = 82
    (difference,) = run({"vectors": [vector]})

    assert (
        difference.name,
        difference.path,
        difference.expected,
        difference.got,
    ) == ("worked example", "lines[1].earn.base", 82, 81)


def test_what_cannot_be_run_is_a_difference():
    """A document that the core refuses, and a kind it does not know."""
    broken = {"name": "broken", "kind": "quote", "given": {"programme": {}}, "expected": {}}
    strange = {"name": "strange", "kind": "tea", "given": [], "expected": []}

    assert [(each.name, each.path) for each in run({"vectors": [broken, strange]})] == [
        ("broken", ""),
        ("strange", "kind"),
    ]
    with pytest.raises(VectorsError):
        run({"vectors": None})
