"""Redemption against every way to lay points, on small baskets."""

from fractions import Fraction
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.spending import UsableLot, spend


def layings(lot, caps):
    """Yield every way to lay any number of a lot's points on its lines."""
    for split in product(*(range(caps[line] + 1) for line in lot.lines)):
        if sum(split) <= lot.points:
            yield dict(zip(lot.lines, split, strict=True))


def after(caps, laid):
    """Take what is laid from the capacities."""
    return tuple(cap - laid.get(line, 0) for line, cap in enumerate(caps))


def totals_of(lots, caps, limit):
    """Yield the totals of every way to lay all lots under the receipt's limit."""
    if not lots:
        yield ()
        return
    for laid in layings(lots[0], caps):
        used = sum(laid.values())
        if used <= limit:
            for rest in totals_of(lots[1:], after(caps, laid), limit - used):
                yield (used, *rest)


def can(lots, totals, caps):
    """Tell whether exactly these totals can be laid."""
    if not lots:
        return True
    return any(
        sum(laid.values()) == totals[0] and can(lots[1:], totals[1:], after(caps, laid))
        for laid in layings(lots[0], caps)
    )


def closest(lots, totals, caps):
    """Lay the lots in order, each closest to its quotas among what leaves the later ones room."""
    if not lots:
        return []
    lot = lots[0]
    whole = sum(caps[line] for line in lot.lines)
    best = None
    for laid in layings(lot, caps):
        if sum(laid.values()) != totals[0] or not can(lots[1:], totals[1:], after(caps, laid)):
            continue
        far = sum(
            (points - Fraction(totals[0] * caps[line], whole)) ** 2 if whole else 0
            for line, points in laid.items()
        )
        key = far, [-points for points in laid.values()]
        if best is None or key < best[0]:
            best = key, laid
    laid = best[1]
    return [{k: v for k, v in laid.items() if v}, *closest(lots[1:], totals[1:], after(caps, laid))]


@st.composite
def instances(draw):
    """Draw up to three lots over up to three lines."""
    caps = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    lots = [
        UsableLot(
            name,
            draw(st.integers(0, 5)),
            tuple(sorted(draw(st.sets(st.integers(0, len(caps) - 1))))),
        )
        for name in "abc"[: draw(st.integers(0, 3))]
    ]
    return lots, caps, draw(st.integers(-1, 10)), draw(st.none() | st.integers(0, 8))


@settings(max_examples=150, deadline=None)
@given(instances())
def test_lots_give_the_most_in_order_and_lie_closest_to_their_quotas(instance):
    """The totals are the lexicographic most, their sum the maximum, and each split the closest."""
    lots, caps, receipt, wanted = instance
    found = spend(lots, caps, receipt, wanted)
    limit = max(0, receipt)
    ways = list(totals_of(lots, tuple(caps), limit))

    assert max(map(sum, ways)) == found.most
    asked = found.most if wanted is None else min(wanted, found.most)
    assert max(way for way in ways if sum(way) <= asked) == found.totals
    assert closest(lots, found.totals, tuple(caps)) == list(found.lines)


def test_a_thousand_untouched_lots_redeem_nothing():
    """Lots behind the receipt's limit keep their points, and are all named."""
    lots = [UsableLot(f"{at:04}", 500, (0,)) for at in range(1000)]
    found = spend(lots, [600], 600, None)

    assert found.totals == (500, 100, *[0] * 998)
