"""The best combination against every combination, and its bound where there are too many."""

from fractions import Fraction
from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import assembly, optimum
from streams.core.accrual_choice import choose
from streams.core.accrual_claims import Earner
from streams.core.combination import Claim, Offer, Unit
from streams.core.discounting import discount_lane
from streams.core.lane_search import Search
from streams.core.net_accruals import earners_on
from streams.core.optimum import Solver, nets_of
from streams.core.problem import Problem, Seed
from streams.core.set_gains import SetGains
from streams.core.task import Combination
from streams.core.written import all_written, written
from tests.support.problems import SLOW, problems, shop_like

pytestmark = pytest.mark.exhaustive


def ways(offer, units, taken):
    """Yield every claim of *offer* on units not *taken*, blocks and sets; pieces all told apart."""
    if offer.kind == "basket":
        own = tuple(u for u, unit in enumerate(units) if unit.line in offer.lines)
        if not taken & set(own):
            yield Claim(offer, own)
        return
    found = {}
    for groups in fillings(offer.groups, offer, units, taken):
        pieces = tuple(sorted(u for group in groups for u in group))
        named = groups[offer.group] if offer.group is not None else ()
        found[pieces, named] = Claim(offer, pieces, tuple(sorted(named)))
    yield from found.values()


def fillings(groups, offer, units, taken):
    """Yield every choice of pieces for each group."""
    if not groups:
        yield ()
        return
    (take, lines), *rest = groups
    able = [
        u for u, unit in enumerate(units)
        if u not in taken and unit.line in lines and unit.line in offer.lines
    ]  # fmt: skip
    for group in combinations(able, take):
        for others in fillings(rest, offer, units, taken | set(group)):
            yield (group, *others)


def bundles(offers, units, taken=frozenset()):
    """Yield every set of blocks and sets of one lane that share no piece."""
    if not offers:
        yield ()
        return
    offer, *rest = offers
    yield from bundles(rest, units, taken)
    most = 1 if offer.kind == "basket" else (offer.sets_most or len(units))
    stack = [((), taken)]
    seen = set()
    while stack:
        claims, used = stack.pop()
        if len(claims) == most:
            continue
        for claim in ways(offer, units, used):
            own = frozenset((*claims, claim))
            if own in seen:
                continue
            seen.add(own)
            both = used | set(claim.units)
            stack.append(((*claims, claim), both))
            for others in bundles(rest, units, both):
                yield (*claims, claim, *others)


def lane_claims(offers, units):
    """Yield every set of claims of one lane."""
    big = [o for o in offers if o.kind in ("basket", "set")]
    effects = [o for o in offers if o.kind not in ("basket", "set")]
    lines = sorted({unit.line for unit in units})
    for bundle in bundles(big, units):
        used = {u for claim in bundle for u in claim.units}
        free = {
            line: tuple(u for u, unit in enumerate(units) if unit.line == line and u not in used)
            for line in lines
        }
        options = [
            [None, *(Claim(o, free[line]) for o in effects if line in o.lines and free[line])]
            for line in lines
        ]
        for picks in product(*options):
            yield (*bundle, *(claim for claim in picks if claim is not None))


def at_odds(problem, claims, more):
    """Tell whether *more* can't be beside *claims*."""
    everything = [*claims, *more]
    for one, other in permutations({claim.offer for claim in everything}, 2):
        if one.alone or (one.id, other.id) in problem.odds:
            return True
    for one, other in permutations(everything, 2):
        if one.offer.items and one.offer is not other.offer and set(one.units) & set(other.units):
            return True
    return False


def missed(problem, claims, running):
    """Tell whether a threshold is missed at the lane's entry."""
    nets = nets_of(problem, running)
    return any(
        net is not None
        and not net.met(sum(nets) if net.over == "all" else sum(nets[n] for n in claim.offer.lines))
        for claim in claims
        for net in (claim.offer.net,)
    )


def combinations_of(problem):
    """Yield every allowed combination."""
    groups = [list(permutations(group)) for group in problem.groups]
    for order in product(*groups):
        lanes = [lane for group in order for lane in group]
        yield from below(problem, tuple(lanes), lanes, [unit.list for unit in problem.units], ())


def below(problem, order, lanes, running, claims):
    """Yield the allowed combinations that begin with *claims*."""
    if not lanes:
        yield finished(problem, order, running, claims)
        return
    lane, *rest = lanes
    offers = [o for o in problem.offers if o.lane == lane]
    taken = sum(u.list for u in problem.units) - sum(running)
    left = None if problem.cap is None else problem.cap - taken
    for more in lane_claims(offers, problem.units):
        if not more:
            yield from below(problem, order, rest, running, claims)
            continue
        if at_odds(problem, claims, more) or missed(problem, more, running):
            continue
        result = discount_lane(more, problem.units, running, left)
        if result is not None:
            after = [r - off for r, off in zip(running, result.off, strict=True)]
            yield from below(problem, order, rest, after, (*claims, *more))


def finished(problem, order, running, claims):
    """Add the best accrual on the nets."""
    nets = nets_of(problem, running)
    cut = frozenset(n for n, net in enumerate(nets) if net != problem.lists[n])
    applied = {claim.offer.id for claim in claims}
    accrual = choose(earners_on(problem, problem.seeds, nets, cut, applied), nets)
    worth, coded, count, priority = accrual.merit
    discount = sum(problem.lists) - sum(nets)
    merit = (
        worth + discount,
        discount,
        coded - sum(claim.offer.coded for claim in claims),
        count + len(claims),
        priority + sum(claim.offer.priority for claim in claims),
    )
    return Combination(
        merit, order, claims, accrual, tuple(running), nets, proven=True, bound=merit[0]
    )


def order_place(problem, combination):
    """Tell how early the order of lanes comes."""
    return list(product(*(permutations(g) for g in problem.groups))).index(
        tuple(permuted(problem, combination))
    )


def permuted(problem, combination):
    """Cut the order back into groups."""
    at = 0
    for group in problem.groups:
        yield combination.order[at : at + len(group)]
        at += len(group)


def key(problem, combination):
    """Order combinations as promotions.md does; smaller is better."""
    return (
        tuple(-each for each in combination.merit),
        order_place(problem, combination),
        all_written(combination.claims, combination.accrual, problem.units),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_the_combination_is_the_best_of_all(problem):
    """Objective, order and every tie agree with weighing all combinations."""
    best = min(combinations_of(problem), key=lambda each: key(problem, each))
    found = Solver(problem).best()

    assert found.proven
    assert best.merit == found.merit
    assert order_place(problem, best) == order_place(problem, found)
    assert written(best.claims, problem.units) == written(found.claims, problem.units)
    assert best.accrual.written == found.accrual.written


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(most=3))
def test_best_with_a_campaign_is_the_best_of_all_that_contain_it(problem):
    """And None where no combination contains it."""
    everything = list(combinations_of(problem))
    for offer in problem.offers:
        having = [each.objective for each in everything if offer.id in each.applied]
        forced = Solver(problem).best(offer.id)

        assert max(having, default=None) == (None if forced is None else forced.objective)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(problems(most=8), st.integers(1, 40))
def test_no_objective_exceeds_its_bound(problem, nodes):
    """With few nodes the best found is declared with a bound that the true optimum keeps."""
    few = Solver(Problem(**{**fields(problem), "nodes": nodes})).best()
    true = Solver(Problem(**{**fields(problem), "nodes": 20_000})).best()

    assert few.objective <= true.objective <= few.bound
    assert few.proven <= (few.objective == true.objective)
    assert few.objective >= Solver(problem).by_lane().objective or few.proven


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most=6))
def test_a_further_campaign_never_lowers_the_objective(problem):
    """Whatever campaign is left out, the objective without it is not above."""
    whole = Solver(problem).best()
    for offer in problem.offers:
        assert Solver(problem.without(offer.id)).best().objective <= whole.objective


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(most=7))
def test_parts_put_together_are_as_good_as_the_search_by_lanes(problem):
    """Both searches prove the same combination, claim by claim."""
    together = Solver(problem).best()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimum, "search", lambda task, budget, *_, **__: Search(task, budget))
        by_lanes = Solver(problem).best()

    assert together.proven
    assert by_lanes.proven
    assert by_lanes.merit == together.merit
    assert order_place(problem, by_lanes) == order_place(problem, together)
    assert written(by_lanes.claims, problem.units) == written(together.claims, problem.units)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(shop_like())
def test_limits_and_sets_come_out_as_in_the_search_by_lanes(problem):
    """Where limits cut what sets are laid on, neither search finds what the other rules out."""
    together = Solver(problem).best()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimum, "search", lambda task, budget, *_, **__: Search(task, budget))
        by_lanes = Solver(Problem(**{**fields(problem), "nodes": 3_000})).best()

    assert by_lanes.objective <= together.bound
    assert together.objective <= by_lanes.bound
    assert not (together.proven and by_lanes.proven) or by_lanes.merit == together.merit


def two_orders():
    """Build a receipt whose second order of lanes is better, by a little."""
    prices = (40970, 5000, 9210, 32890)
    units = tuple(Unit(line, (0,), 1000, price, 0) for line, price in enumerate(prices))
    everything = (0, 1, 2, 3)
    offers = (
        Offer("brand", 0, "percent", 500, everything, cap=4000),
        Offer("set", 1, "set", 2000, (0, 2), groups=((2, frozenset((0, 2))),), reward="percent"),
        Offer("group", 1, "percent", 500, (0, 1)),
        Offer("town", 2, "percent", 500, (0, 1)),
    )
    earners = (
        Earner("points", 0, "per", 5, 100, "bonus", 1, everything),
        Earner("promo", 1, "percent", 500, 10_000, "bonus", 1, (0, 1)),
    )
    seeds = tuple(Seed(each, None, skip_discounted=False) for each in earners)
    return Problem(prices, units, offers, seeds, frozenset(), ((0,), (1, 2), (3,)), None, 20_000)


def test_what_few_nodes_prove_is_what_many_find():
    """Wherever they run out: also in an order in which nothing better had been found yet."""
    problem = two_orders()
    best = Solver(problem).best()
    found = [
        Solver(Problem(**{**fields(problem), "nodes": nodes})).best()
        for nodes in range(1, best.nodes + 1)
    ]

    assert all(few.merit == best.merit for few in found if few.proven)
    assert not all(few.proven for few in found)


def test_what_few_nodes_prove_with_a_campaign_is_what_many_find_with_it():
    """The search that is made to have it may lack nodes as well."""
    problem = two_orders()
    for offer in problem.offers:
        best = Solver(problem).best(offer.id)
        found = [
            Solver(Problem(**{**fields(problem), "nodes": nodes})).best(offer.id)
            for nodes in range(1, best.nodes + 1, 17)
        ]

        assert all(few.merit == best.merit for few in found if few is not None and few.proven)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(shop_like())
def test_what_a_campaign_can_be_had_with_is_found_with_a_single_node(problem):
    """Not the best; but that there is none is never said because nodes ran out."""
    for offer in problem.offers:
        many = Solver(problem).best(offer.id)
        few = Solver(Problem(**{**fields(problem), "nodes": 1})).best(offer.id)

        assert (many is None) == (few is None)
        assert few is None or offer.id in few.applied


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(shop_like())
def test_what_sets_add_is_remembered_as_it_would_be_worked_out_anew(problem):
    """Whatever was asked before: another choice of entries, or other entries of a line."""

    class Checked(SetGains):
        def _bounded(self, entries, choice):
            found = super()._bounded(entries, choice)
            assert found == SetGains(self.part)._bounded(entries, choice)
            return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "SetGains", Checked)
        Solver(problem).best()


def fields(problem):
    """Give the problem's fields by name."""
    return {name: getattr(problem, name) for name in problem.__struct_fields__}


def two_for_half(prices, *others):
    """Build one lane with second at half price and other campaigns."""
    pieces = tuple(Unit(n, (0,), 1000, price, 0) for n, price in enumerate(prices))
    lines = tuple(range(len(prices)))
    half = Offer("half", 0, "set", 5000, lines, groups=((2, frozenset(lines)),),
                 reward="percent", cheapest=1)  # fmt: skip
    return Problem(tuple(prices), pieces, (half, *others), (), frozenset(), ((0,),), None, 5000)


@pytest.mark.parametrize(
    ("prices", "discount"),
    [([15, 15, 15, 15], 15), ([20, 20, 15, 5], 14), ([50, 30, 30, 20], 29)],
)
def test_known_dispute_two(prices, discount):
    """Second at half price or 20 % off any two, in one lane: promotions.md §5."""
    prices = [price * 100 for price in prices]
    lines = tuple(range(len(prices)))
    fifth = Offer("fifth", 0, "set", 2000, lines, groups=((2, frozenset(lines)),), reward="percent")

    assert discount * 100 == Solver(two_for_half(prices, fifth)).best().objective


def test_a_block_keeps_its_lines_together_when_another_claims_an_item_alone():
    """Parted, the block would be paid for the line that is left to it."""
    dear = Earner("p", 1, "per", 3, 50, "bonus", 1, (0,), items=True)
    block = Earner("q", 0, "per", 1, 50, "bonus", 1, (0, 1))
    units = tuple(Unit(line, (0,), 1000, 1, 0) for line in (0, 1))
    seeds = tuple(Seed(each, None, skip_discounted=False) for each in (dear, block))
    problem = Problem((1, 1), units, (), seeds, frozenset(), ((0,), (1,)), None, 1_000_000)

    found = Solver(problem).best()

    assert found.applied == {"p"}
    assert found.objective == Fraction(3, 50)
