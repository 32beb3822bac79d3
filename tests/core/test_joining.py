"""Joining the outcomes of parts against every choice, with thresholds that choices may miss."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import assembly
from streams.core.combination import Offer, Unit
from streams.core.joining import Joining, Option
from streams.core.optimum import Solver
from streams.core.part import Outcome
from streams.core.problem import Problem

UNIT = 16  # What a minor unit of discount is worth.
NEEDS = st.lists(st.integers(1, 30), max_size=2)


@st.composite
def joined(draw):
    """Draw up to four parts with outcomes, best first, and thresholds over them."""
    needs = draw(NEEDS)
    option = st.builds(
        Option,
        st.builds(Outcome, st.integers(0, 20 * UNIT), st.just(())),
        st.lists(st.integers(0, 12), min_size=len(needs), max_size=len(needs)),
        st.integers(0, (1 << len(needs)) - 1),
    )
    parts = st.lists(st.lists(option, min_size=1, max_size=4), min_size=1, max_size=4)
    return [sorted(own, key=lambda each: -each.worth) for own in draw(parts)], needs


def met(chosen, needs):
    """Tell whether a choice reaches the thresholds of the campaigns that it uses."""
    uses = 0
    for each in chosen:
        uses |= each.uses
    return all(
        sum(each.counts[number] for each in chosen) >= need
        for number, need in enumerate(needs)
        if uses >> number & 1
    )


@given(joined(), st.integers(0, 40 * UNIT))
def test_no_choice_is_left_out_that_reaches_its_thresholds_and_may_be_best(drawn, least):
    """Whatever is asked for at first; what is weighed and missed is nobody's fault."""
    parts, needs = drawn
    options = {id(each.outcome): each for own in parts for each in own}
    weighed = []
    asked = least

    def weigh(outcomes):
        nonlocal asked
        chosen = [options[id(each)] for each in outcomes]
        weighed.append(chosen)
        if met(chosen, needs):
            asked = max(asked, sum(each.worth for each in chosen))

    Joining(parts, needs, UNIT, lambda: asked, lambda _: True, weigh).run()

    best = max(
        (sum(each.worth for each in own) for own in product(*parts) if met(own, needs)),
        default=-1,
    )
    assert asked == max(least, best)
    everywhere = [own for own in product(*parts) if met(own, needs)]
    ties = [own for own in everywhere if sum(each.worth for each in own) == asked]
    assert all(any(set(own) == set(chosen) for chosen in weighed) for own in ties)


@given(joined())
def test_nothing_is_weighed_that_is_worth_less_than_asked(drawn):
    """A bound above everything leaves nothing."""
    parts, needs = drawn
    weighed = []
    Joining(parts, needs, UNIT, lambda: 10**6, lambda _: True, weighed.append).run()
    assert not weighed


def test_a_threshold_that_only_one_part_can_reach_leaves_out_what_misses_it():
    """Two choices of six use the campaign and reach it; one of them is below what is asked."""
    parts = [
        [Option(Outcome(90, ()), [0], 1), Option(Outcome(60, ()), [10], 1)],
        [Option(Outcome(30, ()), [0], 0), Option(Outcome(20, ()), [5], 0)],
        [Option(Outcome(7, ()), [0], 0)],
    ]
    weighed = []
    Joining(parts, [10], UNIT, lambda: 90, lambda _: True, weighed.append).run()
    assert sorted(sum(each.worth for each in chosen) for chosen in weighed) == [97]


@pytest.mark.parametrize("parts", [1, 3])
def test_whoever_runs_out_of_nodes_while_joining_says_so(parts):
    """However few are missing."""

    def run(nodes):
        left = iter(range(nodes))
        weighed = []
        options = [[Option(Outcome(worth, ())) for worth in (2, 1)] for _ in range(parts)]
        joining = Joining(
            options, [], UNIT, lambda: 0, lambda _: next(left, None) is not None, weighed.append
        )
        joining.run()
        return joining.spent, len(weighed), next(left, None)

    enough = next(nodes for nodes in range(1000) if not run(nodes)[0])

    assert run(enough) == (False, 2**parts, None)
    assert all(run(nodes)[0] for nodes in range(enough))


def test_a_search_whose_joining_was_cut_short_is_not_proven(monkeypatch):
    """What was not weighed could be better."""
    units = tuple(Unit(line, (0,), 1000, 100, 0) for line in (0, 1))
    half = Offer("half", 0, "percent", 5000, (0, 1))
    tenth = Offer("tenth", 1, "percent", 1000, (0, 1))
    offers = half, tenth
    problem = Problem((100, 100), units, offers, (), frozenset(), ((0,), (1,)), None, 1000)
    assert Solver(problem).best().proven

    class CutShort(Joining):
        def run(self):
            super().run()
            self.spent = True

    monkeypatch.setattr(assembly, "Joining", CutShort)
    found = Solver(problem).best()
    assert not found.proven
    assert found.bound >= found.objective
