"""Receipts with their campaigns, drawn for properties of the search."""

from hypothesis import HealthCheck
from hypothesis import strategies as st

from streams.core.accrual_claims import Earner
from streams.core.campaigns import Threshold
from streams.core.combination import Offer, Unit
from streams.core.problem import Problem, Seed

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
"""What a drawn receipt may be: it is more than Hypothesis expects."""

PRICES = st.sampled_from([1, 7, 10, 15, 20, 99, 100, 101, 333])


@st.composite
def units(draw):
    """Draw up to three lines of up to two pieces."""
    found = []
    for line in range(draw(st.integers(1, 3))):
        price = draw(PRICES)
        floor = draw(st.sampled_from([0, 0, 0, price // 2, price]))
        found += [
            Unit(line, (piece,), 1000, price, floor) for piece in range(draw(st.integers(1, 2)))
        ]
    return tuple(found)


rarely = st.sampled_from([False] * 5 + [True])


@st.composite
def offers(draw, lines, name):
    """Draw one discount campaign."""
    kind = draw(st.sampled_from(["percent", "percent", "amount", "price", "basket", "set"]))
    own = tuple(sorted(draw(st.sets(st.sampled_from(lines), min_size=1))))
    more = {}
    if kind == "set":
        reward = draw(st.sampled_from(["percent", "amount", "price"]))
        count = draw(st.integers(1, 2))
        groups = tuple(
            (draw(st.integers(1, 2)), frozenset(draw(st.sets(st.sampled_from(own), min_size=1))))
            for _ in range(count)
        )
        whom = draw(st.sampled_from(["all", "cheapest", "group"]))
        more = {
            "groups": groups,
            "reward": reward,
            "cheapest": 1 if whom == "cheapest" else None,
            "group": draw(st.integers(0, count - 1)) if whom == "group" else None,
            "rewarded": draw(st.booleans()),
            "sets_most": draw(st.sampled_from([None, None, 1])),
        }
    percent = kind == "percent" or more.get("reward") == "percent"
    figure = draw(st.sampled_from([500, 1000, 3333, 5000, 10000] if percent else [1, 5, 12, 90]))
    net = None
    if draw(rarely):
        bound = draw(st.integers(1, 300))
        net = Threshold(
            bound, draw(st.booleans()), "running", draw(st.sampled_from(["goods", "all"]))
        )
    return Offer(
        name,
        draw(st.integers(0, 1)),
        kind,
        figure,
        own,
        draw(rarely),
        net,
        draw(st.integers(1, 30)) if draw(rarely) else None,
        draw(st.integers(1, 30)) if draw(rarely) else None,
        draw(rarely),
        draw(rarely),
        draw(st.integers(-1, 1)),
        draw(rarely) and draw(st.booleans()),
        draw(rarely),
        **more,
    )


KINDS = {"percent": 1000, "times": 100, "per": 50, "points": 1}


@st.composite
def seeds(draw, lines, name):
    """Draw one accrual campaign."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    own = tuple(sorted(draw(st.sets(st.sampled_from(lines), min_size=1))))
    points = draw(st.sampled_from([10, 50, 200] if kind in ("percent", "times") else [1, 3]))
    cap = draw(st.integers(1, 9)) if draw(rarely) else None
    earner = Earner(
        name, draw(st.integers(0, 1)), kind, points, KINDS[kind], "bonus", 1, own, cap,
        None, draw(rarely), draw(rarely), 0, draw(rarely) and draw(st.booleans()), draw(rarely),
    )  # fmt: skip
    net = None
    if draw(rarely):
        net = Threshold(draw(st.integers(1, 300)), base="running", over="goods")
    return Seed(earner, net, draw(rarely))


@st.composite
def problems(draw, most=4):
    """Draw a small receipt with its campaigns."""
    own = draw(units())
    lines = sorted({unit.line for unit in own})
    names = "abcdefgh"
    discounts = [draw(offers(lines, n)) for n in names[: draw(st.integers(0, most))]]
    accruals = [draw(seeds(lines, n)) for n in "pqr"[: draw(st.integers(0, 2))]]
    ids = [o.id for o in discounts] + [s.earner.id for s in accruals]
    odds = set()
    if len(ids) > 1 and draw(rarely):
        one, other = draw(st.permutations(ids))[:2]
        odds = {(one, other), (other, one)}
    accruals = [foe_of(seed, odds) for seed in accruals]
    lists = [sum(u.list for u in own if u.line == line) for line in lines]
    return Problem(
        tuple(lists),
        own,
        tuple(discounts),
        tuple(accruals),
        frozenset(odds),
        draw(st.sampled_from([((0,), (1,)), ((0, 1),)])),
        draw(st.integers(1, 200)) if draw(rarely) else None,
        1_000_000,
    )


def foe_of(seed, odds):
    """Name the foes among other campaigns in the earner."""
    earner = seed.earner
    foes = frozenset(other for one, other in odds if one == earner.id)
    values = {name: getattr(earner, name) for name in earner.__struct_fields__}
    return Seed(Earner(**(values | {"foes": foes})), seed.net, seed.skip_discounted)


@st.composite
def shop_like(draw):
    """Draw a receipt as shops have: limits first, then sets, percents and a last coupon."""
    own, lists = [], []
    for line in range(draw(st.integers(3, 5))):
        price = 10 * draw(st.integers(500, 40_000))  # Rounding matters little, as in shops.
        count = draw(st.sampled_from([1, 1, 2, 3]))
        own += [Unit(line, (piece,), 1000, price, 0) for piece in range(count)]
        lists.append(price * count)
    some = st.sets(st.integers(0, len(lists) - 1), min_size=2).map(lambda s: tuple(sorted(s)))
    percent = st.sampled_from([500, 1000, 2000, 3000])
    discounts = [
        Offer(f"brand-{n}", 0, "percent", draw(percent), draw(some),
              cap=draw(st.sampled_from([None, 500, 4_000, 15_000])))
        for n in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    for n in range(draw(st.integers(1, 2))):
        lines, size = draw(some), draw(st.integers(2, 3))
        discounts.append(
            Offer(f"set-{n}", 1, "set", draw(st.sampled_from([2000, 5000, 10000])), lines,
                  groups=((size, frozenset(lines)),), reward="percent",
                  cheapest=draw(st.sampled_from([None, 1, 1])))
        )  # fmt: skip
    discounts.append(Offer("group", 1, "percent", draw(percent), draw(some)))
    discounts += [
        Offer(f"town-{n}", 2, "percent", draw(percent), draw(some))
        for n in range(draw(st.integers(0, 2)))
    ]
    whole = tuple(range(len(lists)))
    if draw(st.booleans()):
        discounts.append(Offer("voucher", 3, "basket", draw(st.integers(100, 4_000)), whole))
    base = Earner("points", 0, "per", 5, 100, "bonus", 1, whole)
    promo = Earner("promo", 1, "percent", 500, 10_000, "bonus", 1, draw(some))
    seeds = tuple(Seed(each) for each in (base, promo))
    groups = draw(st.sampled_from([((0,), (1,), (2,), (3,)), ((0,), (1, 2), (3,))]))
    return Problem(
        tuple(lists), tuple(own), tuple(discounts), seeds, frozenset(), groups, None, 20_000
    )
