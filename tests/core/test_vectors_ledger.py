"""The worked histories of ledger.md, as shipped."""

import json
from pathlib import Path

import pytest

from streams.core.vectors_ledger import VectorsError, run, run_one

DOCUMENT = json.loads((Path(__file__).parent / "vectors" / "ledger.json").read_text())
VECTORS = {vector["name"]: vector for vector in DOCUMENT["vectors"]}


@pytest.mark.parametrize("name", VECTORS)
def test_the_ledger_agrees_with(name):
    """Every figure, entry and chain of the history is exact."""
    assert list(run_one(VECTORS[name], DOCUMENT["defaults"])) == []


def test_all_histories_and_sums_are_run():
    """No two share a name, and none is lost on the way."""
    assert len(VECTORS) == len(DOCUMENT["vectors"]) == 82
    assert run({**DOCUMENT, "vectors": []}) == []


def test_a_wrong_balance_is_named_by_its_path():
    """One changed figure is one difference."""
    vector = json.loads(json.dumps(VECTORS["pending, then active"]))
    (account,) = vector["expect"]["accounts"].values()
    account["balances"]["P"]["active"] += 1
    (difference,) = run_one(vector, DOCUMENT["defaults"])

    assert difference.path.endswith("balances.P.active")
    assert difference.expected == difference.got + 1


def test_what_cannot_be_run_is_a_difference():
    """An event that nobody knows, and a file that is none."""
    strange = {"name": "strange", "events": [{"type": "tea"}], "expect": {}}

    assert [(each.name, each.path) for each in run({"vectors": [strange]})] == [("strange", "")]
    with pytest.raises(VectorsError):
        run({"vectors": None})


def test_a_file_without_postings_binds_the_figures_alone():
    """Their order is an implementation's own; a posting that is there must agree."""
    vector = json.loads(json.dumps(VECTORS["pending, then active"]))
    first, *_ = (each for each in vector["expect"]["results"].values() if "chain" in each)
    del first["chain"], first["entries"]
    assert list(run_one(vector, DOCUMENT["defaults"])) == []
    first["chain"] = "0" * 64
    assert [each.path.split(".")[-1] for each in run_one(vector, DOCUMENT["defaults"])] == ["chain"]
