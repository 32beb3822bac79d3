import json

import pytest

SPREAD = {
    "format": 1,
    "about": "one spread",
    "vectors": [
        {
            "name": "thirds",
            "kind": "spread",
            "given": [10, [1, 1, 1]],
            "expected": [4, 3, 3],
        }
    ],
}
EARN = {
    "format": 1,
    "about": "one receipt",
    "defaults": {
        "zone": "Europe/Moscow", "point_value": 100, "clawback": "unlimited",
        "claw_basis": "line_share", "reinstate": {"mode": "original"}, "no_receipt": "newest",
        "no_receipt_days": 60, "max_late_days": 30, "skew_minutes": 10, "park_days": 30,
        "adjust_limit": 10000, "budget_short": "partial", "budget_on_return": "release",
        "limit_on_return": "release", "surplus_expiry": {"months": 12}, "tier": None,
        "classes": ["specific", "birthday", "regular"],
    },
    "arithmetic": [],
    "vectors": [
        {
            "name": "a sale earns", "cases": [], "policy": {},
            "rules": [{"id": "five", "kind": "percent", "bp": 500, "lot": {}}],
            "budgets": {},
            "events": [
                {
                    "type": "receipt", "id": "r1", "account": "a1",
                    "sold_at": "2026-02-07T09:00:00Z",
                    "lines": [{"n": 1, "sku": "tea", "qty": 1000, "amount": 20000}],
                }
            ],
            "expect": {"responses": [{"id": "r1", "status": "ok"}]},
        }
    ],
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Write a file of worked examples."""

    def write(document):
        path = tmp_path / "vectors.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    return write


def test_examples_that_agree_end_with_0(call, written):
    """And say how many were run."""
    ended = call("vectors", "run", written(SPREAD))

    assert (ended.code, ended.err) == (0, "")
    assert "1 vectors, 0 differences" in ended.out


def test_each_difference_is_named_with_its_path(call, written):
    """What was expected, and what came."""
    (vector,) = SPREAD["vectors"]
    wrong = written(SPREAD | {"vectors": [vector | {"expected": [3, 3, 4]}]})

    ended = call("vectors", "run", wrong)

    assert ended.code == 1
    assert "thirds: [0]: expected 3, got 4" in ended.out
    assert "thirds: [2]: expected 4, got 3" in ended.out
    (report,) = json.loads(call("vectors", "run", wrong, "--json").out)
    assert [each["path"] for each in report["differences"]] == ["[0]", "[2]"]


def test_histories_go_to_the_ledger(call, written):
    """They are told by their events."""
    ended = call("vectors", "run", written(EARN))

    assert ended.code == 1
    assert "a sale earns" in ended.out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"vectors": 3}', "null", "nonsense"])
def test_what_is_no_file_of_examples_is_one_line(call, tmp_path, text):
    """Never a stack of Python."""
    path = tmp_path / "vectors.json"
    path.write_text(text, encoding="utf-8")

    ended = call("vectors", "run", str(path))

    assert ended.code == 1
    assert ended.err.startswith("error VECTORS: ")
