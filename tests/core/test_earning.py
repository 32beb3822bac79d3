"""What campaigns pay for a sold receipt, from documents to accruals."""

import pytest

from streams.core.accrual import Facts, Headroom, LineNet
from streams.core.campaigns import load_campaign
from streams.core.earning import campaign_rules
from streams.core.matching import CampaignIndex
from streams.core.programme import load_programme

PROGRAMME = {
    "programme": "club",
    "version": 1,
    "zone": "America/New_York",
    "points": {"bonus": {"unit": 1, "value": 1}, "svc": {"unit": 1, "value": 1}},
    "discount_lanes": ["item"],
    "points_lanes": ["base", "promo", "times"],
}
PRODUCTS = {"apple": {"department": "PRODUCE"}, "milk": {"department": "DAIRY"}}
AT = 1_770_000_000_000


def campaign(name, gives, lane="base", **more):
    """Write a campaign document."""
    return {"campaign": name, "version": 1, "gives": gives, "lane": lane, **more}


def lines(*figures):
    """Build lines of one piece each: sku and net."""
    return [LineNet(n, sku, 1000, net, net, net) for n, (sku, net) in enumerate(figures, 1)]


def paid(documents, sold, *, facts=None, room=lambda _rule, _limits: Headroom(), **more):
    """Run the rules of a programme and show campaign, points and shares."""
    programme = load_programme(PROGRAMME | more)
    index = CampaignIndex(programme, [load_campaign(each, programme) for each in documents])
    rules = campaign_rules(programme, index, lambda sku: PRODUCTS.get(sku, {}), {"store": "1"})
    facts = facts or Facts(account="a", tier="gold")
    return [(a.rule, a.points, a.shares) for a in rules(facts, sold, AT, room)]


BASE = campaign("base", {"points_percent": 100})
FRUIT = campaign("fruit", {"points_percent": 500}, "promo", goods={"department": "PRODUCE"})
GOLD = campaign("gold", {"points_times": 150}, "times", who={"tier": "gold"})


def test_lanes_add_up_and_a_multiplier_follows_the_first():
    """Base 10.00 + 5.00 at 1 % is 15; produce 5 % of 10.00; gold half of the base again."""
    assert paid([BASE, FRUIT, GOLD], lines(("apple", 1000), ("milk", 500))) == [
        ("base", 15, ((1, 10), (2, 5))),
        ("fruit", 50, ((1, 50),)),
        ("gold", 8, ((1, 5), (2, 3))),
    ]


def test_one_lane_pays_a_line_once():
    """In one lane the better campaign takes the line, the other what is left."""
    fruit = {**FRUIT, "lane": "base"}
    assert paid([BASE, fruit], lines(("apple", 1000), ("milk", 500))) == [
        ("base", 5, ((2, 5),)),
        ("fruit", 50, ((1, 50),)),
    ]


@pytest.mark.parametrize(
    ("units", "bonus", "svc", "best"),
    [
        ((1, 1), 149, 148, "bonus"),
        ((1, 1), 148, 149, "svc"),
        # 1/2 of a basis point is more than 1/3, and less than 2/3.
        ((2, 3), 1, 1, "bonus"),
        ((2, 3), 1, 2, "svc"),
        ((3, 2), 1, 1, "svc"),
        ((700, 900), 7, 8, "bonus"),
        ((700, 900), 7, 10, "svc"),
    ],
)
def test_percents_are_compared_exactly_whatever_a_point_costs(units, bonus, svc, best):
    """The one that pays more takes the line, though the other is first by priority."""
    points = {
        name: {"unit": unit, "value": 1} for name, unit in zip(("bonus", "svc"), units, strict=True)
    }
    documents = [
        campaign(name, {"points_percent": bp}, currency=name, priority=int(name != best))
        for name, bp in (("bonus", bonus), ("svc", svc))
    ]
    ((rule, *_),) = paid(documents, lines(("apple", 100_000_000)), points=points)
    assert rule == best


def test_a_block_pays_all_its_lines_or_none():
    """Twenty points for the receipt beat 15 of the base and take every line."""
    block = campaign("a-block", {"points": 20}, basket={"net": {"from": 1500}})
    sold = lines(("apple", 1000), ("milk", 500))

    assert paid([BASE, block], sold) == [("a-block", 20, ((1, 13), (2, 7)))]
    assert paid([BASE, block], lines(("apple", 1499))) == [("base", 15, ((1, 15),))]


def test_spent_uses_and_short_counters_bind():
    """No use left: nothing.  Fewer points left: as many."""
    limited = {**BASE, "limits": {"member": [{"per": "day", "amount": 20}]}}
    sold = lines(("apple", 1000), ("milk", 500))

    assert paid([limited], sold, room=lambda _rule, _limits: Headroom(uses=0)) == []
    short = paid([limited], sold, room=lambda _rule, _limits: Headroom(points=9))
    assert short == [("base", 9, ((1, 6), (2, 3)))]


def test_nobody_earns_what_asks_for_a_member():
    """Without an account nothing in `who` is known."""
    sold = lines(("apple", 1000))
    assert paid([BASE, GOLD], sold, facts=Facts(account=None)) == [("base", 10, ((1, 10),))]


def test_a_printed_discount_keeps_out_what_its_campaign_rules_out():
    """The till printed `sale`, whose `not_with` names the base by its tag."""
    sale = campaign("sale", {"percent_off": 1000}, "item", not_with=["usual"])
    base = {**BASE, "tags": ["usual"]}
    sold = [LineNet(1, "apple", 1000, 900, 1000, 900, discounted=True, campaigns=("sale",))]

    assert paid([sale, base, FRUIT], sold) == [("fruit", 45, ((1, 45),))]


def test_a_birthday_limit_is_asked_and_counted_under_the_birthday_of_its_own_window():
    """Otherwise a member would be paid on every visit of the window."""
    gift = campaign(
        "gift",
        {"points": 500},
        who={"birthday": {"before": 7, "after": 7}},
        limits={"member": [{"per": "birthday", "uses": 1}]},
    )
    asked = []

    def room(_rule, limits):
        asked.extend(limits)
        return Headroom(uses=0)

    # The sale is on 1 February 2026, New York time.
    facts = Facts(account="a", tier="gold", born=(2, 3))

    assert paid([gift], lines(("apple", 100)), facts=facts) == [("gift", 500, ((1, 500),))]
    assert paid([gift], lines(("apple", 100)), facts=facts, room=room) == []
    assert [(limit.per, limit.key) for limit in asked] == [("birthday", 2026)]
