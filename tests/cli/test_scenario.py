import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "streams" / "scenarios" / "example.yaml").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    """Write the example with parts replaced."""

    def write(*changes):
        text = EXAMPLE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "story.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_story_that_happens_as_written_ends_with_0(call, written):
    """And nothing is said of it but that it passed."""
    ended = call("scenario", "run", written())
    assert (ended.code, ended.out) == (0, "1 scenarios, 0 failed.\n")


def test_a_difference_is_shown_with_its_line_and_what_happened(call, written):
    """What was expected, what came, and the postings that explain it."""
    path = written(("earned: 120", "earned: 121"), ("money: 6.00", "money: 6.10"))
    ended = call("scenario", "run", path)
    assert ended.code == 1
    assert f"step 1, sale S1 of ann on 2026-03-02 12:00 ({path}:24)" in ended.out
    assert "line 30, earned\n      expected  121\n      came      120\n" in ended.out
    assert "refund.money\n      expected  6.10\n      came      6.00\n" in ended.out
    assert "clawback 60 bonus of lot S1 base" in ended.out


def test_a_refusal_that_nobody_expected_is_a_difference(call, written):
    """A step without `expect` expects to be taken."""
    ended = call("scenario", "run", written(("of: S1, line: 1", "of: S1, line: 2, sku: milk")))
    assert ended.code == 1
    assert "expected  ok\n      came      refused RETURN_UNKNOWN_LINE" in ended.out


@pytest.mark.parametrize(
    ("slip", "place", "hint"),
    [
        (("sale: S1", "sal: S1"), ":24:5:", "did you mean sale?"),
        (("earned: 120", "earnd: 120"), ":30:7:", "did you mean earned?"),
        (("price: 1.20", "price: 120"), ":18:17:", "write 120.00 or 1.20"),
        (("title: A", "titel: A"), ":2:1:", "did you mean title?"),
        (("lane: base", "lane: bas"), ":14:11:", "did you mean base?"),
        (("clawback: unlimited", "clawback: none"), ":8:22:", "known here: unlimited"),
        (("of: S1, line: 1", "off: S1, line: 1"), ":39:10:", "did you mean of?"),
    ],
)
def test_a_slip_is_told_with_its_place_and_what_was_meant(call, written, slip, place, hint):
    """By `check`, which runs nothing, as by `run`."""
    path = written(slip)
    for verb in ("check", "run"):
        ended = call("scenario", verb, path)
        assert ended.code == 1
        assert f"{path}{place}" in ended.out
        assert hint in ended.out


def test_a_story_of_somebody_unknown_says_so(call, written):
    """What only playing can find has its place as well."""
    ended = call(
        "scenario", "run", written(("member: ann\n    returns", "member: bob\n    returns"))
    )
    assert ended.code == 1
    assert "steps[1].member: no member bob; known are ann" in ended.out


def test_json_holds_what_a_program_needs(call, written):
    """The whole report, and nothing else."""
    ended = call("scenario", "run", "--json", written(("earned: 120", "earned: 121")))
    (report,) = json.loads(ended.out)
    (failure,) = report["failures"]
    assert failure["differences"] == [
        {"path": "earned", "line": 30, "expected": "121", "got": "120"}
    ]


def test_a_folder_without_stories_is_wrong_use(call, tmp_path):
    """The next step is how to begin one."""
    ended = call("scenario", "run", str(tmp_path))
    assert ended.code == 2
    assert "loyalty scenario new" in ended.err


def test_new_prints_a_story_that_runs(call, tmp_path):
    """What is printed can be saved and run."""
    path = tmp_path / "first.yaml"
    path.write_text(call("scenario", "new").out, encoding="utf-8")
    assert call("scenario", "run", str(tmp_path)).code == 0
