import json
import re
import textwrap
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "core" / "vectors"
BASKET = """
programme:
  programme: club
  version: 1
  zone: Europe/Moscow
  points: {bonus: {unit: 1.00, value: 1.00}}
  discount_lanes: [offer]
  points_lanes: [base]
campaigns:
  - {campaign: tenth, version: 1, title: A tenth off, lane: offer, gives: {percent_off: 10%}}
  - {campaign: point, version: 1, lane: base, gives: {points_percent: 5%}}
  - {campaign: wine, version: 1, lane: offer, goods: {kind: wine}, gives: {percent_off: 50%}}
member: {id: m-1, version: 4, lots: [{id: L1, points: 20}]}
basket:
  time: 2026-02-07 12:00
  redeem: max
  lines:
    - {sku: tea, pieces: 2, price: 50.00, attributes: {kind: tea}}
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
        ("50.00", "5000", ":18:36: basket.lines[0].price: 5000: write 5000.00 or 50.00"),
        ("50.00", "50.001", ":18:36: basket.lines[0].price: 50.001 has too many digits"),
        ("price", "prise", ":18:29: basket.lines[0].prise: unknown key prise; did you mean price"),
        (", price: 50.00", "", ":18:7: basket.lines[0].price: price is missing"),
        ("pieces: 2", "pieces: 2, quantity: 2.0", ":18:18: basket.lines[0].pieces: write pieces"),
        ("pieces: 2", "pieces: none", ":18:26: basket.lines[0].pieces: 'none' is not a whole"),
        ("2026-02-07 12:00", "soon", ":15:9: basket.time: 'soon' is not a date"),
        ("redeem", "redem", ":16:3: basket.redem: unknown key redem; did you mean redeem?"),
        ("points: 20", "points: -1", "member.lots[0].points: -1 is not a whole number"),
        ("basket:", "trolley:", "unknown key trolley"),
        ("programme:\n", "programme: [\n", "not YAML"),
        ("lane: base", "lane: bass", "lane: no such lane"),
    ],
)
def test_what_is_wrong_with_a_basket_is_named(call, basket, was, is_now, said):
    """With line and column, and what would be right."""
    Path(basket).write_text(BASKET.replace(was, is_now, 1), encoding="utf-8")

    ended = call("quote", basket)

    assert ended.code == 1
    assert said in ended.err


def test_a_basket_that_is_not_there_is_wrong_usage(call):
    """As any path."""
    ended = call("quote", "nowhere.yaml")

    assert ended.code == 2
    assert "error NO_FILE" in ended.err


def test_all_slips_are_told_at_once(call, basket):
    """In the order of lines."""
    Path(basket).write_text(
        BASKET.replace("price", "prise").replace("redeem", "redem"), encoding="utf-8"
    )
    told = [line.split(": ")[1] for line in call("quote", basket).err.splitlines()]
    assert told[:2] == ["basket.redem", "basket.lines[0].prise"]


def test_coupons_weights_and_limits_are_written_as_people_do(call, basket):
    """Codes as a list, kilograms, and what the counters leave, in money."""
    five = "{campaign: five, version: 1, needs: code, codes: [HELLO], goods: {kind: ham}, "
    five += "lane: offer, gives: {basket_off: 5.00}}"
    text = BASKET.replace("campaigns:", f"campaigns:\n  - {five}")
    text = text.replace("redeem: max", "redeem: 0\n  codes: [HELLO, OTHER]")
    text = text.replace("version: 4, ", "left: {five: {amount: 1.50}}, ")
    text += "    - {sku: ham, quantity: 0.345, price: 20.00, attributes: {kind: ham}}\n"
    Path(basket).write_text(text, encoding="utf-8")
    quoted = json.loads(call("quote", basket, "--json").out)

    assert [line["list"] for line in quoted["lines"]] == [10_000, 690]
    assert [line["discounts"] for line in quoted["lines"]] == [{"tenth": 1000}, {"five": 150}]


def test_a_worked_example_is_quoted_from_json(call, tmp_path):
    """JSON holds exact data: what `given` holds is a file of its own."""
    vectors = json.loads((VECTORS / "promotions.json").read_text(encoding="utf-8"))["vectors"]
    examples = [each for each in vectors if each["kind"] == "quote"]
    for example in (examples[0], examples[-1]):
        file = tmp_path / "given.json"
        file.write_text(json.dumps(example["given"]), encoding="utf-8")
        assert json.loads(call("quote", str(file), "--json").out) == example["expected"]


def test_the_basket_of_the_guide_is_quoted_as_the_guide_says(call, tmp_path):
    """Its basket, its programme, its first and its last example."""
    guide = (Path(__file__).parents[2] / "docs" / "marketers.md").read_text(encoding="utf-8")
    programme, *examples = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    section = re.search(r"## Try a basket\n(.*?)\n## ", guide, re.DOTALL)[1]
    written, shown = (
        textwrap.dedent(block)
        for block in re.findall(r"\n\n((?:(?:    .*)?\n)+)(?=\n|\S)", section + "\n")
    )
    (tmp_path / "programme.yaml").write_text(programme, encoding="utf-8")
    (tmp_path / "campaigns").mkdir()
    for number in (0, -1):
        file = tmp_path / "campaigns" / f"{number}.yaml"
        file.write_text(examples[number], encoding="utf-8")
    (tmp_path / "basket.yaml").write_text(written, encoding="utf-8")

    assert shown.strip() in call("quote", str(tmp_path / "basket.yaml")).out
