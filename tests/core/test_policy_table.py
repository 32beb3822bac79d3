"""The table of policies says what the programme takes and the ledger does."""

import re
from pathlib import Path

import pytest
from msgspec import to_builtins

from streams.core.grammar import Flag, Word
from streams.core.policy import LedgerPolicy, ledger_policy
from streams.core.programme import LEDGER

TABLE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
ROWS = {
    key: (default.strip("`"), set(re.findall(r"`(\w+)`", others)))
    for key, default, others in re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", TABLE, re.MULTILINE
    )
}
# The programme says which points can be redeemed, and where it is.
ELSEWHERE = {"currency"}


def test_the_programme_takes_every_policy_and_the_table_tells_of_it():
    """No key is missing in one of the three."""
    assert set(ROWS) == set(LEDGER.fields) == set(LedgerPolicy.__struct_fields__) - ELSEWHERE


@pytest.mark.parametrize("key", sorted(ROWS))
def test_the_default_in_the_table_is_the_default(key):
    """As the programme document would write it."""
    value = to_builtins(getattr(ledger_policy(), key))
    if key in ("tier", "sources"):
        assert (value, ROWS[key][0]) == (None, "none")
        return
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if each is not None}
        text = "{" + ", ".join(f"{name}: {each}" for name, each in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(value) + "]"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    assert ROWS[key][0].strip() == text


@pytest.mark.parametrize(
    "key", sorted(key for key, shape in LEDGER.fields.items() if isinstance(shape, Word | Flag))
)
def test_every_alternative_in_the_table_is_accepted_and_no_other(key):
    """The default and the others are all the words that there are."""
    shape = LEDGER.fields[key]
    words = shape.words if isinstance(shape, Word) else ("true", "false")
    assert {ROWS[key][0].strip("` "), *ROWS[key][1]} == set(words)
    for word in words:
        value = word == "true" if isinstance(shape, Flag) else word
        assert getattr(ledger_policy({key: value}), key) == value
