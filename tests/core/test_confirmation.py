"""A receipt beside its quote: booked as quoted, or as printed."""

import pytest
from msgspec.structs import replace

from streams.core.account import Account
from streams.core.accrual import Facts
from streams.core.basket import load_basket, load_member
from streams.core.campaigns import load_campaign
from streams.core.case import see
from streams.core.confirmation import (
    Variance,
    as_quoted,
    confirmable,
    difference,
    payable,
    quoted,
    variances,
)
from streams.core.earning import campaign_rules, discount_budgets, discount_limits
from streams.core.history import History, no_rules
from streams.core.matching import CampaignIndex
from streams.core.policy import ledger_policy
from streams.core.programme import load_programme
from streams.core.quote import finish
from streams.core.receipt import LineDiscount, Receipt, RedeemRequest, SaleLine
from streams.core.settlement import Rulebook, settle_receipt

PROGRAMME = load_programme(
    {
        "programme": "club",
        "version": 1,
        "zone": "Europe/Moscow",
        "points": {"bonus": {"unit": 100, "value": 100}},
        "discount_lanes": ["item"],
        "points_lanes": ["base"],
    }
)
SALE = {
    "campaign": "sale",
    "version": 3,
    "gives": {"percent_off": 1_000},
    "lane": "item",
    "goods": {"sku": "hat"},
    "limits": {"member": [{"per": "day", "uses": 1}, {"per": "ever", "amount": 500}]},
}
BASE = {
    "campaign": "base",
    "version": 2,
    "gives": {"points_percent": 1_000},
    "lane": "base",
    "lot": {"valid": {"days": 30}},
    "limits": {"campaign": {"amount": 20}},
}
BASKET = {
    "time": "2026-02-01T12:00:00+03:00",
    "channel": "store",
    "payments": ["card"],
    "codes": {"HELLO": "sale"},
    "redeem": 10,
    "lines": [
        {"line": 1, "sku": "hat", "quantity": 2_000, "price": 1_000},
        {"line": 2, "sku": "ski", "quantity": 1_000, "price": 20_000},
    ],
}
MEMBER = {"id": "A", "version": 1, "lots": [{"id": "L1", "points": 50}]}
INDEX = CampaignIndex(PROGRAMME, [load_campaign(each, PROGRAMME) for each in (SALE, BASE)])


def given(**basket):
    """Quote the basket."""
    zone = PROGRAMME.zoneinfo
    case = see(PROGRAMME, INDEX, load_member(MEMBER, zone), load_basket(BASKET | basket, zone))
    quote = finish(case)
    return case.basket.at, quote, quoted(case, quote, Facts("A"))


AT, QUOTE, QUOTED = given()


def printed(**changes):
    """Print the receipt of the quote."""
    hat = SaleLine(1, "hat", 2_000, 1_800, 2_000, (LineDiscount("sale", 3, 200),))
    ski = SaleLine(2, "ski", 1_000, 20_000)
    first, second = QUOTE.lines
    hat, ski = (
        replace(line, redeem=tuple(RedeemRequest(points, lot, "bonus") for lot, points in laid))
        for line, laid in ((hat, first.redeemed.items()), (ski, second.redeemed.items()))
    )
    receipt = Receipt(
        "r", "s", "t", AT, AT, sales=(hat, ski), quote_id=QUOTE.id, codes=("HELLO",),
        payments=("card",),
    )  # fmt: skip
    return replace(receipt, **changes)


def test_a_receipt_that_equals_its_quote_has_no_difference():
    """Lines may be printed in another order; a line's list may be left out where it is due."""
    assert difference(QUOTED, printed(), "A") is None
    assert difference(QUOTED, printed(sales=printed().sales[::-1]), "A") is None


HAT, SKI = printed().sales


def test_the_lots_of_a_redemption_may_be_printed_in_any_order():
    """And what one lot pays in several parts is one sum."""
    hat, ski = QUOTED.lines
    two = replace(QUOTED, lines=(hat, replace(ski, redeem=(("L1", 3), ("L2", 4)))))
    parts = [(4, "L2"), (2, "L1"), (1, "L1")]
    paid = replace(SKI, redeem=tuple(RedeemRequest(n, lot, "bonus") for n, lot in parts))

    assert difference(two, printed(sales=(HAT, paid)), "A") is None


@pytest.mark.parametrize(
    ("changes", "account", "name"),
    [
        ({"quote_id": "other"}, "A", "quote_id"),
        ({}, "B", "account"),
        ({}, None, "account"),
        ({"sales": (HAT,)}, "A", "lines"),
        ({"sales": (HAT, replace(SKI, amount=19_999, list=20_000))}, "A", "lines"),
        ({"sales": (HAT, replace(SKI, sku="skis"))}, "A", "lines"),
        ({"sales": (HAT, replace(SKI, qty=999))}, "A", "lines"),
        ({"sales": (replace(HAT, discounts=(LineDiscount("sale", 2, 200),)), SKI)}, "A", "lines"),
        ({"sales": (HAT, replace(SKI, redeem=()))}, "A", "lines"),
        ({"codes": ()}, "A", "codes"),
        ({"payments": ("cash",)}, "A", "tenders"),
        ({"gift_card": 1}, "A", "tenders"),
        ({"sold_at": QUOTED.good_until}, "A", "good_until"),
    ],
)
def test_any_difference_is_named(changes, account, name):
    """The first of them, in a fixed order."""
    assert difference(QUOTED, printed(**changes), account) == name


def test_before_payment_a_difference_or_a_late_hour_asks_for_a_new_quote():
    """PRICE_CHANGED; otherwise the till may take the money."""
    assert payable(QUOTED, printed(), "A", QUOTED.good_until - 1) is None
    assert payable(QUOTED, printed(), "A", QUOTED.good_until) == "PRICE_CHANGED"
    assert payable(QUOTED, printed(codes=()), "A", AT) == "PRICE_CHANGED"


@pytest.mark.parametrize(("policy", "code"), [("honour", None), ("refuse", "BUDGET_SPENT")])
def test_a_quote_beyond_a_budget_is_honoured_or_refused_when_it_is_confirmed(policy, code):
    """`budget_quoted`: the quote promised 21 points of which 20 are left."""
    terms = ledger_policy({"budget_quoted": policy})
    assert sum(each.points for each in QUOTED.accruals) == 21
    assert confirmable(QUOTED, lambda _budget: 21, terms) is None
    assert confirmable(QUOTED, lambda _budget: None, terms) is None
    assert confirmable(QUOTED, lambda _budget: 20, terms) == code


def settled(rules, receipt, left):
    """Settle *receipt* where the budget leaves *left*."""
    history = History(
        ledger_policy({"currency": "bonus", "zone": "Europe/Moscow"}), rules,
        budgets={"base": left}, limits_of=discount_limits(PROGRAMME, INDEX),
    )  # fmt: skip
    history.receive(receipt, "A")
    return history


def test_a_receipt_that_equals_its_quote_is_booked_as_quoted():
    """Uncut by a budget that was spent meanwhile, which counts it all the same."""
    history = settled(as_quoted(QUOTED), printed(), 5)
    assert [(each.rule, each.points) for each in history.results["r"].rules] == [("base", 21)]
    assert history.taken == {"base": 21}
    shares = history.settled["r"].awards[0].shares
    assert shares == tuple((line.line, line.earn["base"]) for line in QUOTE.lines)


def test_any_other_is_booked_as_printed():
    """Its accruals are chosen anew on what it cost, and cut by the budget."""
    rules = campaign_rules(PROGRAMME, INDEX, lambda _sku: {}, {})
    history = settled(rules, printed(quote_id=None), 5)
    assert [(each.rule, each.points) for each in history.results["r"].rules] == [("base", 5)]


def test_counters_take_printed_amounts():
    """A use a day and the money taken off ever, as the campaign of the discount counts."""
    history = settled(as_quoted(QUOTED), printed(), 100)
    counters = {each.per: (each.uses, each.points) for each in history.account("A").counters}
    assert counters == {"day": (1, 200), "ever": (1, 200)}


@pytest.mark.parametrize("account", [None, Account("A")])
def test_budgets_of_discounts_take_printed_amounts(account):
    """With a member or without; a campaign without a budget takes none."""
    budgeted = load_campaign({**SALE, "limits": {"campaign": {"amount": 500}}}, PROGRAMME)
    ski = replace(SKI, amount=19_000, list=20_000, discounts=(LineDiscount("gone", 1, 1_000),))
    settlement = settle_receipt(
        account,
        printed(sales=(HAT, ski)),
        Rulebook(
            ledger_policy({"currency": "bonus"}),
            no_rules,
            has_budget=discount_budgets(CampaignIndex(PROGRAMME, [budgeted])),
        ),
        originals={},
    )
    assert settlement.budgets == (("sale", 200),)


def test_what_a_store_took_off_beyond_what_was_due_is_its_variance():
    """By line and campaign, both ways; equal amounts are none."""
    assert variances(QUOTE, printed()) == ()
    hat = replace(HAT, amount=1_750, discounts=(LineDiscount("sale", 3, 250),))
    ski = replace(SKI, amount=19_000, list=20_000, discounts=(LineDiscount("gone", 1, 1_000),))
    assert variances(QUOTE, printed(sales=(hat, ski))) == (
        Variance(1, "sale", 250, 200),
        Variance(2, "gone", 1_000, 0),
    )
    plain = replace(HAT, amount=2_000, discounts=())
    assert variances(QUOTE, printed(sales=(plain, SKI))) == (Variance(1, "sale", 0, 200),)
