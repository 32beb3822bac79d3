"""The grammar of a campaign document: promotions.md §2.

Who, where, which goods and when; one effect; a place among the other campaigns; and limits.
What ties several values together is checked where a document becomes a `Campaign`.
"""

from collections.abc import Mapping
from typing import Any

from streams.core.grammar import (
    ConditionShape,
    Either,
    Flag,
    Listing,
    Record,
    Shape,
    Table,
    Text,
    When,
    Whole,
    Word,
)
from streams.core.programme import CAMPAIGN_ID, NAME, SHARE, VERSION
from streams.core.runs import WEEKDAYS

TITLE = Either(
    (Text(), Table(Text("a language like en", r"[a-z]{2,3}(-[A-Za-z0-9]+)*", 20), Text()))
)
CLOCK = Text("a time of day like 22:00", r"[0-2][0-9]:[0-5][0-9]", 5)
MONTH_DAY = Text("a month and day like 03-01", r"[0-9]{2}-[0-9]{2}", 5)
COUPON = Text("a coupon code without blanks", r"\S+", 64)
PIECES_MOST = 100
TERM = Whole("count", 0, 100_000)
LONG_TERM = Whole("count", 1, 36_500)

RUNS = Record(
    {
        "from": When(),
        "until": When(),
        "weekdays": Listing(Word(WEEKDAYS), 1, 7),
        "hours": Listing(CLOCK, 2, 2),
    }
)


def _threshold(*, money: bool) -> Record:
    bound = Whole("money" if money else "quantity")
    over = Word(("goods", "all"))
    fields: dict[str, Shape] = {"from": bound, "above": bound}
    fields |= {"base": Word(("running", "list"))} if money else {}
    return Record({**fields, "over": over}, one_of=(("from", "above"),))


BASKET = Record(
    {
        "net": _threshold(money=True),
        "quantity": _threshold(money=False),
        "payment": Listing(NAME, 1, 100),
        "channel": Listing(NAME, 1, 100),
    }
)
REWARD = Record(
    {
        "percent": SHARE,
        "amount": Whole("money"),
        "price": Whole("money"),
        "of": Either(
            (
                Word(("all",)),
                Record(
                    {"cheapest": Whole("count", 1, PIECES_MOST), "group": Whole("count", 1, 20)},
                    one_of=(("cheapest", "group"),),
                ),
            )
        ),
        "share": Word(("set", "rewarded")),
    },
    one_of=(("percent", "amount", "price"),),
)
DISCOUNTS = ("percent_off", "amount_off", "unit_price", "basket_off", "set")
ACCRUALS = ("points_percent", "points_times", "points_per", "points")
EFFECT = Record(
    {
        "percent_off": SHARE,
        "amount_off": Whole("money"),
        "unit_price": Whole("money"),
        "basket_off": Whole("money"),
        "set": Listing(
            Record(
                {"take": Whole("count", 1, PIECES_MOST), "where": ConditionShape("goods")},
                required=("take",),
            ),
            1,
            20,
        ),
        "reward": REWARD,
        "points_percent": Whole("percent", 0, 10_000_000),
        "points_times": Whole("count", 100, 1_000_000, "150 is one and a half times"),
        "points_per": Record(
            {"points": Whole("points"), "each": Whole("money", 1)}, required=("points", "each")
        ),
        "points": Whole("points"),
    },
    one_of=((*DISCOUNTS, *ACCRUALS),),
)
LOT = Record(
    {
        "class": NAME,
        "spendable_on": ConditionShape("goods"),
        "delay": Record(
            {"minutes": TERM, "hours": TERM, "days": Whole("count", 0, 36_500)},
            one_of=(("minutes", "hours", "days"),),
        ),
        "valid": Record(
            {
                "days": LONG_TERM,
                "months": Whole("count", 1, 1200),
                "end_of_month": Whole("count", 0, 1200),
                "until": When(),
                "yearly": MONTH_DAY,
                "next_year": MONTH_DAY,
                "at_least": Whole("count", 0, 36_500),
                "from": Word(("activation", "event")),
            },
            one_of=(("days", "months", "end_of_month", "until", "yearly", "next_year"),),
        ),
    }
)
PERIODS = ("day", "week", "month", "birthday", "ever")


def _limits(*, money: bool) -> Record:
    amount = Whole("money" if money else "points")
    receipt: dict[str, Shape] = {"amount": amount}
    receipt |= {"sets": Whole("count", 1, 10_000)} if money else {}
    per = Record(
        {"per": Word(PERIODS), "uses": Whole("count", 1), "amount": amount},
        required=("per",),
        one_of=(("uses", "amount"),),
    )
    return Record(
        {
            "receipt": Record(receipt),
            "member": Listing(per, 1, 20),
            "campaign": Record({"amount": amount}),
            "when_short": Word(("cut", "skip")),
        }
    )


COMMON: dict[str, Shape] = {
    "campaign": CAMPAIGN_ID,
    "version": VERSION,
    "valid_from": When(),
    "title": TITLE,
    "runs": RUNS,
    "who": ConditionShape("who"),
    "where": ConditionShape("where"),
    "goods": ConditionShape("goods"),
    "needs": Word(("code", "offer")),
    "codes": Listing(COUPON, 1, 1000),
    "basket": BASKET,
    "gives": EFFECT,
    "base": Word(("running", "list")),
    "lane": NAME,
    "priority": Whole("count", -1_000_000, 1_000_000),
    "tags": Listing(NAME, 0, 100),
    "not_with": Listing(NAME, 0, 1000),
    "exclusive": Word(("none", "items", "receipt")),
}
REQUIRED = ("campaign", "version", "gives", "lane")
DISCOUNT_CAMPAIGN = Record({**COMMON, "limits": _limits(money=True)}, required=REQUIRED)
ACCRUAL_CAMPAIGN = Record(
    {
        **COMMON,
        "currency": NAME,
        "skip_discounted": Flag(),
        "lot": LOT,
        "limits": _limits(money=False),
    },
    required=REQUIRED,
)


def shape_of(document: Any) -> Record:
    """Choose the grammar by what the campaign gives: limits are money or points."""
    gives = document.get("gives") if isinstance(document, Mapping) else None
    accrual = isinstance(gives, Mapping) and any(key in gives for key in ACCRUALS)
    return ACCRUAL_CAMPAIGN if accrual else DISCOUNT_CAMPAIGN
