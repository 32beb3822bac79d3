from datetime import date

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from streams.core.conditions import (
    Birth,
    BirthdayWindow,
    birthday_year,
    decimal,
    evaluate,
    holds,
    lowest,
    parse,
    scaled,
)
from streams.core.grammar import DocumentError
from streams.core.receipt import DecimalValue

SHOE = {
    "brand": "Columbia",
    "size": DecimalValue(415, 1),
    "tags": ("winter", "kids"),
    "outlet": False,
    "year": 2026,
}

# Condition, whether it holds for SHOE, and the names it asked for in vain.
VERDICTS = [
    ({}, True, ()),
    ({"brand": "Columbia"}, True, ()),
    ({"brand": "columbia"}, False, ()),
    ({"brand": ["Sorel", "Columbia"]}, True, ()),
    ({"tags": "winter"}, True, ()),
    ({"tags": ["summer", "kids"]}, True, ()),
    ({"not": {"tags": "summer"}}, True, ()),
    ({"size": {"from": 38, "below": {"decimal": "41.50"}}}, False, ()),
    ({"size": {"from": {"decimal": "41.5"}, "to": 42}}, True, ()),
    ({"not": {"size": {"above": 42}}}, True, ()),
    ({"year": {"to": 2026}}, True, ()),
    ({"year": {"to": 2025}}, False, ()),
    ({"year": {"below": 2026}}, False, ()),
    ({"year": {"below": 2027}}, True, ()),
    ({"year": {"from": 2026}}, True, ()),
    ({"year": {"from": 2027}}, False, ()),
    ({"year": {"above": 2026}}, False, ()),
    ({"year": {"above": 2025}}, True, ()),
    ({"not": {"year": {"from": 2026, "to": 2026}}}, False, ()),
    ({"size": {"decimal": "41.500"}}, True, ()),
    ({"outlet": False, "year": 2026}, True, ()),
    ({"outlet": 0}, False, ("outlet",)),
    ({"year": True}, False, ("year",)),
    ({"any": [{"year": True}, {"year": 2026}]}, True, ("year",)),
    ({"not": {"brand": 7}}, False, ("brand",)),
    ({"brand": {"from": 9}}, False, ("brand",)),
    ({"sport": "ski"}, False, ("sport",)),
    ({"not": {"sport": "ski"}}, False, ("sport",)),
    ({"sport": {"known": False}}, True, ()),
    ({"not": {"sport": {"known": True}}}, True, ()),
    ({"any": [{"sport": "ski"}, {"brand": "Columbia"}]}, True, ("sport",)),
    ({"not": {"any": [{"brand": "Sorel"}, {"not": {"tags": "kids"}}]}}, True, ()),
    ({"not": {"all": [{"brand": "Columbia"}, {"sport": "ski"}]}}, False, ("sport",)),
    ({"not": {"brand": "Columbia", "outlet": True}}, True, ()),
    ({"not": {}}, False, ()),
    ({"brand": ["Columbia", 7]}, True, ("brand",)),
]


@pytest.mark.parametrize(("document", "holds", "unknown"), VERDICTS)
def test_a_condition_holds_and_names_what_is_unknown(document, holds, unknown):
    """Each row is one condition asked of the same shoe."""
    verdict = evaluate(parse(document), SHOE)

    assert (verdict.holds, verdict.unknown) == (holds, unknown)


REFUSED = [
    ([], "is not a map"),
    ({"brand": []}, "0 values"),
    ({"size": 41.5}, "decimal"),
    ({"size": float("nan")}, "decimal"),
    ({"size": None}, "decimal"),
    ({"size": {"decimal": "4_1"}}, "decimal"),
    ({"size": {"from": 1, "above": 2}}, "one of from and above"),
    ({"size": {"from": 5, "to": 2}}, "lower bound"),
    ({"size": {"atleast": 5}}, "'atleast' here"),
    ({"size": {}}, "nothing here"),
    ({"size": {"known": 1}}, "known stands alone"),
    ({"any": []}, "any wants a list"),
    ({"all": {"a": 1}}, "all wants a list"),
    ({"size": 10**16}, "beyond"),
    ({"a\ud800": 1}, "name of an attribute"),
    ({"a": "\ud800"}, "Unicode"),
    ({7: 1}, "name of an attribute"),
]


ALLOWED = [
    ({"a": 10**15}, {"a": -(10**15)}),
    ({"a": "x" * 1000}, {"a" * 1000: "x"}),
    ({"a": list(range(10_000))}, {"a": {"decimal": "1000000000000000.5"}}),
    ({"a": {"from": 5, "to": 5}}, {"a": {"decimal": "-0.000000000000000001"}}),
    ({"purchase": {"from": 3}}, {"birthday": "soon"}),
]
BEYOND = [
    {"a": 10**15 + 1},
    {"a": "x" * 1001},
    {"a" * 1001: "x"},
    {"": "x"},
    {"a": list(range(10_001))},
    {"a": {"decimal": "10000000000000001"}},
    {"a": {"decimal": "0.0000000000000000001"}},
    {"a": {"decimal": "1."}},
    {"a": {"decimal": ".5"}},
    {"a": {"decimal": "+5"}},
    {"a": {"decimal": ""}},
    {"a": {"decimal": "٣"}},
    {"a": {"decimal": 5}},
    {"any": [{"a": 1}] * 1001},
    {f"a{n}": 1 for n in range(1001)},
    {"all": [{f"a{n}": 1 for n in range(600)}, {f"b{n}": 1 for n in range(401)}]},
]


@pytest.mark.parametrize("document", [each for pair in ALLOWED for each in pair], ids=range(10))
def test_a_condition_may_use_its_bounds_up(document):
    """Bounds are part of what is allowed; only members have birthdays and purchases."""
    assert parse(document, "goods").atoms


@pytest.mark.parametrize("document", BEYOND, ids=range(len(BEYOND)))
def test_a_condition_may_not_pass_its_bounds(document):
    """Every number and every list is bounded."""
    with pytest.raises(DocumentError):
        parse(document)


WHO = [
    ({"age": {"from": 18}}, True),
    ({"tier": ["gold"]}, True),
    ({"birthday": {"before": 180, "after": 180, "known_for": 180}}, True),
    ({"birthday": {"known": True}}, True),
    ({"birthday": {}}, True),
    ({"birthday": {"before": 181}}, False),
    ({"birthday": {"after": -1}}, False),
    ({"birthday": {"before": True}}, False),
    ({"birthday": {"days": 7}}, False),
    ({"birthday": {"leap": "feb29"}}, False),
    ({"birthday": "03-01"}, False),
    ({"birthday": ["03-01"]}, False),
    ({"purchase": {"number": 1}}, True),
    ({"purchase": {"every": 10**15}}, True),
    ({"purchase": {"every": 10**15 + 1}}, False),
    ({"purchase": {"every": 0}}, False),
    ({"purchase": {"every": True}}, False),
    ({"purchase": {"every": 2, "number": 2}}, False),
    ({"purchase": {"from": 2}}, False),
    ({"purchase": 2}, False),
]


@pytest.mark.parametrize(("document", "right"), WHO)
def test_birthdays_and_purchases_have_a_grammar_of_their_own(document, right):
    """In `who` alone; other attributes of members are tested as anywhere."""
    if right:
        assert parse(document, "who").atoms
    else:
        with pytest.raises(DocumentError, match=r"write|a birthday is"):
            parse(document, "who")


def test_the_purchase_counted_may_be_named_or_not():
    """Number 3 alone, and all but number 3."""
    third, other = (
        parse({"purchase": {"number": 3}}, "who"),
        parse({"not": {"purchase": {"number": 3}}}, "who"),
    )

    assert [n for n in range(1, 6) if evaluate(third, {"purchase": n}).holds] == [3]
    assert [n for n in range(1, 6) if evaluate(other, {"purchase": n}).holds] == [1, 2, 4, 5]


@pytest.mark.parametrize(("document", "message"), REFUSED)
def test_a_wrong_condition_says_what_would_be_right(document, message):
    """Nothing but exact, bounded values of known types gets in."""
    with pytest.raises(DocumentError, match=message):
        parse(document)


def test_the_path_of_a_fault_leads_to_the_wrong_value():
    """People must find it in a long document."""
    with pytest.raises(DocumentError) as caught:
        parse({"any": [{"brand": "a"}, {"size": {"from": 1.5}}]}, "goods", ("goods",))

    assert caught.value.path == ("goods", "any", 1, "size", "from")


def test_over_64_alternatives_are_refused_and_64_are_not():
    """Eight times eight alternatives fit; one more does not."""

    def choice(name, n):
        return {"any": [{f"{name}{i}": 1} for i in range(n)]}

    assert len(parse({"all": [choice("a", 8), choice("b", 8)]}).dnf) == 64
    with pytest.raises(DocumentError, match="more than 64"):
        parse({"all": [choice("a", 8), choice("b", 9)]})
    assert len(parse({"sku": [str(n) for n in range(500)]}).dnf) == 1


def test_conditions_nest_sixteen_deep_and_no_deeper():
    """Whichever way they nest."""
    for wrap in (lambda part: {"not": part}, lambda part: {"any": [part]}):
        document: dict = {"a": 1}
        for _ in range(16):
            document = wrap(document)
        assert parse(document).atoms
        with pytest.raises(DocumentError, match="deeper than 16"):
            parse(wrap(document))


def test_a_condition_nested_without_end_is_refused():
    """A document can't exhaust the stack."""
    document: dict = {"a": 1}
    for _ in range(5000):
        document = {"not": document}
    with pytest.raises(DocumentError, match="nested deeper"):
        parse(document)


def test_every_third_purchase_counts_this_receipt():
    """Purchases number from 1; without the fact nothing is known."""
    third = parse({"purchase": {"every": 3}}, "who")

    assert [n for n in range(1, 8) if evaluate(third, {"purchase": n}).holds] == [3, 6]
    assert evaluate(third, {}).unknown == ("purchase",)


# Born, window, day looked at, year key or None.
BIRTHDAYS = [
    ((6, 10), {"before": 7, "after": 7}, "2026-06-03", 2026),
    ((6, 10), {"before": 7, "after": 7}, "2026-06-02", None),
    ((6, 10), {"before": 7, "after": 7}, "2026-06-17", 2026),
    ((6, 10), {"before": 7, "after": 7}, "2026-06-18", None),
    ((1, 2), {"before": 7}, "2025-12-28", 2026),
    ((12, 30), {"after": 7}, "2026-01-05", 2025),
    ((2, 29), {}, "2025-02-28", 2025),
    ((2, 29), {}, "2024-02-29", 2024),
    ((2, 29), {"leap": "mar1"}, "2025-03-01", 2025),
    ((2, 29), {"leap": "mar1"}, "2024-02-29", 2024),
    ((2, 29), {"leap": "mar1", "after": 7}, "2026-03-08", 2026),
]


@pytest.mark.parametrize(("born", "window", "on", "year"), BIRTHDAYS)
def test_the_year_of_a_birthday_is_that_of_the_birthday_itself(born, window, on, year):
    """A window across New Year has one key."""
    birth = Birth(*born, None, date.fromisoformat(on))

    assert birthday_year(BirthdayWindow(**window), birth) == year


def test_a_birth_date_learnt_too_late_waits_for_next_year():
    """29 days before are too few, 30 are enough."""
    window = BirthdayWindow(after=7)
    day = date(2026, 2, 7)

    assert birthday_year(window, Birth(2, 7, date(2026, 1, 9), day)) is None
    assert birthday_year(window, Birth(2, 7, date(2026, 1, 8), day)) == 2026


def test_not_birthday_is_unknown_without_a_birth_date():
    """Nothing in `who` is known of nobody."""
    condition = parse({"not": {"birthday": {"after": 7}}}, "who")

    assert not evaluate(condition, {}).holds
    assert evaluate(condition, {}).unknown == ("birthday",)
    assert evaluate(condition, {"birthday": Birth(1, 1, None, date(2026, 6, 1))}).holds


@given(st.integers(-(10**12), 10**12), st.integers(0, 18))
def test_equal_decimals_are_one_value(unscaled, scale):
    """Trailing zeros change neither the lowest form nor the order."""
    plain = DecimalValue(unscaled, scale)
    if scale < 18:
        assert lowest(plain) == lowest(DecimalValue(unscaled * 10, scale + 1))
    assert scaled(plain) == scaled(lowest(plain))


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=3))
def test_decimals_are_read_exactly(number):
    """Text in, the same number out."""
    read = decimal(format(number, "f"))

    assert read is not None
    assert scaled(read) == int(number * 10**18)


# --- Three-valued logic, as promotions.md §3 explains `not` in brackets --------


def kleene(document, attributes):
    """Decide the document itself: true, false, or None for unknown; nothing is pushed down."""
    return every(entry(key, each, attributes) for key, each in document.items())


def every(answers):
    """False if any is, else unknown if any is, else true."""
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def negated(answer):
    """Unknown stays unknown."""
    return None if answer is None else not answer


def entry(key, value, attributes):
    """Decide one key of a condition."""
    if key == "not":
        return negated(kleene(value, attributes))
    if key == "all":
        return every(kleene(each, attributes) for each in value)
    if key == "any":
        return negated(every(negated(kleene(each, attributes)) for each in value))
    return asked(value, attributes.get(key))


def asked(value, attribute):
    """Decide one test of a present or missing attribute, over strings and integers."""
    if isinstance(value, dict) and "known" in value:
        return (attribute is not None) == value["known"]
    if isinstance(value, list):
        return negated(every(negated(asked(each, attribute)) for each in value))
    if isinstance(value, dict):
        if not isinstance(attribute, int):
            return None
        return all(
            {
                "from": attribute >= bound,
                "to": attribute <= bound,
                "above": attribute > bound,
                "below": attribute < bound,
            }[end]
            for end, bound in value.items()
        )
    if isinstance(attribute, tuple):
        return value in attribute if isinstance(value, str) else None
    return value == attribute if type(value) is type(attribute) else None


NAMES = st.sampled_from(["a", "b", "c"])
PLAIN = st.sampled_from(["x", "y"]) | st.integers(0, 3)
RANGE = st.dictionaries(
    st.sampled_from(["from", "to", "above", "below"]), st.integers(0, 3), min_size=1
)
TESTS = (
    PLAIN
    | st.lists(PLAIN, min_size=1, max_size=3)
    | RANGE
    | st.booleans().map(lambda known: {"known": known})
)
TREES = st.recursive(
    st.dictionaries(NAMES, TESTS, max_size=3),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)
THINGS = st.dictionaries(
    NAMES,
    st.sampled_from(["x", "y", "z"])
    | st.integers(0, 3)
    | st.lists(st.sampled_from(["x", "z"]), max_size=2).map(tuple),
)


@settings(max_examples=300)
@given(TREES, THINGS)
def test_pushing_not_to_the_atoms_is_three_valued_logic(document, attributes):
    """Unknown at the root is false, whatever stands between."""
    try:
        condition = parse(document)
    except DocumentError:
        reject()

    verdict = evaluate(condition, attributes)
    assert verdict.holds == (kleene(document, attributes) is True)
    assert holds(condition, attributes) == verdict.holds


def test_a_birthday_window_is_read_whole():
    """Days before and after, how 29 February moves, and how long the date must be known."""
    written = {"before": 1, "after": 2, "leap": "mar1", "known_for": 90}
    (atom,) = parse({"birthday": written}, "who").atoms
    assert atom.value == BirthdayWindow(1, 2, "mar1", 90)
    (atom,) = parse({"birthday": {}}, "who").atoms
    assert atom.value == BirthdayWindow(0, 0, "feb28", 30)
