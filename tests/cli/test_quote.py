import json
from pathlib import Path

import pytest

BASKET = """
programme:
  programme: club
  version: 1
  zone: Europe/Moscow
  points: {bonus: {unit: 100, value: 100}}
  discount_lanes: [offer]
  points_lanes: [base]
campaigns:
  - {campaign: tenth, version: 1, title: A tenth off, lane: offer, gives: {percent_off: 1000}}
  - {campaign: point, version: 1, lane: base, gives: {points_percent: 500}}
  - {campaign: wine, version: 1, lane: offer, goods: {kind: wine}, gives: {percent_off: 5000}}
member: {id: m-1, version: 4, lots: [{id: L1, points: 20}]}
basket:
  time: 2026-02-07T12:00:00+03:00
  redeem: max
  lines:
    - {line: 1, sku: tea, quantity: 2000, price: 5000, attributes: {kind: tea}}
"""


@pytest.fixture
def basket(tmp_path):
    """Write a basket's file."""
    path = tmp_path / "basket.yaml"
    path.write_text(BASKET, encoding="utf-8")
    return str(path)


def test_a_quote_reads_as_a_till_prints_it(call, basket):
    """Goods, what is taken off, what points pay, what is due; then why not more."""
    told = call("quote", basket).out.splitlines()

    figures = {line[:-12].strip(): line[-12:].strip() for line in told if line[-3:-2] == "."}
    assert figures["2 × tea at 50.00"] == "100.00"
    assert figures["A tenth off"] == "-10.00"
    assert figures["20 points"] == "-20.00"
    assert figures["To pay"] == "70.00"
    assert any(line.startswith("Earns 4 bonus: point") for line in told)
    assert "Not applied: wine finds none of its goods here." in told


def test_a_quote_as_json_is_as_the_worked_examples(call, basket):
    """Exact integers, and the certificate of the search."""
    quoted = json.loads(call("quote", basket, "--json").out)

    assert (quoted["discount"], quoted["to_pay"], quoted["earn"]) == (1000, 7000, {"point": 4})
    assert quoted["redeem"] == {"lots": {"L1": 20}, "max": 20, "total": 20}
    assert quoted["proven"] is True
    assert quoted["not_applied"]["wine"] == {"reason": "goods", "unknown": []}


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("quantity: 2000", "quantity: 2.5", "lines[0].quantity: 2.5 is not a whole number"),
        ("time: 2026-02-07T12:00:00+03:00", "time: soon", "time: 'soon' is not a date"),
        ("basket:", "trolley:", "has no key basket"),
        ("programme:\n", "programme: [\n", "is not YAML"),
        ("lane: base", "lane: bass", "lane"),
    ],
)
def test_what_is_wrong_with_a_basket_is_named(call, basket, was, is_now, said):
    """One line with the place, and exit code 2."""
    Path(basket).write_text(BASKET.replace(was, is_now, 1), encoding="utf-8")

    ended = call("quote", basket)

    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_basket_that_is_not_there_is_wrong_usage(call):
    """As any path."""
    ended = call("quote", "nowhere.yaml")

    assert ended.code == 2
    assert "error NO_FILE" in ended.err
