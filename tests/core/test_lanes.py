"""What is read off the lanes is what weighing would choose."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import Earner
from streams.core.lanes import places, plain_claims, rate_of

SCALE = 10_000
PER = {"percent": 10_000, "times": 100, "per": 30, "points": 1}
LINES = 4


def earner(name, kind, points, lane, **more):
    """Build a campaign without lines."""
    return Earner(name, lane, kind, points, PER[kind], "bonus", 7, (), **more)


@st.composite
def offers(draw, kinds=("percent", "percent", "percent", "per", "points", "times")):
    """Draw campaigns of a shop's mix over a few lines, few of them limited."""
    found = []
    for place in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(kinds))
        lane = draw(st.integers(0, 2))
        rare = st.sampled_from([False] * 5 + [True])
        own = earner(
            f"c{place}",
            kind,
            draw(st.sampled_from([1, 5, 100, 500, 500, 1000])),
            lane,
            cap=draw(st.integers(1, 12)) if draw(rare) else None,
            skip=draw(rare),
            coded=draw(rare),
            priority=draw(st.integers(0, 1)),
        )
        if draw(rare):
            own = replace(own, currency="svc", value=3)
        left = draw(st.integers(1, 12)) if draw(rare) else None
        found.append((rate_of(own, SCALE), draw(st.integers(1, 2**LINES - 1)), left))
    bases = draw(st.lists(st.integers(1, 90), min_size=LINES, max_size=LINES))
    return found, bases


def weighed(some, bases):
    """Ask the chooser, with room for any search."""
    earners = [replace(rate.earner, lines=places(mask), left=left) for rate, mask, left in some]
    choice = choose(earners, bases, nodes=20_000)
    assume(choice.proven)
    return [(each.lane, each.id, lines) for each, lines in choice.claims]


def shown(claims):
    """Show claims as `weighed` does."""
    return [(rate.lane, rate.earner.id, places(mask)) for rate, mask, _ in claims]


@settings(max_examples=400, deadline=None)
@given(offers())
def test_what_lanes_answer_and_what_they_leave_is_what_the_chooser_says_of_all(instance):
    """Claims, lines and order."""
    some, bases = instance
    claims, left = plain_claims(some, bases)
    assert sorted(shown(claims) + weighed(left, bases)) == weighed(some, bases)
    assert shown(claims) == sorted(shown(claims))


@settings(max_examples=100, deadline=None)
@given(offers(kinds=("percent",)))
def test_effects_without_limits_never_have_to_be_weighed(instance):
    """A lane's order is the same for every receipt."""
    some, bases = instance
    free = [(rate_of(replace(r.earner, cap=None), SCALE), mask, None) for r, mask, _ in some]
    claims, left = plain_claims(free, bases)
    assert left == []
    assert shown(claims) == weighed(free, bases)


def test_what_has_a_say_in_what_else_applies_is_weighed():
    """Alone, line by line alone, or against campaigns by name."""
    for changed in ({"alone": True}, {"items": True}, {"value": 0}):
        own = replace(earner("a", "percent", 100, 0), **changed)
        offer = (rate_of(own, SCALE), 1, None)
        assert plain_claims([offer], [10]) == ([], [offer])
    own = rate_of(earner("a", "percent", 100, 0), SCALE, wary=True)
    assert plain_claims([(own, 1, None)], [10]) == ([], [(own, 1, None)])


def test_equal_blocks_and_effects_are_weighed():
    """Which of them is written smaller decides, and the chooser knows how."""
    block = (rate_of(earner("a", "points", 1, 0), SCALE), 1, None)
    effect = (rate_of(earner("b", "percent", 1000, 0), SCALE), 1, None)
    assert plain_claims([block, effect], [10]) == ([], [block, effect])
    assert plain_claims([block, effect], [9]) == ([block], [])
    assert plain_claims([block, effect], [11]) == ([effect], [])


def test_a_lane_that_must_be_weighed_leaves_the_others_alone():
    """But for the one that it multiplies."""
    base = (rate_of(earner("a", "percent", 100, 0), SCALE), 1, None)
    apart = (rate_of(earner("b", "percent", 100, 1), SCALE), 1, None)
    times = (rate_of(earner("c", "times", 100, 2, cap=1), SCALE), 1, None)
    assert plain_claims([base, apart, times], [10]) == ([apart], [base, times])
