"""The table of rules and the scenarios that show them."""

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath

from ruamel.yaml import YAML

from streams.scenarios.document import Scenario

RULES = "rules.yaml"
REFUSAL = "refusal "


def rules_of(folder: FilePath) -> Mapping[str, str]:
    """Read the rules of a folder: each in words, by its key."""
    text = (folder / RULES).read_text(encoding="utf-8")
    found: Mapping[str, str] = YAML(typ="safe", pure=True).load(text)
    return found


def table(rules: Mapping[str, str], scenarios: Iterable[Scenario], folder: FilePath) -> str:
    """
    Write what shows each rule as Markdown, rules in their order, then refusal codes.

    Paths are written from *folder* on.
    """
    shown: dict[str, list[str]] = {}
    for each in scenarios:
        path = FilePath(each.file).relative_to(folder)
        link = f"[{path.with_suffix('').as_posix()}]({path.as_posix()})"
        for key in each.covers:
            shown.setdefault(key, []).append(link)
    codes = sorted(key for key in shown if key.startswith(REFUSAL))
    lines = ["| rule | shown by |", "|---|---|"]
    for key, words in rules.items():
        section, _, name = key.partition(" ")
        lines.append(f"| *{section}* {name}: {words} | {', '.join(shown.get(key, ()))} |")
    lines += ["", "| refusal | shown by |", "|---|---|"]
    lines += [f"| `{key.removeprefix(REFUSAL)}` | {', '.join(shown[key])} |" for key in codes]
    return "\n".join(lines)
