"""Ten thousand histories drawn from seeds, each with its faults, each judged whole."""

import collections
import os

import pytest

from tests.simulation.history import FAULTS, drawn
from tests.simulation.world import World, breaks, report

SEEDS = 10_000
BLOCK = 500
FIRST = int(os.environ.get("SIMULATION_FIRST_SEED", "0"))
"""Another first seed gives histories that no run has tried."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BLOCK))
def test_no_history_loses_or_doubles_anything(first):
    """Whoever changes the engine reads the seed, the shrunk history and its story here."""
    for seed in range(first, first + BLOCK):
        history = drawn(seed)
        if breaks(history):
            pytest.fail(report(history))


@pytest.mark.soak
def test_no_history_of_a_million_loses_or_doubles_anything():
    """The same for hours."""
    for seed in range(FIRST, FIRST + 1_000_000):
        history = drawn(seed)
        if breaks(history):
            pytest.fail(report(history))


def test_the_histories_go_through_all_that_can_happen():
    """A simulator in which nothing happens would find nothing."""
    happened = collections.Counter()
    for seed in range(300):
        happened += World(drawn(seed)).run().happened

    assert {f"fault {each}" for each in FAULTS} <= set(happened)
    assert min(happened.values()) >= 10, happened
    assert set(happened) >= {
        "commit",
        "abort by its writer",
        "abort by its age",
        "abort by a successor",
        "lost partition",
        "fenced",
        "restored record",
        "hidden by an open transaction",
        "pending positions waited for",
        "repeated record",
    }, happened


def test_a_history_is_replayed_step_by_step():
    """What a failure prints would else be of no use."""
    for seed in range(20):
        assert World(drawn(seed)).run().told == World(drawn(seed)).run().told
