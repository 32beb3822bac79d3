"""What the core drops is freed at once: nothing refers to itself until the collector finds it.

A collection over what searches of long receipts had made came to whichever receipt was next.
"""

import gc

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from streams.core import optimum
from streams.core.lane_search import Search
from streams.core.optimum import Solver
from tests.support.problems import SLOW, problems, shop_like

pytestmark = pytest.mark.exhaustive

NODES = 500


@pytest.fixture(autouse=True)
def no_collector():
    """Keep the collector from finding anything meanwhile, and from what was there before."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def garbage_of(problem):
    """Count what only the collector can free of a solver, its answers and what it tried."""
    solver = Solver(replace(problem, nodes=NODES))
    gc.collect()
    solver.best()
    for offer in problem.offers:
        solver.best(offer.id)
    solver.by_lane()
    del solver
    return gc.collect()


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_a_search_leaves_nothing_to_the_collector(problem):
    """Of small receipts with all that ties lines together."""
    assert garbage_of(problem) == 0


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(shop_like())
def test_a_search_by_parts_leaves_nothing_to_the_collector(problem):
    """Of receipts as shops have them."""
    assert garbage_of(problem) == 0


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_a_search_by_lanes_leaves_nothing_to_the_collector(problem):
    """Of the same receipts, were they not put together from parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimum, "search", lambda task, budget, *_, **__: Search(task, budget))
        assert garbage_of(problem) == 0
