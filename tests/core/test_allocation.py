"""Exact division: nothing is lost, and nobody gets a unit more than is theirs."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.allocation import cum, half_up, spread

LARGEST = 10**15
WEIGHTS = st.lists(st.integers(0, LARGEST) | st.integers(0, 5), min_size=1, max_size=12)


def by_hand(total, weights):
    """Divide as the sentence of the specification says, with fractions."""
    whole = sum(weights)
    exact = [Fraction(total * weight, whole) for weight in weights]
    shares = [floor(each) for each in exact]
    order = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in order[: total - sum(shares)]:
        shares[at] += 1
    return tuple(shares)


@given(st.integers(0, LARGEST) | st.integers(0, 9), WEIGHTS.filter(any))
def test_a_spread_is_exact_and_as_the_sentence_says(total, weights):
    """Sums to the total, each within a unit of its part, nothing for a zero weight."""
    shares = spread(total, weights)

    assert shares == by_hand(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert weight or not share


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (1_000, [1, 1, 1], (334, 333, 333)),
        (2, [1, 1, 1, 1], (1, 1, 0, 0)),
        (1, [1, 2, 2], (0, 1, 0)),
        (0, [0, 0], (0, 0)),
        (0, [], ()),
        (7, [0, 0, 3], (0, 0, 7)),
        (5, [1, 3], (1, 4)),
    ],
)
def test_the_units_left_go_to_the_largest_remainders(total, weights, shares):
    """Ties to the lowest position."""
    assert spread(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(1, [0, 0]), (-1, [1]), (1, [2, -1]), (1, [])])
def test_what_cannot_be_divided_is_an_error(total, weights):
    """Nothing to divide over, or less than nothing."""
    with pytest.raises(ValueError, match="cannot spread"):
        spread(total, weights)


@given(st.integers(-LARGEST, LARGEST), st.integers(1, LARGEST))
def test_a_half_goes_up(numerator, denominator):
    """As the exact fraction plus one half, rounded down."""
    assert half_up(numerator, denominator) == floor(
        Fraction(numerator, denominator) + Fraction(1, 2)
    )


@given(st.integers(0, LARGEST), st.lists(st.integers(1, LARGEST), min_size=1, max_size=6))
def test_parts_that_come_back_one_by_one_add_up_to_the_whole(part, quantities):
    """In any order, no step below 0, and each step is what `half_up` says of it."""
    whole = sum(quantities)
    back, total = 0, 0
    for quantity in quantities:
        step = cum(part, back + quantity, whole) - cum(part, back, whole)
        assert step >= 0
        back, total = back + quantity, total + step
        assert total == half_up(part * back, whole)
    assert total == part
