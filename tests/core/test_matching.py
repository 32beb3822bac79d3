"""Compiled matching against the walk, and each reason of a refusal."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.campaigns import load_campaign
from streams.core.conditions import SCALE_MOST, Birth, evaluate, parse
from streams.core.judging import judge
from streams.core.masks import ConditionIndex, bits
from streams.core.matching import CampaignIndex, ExcludedLines
from streams.core.occasion import GoodsLine, Left, Match, Occasion, Refusal, member_attributes
from streams.core.programme import load_programme
from streams.core.receipt import DecimalValue
from streams.core.runs import instant, running

MOSCOW = ZoneInfo("Europe/Moscow")
NOON = instant("2026-02-07T12:00", MOSCOW)  # A Saturday.
PROGRAMME = load_programme(
    {
        "programme": "club",
        "version": 1,
        "zone": "Europe/Moscow",
        "points": {"bonus": {"unit": 100, "value": 100}},
        "discount_lanes": ["item"],
        "points_lanes": ["base"],
        "excluded": {"discounts": {"outlet": True}, "points": {"category": "tobacco"}},
    }
)


def campaign(campaign_id="c", **parts):
    """Load a campaign of 10 % with *parts*."""
    document = {"campaign": campaign_id, "version": 1, "lane": "item"}
    return load_campaign({**document, "gives": {"percent_off": 1000}, **parts}, PROGRAMME)


def line(sku="s", price=1000, quantity=1000, **attributes):
    """Make a line whose list amount is price times quantity."""
    return GoodsLine(sku, price, quantity, price * quantity // 1000, attributes)


REASONS = [
    ({"runs": {"until": "2026-02-07T12:00"}}, {}, Refusal("not_running")),
    ({"runs": {"weekdays": ["sun"]}}, {}, Refusal("not_running")),
    ({"who": {"tier": "gold"}}, {}, Refusal("who", ("tier",))),
    ({"who": {"tier": "gold"}}, {"member": {"tier": "blue"}}, Refusal("who", ())),
    ({"where": {"city": "Omsk"}}, {"store": {"city": "Tomsk"}}, Refusal("where", ())),
    ({"needs": "code"}, {"offers": frozenset(["c"])}, Refusal("code")),
    ({"needs": "offer"}, {"codes": frozenset(["c"])}, Refusal("offer")),
    ({}, {"left": {"c": Left(uses=0, amount=0)}}, Refusal("limit")),
    ({}, {"left": {"c": Left(uses=3, amount=0)}}, Refusal("budget")),
    ({"goods": {"brand": "a"}}, {}, Refusal("goods", ("brand",))),
    ({"basket": {"channel": ["web"]}}, {"channel": "store"}, Refusal("channel")),
    ({"basket": {"payment": ["card"]}}, {"payments": ("cash",)}, Refusal("payment")),
    ({"basket": {"net": {"above": 1000}}}, {}, Refusal("threshold")),
    ({"basket": {"net": {"from": 1001, "base": "list"}}}, {}, Refusal("threshold")),
    ({"basket": {"quantity": {"from": 2000}}}, {}, Refusal("threshold")),
    ({"basket": {"quantity": {"from": 1000}}}, {}, 1),
    ({"needs": "code"}, {"codes": frozenset(["c"])}, 1),
    ({"basket": {"payment": ["card", "cash"]}}, {"payments": ("cash",)}, 1),
    ({"who": {"purchase": {"number": 1}}}, {"member": {"purchase": 1}}, 1),
    ({"goods": {"price": {"from": 1000}, "sku": "s"}}, {}, 1),
]


@pytest.mark.parametrize(("parts", "changes", "expected"), REASONS)
def test_the_first_reason_is_told(parts, changes, expected):
    """Each row spoils one thing; the index agrees whether the campaign is there."""
    own = campaign(**parts)
    occasion = Occasion(NOON, (line(),), **changes)
    verdict = judge(PROGRAMME, own, occasion)
    index = CampaignIndex(PROGRAMME, [own])

    if isinstance(expected, Refusal):
        assert verdict == expected
        assert index.matches(occasion) == ()
        assert index.refusals(occasion) == {"c": expected}
    else:
        assert verdict == Match(own, expected)
        assert index.matches(occasion) == (Match(own, expected),)
        assert index.refusals(occasion) == {}


def test_excluded_lines_are_not_eligible_for_their_kind():
    """Outlet goods take no discount, tobacco earns nothing."""
    off = campaign("off")
    earn = campaign("earn", lane="base", gives={"points": 5})
    lines = (line("a"), line("b", outlet=True), line("c", category="tobacco"))
    index = CampaignIndex(PROGRAMME, [off, earn])
    occasion = Occasion(NOON, lines)

    assert index.matches(occasion) == (Match(earn, 0b011), Match(off, 0b101))
    assert index.matches(occasion, "accrual") == (Match(earn, 0b011),)
    assert index.excluded(lines) == ExcludedLines(0b010, 0b100, 0)


def test_thresholds_over_all_lines_count_what_is_not_eligible():
    """Own lines are too few, all lines are enough."""
    parts = {"goods": {"sku": "a"}}
    own = campaign("own", basket={"net": {"from": 1500}}, **parts)
    everything = campaign("all", basket={"net": {"from": 1500, "over": "all"}}, **parts)
    index = CampaignIndex(PROGRAMME, [own, everything])

    matches = index.matches(Occasion(NOON, (line("a"), line("b"))))

    assert matches == (Match(everything, 1),)


def test_each_version_serves_its_time():
    """A version ends where any later one begins."""
    versions = [
        campaign(version=1),
        campaign(version=2, valid_from="2026-02-07"),
        campaign(version=3, valid_from="2026-02-08"),
        campaign(version=4, valid_from="2026-02-01T00:00Z"),
    ]
    index = CampaignIndex(PROGRAMME, versions)

    def serving(moment):
        at = instant(moment, MOSCOW)
        assert [m.campaign for m in index.matches(Occasion(at, (line(),)))] == list(index.live(at))
        return [each.version for each in index.live(at)]

    assert serving("2026-01-31") == [1]
    assert serving("2026-02-07") == [4]
    assert serving("2026-02-09") == [4]


def test_a_changed_product_is_not_taken_for_the_remembered_one():
    """The same sku with other attributes, also where Python calls the values equal."""
    index = CampaignIndex(PROGRAMME, [campaign(goods={"bio": True})])

    def found(bio):
        return bool(index.matches(Occasion(NOON, (line("s", bio=bio),))))

    assert [found(bio) for bio in (True, 1, True, False, True)] == [True, False, True, False, True]


def test_a_product_is_asked_anew_at_another_price_or_quantity():
    """Also where it was remembered at the price of yesterday."""
    goods = {"price": {"from": 1000, "below": 2000}, "quantity": {"above": 1000}}
    index = CampaignIndex(PROGRAMME, [campaign(goods=goods)])
    attributes = {"brand": "a"}

    def found(price, quantity):
        own = GoodsLine("s", price, quantity, price, attributes)
        return bool(index.matches(Occasion(NOON, (own,))))

    prices = [999, 1000, 1999, 2000, 1500, 1000, 999]
    assert [found(p, 2000) for p in prices] == [False, True, True, False, True, True, False]
    assert [found(1500, q) for q in (1000, 1001, 2000, 999)] == [False, True, True, False]


def test_many_products_do_not_fill_the_memory(monkeypatch):
    """The memo forgets and the answers stay right."""
    monkeypatch.setattr("streams.core.matching.MEMO_BYTES", 3000)
    index = CampaignIndex(PROGRAMME, [campaign(goods={"n": {"from": 50}})])
    answers = [bool(index.matches(Occasion(NOON, (line(str(n), n=n),)))) for n in [*range(100)] * 2]

    assert answers == ([False] * 50 + [True] * 50) * 2
    assert len(index._goods._memo) <= 10


def test_a_member_is_known_by_what_was_gathered():
    """The birthday is looked at on the local day of the event."""
    found = member_attributes(
        {"city": "Omsk"},
        at=instant("2026-02-06T22:00Z", MOSCOW),
        zone=MOSCOW,
        tier="gold",
        born=(2, 7),
        purchases=4,
    )

    assert found["birthday"].on.isoformat() == "2026-02-07"
    assert (found["tier"], found["purchase"], found["city"]) == ("gold", 5, "Omsk")
    assert member_attributes({}, at=0, zone=MOSCOW) == {}


# --- The compiled form says what the walk says --------------------------------

NAMES = st.sampled_from(["a", "b", "c", "birthday"])
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(["0.5", "-1.5", "1.000", "2.25"]).map(lambda text: {"decimal": text}),
)
VALUES = st.one_of(st.sampled_from(["x", "y", "z", ""]), st.booleans(), NUMBERS)
RANGES = st.fixed_dictionaries(
    {}, optional={"from": NUMBERS, "to": NUMBERS, "above": NUMBERS, "below": NUMBERS}
)
TESTS = st.one_of(
    VALUES,
    st.lists(VALUES, min_size=1, max_size=3),
    RANGES,
    st.booleans().map(lambda known: {"known": known}),
)
TREES = st.recursive(
    st.dictionaries(NAMES, TESTS, min_size=0, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)
ATTRIBUTE = st.one_of(
    st.sampled_from(["x", "y", "z", "", "w"]),
    st.booleans(),
    st.integers(-4, 4),
    st.builds(DecimalValue, st.integers(-300, 300), st.integers(0, 2)),
    st.just(DecimalValue(1, SCALE_MOST + 1)),
    st.lists(st.sampled_from(["x", "y", "w"]), max_size=2).map(tuple),
)


def readable(documents):
    """Parse those of *documents* that keep the grammar."""
    found = []
    for document in documents:
        try:
            found.append(parse(document))
        except ValueError:
            continue
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(TREES, max_size=8), st.lists(st.dictionaries(NAMES, ATTRIBUTE), max_size=8))
def test_masks_hold_exactly_where_the_tree_holds(documents, things):
    """Any conditions, any attributes, one answer."""
    conditions = readable(documents)
    index = ConditionIndex(conditions)
    for attributes in things:
        expected = [at for at, each in enumerate(conditions) if evaluate(each, attributes).holds]
        assert list(bits(index.holding(attributes))) == expected


WHO = st.one_of(
    st.builds(lambda n: {"purchase": {"every": n}}, st.integers(1, 4)),
    st.builds(lambda n: {"purchase": {"number": n}}, st.integers(1, 4)),
    st.builds(
        lambda before, after, leap: {"birthday": {"before": before, "after": after, "leap": leap}},
        st.integers(0, 9),
        st.integers(0, 9),
        st.sampled_from(["feb28", "mar1"]),
    ),
    st.just({"birthday": {"known": False}}),
)
WHO_TREES = st.recursive(
    WHO,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)


@given(
    st.lists(WHO_TREES, max_size=6),
    st.none() | st.integers(1, 9),
    st.none() | st.dates(),
    st.none() | st.dates(),
    st.dates(),
)
def test_masks_hold_exactly_where_the_tree_holds_of_members(trees, purchase, born, known, on):
    """Birthdays and purchases are asked atom by atom."""
    conditions = [parse(tree, "who") for tree in trees]
    attributes = {}
    if purchase is not None:
        attributes["purchase"] = purchase
    if born is not None:
        attributes["birthday"] = Birth(born.month, born.day, known, on)
    expected = [at for at, each in enumerate(conditions) if evaluate(each, attributes).holds]

    assert list(bits(ConditionIndex(conditions).holding(attributes))) == expected


def stamp(at):
    """Write an instant of this year's spring, by half hours."""
    return f"2026-0{1 + at % 4}-{1 + at % 28:02}T{at % 24:02}:{30 * (at % 2):02}"


CLOCKS = st.integers(0, 47).map(lambda n: f"{n // 2:02}:{30 * (n % 2):02}")
RUNS = st.fixed_dictionaries(
    {},
    optional={
        "from": st.integers(0, 200).map(stamp),
        "until": st.integers(0, 200).map(stamp),
        "weekdays": st.lists(st.sampled_from(["mon", "fri", "sat", "sun"]), min_size=1, max_size=3),
        "hours": st.lists(CLOCKS, min_size=2, max_size=2, unique=True),
    },
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "runs": RUNS,
        "goods": TREES,
        "where": st.dictionaries(NAMES, VALUES, max_size=1),
        "needs": st.sampled_from(["code", "offer"]),
        "valid_from": st.integers(0, 200).map(stamp),
        "basket": st.fixed_dictionaries(
            {},
            optional={
                "net": st.integers(0, 3000).map(lambda n: {"from": n}),
                "payment": st.just(["card"]),
                "channel": st.just(["store"]),
            },
        ),
    },
)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_the_index_finds_what_the_walk_finds(data):
    """Times, versions, places, coupons, tenders and goods, all at once."""
    campaigns = []
    for place, parts in enumerate(data.draw(st.lists(PARTS, max_size=6))):
        version = {"version": 1 + place // 3}
        try:
            campaigns.append(campaign(f"c{place % 3}", **parts, **version))
        except ValueError:
            continue
    index = CampaignIndex(PROGRAMME, campaigns)
    lines = data.draw(
        st.lists(
            st.builds(
                lambda sku, attributes, price: line(sku, price, **attributes),
                st.sampled_from(["s", "t"]),
                st.dictionaries(NAMES, ATTRIBUTE),
                st.integers(0, 1500),
            ),
            max_size=4,
        )
    )
    for moment in data.draw(st.lists(st.integers(0, 200), max_size=4)):
        occasion = Occasion(
            instant(stamp(moment), MOSCOW),
            tuple(lines),
            store=data.draw(st.dictionaries(NAMES, ATTRIBUTE, max_size=2)),
            codes=data.draw(st.sampled_from([frozenset(), frozenset(["c0"])])),
            offers=data.draw(st.sampled_from([frozenset(), frozenset(["c1"])])),
            channel=data.draw(st.sampled_from(["store", "web", ""])),
            payments=data.draw(st.sampled_from([(), ("card", "cash")])),
            left=data.draw(st.sampled_from([{}, {"c2": Left(uses=0)}, {"c0": Left(amount=1)}])),
        )
        live = index.live(occasion.at)
        assert len({each.campaign for each in live}) == len(live)
        verdicts = [judge(PROGRAMME, each, occasion) for each in live]
        expected = tuple(each for each in verdicts if isinstance(each, Match))
        assert index.matches(occasion) == expected
        refused = zip(live, verdicts, strict=True)
        reasons = {c.campaign: each for c, each in refused if isinstance(each, Refusal)}
        assert index.refusals(occasion) == reasons


# A zone, and an instant at which its clocks were put back or forward.
CLOCK_CHANGES = [
    ("America/Goose_Bay", 562_129_260_000),  # 00:01, of one hour.
    ("America/St_Johns", 576_041_460_000),  # 00:01, of two hours.
    ("Africa/Monrovia", 63_593_070_000),  # From an offset of 44 minutes and 30 seconds.
    ("Australia/Lord_Howe", 1_775_314_800_000),  # Of half an hour.
    ("Pacific/Apia", 1_325_239_200_000),  # A whole day was left out.
]


@pytest.mark.parametrize(("zone", "change"), CLOCK_CHANGES)
def test_hours_and_weekdays_follow_the_clock_to_the_second_where_it_is_changed(zone, change):
    """The index reckons by offsets that it remembers, the walk asks the clock anew."""
    programme = load_programme({**PROGRAMME.document, "zone": zone})
    runs = [{"hours": ["23:30", "00:30"]}, {"hours": ["00:00", "01:15"]}]
    runs += [{"weekdays": [day]} for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")]
    index = CampaignIndex(
        programme,
        [
            load_campaign(
                {"campaign": f"c{at}", "version": 1, "lane": "item", "runs": each,
                 "gives": {"percent_off": 1000}},
                programme,
            )
            for at, each in enumerate(runs)
        ],
    )  # fmt: skip
    day = 24 * 3600
    seconds = [*range(-120, 121), *range(-day, day, 457), *range(-7200, 7200, 61)]
    for second in seconds:
        at = change + 1000 * second
        open_ = {each.campaign for each in index.campaigns
                 if running(each.runs, at, programme.zoneinfo)}  # fmt: skip
        found = index.matches(Occasion(at, (line(),)))
        assert {match.campaign.campaign for match in found} == open_, (zone, second)


def test_days_that_follow_each_other_are_one_stretch():
    """Monday to Wednesday and Sunday, to the minute before and after."""
    own = campaign(runs={"weekdays": ["mon", "tue", "wed", "sun"]})
    index = CampaignIndex(PROGRAMME, [own])
    start = instant("2026-02-02", MOSCOW)  # A Monday.
    for minute in range(-2, 8 * 24 * 60, 7):
        at = start + 60_000 * minute
        open_ = running(own.runs, at, MOSCOW)
        assert bool(index.matches(Occasion(at, (line(),)))) == open_, minute


@pytest.mark.parametrize("gives", [{"percent_off": 1000}, {"points_percent": 1000}])
def test_what_is_kept_from_discounts_is_not_kept_from_points(gives):
    """And the other way round; the walk and the masks agree."""
    lane = "base" if "points_percent" in gives else "item"
    own = campaign(gives=gives, lane=lane)
    lines = (line(outlet=True), line(category="tobacco"), line())
    expected = 0b101 if lane == "base" else 0b110
    occasion = Occasion(NOON, lines)
    assert judge(PROGRAMME, own, occasion) == Match(own, expected)
    assert CampaignIndex(PROGRAMME, [own]).matches(occasion) == (Match(own, expected),)
