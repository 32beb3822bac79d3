"""Crediting what campaigns pay: budgets, limits and what they leave to tell."""

import pytest

from streams.core.account import Account, Born
from streams.core.calendar import instant
from streams.core.campaigns import load_campaign
from streams.core.earning import campaign_rules
from streams.core.history import History
from streams.core.matching import CampaignIndex
from streams.core.policy import ledger_policy
from streams.core.programme import load_programme
from streams.core.receipt import LineDiscount, Original, Receipt, ReturnLine, SaleLine

PROGRAMME = {
    "programme": "club",
    "version": 1,
    "zone": "Europe/Moscow",
    "points": {"bonus": {"unit": 100, "value": 100}},
    "discount_lanes": ["item"],
    "points_lanes": ["base", "times"],
}
AT = instant("2026-02-01T12:00:00+03:00")
TEN = {"points_percent": 10_000}


def campaign(name, gives, lane="base", **more):
    """Write a campaign document."""
    return {"campaign": name, "version": 1, "gives": gives, "lane": lane, **more}


def shop(*documents, policy=None, budgets=None, ledger=None):
    """Open a history whose rules are campaigns."""
    programme = load_programme({**PROGRAMME, "ledger": ledger or {}})
    index = CampaignIndex(programme, [load_campaign(each, programme) for each in documents])
    rules = campaign_rules(programme, index, lambda _sku: {}, {})
    return History(
        ledger_policy({"currency": "bonus", **(policy or {})}), rules, budgets=budgets or {}
    )


def sell(history, name, *amounts, at=AT, discounts=()):
    """Sell a line for each amount; *discounts* are taken off the first."""
    off = sum(each.amount for each in discounts)
    lines = tuple(
        SaleLine(n, f"sku{n}", 1000, amount, amount + (off if n == 1 else 0),
                 discounts if n == 1 else ())
        for n, amount in enumerate(amounts, 1)
    )  # fmt: skip
    history.receive(Receipt(name, "s", "t", at, at, sales=lines), "A")
    return history.results[name]


def told(result, *kinds):
    """Give code and points of the events of *kinds*."""
    return [(each.kind, each.code, each.points) for each in result.events if each.kind in kinds]


def test_a_budget_cut_is_spread_by_nets_as_the_award_was():
    """1.01 and 2 × 1.00: 301 points by percent, of which the budget leaves 2."""
    history = shop(campaign("gift", TEN, limits={"campaign": {"amount": 2}}), budgets={"gift": 2})
    result = sell(history, "s", 3_000, 3_100, 3_000)

    assert [line.earned for line in result.lines] == [1, 1, 0]
    assert told(result, "budget_short") == [("budget_short", "gift", 89)]


def test_a_cut_multiplier_is_spread_by_basic_points():
    """The multiplier's lines weigh what the base paid on them, not what they cost."""
    history = shop(
        campaign("base", {"points_percent": 1_000}),
        campaign("double", {"points_times": 200}, "times", limits={"campaign": {"amount": 1}}),
        budgets={"double": 1},
    )
    sell(history, "s", 1_400, 1_600, 1_000)
    awards = {each.rule: each for each in history.settled["s"].awards}

    assert awards["base"].shares == ((1, 1), (2, 2), (3, 1))
    assert awards["double"].shares == ((1, 0), (2, 1), (3, 0))


@pytest.mark.parametrize(
    ("programme", "short", "paid"),
    [
        ("partial", None, 5),
        ("nothing", None, 0),
        ("partial", "skip", 0),
        ("nothing", "cut", 5),
    ],
)
def test_a_campaign_may_say_itself_what_a_short_budget_pays(programme, short, paid):
    """`when_short` overrides the programme's `budget_short`."""
    limits = {"campaign": {"amount": 5}} | ({} if short is None else {"when_short": short})
    ledger = {"budget_short": programme}
    history = shop(
        campaign("gift", TEN, limits=limits), budgets={"gift": 5}, ledger=ledger, policy=ledger
    )
    result = sell(history, "s", 1_000)

    assert sum(each.points for each in result.rules) == paid
    assert told(result, "budget_short") == [("budget_short", "gift", 10 - paid)]


def test_a_rule_that_is_asked_again_knows_what_the_till_had_printed():
    """Beside the sale's discount the base may not pay; recomputing must not find it does."""
    sale = campaign("sale", {"percent_off": 1_000}, "item", not_with=["base"])
    history = shop(
        sale, campaign("base", TEN), campaign("other", {"points": 7}),
        policy={"claw_basis": "recompute_kept"},
    )  # fmt: skip
    result = sell(history, "s", 900, 800, discounts=(LineDiscount("sale", 1, 100),))
    assert [(each.rule, each.points) for each in result.rules] == [("other", 7)]
    back = ReturnLine(1, "sku2", 1000, Original("s", 2))
    history.receive(Receipt("r", "s", "t", AT, AT, returns=(back,)), "A")

    assert sum(each.points for each in history.results["r"].entries) == 0


def test_a_limit_is_told_when_nothing_of_it_is_left_and_not_before():
    """The second receipt of the day takes the last use; the third earns nothing."""
    twice = {"member": [{"per": "day", "uses": 2}]}
    history = shop(campaign("gift", TEN, limits=twice))
    events = [told(sell(history, name, 1_000), "limit_reached") for name in "abc"]

    assert events == [[], [("limit_reached", "gift", 0)], []]


def test_a_birthday_is_told_with_its_year():
    """Points and the year key; the use of the birthday is no limit to be told."""
    gift = campaign(
        "gift",
        {"points": 50},
        who={"birthday": {"before": 3, "after": 3}},
        limits={"member": [{"per": "birthday", "uses": 1}]},
    )
    history = shop(gift)
    history.accounts["A"] = Account("A", born=Born(2, 3))
    result = sell(history, "s", 1_000)

    assert told(result, "birthday", "limit_reached") == [("birthday", "2026", 50)]


def test_goods_that_came_back_without_their_sale_are_to_be_reviewed():
    """The return waited its days in vain; its refusal asks for a person."""
    history = shop()
    back = ReturnLine(1, "x", 1000, Original("never", 1))
    history.receive(Receipt("r", "s", "t", AT, AT, returns=(back,)), "A")
    history.tick("A", AT + 30 * 86_400_000)
    result = history.results["r"]

    assert (result.status, result.code) == ("refused", "RETURN_UNMATCHED")
    assert [(each.kind, each.code, each.at) for each in result.events] == [
        ("review", "RETURN_UNMATCHED", AT)
    ]


def test_goods_without_receipt_and_member_are_to_be_reviewed():
    """Nothing was posted for them; the till paid its lowest price."""
    history = shop()
    back = ReturnLine(1, "x", 1000, None)
    history.receive(Receipt("r", "s", "t", AT, AT, returns=(back,)), None)

    assert told(history.results["r"], "review") == [("review", "NO_ACCOUNT", 0)]
