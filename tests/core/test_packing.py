"""Packing sets against every choice of disjoint sets, exactly and by prices."""

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import packing
from streams.core.packing import Packing

COUNTS = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


@st.composite
def ways(draw):
    """Draw kinds of pieces and ways of two offers to take some of them."""
    counts = draw(COUNTS)
    found = []
    for _ in range(draw(st.integers(0, 6))):
        kinds = sorted(draw(st.sets(st.integers(0, len(counts) - 1), min_size=1, max_size=3)))
        needs = tuple((kind, draw(st.integers(1, 2))) for kind in kinds)
        found.append((draw(st.integers(0, 1)), draw(st.integers(1, 50)), needs))
    return counts, found


def packed(counts, found):
    """Make the packing of drawn ways, named by their place."""
    made = Packing(2, counts)
    for name, (offer, gain, needs) in enumerate(found):
        made.add(offer, gain, made.number(needs), name)
    return made


def best_of_all(counts, found):
    """Weigh every choice of disjoint sets, a way as often as there are pieces."""
    best = 0
    for number in range(sum(counts) + 1):
        for chosen in combinations_with_replacement(found, number):
            used = [0] * len(counts)
            for _, _, needs in chosen:
                for kind, need in needs:
                    used[kind] += need
            if all(own <= count for own, count in zip(used, counts, strict=True)):
                best = max(best, sum(gain for _, gain, _ in chosen))
    return best


SMALL = ways().filter(lambda drawn: sum(drawn[0]) <= 6)


@given(SMALL)
def test_the_packing_is_the_best_of_all(drawn):
    """And the sets it chooses are disjoint and add as much."""
    counts, found = drawn
    made = packed(counts, found)
    chosen = made.chosen()

    assert made.most(0, made.all) == best_of_all(counts, found)
    assert sum(found[name][1] for _, name in chosen) == made.most(0, made.all)
    assert all(found[name][0] == offer for offer, name in chosen)
    for kind, count in enumerate(counts):
        assert sum(dict(found[name][2]).get(kind, 0) for _, name in chosen) <= count


@given(SMALL)
def test_later_offers_alone_add_no_more(drawn):
    """Of the offers from the second on, only theirs are packed."""
    counts, found = drawn
    later = [each for each in found if each[0] == 1]

    made = packed(counts, found)

    assert made.most(1, made.all) == best_of_all(counts, later)


@given(SMALL)
def test_prices_are_never_below_the_best(drawn):
    """Where there are too many pieces, they are priced so that all ways are paid for."""
    counts, found = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "STATES_MOST", 0)
        priced = packed(counts, found)
        assert not priced.exact
        assert priced.most(0, priced.all) >= best_of_all(counts, found)
        assert priced.chosen() == []
