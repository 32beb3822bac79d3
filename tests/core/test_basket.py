"""What is wrong with a basket or a member is told with its path and what would be right."""

from zoneinfo import ZoneInfo

import pytest

from streams.core.basket import load_basket, load_member
from streams.core.grammar import LARGEST, DocumentError

MOSCOW = ZoneInfo("Europe/Moscow")
LINE = {"line": 1, "sku": "s", "quantity": 1000, "price": 100}
BASKET = {"time": "2026-03-02T12:00", "lines": [LINE]}
MEMBER = {"id": "A", "version": 1}
WHOLE = f"a whole number from 0 to {LARGEST}"

WRONG_BASKETS = [
    ({"time": None}, ("time",), "an instant"),
    ({"time": "2026-02-30"}, ("time",), "a date or an instant"),
    ({"lines": {}, "place": 1}, ("place",), "1 is not a map"),
    ({"lines": "x"}, ("lines",), "a list of at most 5000"),
    ({"lines": [7]}, ("lines", 0), "7 is not a map"),
    ({"lines": [LINE, LINE]}, ("lines",), "two lines have one number"),
    ({"lines": [LINE | {"quantity": 0}]}, ("lines", 0, "quantity"), "from 1 to"),
    ({"lines": [LINE | {"price": -1}]}, ("lines", 0, "price"), WHOLE),
    ({"lines": [LINE | {"price": LARGEST + 1}]}, ("lines", 0, "price"), WHOLE),
    ({"lines": [LINE | {"sku": 5}]}, ("lines", 0, "sku"), "5 is not text"),
    ({"lines": [LINE | {"weighed": 1}]}, ("lines", 0, "weighed"), "true or false"),
    ({"lines": [LINE | {"min_price": "1"}]}, ("lines", 0, "min_price"), WHOLE),
    ({"place": {"tags": [["x"]]}}, ("place", "tags"), "nothing that holds more"),
    ({"lines": [LINE | {"attributes": {"tags": [{}]}}]}, ("lines", 0, "attributes", "tags"),
     "nothing that holds more"),
    ({"codes": ["x"]}, ("codes",), "is not a map"),
    ({"payments": "card"}, ("payments",), "a list of at most 100"),
    ({"redeem": "all"}, ("redeem",), WHOLE),
    ({"non_earning_tender": -1}, ("non_earning_tender",), WHOLE),
    ({"channel": None}, ("channel",), "is not text"),
]  # fmt: skip
WRONG_MEMBERS = [
    ({"id": 5}, ("id",), "is not text"),
    ({"version": None}, ("version",), WHOLE),
    ({"born": "1990-02-30"}, ("born",), "a date"),
    ({"born_known": "soon"}, ("born_known",), "a date or an instant"),
    ({"left": {"c": 1}}, ("left", "c"), "is not a map"),
    ({"left": {"c": {"uses": -1}}}, ("left", "c", "uses"), WHOLE),
    ({"lots": [{"id": "L"}]}, ("lots", 0, "points"), WHOLE),
    ({"lots": [{"id": "L", "points": 1, "expires_at": 7.5}]}, ("lots", 0, "expires_at"),
     "a date or an instant"),
    ({"lots": [{"id": "L", "points": 1, "spendable_on": []}]}, ("lots", 0, "spendable_on"),
     "a map of attributes"),
    ({"purchases": "1"}, ("purchases",), WHOLE),
    ({"debt": -1}, ("debt",), WHOLE),
]  # fmt: skip


def refused(load, document):
    """Give the path and message of the first fault."""
    with pytest.raises(DocumentError) as error:
        load(document, MOSCOW)
    return error.value.path, error.value.message


@pytest.mark.parametrize(("change", "path", "message"), WRONG_BASKETS)
def test_a_basket_is_told_what_is_wrong(change, path, message):
    """Each row spoils one thing."""
    found, words = refused(load_basket, BASKET | change)
    assert found == path
    assert message in words


@pytest.mark.parametrize(("change", "path", "message"), WRONG_MEMBERS)
def test_a_member_is_told_what_is_wrong(change, path, message):
    """Each row spoils one thing."""
    found, words = refused(load_member, MEMBER | change)
    assert found == path
    assert message in words


def test_what_is_left_out_has_a_default():
    """The least that a basket and a member need."""
    basket, member = load_basket(BASKET, MOSCOW), load_member(MEMBER, MOSCOW)
    (line,) = basket.lines
    assert (basket.redeem, basket.channel, basket.payments, basket.codes) == (0, "", (), {})
    assert (line.weighed, line.min_price, line.pieces, line.attributes) == (False, 0, 1, {})
    assert (member.purchases, member.born, member.debt, member.lots) == (None, None, 0, ())


@pytest.mark.parametrize(
    ("quantity", "weighed", "pieces"),
    [(1000, False, 1), (3000, False, 3), (3000, True, 1), (1500, False, 1),
     (20_000_000, False, 1), (20_000, False, 20)],
)  # fmt: skip
def test_whole_goods_are_pieces(quantity, weighed, pieces):
    """A line that is weighed, that is no whole number, or that is too long, is one."""
    document = BASKET | {"lines": [LINE | {"quantity": quantity, "weighed": weighed}]}
    assert load_basket(document, MOSCOW).lines[0].pieces == pieces
