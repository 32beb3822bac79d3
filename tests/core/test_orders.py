import pytest

from streams.core.campaigns import Threshold
from streams.core.combination import Offer
from streams.core.orders import orders, tied_lanes
from streams.core.problem import Problem

NET = Threshold(100)


def problem(offers, *, cap=None):
    """Make a problem of lanes 0 and 1, as programmes bracket them, and 2 after both."""
    return Problem((100,) * 4, (), tuple(offers), (), frozenset(), ((0, 1), (2,)), cap, 1000)


def offer(lane, lines, net=None):
    """Make a percentage on lines."""
    return Offer(f"{lane} on {lines}", lane, "percent", 1000, lines, net=net)


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (problem([offer(0, (0, 1)), offer(1, (2, 3))]), 1),
        (problem([offer(0, (0, 1)), offer(1, (1, 2))]), 2),
        (problem([offer(0, (0,)), offer(1, (1,)), offer(2, (0, 1))]), 1),
        (problem([offer(0, (0, 1)), offer(1, (2, 3), NET)]), 2),
        (problem([offer(0, (0, 1)), offer(1, (2, 3))], cap=50), 2),
        (problem([offer(0, (0, 1))]), 1),
    ],
    ids=["apart", "on one line", "a later lane on both", "a threshold", "a cap", "one lane empty"],
)
def test_only_orders_that_can_differ_are_tried(made, count):
    """The first of them, as written, stands for those that are the same."""
    found = orders(made.groups, tied_lanes(made))

    assert found == [(0, 1, 2), (1, 0, 2)][:count]


def test_one_order_stands_for_all_that_keep_each_tied_pair():
    """Lanes 0 and 2 are tied to 1 and not to each other: what counts is the side of 1."""
    tied = frozenset({(0, 1), (1, 0), (1, 2), (2, 1)})

    assert orders([(0, 1, 2)], tied) == [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)]
