"""The shipped scenarios leave out no rule and no refusal."""

from pathlib import Path

import pytest

from streams.core.refusals import ADJUSTMENT_CODES, MEMBER_CODES, RECEIPT_CODES
from streams.core.routing import UNMATCHED
from streams.scenarios.document import read_scenario, scenario_files
from streams.scenarios.table import REFUSAL, rules_of, table

FOLDER = Path(__file__).parents[2] / "scenarios"
RULES = rules_of(FOLDER)
SHIPPED = [read_scenario(path) for path in scenario_files(FOLDER)]
COVERED = {key for each in SHIPPED for key in each.covers}
FRONT_CODES = {
    "PRICE_CHANGED", "BUDGET_SPENT", "HOLD_CONFLICT", "HOLD_ENDED", "HOLD_EXCEEDS",
    "HOLD_TOO_YOUNG",
}  # fmt: skip
CODES = {
    *RECEIPT_CODES, *ADJUSTMENT_CODES, *MEMBER_CODES, *FRONT_CODES, UNMATCHED, "IDENTIFIER_TAKEN",
}  # fmt: skip
# §5 of promotions.md is a list, each of its entries a rule; §11 of ledger.md are examples.
SECTIONS = {
    *(f"promotions {n}" for n in (1, 2, 3, 4, 6, 7)),
    *(f"promotions 5.{n}" for n in range(1, 8)),
    *(f"ledger {n}" for n in range(1, 12)),
}


def refusals_expected(scenario):
    """Give the codes that the steps of a scenario expect to be answered."""
    for step in scenario.steps:
        expected = step.fields.get("expect", {})
        yield expected.get("refused")
        yield from expected.get("results", {}).values()
        if expected.get("conflict"):
            yield "CONFLICT"
        if expected.get("waits"):
            yield "ORIGINAL_UNKNOWN"


def test_there_are_at_least_sixty():
    """And each has a title and says why."""
    assert len(SHIPPED) >= 60
    assert all(each.title and each.why and each.covers for each in SHIPPED)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_shown(rule):
    """By one scenario at least."""
    assert rule in COVERED


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_refusal_is_shown(code):
    """By a scenario that names it and expects it."""
    named = [each for each in SHIPPED if f"{REFUSAL}{code}" in each.covers]
    assert any(code in refusals_expected(each) for each in named)


def test_every_section_of_both_specifications_has_rules():
    """A section that is forgotten has none."""
    assert {" ".join(key.split()[:2]) for key in RULES} == SECTIONS


def test_no_scenario_names_a_rule_that_there_is_not():
    """A misspelt key would cover nothing."""
    known = {*RULES, *(f"{REFUSAL}{code}" for code in CODES)}
    assert known >= COVERED


def test_the_table_of_the_readme_is_current():
    """Print it with `loyalty scenario table scenarios`."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert table(RULES, SHIPPED, FOLDER) in text
