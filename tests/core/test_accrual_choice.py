"""The accrual chooser against every assignment of claims, and its worked cases."""

from fractions import Fraction
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.accrual_choice import choose
from streams.core.accrual_claims import NO_CHOICE, Choice, Earner, at_odds, better
from streams.core.accrual_count import award, counted

KINDS = {"percent": 10_000, "times": 100, "per": 30, "points": 1}


def earner(name, kind="percent", points=1000, lines=(0,), lane=0, **more):
    """Build a campaign; one currency, worth 7 a point, one unit a point."""
    defaults = {"currency": "bonus", "value": 7, "per": KINDS[kind]}
    return Earner(id=name, lane=lane, kind=kind, points=points, lines=lines, **(defaults | more))


def naive(earners, bases):
    """Weigh every assignment: a block or not, and who takes each line in each lane."""
    lanes = sorted({e.lane for e in earners})
    slots = [(None, (e,)) for e in earners if e.block]
    slots += [
        (line, tuple(e for e in earners if not e.block and e.lane == lane and line in e.lines))
        for lane in lanes
        for line in range(len(bases))
    ]
    best = NO_CHOICE
    for picks in product(*((None, *options) for _, options in slots)):
        chosen = {}
        for (line, _), pick in zip(slots, picks, strict=True):
            if pick is not None:
                taken = pick.lines if line is None else (line,)
                chosen.setdefault(pick.id, (pick, []))[1].extend(taken)
        claims = [(e, tuple(sorted(lines))) for e, lines in chosen.values()]
        claims.sort(key=lambda claim: (claim[0].lane, claim[0].id))
        if allowed(claims) and (worth := counted(claims, bases)) is not None:
            found = Choice(worth, tuple(claims))
            best = found if better(found, best) else best
    return best


def allowed(claims):
    """Tell whether no two of *claims* are at odds or share what they must not."""
    for at, (one, lines) in enumerate(claims):
        for other, others in claims[:at]:
            shared = set(lines) & set(others)
            crowded = one.lane == other.lane or one.items or other.items
            if at_odds(one, other) or (shared and crowded):
                return False
    return True


maybe = st.none() | st.integers(0, 12)


@st.composite
def instances(draw):
    """Draw up to five campaigns over up to three lines in two lanes."""
    bases = draw(st.lists(st.integers(1, 60), min_size=1, max_size=3))
    values = {"bonus": 1, "svc": draw(st.sampled_from([1, 0]))}
    names = "abcde"[: draw(st.integers(1, 5))]
    earners = []
    for name in names:
        kind = draw(st.sampled_from(sorted(KINDS)))
        lines = draw(st.sets(st.integers(0, len(bases) - 1), min_size=1))
        currency = draw(st.sampled_from(["bonus", "bonus", "svc"]))
        rare = st.sampled_from([False, False, False, True])
        earners.append(
            earner(
                name,
                kind,
                draw(st.sampled_from([1, 5, 50, 1000, 2000])),
                tuple(sorted(lines)),
                lane=draw(st.integers(0, 1)),
                currency=currency,
                value=values[currency],
                cap=draw(maybe) if draw(rare) else None,
                left=draw(maybe) if draw(rare) else None,
                skip=draw(rare),
                coded=draw(rare),
                priority=draw(st.integers(-1, 1)),
                alone=draw(rare) and draw(rare),
                items=draw(rare),
                foes=frozenset(draw(st.sets(st.sampled_from(names), max_size=1)))
                if draw(rare)
                else frozenset(),
            )
        )
    return earners, bases


@settings(max_examples=400, deadline=None)
@given(instances())
def test_the_choice_is_the_best_of_all_assignments(instance):
    """Objective and every tie agree with weighing all assignments."""
    earners, bases = instance
    found = choose(earners, bases, nodes=1_000_000)

    assert found.proven
    assert naive(earners, bases) == found


@given(instances())
def test_awards_are_spread_whole_over_the_claimed_lines(instance):
    """Shares sum to the campaign's points, and no limit is passed."""
    earners, bases = instance
    for each, points, shares in award(choose(earners, bases).claims, bases):
        assert points == sum(shares)
        assert each.limit is None or points <= each.limit


def test_a_spent_budget_gives_the_best_found_and_says_so():
    """A limit on a contested line needs a search; without nodes nothing is proven."""
    earners = [earner("a", cap=1, lines=(0, 1)), earner("b", points=900, lines=(0, 1))]

    assert not choose(earners, [100, 100], nodes=3).proven
    assert choose(earners, [100, 100]).proven


def test_an_award_is_rounded_once_a_campaign():
    """Three lines of 5 at a tenth count 1.5 and award 2, not 3 times 1."""
    choice = choose([earner("a", lines=(0, 1, 2))], [5, 5, 5])

    assert Fraction(3, 2) * 7 == choice.worth
    assert [(points, shares) for _, points, shares in award(choice.claims, [5] * 3)] == [
        (2, (1, 1, 0))
    ]


def test_only_what_gets_in_each_others_way_is_weighed_together():
    """A limit in one lane leaves the other lanes, and other lines, out of the search."""
    limited = [earner("a", cap=1, lines=(0, 1)), earner("b", points=900, lines=(0, 1))]
    more = [
        earner(f"{lane} {name}", points=500, lines=tuple(range(2, 12)), lane=lane)
        for lane in range(4)
        for name in "xyz"
    ]

    alone = choose(limited, [100] * 12, nodes=20)
    beside = choose([*limited, *more], [100] * 12, nodes=20)
    assert alone.proven
    assert beside.proven
    assert all(claim in beside.claims for claim in alone.claims)
    assert beside.worth == alone.worth + choose(more, [100] * 12).worth
