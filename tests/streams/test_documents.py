# ruff: noqa: E501 - A row of a table is one case, however long.
"""Documents as people write them: exact conversion, places of problems, the demo's own."""

import contextlib
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.campaigns import load_campaign
from streams.core.grammar import DocumentError
from streams.core.programme import PROGRAMME as PROGRAMME_SHAPE
from streams.core.programme import load_programme
from streams.documents import (
    canonical,
    check,
    digest,
    faults_of,
    programme_of,
    publish_schemas,
    read_campaigns,
    read_programme,
)
from streams.written_documents import DocumentFileError, nodes, written

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "streams" / "sandbox" / "shop"

PROGRAMME = """\
programme: club
version: 1
zone: Europe/Moscow
points: {bonus: {unit: 1.00, value: 1.00}}
discount_lanes: [brand, [group, city], coupon]
points_lanes: [base]
"""
SPRING = """\
campaign: columbia-spring
version: 3
title: Columbia spring weekends
runs: {from: 2026-03-02, until: 2026-03-09, weekdays: [fri, sat, sun], hours: ["10:00", "22:00"]}
who: {any: [{tier: [silver, gold]}, {birthday: {before: 7, after: 7}}]}
where: {country: RU, not: {store: [S-0417, S-0420]}}
goods:
  brand: [Columbia, Sorel]
  any: [{sport: ski}, {tags: winter}]
  size: {from: 38, below: 41.5}
  price: {from: 99.90}
  not: {outlet: true}
basket: {net: {from: 5000.00}, payment: [card], quantity: {from: 2.0}}
gives: {percent_off: 15%}
lane: brand
not_with: [clearance]
limits: {receipt: {amount: 1500.00}}
"""
SPRING_EXACT = {
    "campaign": "columbia-spring",
    "version": 3,
    "title": "Columbia spring weekends",
    "runs": {
        "from": "2026-03-02",
        "until": "2026-03-09",
        "weekdays": ["fri", "sat", "sun"],
        "hours": ["10:00", "22:00"],
    },
    "who": {"any": [{"tier": ["silver", "gold"]}, {"birthday": {"before": 7, "after": 7}}]},
    "where": {"country": "RU", "not": {"store": ["S-0417", "S-0420"]}},
    "goods": {
        "brand": ["Columbia", "Sorel"],
        "any": [{"sport": "ski"}, {"tags": "winter"}],
        "size": {"from": 38, "below": {"decimal": "41.5"}},
        "price": {"from": 9990},
        "not": {"outlet": True},
    },
    "basket": {"net": {"from": 500000}, "payment": ["card"], "quantity": {"from": 2000}},
    "gives": {"percent_off": 1500},
    "lane": "brand",
    "not_with": ["clearance"],
    "limits": {"receipt": {"amount": 150000}},
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a programme and a place for campaigns."""
    (tmp_path / "programme.yaml").write_text(PROGRAMME)
    return tmp_path


def problems(folder, text, name="spring.yaml"):
    """Check *text* as a file and write its problems without the folder."""
    path = folder / name
    path.write_text(text)
    return [str(each).removeprefix(f"{folder}/") for each in check(path)]


def test_the_worked_example_converts_exactly(folder):
    """Every unit of promotions.md §1 in one document."""
    (folder / "spring.yaml").write_text(SPRING)
    programme = read_programme(folder / "programme.yaml")
    (campaign,) = read_campaigns(folder / "spring.yaml", programme)

    assert campaign.document == SPRING_EXACT
    assert campaign == load_campaign(SPRING_EXACT, programme)
    assert programme.points["bonus"].unit == 100
    assert check(folder / "programme.yaml") == []


def test_a_json_file_holds_exact_data_alone(folder):
    """What people write is for YAML; a fraction is written as text."""
    base = {"campaign": "c", "version": 1, "lane": "brand"}
    for changes, right in [
        ({"gives": {"percent_off": 1500}}, True),
        ({"gives": {"percent_off": "15%"}}, False),
        ({"gives": {"basket_off": 500}}, True),
        ({"gives": {"basket_off": 5.00}}, False),
        ({"gives": {"basket_off": 500}, "goods": {"size": {"decimal": "41.5"}}}, True),
        ({"gives": {"basket_off": 500}, "goods": {"size": 41.5}}, False),
    ]:
        assert (problems(folder, json.dumps({**base, **changes}), "c.json") == []) == right


def test_the_canonical_form_reads_back_as_itself(folder):
    """Exact data in a .json file is read in the core's units."""
    path = folder / "spring.json"
    path.write_text(canonical(SPRING_EXACT))
    programme = read_programme(folder / "programme.yaml")
    (campaign,) = read_campaigns(path, programme)

    assert canonical(campaign.document) == canonical(SPRING_EXACT)
    assert check(path) == []
    assert " " not in canonical({"b": [1, {"a": 2}], "a": "x"})
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len(digest({})) == 64


# Line that is changed, what it becomes, and the problem that is told.
SPOILT = [
    ("lane: brand", "lane: brands", "15:7: lane: no such lane in the programme's discount_lanes; did you mean brand?"),
    ("lane: brand", "lame: brand", "15:1: lame: unknown key 'lame'; did you mean lane?"),
    ("gives: {percent_off: 15%}", "gives: {percent_off: 15}", "14:22: gives.percent_off: 15: write 15% or 0.15%; a percentage has its sign"),
    ("gives: {percent_off: 15%}", "gives: {percent_off: 7.5}", "14:22: gives.percent_off: 7.5: write 7.5%; a percentage has its sign"),
    ("gives: {percent_off: 15%}", "gives: {percent_off: 7.5 %}", None),
    ("gives: {percent_off: 15%}", "gives: {percent_off: half}", "14:22: gives.percent_off: 'half' is not a percentage like 15% or 7.5%"),
    ("gives: {percent_off: 15%}", "gives: {percent_off: 0.001%}", "14:22: gives.percent_off: 0.001% has too many digits after the point; write a percentage like 15% or 7.5%"),
    ("gives: {percent_off: 15%}", "gives: {percent_off: 115%}", "14:22: gives.percent_off: 11500 is not a whole number (basis points, 100 to the percent) from 0 to 10000"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: 1500}}", "17:28: limits.receipt.amount: 1500: write 1500.00 or 15.00, money with its decimals"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: 1500.005}}", "17:28: limits.receipt.amount: 1500.005 has too many digits after the point; write money like 150.00"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: much}}", "17:28: limits.receipt.amount: 'much' is not money like 150.00"),
    ("  size: {from: 38, below: 41.5}", "  size: {from: 4e1}", "10:16: goods.size.from: '4e1': write a number like 41 or 41.5, or \"4e1\" as text"),
    ("  size: {from: 38, below: 41.5}", "  size: 0042", "10:9: goods.size: '0042': write a number like 41 or 41.5, or \"0042\" as text"),
    ("  size: {from: 38, below: 41.5}", "  size: .nan", "10:9: goods.size: '.nan': write a number like 41 or 41.5, or \".nan\" as text"),
    ("  price: {from: 99.90}", "  price: {from: 99}", "11:17: goods.price.from: 99: write 99.00 or 0.99, money with its decimals"),
    ("basket: {net: {from: 5000.00}, payment: [card], quantity: {from: 2.0}}", "basket: {quantity: {from: 2}}", "13:27: basket.quantity.from: 2: write 2.0 or 0.002 pieces or kilograms"),
    ("basket: {net: {from: 5000.00}, payment: [card], quantity: {from: 2.0}}", "basket: {quantity: {from: 2000}}", None),
    ("version: 3", "version: 3.0", "2:10: version: '3.0' is not a whole number (how many) from 1 to 1000000000000000"),
    ("version: 3", "version: three", "2:10: version: 'three' is not a whole number (how many) from 1 to 1000000000000000"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: -7}}", "17:28: limits.receipt.amount: -7: write -7.00 or -0.07, money with its decimals"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: %s}}" % ("9" * 5000), "9…: write 9999"),
    ("limits: {receipt: {amount: 1500.00}}", "limits: {receipt: {amount: %s.5}}" % ("9" * 5000), "from 0 to"),
    ("version: 3", "version:", "2:1: version: nothing is not a whole number"),
    ("version: 3", "version: %s" % ("9" * 5000), "from 1 to"),
    ("version: 3", "lane: group", "15:1: lane: 'lane' is written twice"),
    ("version: 3", "version: !!python/object:os.system 3", "tag"),
    ("version: 3", "version: [3", "not YAML"),
    ("title: Columbia spring weekends", "title:", "3:1: title: nothing is not text, or a map"),
    ("title: Columbia spring weekends", "title: {en: 2026, de: Frühling}", None),
    ("who: {any: [{tier: [silver, gold]}, {birthday: {before: 7, after: 7}}]}", "who: {tier: {known: yes}}", "5:13: who.tier: known stands alone and is true or false"),
    ("where: {country: RU, not: {store: [S-0417, S-0420]}}", "where: {country: NO}", None),
    ('runs: {from: 2026-03-02, until: 2026-03-09, weekdays: [fri, sat, sun], hours: ["10:00", "22:00"]}', "runs: {from: 2026-02-30}", "4:14: runs.from: 2026-02-30: there is no such day or hour"),
    ('runs: {from: 2026-03-02, until: 2026-03-09, weekdays: [fri, sat, sun], hours: ["10:00", "22:00"]}', "runs: {from: 2026-03-02T10:00:00+03:00, hours: [22:00, 02:00]}", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "becomes", "problem"), SPOILT)
def test_a_problem_points_at_its_place_and_says_what_would_be_right(folder, line, becomes, problem):
    """Each row spoils a line of the worked example."""
    assert line in SPRING
    found = problems(folder, SPRING.replace(line, becomes, 1))

    if problem is None:
        assert found == []
    else:
        assert problem in "\n".join(found)
        assert all(each.startswith("spring.yaml:") for each in found)


def test_all_problems_of_a_file_are_told_in_order(folder):
    """Also when conversion and grammar both find something."""
    text = SPRING.replace("15%", "15").replace("lane: brand", "lame: brand").replace("fri", "fry")
    found = problems(folder, text)

    assert [each.split(":")[1] for each in found] == ["1", "4", "14", "15"]
    assert "lane is missing" in found[0]
    assert "did you mean fri?" in found[1]


def test_points_are_whole_numbers_where_the_campaign_gives_points(folder):
    """The same key is money for a discount and points for an accrual."""
    text = (
        "campaign: a\nversion: 1\ngives: {points: 5}\nlane: base\nlimits: {receipt: {amount: %s}}\n"
    )

    assert problems(folder, text % "100") == []
    assert "points) from 0" in problems(folder, text % "100.00")[0]


def test_a_currency_without_decimals_is_written_whole(tmp_path):
    """Yen have no point; the dinar of Kuwait has three digits after it."""
    yen = PROGRAMME.replace("1.00", "1") + "money: {currency: JPY, exponent: 0}\n"
    (tmp_path / "programme.yaml").write_text(yen)
    text = "campaign: a\nversion: 1\ngives: {basket_off: %s}\nlane: brand\n"

    assert problems(tmp_path, text % "500") == []
    assert "whole number" in problems(tmp_path, text % "500.00")[0]

    dinar = PROGRAMME.replace("1.00", "1.000") + "money: {currency: KWD, exponent: 3}\n"
    (tmp_path / "programme.yaml").write_text(dinar)
    assert problems(tmp_path, text % "0.125") == []
    assert "write 125.000 or 0.125" in problems(tmp_path, text % "125")[0]


def test_a_campaign_without_programme_is_checked_alone(tmp_path):
    """Its lane can't be known, its form can."""
    assert problems(tmp_path, SPRING) == []
    assert "did you mean lane" in problems(tmp_path, SPRING.replace("lane:", "lan:"))[1]


def test_several_documents_of_a_file_are_all_checked(folder):
    """Three dashes separate them; lines go on counting."""
    second = SPRING.replace("columbia-spring", "Columbia!")
    found = problems(folder, SPRING + "---\n" + second)

    assert len(found) == 1
    assert found[0].startswith("spring.yaml:19:11: campaign: 'Columbia!' is not an id of a-z")


BOMB = b"a: &a [x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 8)) for name in b"bcdefgh"
)


def test_one_version_in_two_files_is_refused(folder):
    """Which of them would be published?"""
    shelf = folder / "campaigns"
    shelf.mkdir()
    (shelf / "a.yaml").write_text(SPRING)
    (shelf / "b.yaml").write_text(SPRING)
    programme = read_programme(folder / "programme.yaml")

    with pytest.raises(DocumentFileError, match=r"b.yaml:2:10: version: version 3 is in .*a.yaml"):
        read_campaigns(shelf, programme)
    (shelf / "b.yaml").write_text(SPRING.replace("version: 3", "version: 4"))
    assert [each.version for each in read_campaigns(shelf, programme)] == [3, 4]


UNREADABLE = [
    (b"", "the file is empty"),
    (b"\xff\xfe\x00", "not UTF-8"),
    (b"a: b: c", "not YAML"),
    (b"[" * 5000, "nested deeper"),
    (b"- 1", "is not a map"),
    (b"campaign: &a [*a]", "nested over 40"),
    (BOMB, "unknown key 'a'"),
    (b"? [a]\n: b", "a key is text"),
    (b"%YAML 9.9\n---\na: 1", ""),
    (b'a: "\\UFFFFFFFF"', ""),
    (b"programme: {}\nversion: .inf", "version"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "message"), UNREADABLE)
def test_what_cannot_be_read_is_a_problem_and_no_exception(folder, raw, message):
    """Whatever is in the file, a line and column come back."""
    path = folder / "x.yaml"
    path.write_bytes(raw)
    found = check(path)

    assert found
    assert message in "\n".join(map(str, found))


def test_a_file_that_is_not_there_is_a_problem(folder):
    """No traceback for a slip of the keyboard."""
    assert "can't be read" in str(check(folder / "no.yaml")[0])
    (folder / "c.yaml").write_text(SPRING)
    with pytest.raises(DocumentFileError, match="no programme"):
        read_programme(folder / "c.yaml")


def test_every_document_of_the_demo_shop_is_right():
    """At least twelve campaigns, of all kinds."""
    programme = read_programme(SHOP / "programme.yaml")
    campaigns = read_campaigns(SHOP / "campaigns", programme)

    assert len({each.campaign for each in campaigns}) >= 12
    assert {each.kind for each in campaigns} == {"discount", "accrual"}
    assert [p for file in sorted((SHOP / "campaigns").iterdir()) for p in check(file)] == []


# --- The published schemas ----------------------------------------------------

CAMPAIGN_SCHEMA = json.loads((ROOT / "schemas" / "campaign.schema.json").read_text())
PROGRAMME_SCHEMA = json.loads((ROOT / "schemas" / "programme.schema.json").read_text())
EXACT_PROGRAMME = {
    "programme": "club",
    "version": 1,
    "zone": "Europe/Moscow",
    "points": {"bonus": {"unit": 100, "value": 100}},
    "discount_lanes": ["brand", ["group", "city"], "coupon"],
    "points_lanes": ["base"],
}


def test_the_published_schemas_are_those_of_the_grammar(tmp_path):
    """After a change of the grammar: python -c "…; publish_schemas(Path('schemas'))"."""
    publish_schemas(tmp_path)
    for name in ("campaign.schema.json", "programme.schema.json"):
        assert (tmp_path / name).read_text() == (ROOT / "schemas" / name).read_text()
    jsonschema.Draft202012Validator.check_schema(CAMPAIGN_SCHEMA)
    jsonschema.Draft202012Validator.check_schema(PROGRAMME_SCHEMA)


def accepted(schema, document):
    """Ask the schema."""
    return jsonschema.Draft202012Validator(schema).is_valid(document)


BASE = {"campaign": "c", "version": 1, "gives": {"percent_off": 100}, "lane": "brand"}
POINTS = {**BASE, "gives": {"points": 5}, "lane": "base"}
CAMPAIGNS = [
    SPRING_EXACT,
    BASE,
    POINTS,
    {**BASE, "title": {"en": "x", "pt-BR": "y"}},
    {**BASE, "title": {"english": "x"}},
    {**BASE, "title": 5},
    {**BASE, "campaign": "C"},
    {**BASE, "version": 0},
    {**BASE, "version": "1"},
    {**BASE, "version": True},
    {**BASE, "gives": {}},
    {**BASE, "gives": {"percent_off": 100, "amount_off": 1}},
    {**BASE, "gives": {"percent_off": 10001}},
    {**BASE, "gives": {"set": [{"take": 2}]}},
    {**BASE, "gives": {"set": [{"take": 2}], "reward": {"percent": 5000, "of": {"cheapest": 1}}}},
    {**BASE, "gives": {"set": [{"take": 2}], "reward": {"percent": 5000, "of": "all"}}},
    {**BASE, "gives": {"set": [{"take": 2}], "reward": {"percent": 5000, "of": "none"}}},
    {**BASE, "gives": {"set": [{"take": 2}], "reward": {"of": "all"}}},
    {**BASE, "gives": {"set": [], "reward": {"price": 5}}},
    {**BASE, "gives": {"percent_off": 1, "reward": {"price": 5}}},
    {**BASE, "skip_discounted": True},
    {**POINTS, "skip_discounted": True},
    {**POINTS, "lot": {"valid": {"days": 5, "from": "event"}, "delay": {"hours": 2}}},
    {**POINTS, "lot": {"valid": {"days": 5, "months": 1}}},
    {**POINTS, "lot": {"valid": {"from": "event"}}},
    {**POINTS, "lot": {"spendable_on": {"size": {"below": {"decimal": "41.5"}}}}},
    {**POINTS, "lot": {"spendable_on": {"size": {"below": {"decimal": "41,5"}}}}},
    {**POINTS, "limits": {"receipt": {"sets": 1}}},
    {**POINTS, "limits": {"member": [{"per": "day", "uses": 1}], "when_short": "skip"}},
    {**POINTS, "limits": {"member": [{"per": "day", "uses": 1, "amount": 1}]}},
    {**POINTS, "gives": {"points_times": 99}},
    {**POINTS, "gives": {"points_per": {"points": 1, "each": 100}}},
    {**POINTS, "gives": {"points_per": {"points": 1}}},
    {**BASE, "runs": {"weekdays": ["mon"], "hours": ["10:00", "24:00"]}},
    {**BASE, "runs": {"hours": ["10:00"]}},
    {**BASE, "runs": {"from": "2026-03-02T10:00:00.5Z"}},
    {**BASE, "runs": {"from": "2 March"}},
    {**BASE, "who": {"birthday": {"before": 7, "leap": "mar1"}}},
    {**BASE, "who": {"birthday": {"before": 181}}},
    {**BASE, "who": {"birthday": {"known": True}}},
    {**BASE, "who": {"birthday": "2026-01-01"}},
    {**BASE, "who": {"purchase": {"every": 3}}},
    {**BASE, "who": {"purchase": {"every": 0}}},
    {**BASE, "who": {"purchase": 3}},
    {**BASE, "where": {"purchase": 3}},
    {**BASE, "goods": {"any": [{"a": 1}, {"not": {"b": [True, "x"]}}]}},
    {**BASE, "goods": {"any": []}},
    {**BASE, "goods": {"a": []}},
    {**BASE, "goods": {"a": {}}},
    {**BASE, "goods": {"a": None}},
    {**BASE, "goods": {"a": 1.5}},
    {**BASE, "goods": {"a": {"from": 1, "above": 1}}},
    {**BASE, "goods": {"a": {"from": 1, "below": 2}}},
    {**BASE, "goods": {"a": {"known": "yes"}}},
    {**BASE, "goods": []},
    {**BASE, "basket": {"net": {"from": 1, "base": "list", "over": "all"}}},
    {**BASE, "basket": {"net": {"base": "list"}}},
    {**BASE, "basket": {"quantity": {"above": 1, "base": "list"}}},
    {**BASE, "exclusive": "yes"},
    {**BASE, "priority": -5, "tags": ["x"], "needs": "code"},
    {},
    [],
    None,
]


@pytest.mark.parametrize("document", CAMPAIGNS, ids=lambda each: json.dumps(each)[-60:])
def test_the_schema_accepts_the_campaigns_that_the_loader_accepts(document):
    """Each row is read by both."""
    try:
        load_campaign(document, load_programme(EXACT_PROGRAMME))
    except DocumentError:
        assert not accepted(CAMPAIGN_SCHEMA, document)
    else:
        assert accepted(CAMPAIGN_SCHEMA, document)


PROGRAMMES = [
    EXACT_PROGRAMME,
    {**EXACT_PROGRAMME, "optimise": "lane", "nodes": 10, "earn_on": "net"},
    {**EXACT_PROGRAMME, "optimise": "both"},
    {**EXACT_PROGRAMME, "points": {}},
    {**EXACT_PROGRAMME, "points": {"a b": {"unit": 1, "value": 1}}},
    {**EXACT_PROGRAMME, "points": {"bonus": {"unit": 1}}},
    {**EXACT_PROGRAMME, "redemption": {"line": 3000, "classes": ["regular"], "min_cash": 1}},
    {**EXACT_PROGRAMME, "redemption": {"line": "30%"}},
    {**EXACT_PROGRAMME, "excluded": {"points": {"a": True}}},
    {**EXACT_PROGRAMME, "excluded": {"all": {"a": True}}},
    {**EXACT_PROGRAMME, "discount_lanes": [[]]},
    {**EXACT_PROGRAMME, "money": {"currency": "usd"}},
    {**EXACT_PROGRAMME, "ledger": {"clawback": "only_pending", "tier": {"levels": [["a", 0]]}}},
    {**EXACT_PROGRAMME, "ledger": {"tier": {"levels": [["a"]]}}},
    {**EXACT_PROGRAMME, "ledger": {"reinstate": {"mode": "grace", "days": 14}}},
    {**EXACT_PROGRAMME, "ledger": {"budget": 1}},
    {**EXACT_PROGRAMME, "valid_from": "2026-03-02", "version": 2},
    {},
]


@pytest.mark.parametrize("document", PROGRAMMES, ids=lambda each: json.dumps(each)[-60:])
def test_the_schema_accepts_the_programmes_that_the_loader_accepts(document):
    """Each row is read by both."""
    try:
        load_programme(document)
    except DocumentError:
        assert not accepted(PROGRAMME_SCHEMA, document)
    else:
        assert accepted(PROGRAMME_SCHEMA, document)


# --- Fuzz ---------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FRAGMENTS = st.sampled_from(
    SPRING.split("\n") + PROGRAMME.split("\n") + list("{}[]:,%&*#!\"'|>-\n")
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SPRING_EXACT)), JSON)
def test_any_value_anywhere_is_accepted_or_refused(key, value):
    """One error type, whatever stands under a key of a document."""
    programme = load_programme(EXACT_PROGRAMME)
    with contextlib.suppress(DocumentError):
        load_campaign({**SPRING_EXACT, key: value}, programme)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS | st.text(max_size=6), max_size=12))
def test_any_text_is_a_document_or_a_problem(parts):
    """Whatever a file says, reading it ends with a document or with places."""
    text = "\n".join(parts)
    with contextlib.suppress(DocumentFileError):
        for node in nodes(text, "x.yaml"):
            document = written(node, file="x.yaml")
            found = document.problems(faults_of(document, PROGRAMME_SHAPE))
            assert all(each.line >= 1 and each.column >= 1 for each in found)
            programme_of(document)
