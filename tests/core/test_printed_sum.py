"""A sum of points printed without lines."""

import pytest

from streams.core.account import Account, Debt
from streams.core.history import History
from streams.core.lots import Lot, condition_text
from streams.core.policy import ledger_policy
from streams.core.printed_sum import lay_sum
from streams.core.programme import load_programme
from streams.core.receipt import LineDiscount, Receipt, SaleLine
from streams.core.redemption import attributes_of

AT = 1_770_000_000_000
LOT = Lot("L1", "bonus", "regular", "A", AT, None, 2_000, 2_000)
SKI = Lot("L2", "bonus", "specific", "A", AT, None, 900, 900,
          spendable_on=condition_text({"sku": "jacket"}))  # fmt: skip


def programme(**redemption):
    """Write a programme whose point is worth 1.00."""
    return load_programme(
        {
            "programme": "club",
            "version": 1,
            "zone": "Europe/Moscow",
            "points": {"bonus": {"unit": 100, "value": 100}},
            "discount_lanes": ["item"],
            "points_lanes": ["base"],
            "excluded": {"redemption": {"sku": "tobacco"}},
            "redemption": redemption,
        }
    )


def receipt(*lines):
    """Print lines of one piece each: sku and amount, or list and amount."""
    sales = tuple(
        SaleLine(n, sku, 1000, amount, listed, (LineDiscount("c", 1, listed - amount),))
        for n, (sku, amount, listed) in enumerate(lines, 1)
    )
    return Receipt("r", "s", "t", AT, AT, sales=sales)


BASKET = receipt(
    ("jacket", 685_713, 799_900), ("boots", 178_892, 249_950), ("wax", 33_636, 105_000)
)


def laid(points, *lots, debt=0, status="open", sold=BASKET, **redemption):
    """Lay *points*; show points by line and lot, and what was refused."""
    debts = (Debt("bonus", "A", debt),) if debt else ()
    account = Account("A", 1, mark=AT, lots=lots, debts=debts, status=status)
    found = lay_sum(sold, points, account, programme(**redemption), attributes_of)
    return [{e.lot: e.points for e in line.redeem} for line in found.receipt.sales], found.refused


def test_a_sum_lies_where_a_quote_would_have_laid_it():
    """The restricted lot first, the rest by what the lines can take."""
    lines, refused = laid(2_000, LOT, SKI)
    assert lines[0]["L2"] == 900
    assert sum(lines[0].values()) + lines[1]["L1"] + lines[2]["L1"] == 2_000
    assert refused == 0


@pytest.mark.parametrize(
    ("points", "more", "refused"),
    [
        (2_001, {}, 1),
        (2_000, {"debt": 300}, 300),
        (2_000, {"status": "blocked"}, 2_000),
        (2_000, {"receipt": 1_000}, 2_000 - 898),
        (2_000, {"line": 1_000}, 2_000 - (685 + 178 + 33)),
        (2_000, {"benefit": 3_000}, 2_000 - 1_257 - 39),
        (2_000, {"min_cash": 600_000}, 2_000 - 857),
    ],
)
def test_what_the_caps_leave_no_room_for_is_refused(points, more, refused):
    """Lots less debt, the receipt's share, and each line's."""
    assert laid(points, LOT, **more)[1] == refused


def test_goods_that_points_cannot_buy_take_none():
    """`excluded.redemption` is a cap of 0."""
    sold = receipt(("tobacco", 10_000, 10_000), ("wax", 5_000, 5_000))
    assert laid(200, LOT, sold=sold) == ([{}, {"L1": 50}], 150)


def test_what_was_laid_is_booked_and_the_rest_is_flagged():
    """The settled receipt spends the lots as laid."""
    history = History(ledger_policy({"currency": "bonus"}))
    history.accounts["A"] = Account("A", 1, mark=AT, lots=(LOT,))
    found = lay_sum(BASKET, 2_500, history.account("A"), programme(), attributes_of)
    history.receive(found.receipt, "A")
    result = history.results["r"]

    assert found.refused == 500
    assert (result.flags, sum(line.redeemed for line in result.lines)) == ((), 2_000)
