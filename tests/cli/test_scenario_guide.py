"""What docs/scenarios.md says."""

import re
from pathlib import Path

from streams.scenarios.grammar import HEAD, OF_DOCUMENT, OF_QUOTE, VERBS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")


def test_the_story_of_the_guide_ends_as_shown(call, tmp_path, monkeypatch):
    """With the difference that the guide shows, character by character."""
    (story,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("story.yaml").write_text(story, encoding="utf-8")
    ended = call("scenario", "run", "story.yaml")
    shown = re.search(r"this is shown:\n\n(.*?)\n\n[A-Z]", GUIDE, re.DOTALL)[1]
    expected = re.sub(r"^ {4}", "", shown, flags=re.MULTILINE)
    assert ended.out.startswith(expected)


def test_the_slip_of_the_guide_is_told_as_shown(call, tmp_path, monkeypatch):
    """With the line and column of the guide's own story."""
    (story,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("story.yaml").write_text(story.replace("sale: S1", "sal: S1"), encoding="utf-8")
    (shown,) = re.findall(r"^ {4}(story.yaml:.*no verb.*)$", GUIDE, re.MULTILINE)
    assert shown in call("scenario", "check", "story.yaml").out


def test_no_word_of_the_grammar_is_left_out():
    """Every key of a file, every verb, every expectation."""
    words = set(re.findall(r"[a-z_]+", GUIDE))
    for known in (HEAD.fields, VERBS, OF_DOCUMENT.fields, OF_QUOTE.fields):
        assert set(known) <= words
