"""Each planted bug is found by the histories that the engine itself comes through."""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.history import drawn, shrunk
from tests.simulation.world import breaks, report

SEEDS_MAX = 2000
"""A fifth of what the engine itself is run on."""


def found(variant):
    """Give the first seed whose history finds the bug."""
    for seed in range(SEEDS_MAX):
        if breaks(drawn(seed), variant):
            return seed
    return None


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name):
    """Or the simulator would be believed for nothing."""
    seed = found(BUGS[name])
    print(f"{name}: seed {seed}")  # noqa: T201 - which one

    assert seed is not None


def test_the_report_of_a_bug_is_small_and_can_be_replayed():
    """Nobody reads seventeen records and eight faults."""
    variant = BUGS["skip instead of replay"]
    history = drawn(found(variant))
    told = report(history, variant)
    small = shrunk(history, lambda each: breaks(each, variant) is not None)

    assert f"seed={history.seed}: " in told
    assert f"replay: World({small}).run()" in told
    assert len(small.faults) <= 2
    assert small.workers == 1
