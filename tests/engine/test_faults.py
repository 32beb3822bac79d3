"""Three chained stages lose nothing, double nothing and agree, whatever is done to them."""

import os
import random
from collections import Counter

import pytest

from streams.sandbox.cluster import KafkaCluster
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port
from tests.support import chain
from tests.support.faults import KINDS, ON_ONE, ON_THREE, SOAK_LOSSES, SOAK_RUNS, drawn
from tests.support.proxy import Proxy
from tests.support.siege import (
    BROKER_PROPERTIES,
    ONE_OF_THREE_PROPERTIES,
    STRIKES,
    WENT_ON,
    Siege,
)

# On a machine that is busy with something else a run takes many times what it needs.
pytestmark = pytest.mark.timeout(3600)

SEED = int(os.environ.get("LOYALTY_FAULTS_SEED", "31208"))
"""Everybody has the same faults; set the variable for others, or for those that failed."""


def dice(run):
    """Make the dice that draw the faults of a run with this seed."""
    return random.Random(f"{SEED} {run}")  # noqa: S311 - a seed, not a secret


def besiege_one(folder, record_siege, *, run):
    """Run the chain on one broker behind a proxy, and hold the views against each other."""
    port = free_port()
    kafka = EmbeddedKafka(
        folder / "kafka", heap_mb=512, advertised_port=port, properties=BROKER_PROPERTIES
    )
    with Proxy(port, kafka.port) as proxy, kafka:
        siege = Siege(kafka, folder, proxy=proxy, static=run % 2 == 0, seed=run)
        faults = drawn(dice(f"one {run}"), ON_ONE)
        besiege(siege, faults, record_siege, name=f"run {run}", copies=1)


def besiege_three(folder, record_siege, *, run):
    """Run the chain on three brokers, of which one at a time is lost."""
    with KafkaCluster(folder / "kafka", properties=ONE_OF_THREE_PROPERTIES) as cluster:
        siege = Siege(cluster, folder, static=run % 2 == 0, seed=run)
        faults = drawn(dice(f"three {run}"), ON_THREE)
        besiege(siege, faults, record_siege, name=f"three brokers, run {run}", copies=3)


def besiege(siege, faults, record_siege, *, name, copies):
    """
    Let all *faults* strike; nothing may be lost, doubled or divergent.

    The folder of a run that failed is what an investigation needs: the broker's logs, those of
    its transactions among them, the workers' states, and what each of them had to say.
    """
    print(  # noqa: T201 - shown when the test fails
        f"seed {SEED}, {name}: LOYALTY_FAULTS_SEED={SEED} draws it again; it all is in"
        f" {siege.workers[0].folder.parent}"
    )
    chain.create_topics(siege.client, copies=copies)
    differences = siege.run(faults)
    record_siege(f"{name} of seed {SEED}", siege)

    assert not differences, "\n".join(differences)
    assert siege.struck == Counter(fault.kind for fault in faults)
    assert not siege.zombies[WENT_ON]


def test_nothing_is_lost_or_doubled_under_fire(tmp_path, record_siege):
    """Faults of every kind that one broker can suffer, several at a time."""
    besiege_one(tmp_path, record_siege, run=0)


def test_the_loss_of_one_of_three_brokers_changes_nothing(tmp_path, record_siege):
    """Leaders and coordinators move; what was acknowledged is on two of them."""
    besiege_three(tmp_path, record_siege, run=0)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(1, SOAK_RUNS + 1))
def test_nothing_is_lost_or_doubled_under_long_fire(tmp_path, record_siege, run):
    """The same, many times and with other faults in each run."""
    besiege_one(tmp_path, record_siege, run=run)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(1, SOAK_LOSSES + 1))
def test_many_losses_of_one_of_three_brokers_change_nothing(tmp_path, record_siege, run):
    """The same, many times."""
    besiege_three(tmp_path, record_siege, run=run)


def test_a_seed_draws_the_same_faults_again():
    """A run that found something can be looked at again."""
    assert drawn(dice("one 0"), ON_ONE) == drawn(dice("one 0"), ON_ONE)
    assert drawn(dice("one 0"), ON_ONE) != drawn(dice("one 1"), ON_ONE)


def test_there_are_as_many_faults_as_were_promised():
    """At least 60 in the short form and 500 in the long one, of every kind that there is."""
    assert sum(ON_ONE.values()) + sum(ON_THREE.values()) >= 60
    assert SOAK_RUNS * sum(ON_ONE.values()) + SOAK_LOSSES * sum(ON_THREE.values()) >= 500
    assert set(ON_ONE) | set(ON_THREE) == set(KINDS) == set(STRIKES)
