import copy

import pytest

from streams.core.accrual import LotTerms
from streams.core.campaigns import (
    AmountOff,
    Basket,
    BasketOff,
    FixedPoints,
    Limits,
    MemberLimit,
    PercentOff,
    PointsPer,
    PointsPercent,
    PointsTimes,
    Reward,
    SetOff,
    Threshold,
    UnitPrice,
    load_campaign,
)
from streams.core.grammar import DocumentError
from streams.core.programme import PointUnit, Redemption, load_programme

PROGRAMME = {
    "programme": "club",
    "version": 1,
    "zone": "Europe/Moscow",
    "points": {"bonus": {"unit": 100, "value": 100}, "star": {"unit": 50, "value": 10}},
    "discount_lanes": ["brand", ["group", "city"], "coupon"],
    "points_lanes": ["base", "promo"],
}
SPRING = {
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
    "goods": {"brand": ["Columbia", "Sorel"], "size": {"from": 38}, "not": {"outlet": True}},
    "basket": {"net": {"from": 500000}, "payment": ["card"]},
    "gives": {"percent_off": 1500},
    "lane": "brand",
    "not_with": ["clearance"],
    "limits": {"receipt": {"amount": 150000}},
}
BIRTHDAY_GIFT = {
    "campaign": "birthday-gift",
    "version": 1,
    "who": {"birthday": {"before": 3, "after": 3}},
    "gives": {"points": 300},
    "lane": "base",
    "lot": {"class": "birthday", "delay": {"days": 1}, "valid": {"days": 30, "from": "event"}},
    "limits": {"member": [{"per": "birthday", "uses": 1}], "campaign": {"amount": 100000}},
}


def programme(**changes):
    """Read the programme of these tests with *changes*."""
    return load_programme({**PROGRAMME, **changes})


def test_the_worked_example_is_read_whole():
    """Every part of the document of promotions.md §2 has its place."""
    campaign = load_campaign(SPRING, programme())

    assert campaign.kind == "discount"
    assert campaign.gives == PercentOff(1500)
    assert campaign.lane_index == 0
    assert campaign.runs.weekdays == (4, 5, 6)
    assert campaign.runs.hours == (600, 1320)
    assert campaign.basket.net == Threshold(500000)
    assert campaign.basket.payment == ("card",)
    assert campaign.limits.receipt_amount == 150000
    assert campaign.when_short == "cut"
    assert campaign.titles == {"": "Columbia spring weekends"}
    assert [len(c.dnf) for c in (campaign.who, campaign.where, campaign.goods)] == [2, 1, 1]


def test_an_accrual_has_its_lane_after_all_discount_lanes():
    """Four discount lanes come before; amounts are points."""
    campaign = load_campaign(BIRTHDAY_GIFT, programme())

    assert campaign.kind == "accrual"
    assert campaign.gives == FixedPoints(300)
    assert campaign.lane_index == 4
    assert campaign.limits.member == (MemberLimit("birthday", 1),)
    assert campaign.lot.class_ == "birthday"
    assert campaign.birthday is not None


@pytest.mark.parametrize(
    ("lane", "gives", "index"),
    [
        ("brand", {"percent_off": 1}, 0),
        ("group", {"percent_off": 1}, 1),
        ("city", {"percent_off": 1}, 2),
        ("coupon", {"percent_off": 1}, 3),
        ("base", {"points": 1}, 4),
        ("promo", {"points": 1}, 5),
    ],
)
def test_lanes_are_counted_as_written_with_brackets_flattened(lane, gives, index):
    """Ties are broken by this index."""
    document = {"campaign": "c", "version": 1, "gives": gives, "lane": lane}

    assert load_campaign(document, programme()).lane_index == index


EVERYTHING = {
    **PROGRAMME,
    "version": 2,
    "valid_from": "2026-01-01",
    "money": {"currency": "JPY", "exponent": 0},
    "optimise": "lane",
    "nodes": 100,
    "quote_minutes": 5,
    "max_line_discount": 3000,
    "max_receipt_discount": 2500,
    "earn_on": "net",
    "excluded": {"discounts": {"a": 1}, "points": {"a": 2}, "redemption": {"a": 3}},
    "redemption": {
        "currency": "star",
        "classes": ["regular", "specific"],
        "line": 9900,
        "receipt": 2000,
        "benefit": 5000,
        "min_cash": 100,
    },
    "ledger": {"clawback": "only_pending"},
}


def test_everything_a_programme_may_say_is_read():
    """Each key once, none with its default."""
    read = load_programme(EVERYTHING)

    assert (read.programme, read.version, read.zone) == ("club", 2, "Europe/Moscow")
    assert read.valid_from == 1767214800000
    assert (read.currency, read.exponent) == ("JPY", 0)
    assert (read.optimise, read.nodes, read.quote_minutes) == ("lane", 100, 5)
    assert (read.max_line_discount, read.max_receipt_discount) == (3000, 2500)
    assert read.earn_on == "net"
    wanted = Redemption("star", ("regular", "specific"), 9900, 2000, 5000, 100)
    assert read.redemption == wanted
    excluded = (read.excluded.discounts, read.excluded.points, read.excluded.redemption)
    assert [sorted(each.atoms[0].value) for each in excluded] == [[1], [2], [3]]
    assert read.ledger == {"clawback": "only_pending"}
    assert read.document == EVERYTHING
    assert read.zoneinfo.key == "Europe/Moscow"


def test_the_currency_of_redemption_is_bonus_or_the_only_one():
    """A programme with one currency need not say which it means."""
    point = {"unit": 1, "value": 1}

    assert programme(points={"miles": point}).redemption.currency == "miles"
    assert programme(points={"miles": point, "bonus": point}).redemption.currency == "bonus"
    assert programme(ledger={"classes": ["regular"]}).redemption.classes == ("regular",)


OTHER_EFFECTS = [
    ({"amount_off": 5}, AmountOff(5)),
    ({"unit_price": 6}, UnitPrice(6)),
    ({"basket_off": 7}, BasketOff(7)),
    ({"points_percent": 8}, PointsPercent(8)),
    ({"points_times": 150}, PointsTimes(150)),
    ({"points_per": {"points": 9, "each": 10}}, PointsPer(9, 10)),
]


@pytest.mark.parametrize(("gives", "effect"), OTHER_EFFECTS)
def test_each_effect_is_a_value_of_its_own(gives, effect):
    """Figures keep their places."""
    lane = "base" if next(iter(gives)).startswith("points") else "brand"
    document = {"campaign": "c", "version": 1, "gives": gives, "lane": lane}

    assert load_campaign(document, programme()).gives == effect


def test_everything_else_a_campaign_may_say_is_read():
    """What the worked example leaves out."""
    campaign = load_campaign(
        {
            "campaign": "c",
            "version": 2,
            "valid_from": "2026-01-01",
            "needs": "offer",
            "basket": {
                "net": {"above": 10, "base": "list", "over": "all"},
                "quantity": {"from": 2000, "over": "all"},
                "channel": ["web"],
            },
            "gives": {
                "set": [{"take": 1}, {"take": 2, "where": {"a": 1}}],
                "reward": {"amount": 5, "of": {"group": 2}, "share": "rewarded"},
            },
            "base": "list",
            "lane": "city",
            "priority": 3,
            "tags": ["x"],
            "not_with": ["y"],
            "exclusive": "items",
            "limits": {
                "receipt": {"amount": 9, "sets": 2},
                "member": [{"per": "week", "amount": 8}, {"per": "ever", "uses": 7}],
                "campaign": {"amount": 6},
                "when_short": "skip",
            },
        },
        programme(),
    )

    assert campaign.valid_from == 1767214800000
    assert (campaign.needs, campaign.base, campaign.priority) == ("offer", "list", 3)
    net, quantity = Threshold(10, strict=True, base="list", over="all"), Threshold(2000, over="all")
    assert campaign.basket == Basket(net, quantity, (), ("web",))
    assert isinstance(campaign.gives, SetOff)
    assert [group.take for group in campaign.gives.groups] == [1, 2]
    assert campaign.gives.reward == Reward(amount=5, group=2, share="rewarded")
    assert (campaign.tags, campaign.not_with) == ({"x"}, {"y"})
    assert campaign.exclusive == "items"
    members = (MemberLimit("week", amount=8), MemberLimit("ever", uses=7))
    assert campaign.limits == Limits(9, 2, members, 6, "skip")
    assert campaign.when_short == "skip"
    assert [net.met(10), net.met(11), quantity.met(1999), quantity.met(2000)] == [
        False,
        True,
        False,
        True,
    ]


def test_an_accrual_says_all_of_its_own():
    """Currency, discounted lines, and the terms of its lot as written."""
    lot = {
        "class": "specific",
        "spendable_on": {"a": 1},
        "delay": {"hours": 2},
        "valid": {"next_year": "02-29"},
    }
    campaign = load_campaign(
        {**BIRTHDAY_GIFT, "lane": "promo", "currency": "star", "skip_discounted": True, "lot": lot},
        programme(),
    )

    assert (campaign.currency, campaign.skip_discounted) == ("star", True)
    assert campaign.lot == LotTerms("specific", lot["spendable_on"], lot["delay"], lot["valid"])


def test_a_set_knows_its_groups_and_reward():
    """Second at half price: take 2, percent 50, cheapest 1."""
    gives = {"set": [{"take": 2}], "reward": {"percent": 5000, "of": {"cheapest": 1}}}
    campaign = load_campaign({**SPRING, "gives": gives}, programme())

    assert isinstance(campaign.gives, SetOff)
    assert campaign.gives.groups[0].take == 2
    assert campaign.gives.reward == Reward(percent=5000, cheapest=1)


def test_the_programme_has_defaults_for_all_it_does_not_say():
    """Two currencies, no redemption section."""
    read = programme()

    assert read.redemption == Redemption("bonus")
    assert read.points["star"] == PointUnit(50, 10)
    assert read.discount_lanes == (("brand",), ("group", "city"), ("coupon",))
    assert read.lanes == ("brand", "group", "city", "coupon")
    assert (read.nodes, read.quote_minutes, read.exponent) == (5000, 15, 2)


def test_budget_short_of_the_programme_holds_where_the_campaign_is_silent():
    """Nothing means skip; the campaign's own word wins."""
    short = programme(ledger={"budget_short": "nothing"})
    own = {**SPRING, "limits": {"when_short": "cut"}}

    assert load_campaign(SPRING, short).when_short == "skip"
    assert load_campaign(own, short).when_short == "cut"


def test_what_is_empty_and_harmless_is_allowed():
    """No tags, nothing ruled out, a condition that asks nothing."""
    campaign = load_campaign({**SPRING, "tags": [], "not_with": [], "goods": {}}, programme())

    assert campaign.tags == campaign.not_with == frozenset()
    assert campaign.goods.dnf == ((),)


def test_what_was_read_cannot_be_changed():
    """Values are replaced, never edited."""
    campaign = load_campaign(BIRTHDAY_GIFT, programme())
    for value in (campaign, campaign.gives, campaign.limits, campaign.runs, campaign.who.tree):
        with pytest.raises(AttributeError):
            value.campaign = "x"


LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
BOUNDS = [
    ({"gives": {"set": [{"take": 1}], "reward": {"price": 0, "of": {"cheapest": 1}}}}, True),
    ({"gives": {"set": [{"take": 0}], "reward": {"price": 0}}}, False),
    ({"gives": {"set": [{"take": 60}, {"take": 40}], "reward": {"price": 0}}}, True),
    ({"gives": {"set": [{"take": 60}, {"take": 41}], "reward": {"price": 0}}}, False),
    ({"gives": {"set": [{"take": 1}] * 20, "reward": {"price": 0, "of": {"group": 20}}}}, True),
    ({"gives": {"set": [{"take": 1}] * 21, "reward": {"price": 0}}}, False),
    ({"gives": {"set": [{"take": 2}], "reward": {"percent": 1, "of": {"group": 0}}}}, False),
    ({"gives": {"set": [{"take": 2}], "reward": {"percent": 1, "of": {"cheapest": 0}}}}, False),
    ({"gives": {"percent_off": 0}}, True),
    ({"gives": {"basket_off": 10**15}}, True),
    ({"gives": {"basket_off": 10**15 + 1}}, False),
    ({"priority": -1_000_000}, True),
    ({"priority": 1_000_001}, False),
    ({"campaign": "a" * 64}, True),
    ({"campaign": "a" * 65}, False),
    ({"runs": {"hours": ["00:00", "24:00"]}}, True),
    ({"runs": {"hours": ["24:00", "02:00"]}}, True),
    ({"runs": {"hours": ["00:00", "24:01"]}}, False),
    ({"runs": {"hours": ["00:60", "02:00"]}}, False),
    ({"title": "x" * 1000}, True),
    ({"title": "x" * 1001}, False),
    ({"limits": {"receipt": {"sets": 1}}}, False),
]
DAYS = [
    *(f"{month:02}-{last}" for month, last in enumerate(LAST_DAYS, start=1)),
    *(f"{month:02}-01" for month in range(1, 13)),
]
NO_DAYS = ["00-10", "13-01", "01-00", "02-30", "04-31", "12-32", "1-1", "0101", "", "xx-yy"]


@pytest.mark.parametrize("key", ["yearly", "next_year"])
def test_a_lot_ends_on_days_of_a_leap_year(key):
    """29 February is one; no 30th is in it."""
    for text in DAYS:
        assert load_campaign({**BIRTHDAY_GIFT, "lot": {"valid": {key: text}}}, programme())
    for text in NO_DAYS:
        with pytest.raises(DocumentError):
            load_campaign({**BIRTHDAY_GIFT, "lot": {"valid": {key: text}}}, programme())


@pytest.mark.parametrize(("parts", "right"), BOUNDS)
def test_a_campaign_may_use_its_bounds_up_and_not_pass_them(parts, right):
    """Every number and list has a least and a most."""
    document = {"campaign": "c", "version": 1, "gives": {"percent_off": 1}, "lane": "brand"}
    if right:
        assert load_campaign({**document, **parts}, programme())
    else:
        with pytest.raises(DocumentError):
            load_campaign({**document, **parts}, programme())


def changed(document, path, value):
    """Copy *document* with *value* at *path*; KeyError deletes."""
    copied = copy.deepcopy(document)
    inner = copied
    for step in path[:-1]:
        inner = inner[step]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copied


# Path changed, new value, path of the fault, words of the message.
WRONG_CAMPAIGNS = [
    (("wer",), {}, ("wer",), "did you mean where|did you mean who|known here"),
    (("campaign",), "Spring!", ("campaign",), "an id of a-z"),
    (("campaign",), KeyError, (), "campaign is missing"),
    (("version",), 0, ("version",), "from 1"),
    (("version",), True, ("version",), "whole number"),
    (("version",), 1.0, ("version",), "whole number"),
    (("lane",), "brands", ("lane",), "did you mean brand"),
    (("lane",), "base", ("lane",), "discount_lanes"),
    (("gives",), {}, ("gives",), "exactly one of"),
    (("gives",), {"percent_off": 1, "basket_off": 2}, ("gives",), "percent_off and basket_off"),
    (("gives", "percent_off"), 10001, ("gives", "percent_off"), "basis points"),
    (("gives", "percent_off"), 15.0, ("gives", "percent_off"), "whole number"),
    (("gives",), {"set": [{"take": 2}]}, ("gives",), "a set wants a reward"),
    (
        ("gives",),
        {"set": [{"take": 2}], "reward": {"percent": 1, "of": {"cheapest": 3}}},
        ("gives", "reward", "of"),
        "2 pieces",
    ),
    (
        ("gives",),
        {"set": [{"take": 2}], "reward": {"percent": 1, "of": {"group": 2}}},
        ("gives", "reward", "of"),
        "1 groups",
    ),
    (("gives",), {"percent_off": 1, "reward": {"price": 1}}, ("gives", "reward"), "only a set"),
    (("limits", "receipt", "sets"), 2, ("limits", "receipt", "sets"), "only a set"),
    (("limits", "receipt", "amount"), -1, ("limits", "receipt", "amount"), "from 0"),
    (("limits", "member"), [{"per": "year", "uses": 1}], ("limits", "member", 0, "per"), "known"),
    (("limits", "member"), [{"per": "day"}], ("limits", "member", 0), "none of them"),
    (("runs", "from"), "2026-02-30", ("runs", "from"), "2026-02-30"),
    (("runs", "until"), "2026-03-02", ("runs", "until"), "not after from"),
    (("runs", "hours"), ["10:00", "10:00"], ("runs", "hours"), "the same"),
    (("runs", "hours"), ["10:00", "25:00"], ("runs", "hours", 1), "time of day"),
    (("runs", "hours"), ["10:00"], ("runs", "hours"), "1 entries"),
    (("runs", "weekdays"), ["monday"], ("runs", "weekdays", 0), "did you mean mon"),
    (("basket", "net"), {"from": 1, "above": 1}, ("basket", "net"), "exactly one"),
    (("basket", "quantity"), {"from": 1, "base": "list"}, ("basket", "quantity", "base"), "base"),
    (("goods", "size"), 4.5, ("goods", "size"), "decimal"),
    (("lot",), {}, ("lot",), "unknown key"),
    (("currency",), "star", ("currency",), "unknown key"),
    (("title",), {"english": "x"}, ("title", "english"), "language"),
    (("title",), "", ("title",), "text"),
]


@pytest.mark.parametrize(("path", "value", "at", "message"), WRONG_CAMPAIGNS)
def test_a_wrong_campaign_says_where_and_what_would_be_right(path, value, at, message):
    """Each row spoils one place of the worked example."""
    with pytest.raises(DocumentError, match=message) as caught:
        load_campaign(changed(SPRING, path, value), programme())

    assert caught.value.path == at


WRONG_GIFTS = [
    (("currency",), "stars", ("currency",), "did you mean star"),
    (("who",), {"tier": "gold"}, ("limits", "member", 0), "per birthday"),
    (("lot", "valid"), {"yearly": "02-30"}, ("lot", "valid", "yearly"), "no day"),
    (("lot", "valid"), {"days": 1, "at_least": 1}, ("lot", "valid", "at_least"), "yearly"),
    (("lot", "delay"), {"days": 1, "hours": 1}, ("lot", "delay"), "exactly one"),
    (("lot", "spendable_on"), {"a": {"frm": 1}}, ("lot", "spendable_on", "a"), "'frm'"),
    (("gives",), {"points_per": {"points": 1, "each": 0}}, ("gives", "points_per", "each"), "1"),
]


@pytest.mark.parametrize(("path", "value", "at", "message"), WRONG_GIFTS)
def test_a_wrong_accrual_says_where_and_what_would_be_right(path, value, at, message):
    """Each row spoils one place of the birthday gift."""
    with pytest.raises(DocumentError, match=message) as caught:
        load_campaign(changed(BIRTHDAY_GIFT, path, value), programme())

    assert caught.value.path == at


def test_all_faults_of_a_document_are_told_at_once():
    """Nobody wants to mend a document fault by fault."""
    wrong = changed(changed(SPRING, ("lane",), 7), ("runs", "weekdays"), ["man", "sun"])
    with pytest.raises(DocumentError) as caught:
        load_campaign(wrong, programme())

    assert [fault.path for fault in caught.value.faults] == [("runs", "weekdays", 0), ("lane",)]


WRONG_PROGRAMMES = [
    ({"zone": "Europe/Moskau"}, ("zone",), "Moskau"),
    ({"points": {}}, ("points",), "0 entries"),
    ({"points": {"bonus": {"unit": 0, "value": 1}}}, ("points", "bonus", "unit"), "from 1"),
    (
        {"points": {"a": {"unit": 1, "value": 1}, "b": {"unit": 1, "value": 1}}},
        ("points",),
        "bonus",
    ),
    ({"redemption": {"currency": "gold"}}, ("redemption", "currency"), "name one of bonus, star"),
    ({"discount_lanes": [["a", "b", "c", "d", "e"]]}, ("discount_lanes",), "120 orders"),
    ({"discount_lanes": ["a", ["b", "a"]]}, ("discount_lanes",), "written twice"),
    ({"excluded": {"points": {"x": 0.5}}}, ("excluded", "points", "x"), "decimal"),
    ({"max_line_discount": 10001}, ("max_line_discount",), "basis points"),
    ({"ledger": {"clawbak": "unlimited"}}, ("ledger", "clawbak"), "did you mean clawback"),
    ({"ledger": {"tier": {"levels": [["a", 5], ["b", 5]]}}}, ("ledger",), "ascend"),
    ({"ledger": {"tier": {"levels": [[5, "a"]]}}}, ("ledger", "tier", "levels", 0), "net from"),
    ({"valid_from": "2026-13-01"}, ("valid_from",), "no such day"),
]


@pytest.mark.parametrize(("changes", "at", "message"), WRONG_PROGRAMMES)
def test_a_wrong_programme_says_where_and_what_would_be_right(changes, at, message):
    """Each row spoils one key."""
    with pytest.raises(DocumentError, match=message) as caught:
        programme(**changes)

    assert caught.value.path == at


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"gives": 1}, {1: 2}])
def test_what_is_no_document_at_all_is_refused(document):
    """The one error type, whatever comes."""
    with pytest.raises(DocumentError):
        load_campaign(document, programme())
    with pytest.raises(DocumentError):
        load_programme(document)
