"""Spoilt documents by the thousand: accepted or refused, never anything else.

The seed is printed with a failure, and the count with every run (`pytest -s`).
What is accepted is also compiled and asked, because a document that can be published
must not break a worker.
"""

import copy
import random
import time

import pytest

from streams.core.basket import load_basket, load_member
from streams.core.campaigns import load_campaign
from streams.core.grammar import DocumentError
from streams.core.matching import CampaignIndex
from streams.core.occasion import GoodsLine, Occasion
from streams.core.programme import load_programme
from streams.core.quote import quote

pytestmark = pytest.mark.exhaustive

PROGRAMME = {
    "programme": "club",
    "version": 1,
    "valid_from": "2026-01-01",
    "zone": "Europe/Moscow",
    "money": {"currency": "RUB", "exponent": 2},
    "points": {"bonus": {"unit": 100, "value": 100}, "star": {"unit": 50, "value": 10}},
    "discount_lanes": ["brand", ["group", "city"], "coupon"],
    "points_lanes": ["base", "promo"],
    "excluded": {"discounts": {"outlet": True}, "points": {"not": {"category": ["a", "b"]}}},
    "redemption": {"currency": "bonus", "line": 3000, "min_cash": 100},
    "ledger": {
        "clawback": "unlimited",
        "reinstate": {"mode": "grace", "days": 14},
        "tier": {"levels": [["blue", 0], ["gold", 100000]], "window": 12},
    },
}
CAMPAIGNS = [
    {
        "campaign": "spring",
        "version": 3,
        "title": {"en": "Spring"},
        "runs": {"from": "2026-03-02", "weekdays": ["fri"], "hours": ["10:00", "22:00"]},
        "who": {
            "any": [{"tier": ["gold"]}, {"birthday": {"before": 7}}, {"purchase": {"every": 2}}]
        },
        "where": {"country": "RU", "not": {"store": ["S-0417"]}},
        "goods": {"size": {"from": 38, "below": {"decimal": "41.5"}}, "not": {"outlet": True}},
        "basket": {"net": {"from": 5000, "base": "list"}, "payment": ["card"]},
        "gives": {"set": [{"take": 2, "where": {"a": 1}}], "reward": {"percent": 5000}},
        "lane": "brand",
        "not_with": ["x"],
        "limits": {"receipt": {"amount": 150, "sets": 2}, "member": [{"per": "day", "uses": 1}]},
    },
    {
        "campaign": "points",
        "version": 1,
        "gives": {"points_per": {"points": 1, "each": 100}},
        "lane": "promo",
        "currency": "star",
        "lot": {
            "class": "specific",
            "spendable_on": {"a": [1, 2]},
            "delay": {"days": 1},
            "valid": {"yearly": "03-01", "at_least": 60},
        },
        "limits": {"campaign": {"amount": 100}, "when_short": "skip"},
    },
]
LONG, LONG_QUOTES = 500_000, 100_000  # With as many receipts: more than a million in all.
PARTS = 5
NESTED: list = []
for _ in range(200):
    NESTED = [NESTED]
DEEP: dict = {}
for _ in range(200):
    DEEP = {"not": DEEP}
VALUES = [
    None, True, False, 0, 1, -1, 10**15, 10**30, -(10**400), 1.5, float("nan"), float("inf"),
    "", "a", "gold", "\ud800", "\0", "x" * 100_000, "2026-02-30", "9999-12-31T23:59:59.999Z",
    "0000-00-00", "2026-03-02T10:00+99:99", "24:00", "29:59", "03-01", "02-30", "00-00", "١٢:٠٠",
    [], [[]], {}, {"": ""}, {"decimal": "1.5"}, {"decimal": "9" * 1000}, {"decimal": 1},
    {"decimal": "1.5", "from": 1}, {"known": True}, {"known": None}, {"from": 1, "to": 0},
    {"all": []}, {"any": [{}]}, {"not": {}}, {1: 2}, {None: None}, {(1, 2): 3}, b"bytes", object(),
    (), ("a",), {"a"}, NESTED, DEEP, list(range(20_000)), {str(n): n for n in range(5000)},
    {"any": [{"a": n} for n in range(65)]}, "points", "percent_off", {"percent_off": 1},
    {"points": 1}, {"points_times": 150}, {"basket_off": 10**15},
]  # fmt: skip


def places(document, path=()):
    """List every path of a document."""
    found = [path]
    if isinstance(document, dict):
        for key, each in document.items():
            found += places(each, (*path, key))
    elif isinstance(document, list):
        for index, each in enumerate(document):
            found += places(each, (*path, index))
    return found


def spoil(dice, document):
    """Change one to three places: another value, no value, or a new key beside it."""
    spoilt = copy.deepcopy(document)
    for path in dice.sample(places(document)[1:], dice.randint(1, 3)):
        inner = spoilt
        try:
            for step in path[:-1]:
                inner = inner[step]
            put(dice, inner, path)
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took the place away.
    return spoilt


def put(dice, inner, path):
    """Spoil the entry of *inner* that *path* ends with."""
    if any(inner is value for value in VALUES):
        raise KeyError(path)
    what = dice.randrange(4)
    if what == 0:
        del inner[path[-1]]
    elif what == 1:
        inner[dice.choice(["all", "any", "not", "from", "set", "x", 5])] = dice.choice(VALUES)
    else:
        inner[path[-1]] = dice.choice(VALUES)


def ask(index):
    """Match a basket that meets many attributes."""
    lines = tuple(
        GoodsLine("s", 4000, 1000, 4000, {"size": size, "a": 1, "outlet": False, "tags": ("x",)})
        for size in (38, "38", True)
    )
    for at in (0, 1_772_780_000_000):
        index.matches(Occasion(at, lines, {"country": "RU", "store": "x"}, {"tier": "gold"}))


def fuzz(seed, count):
    """Spoil *count* documents; every one ends well within a second."""
    dice = random.Random(seed)  # noqa: S311 - A workload, to be the same again.
    programme = load_programme(PROGRAMME)
    accepted = slowest = 0
    for number in range(count):
        start = time.thread_time()
        try:
            if number % 5 == 0:
                load_programme(spoil(dice, PROGRAMME))
            else:
                campaign = load_campaign(spoil(dice, dice.choice(CAMPAIGNS)), programme)
                ask(CampaignIndex(programme, [campaign]))
            accepted += 1
        except DocumentError:
            pass
        except Exception as error:  # noqa: BLE001 - Any other is what the fuzz looks for.
            pytest.fail(f"seed {seed}, document {number}: {error!r}")
        slowest = max(slowest, time.thread_time() - start)
    print(f"{count} documents of seed {seed}: {accepted} accepted; slowest {slowest * 1000:.0f} ms")  # noqa: T201 - The count is the result.
    assert slowest < 1, f"seed {seed}"
    assert accepted > count // 100, "hardly anything is accepted: the fuzz tests too little"
    assert accepted < count, "everything is accepted: the fuzz spoils nothing"


BASKET = {
    "time": "2026-03-06T12:00:00+03:00",
    "place": {"country": "RU", "store": "S-1"},
    "channel": "store",
    "payments": ["card"],
    "codes": {"HELLO": "spring"},
    "redeem": "max",
    "non_earning_tender": 100,
    "lines": [
        {
            "line": 1,
            "sku": "s",
            "price": 7000,
            "quantity": 2000,
            "min_price": 10,
            "attributes": {"size": 38, "a": 1, "outlet": False, "tags": ["x"]},
        },
        {"line": 2, "sku": "t", "price": 350, "quantity": 350, "weighed": True},
    ],
}
MEMBER = {
    "id": "A",
    "version": 1,
    "tier": "gold",
    "purchases": 1,
    "born": "1990-03-01",
    "born_known": "2020-01-01",
    "offers": ["spring"],
    "debt": 5,
    "left": {"points": {"amount": 50, "uses": 1}},
    "lots": [
        {"id": "L", "points": 40, "class": "specific", "currency": "bonus",
         "active_from": "2026-01-01", "expires_at": "2027-01-01", "spendable_on": {"a": 1}},
        {"id": "M", "points": 9},
    ],
}  # fmt: skip


def fuzz_quotes(seed, count):
    """Spoil the basket or the member of *count* quotes."""
    dice = random.Random(seed)  # noqa: S311 - A workload, to be the same again.
    programme = load_programme(PROGRAMME)
    index = CampaignIndex(programme, [load_campaign(each, programme) for each in CAMPAIGNS])
    zone = programme.zoneinfo
    quoted = 0
    for number in range(count):
        basket, member = BASKET, MEMBER
        if number % 2:
            basket = spoil(dice, BASKET)
        else:
            member = spoil(dice, MEMBER)
        try:
            quote(programme, index, load_member(member, zone), load_basket(basket, zone))
            quoted += 1
        except DocumentError:
            pass
        except Exception as error:  # noqa: BLE001 - Any other is what the fuzz looks for.
            pytest.fail(f"seed {seed}, quote {number}: {error!r}")
    print(f"{count} spoilt quotes of seed {seed}: {quoted} answered")  # noqa: T201 - The count is the result.
    assert count // 20 < quoted < count


def test_hundreds_of_spoilt_baskets_are_quoted_or_refused():
    """Whatever a till or a file says of a basket and its member."""
    fuzz_quotes(20170301, 800)


def test_thousands_of_spoilt_documents_are_accepted_or_refused():
    """The first look; its seed is the same."""
    fuzz(20170301, 4_000)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_tenth_of_the_long_run_of_documents(part):
    """The run of every day, in parts that run beside each other; each has its seed."""
    fuzz(20170302 + part, LONG // 10 // PARTS)
    fuzz_quotes(20170302 + part, LONG_QUOTES // 10 // PARTS)


@pytest.mark.soak
def test_half_a_million_spoilt_documents_are_accepted_or_refused():
    """The long run takes a seed of the hour."""
    fuzz(int(time.time()) // 3600, LONG)
    fuzz_quotes(int(time.time()) // 3600, LONG_QUOTES)
