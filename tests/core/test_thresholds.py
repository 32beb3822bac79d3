"""What thresholds count of the outcomes of parts."""

import pytest

from streams.core.assembly import Assembly
from streams.core.campaigns import Threshold
from streams.core.combination import Claim, Offer, Unit
from streams.core.optimum import Solver
from streams.core.part import Outcome
from streams.core.problem import Problem
from streams.core.search_budget import Budget
from streams.core.thresholds import Thresholds
from streams.core.usual import usual

PRICES = (100, 60)
HALF = Offer("half", 0, "percent", 5000, (0, 1))
PAIR = Offer(
    "pair", 0, "set", 2500, (0, 1), groups=((1, frozenset({0})), (1, frozenset({1}))),
    reward="percent",
)  # fmt: skip


def thresholds(net, lines):
    """Build two lines of a piece, with a threshold in the second lane; give it and the lines."""
    tenth = Offer("tenth", 1, "percent", 1000, lines, net=net)
    units = tuple(Unit(line, (0,), 1000, price, 0) for line, price in enumerate(PRICES))
    offers = (HALF, PAIR, tenth)
    problem = Problem(PRICES, units, offers, (), frozenset(), ((0,), (1,)), None, 1000)
    task = Solver(problem).task((0, 1), (0, 1))
    apart = Assembly(task, usual(task), Budget(1000), None)
    assert [task.offers[place].id for place in (0, 1, 2)] == ["half", "pair", "tenth"]
    return Thresholds(task, (0, 1), [2], {}), [apart.lines[0], apart.lines[1]]


@pytest.mark.parametrize(
    ("net", "need"), [(Threshold(120), 120), (Threshold(120, strict=True), 121)]
)
def test_what_has_to_be_passed_needs_one_more(net, need):
    """Than what has to be reached."""
    found, _ = thresholds(net, (0, 1))
    assert found.needs == [need]


@pytest.mark.parametrize(
    ("over", "lines", "need", "counts"),
    [
        ("all", (1,), 120, [50, 60, 110]),
        ("goods", (0, 1), 120, [50, 60, 110]),
        ("goods", (1,), 50, [0, 60, 60]),
    ],
)
def test_a_threshold_counts_what_runs_on_its_lines_before_its_lane(over, lines, need, counts):
    """Of a line at half price, of an untouched one, and of a part of both."""
    found, (first, second) = thresholds(Threshold(need, over=over), lines)
    half = (0, (0,))

    options = [
        found.option(Outcome(0, (half,)), [first]),
        found.option(Outcome(0, ()), [second]),
        found.option(Outcome(0, (half,)), [first, second]),
    ]

    assert [option.counts for option in options] == [[count] for count in counts]
    assert [option.uses for option in options] == [0, 0, 0]


def test_a_threshold_counts_what_a_set_leaves():
    """A quarter off both."""
    found, lines = thresholds(Threshold(120), (0, 1))
    option = found.option(Outcome(0, (), (Claim(PAIR, (0, 1)),)), lines)
    assert (option.counts, option.uses) == ([120], 0)


def test_an_outcome_uses_the_threshold_whose_campaign_it_claims():
    """What that takes itself comes after what is counted."""
    found, (first, _) = thresholds(Threshold(120), (0, 1))
    option = found.option(Outcome(0, ((2, (0,)),)), [first])
    assert (option.counts, option.uses) == ([100], 1)
