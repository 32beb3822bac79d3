"""Three chained stages lose nothing, double nothing and agree, whatever is done to them."""

import os
import random
import time

import pytest

from streams.sandbox.cluster import KafkaCluster
from streams.sandbox.kafka import EmbeddedKafka, free_port
from tests.support import chain
from tests.support.faults import CI, KINDS, LOSSES, SOAK_LOSSES, SOAK_RUNS, dealt, drawn
from tests.support.proxy import Proxy
from tests.support.siege import BROKER_PROPERTIES, STRIKES, Siege

# On a machine that is busy with something else a run takes many times what it needs.
pytestmark = pytest.mark.timeout(3600)

SEED = int(os.environ.get("LOYALTY_FAULTS_SEED", time.time_ns() % 10**6))
"""Set the variable to what a failed run printed, and the same faults are drawn."""
RUNS = 3
"""The faults of the shortened form are dealt to so many runs."""


def dice(run):
    """Make the dice that draw the faults of a run with this seed."""
    return random.Random(f"{SEED} {run}")  # noqa: S311 - a seed, not a secret


def besiege_one(folder, faults, fault_table, *, run):
    """Run the chain on one broker behind a proxy, and hold the views against each other."""
    port = free_port()
    kafka = EmbeddedKafka(
        folder / "kafka", heap_mb=512, advertised_port=port, properties=BROKER_PROPERTIES
    )
    with Proxy(port, kafka.port) as proxy, kafka:
        siege = Siege(kafka, folder, proxy=proxy, static=run % 2 == 0, seed=run)
        besiege(siege, faults, fault_table, name=f"run {run}", copies=1)


def besiege_three(folder, fault_table, *, run):
    """Run the chain on three brokers, of which one at a time is lost."""
    faults = drawn(dice(f"three {run}"), LOSSES)
    with KafkaCluster(folder / "kafka", properties=BROKER_PROPERTIES) as cluster:
        siege = Siege(cluster, folder, static=run % 2 == 0, seed=run)
        besiege(siege, faults, fault_table, name=f"three brokers, run {run}", copies=3)


def besiege(siege, faults, fault_table, *, name, copies):
    """Let all *faults* strike; nothing may be lost, doubled or divergent."""
    print(f"seed {SEED}, {name}: LOYALTY_FAULTS_SEED={SEED} draws it again")  # noqa: T201 - a seed
    chain.create_topics(siege.client, copies=copies)
    differences = siege.run(faults)
    fault_table.add(f"{name} of seed {SEED}", siege)

    assert not differences, "\n".join(differences)
    assert siege.struck.total() == len(faults)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(RUNS))
def test_nothing_is_lost_or_doubled_under_fire(tmp_path, fault_table, run):
    """Each kind of fault strikes several times, some while others last."""
    besiege_one(tmp_path, dealt(drawn(dice("CI"), CI), RUNS)[run], fault_table, run=run)


@pytest.mark.soak
def test_the_loss_of_one_of_three_brokers_changes_nothing(tmp_path, fault_table):
    """Leaders and coordinators move; what was acknowledged is on two of them."""
    besiege_three(tmp_path, fault_table, run=0)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(SOAK_RUNS))
def test_nothing_is_lost_or_doubled_under_long_fire(tmp_path, fault_table, run):
    """The same, for hours and with other faults in each run."""
    faults = dealt(drawn(dice(f"soak {run // RUNS}"), CI), RUNS)[run % RUNS]
    besiege_one(tmp_path, faults, fault_table, run=run)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(1, SOAK_LOSSES + 1))
def test_many_losses_of_one_of_three_brokers_change_nothing(tmp_path, fault_table, run):
    """The same, many times."""
    besiege_three(tmp_path, fault_table, run=run)


def test_a_seed_draws_the_same_faults_again():
    """A run that found something can be looked at again."""
    assert drawn(dice("CI"), CI) == drawn(dice("CI"), CI)
    assert drawn(dice("CI"), CI) != drawn(dice("other"), CI)


def test_there_are_as_many_faults_as_were_promised():
    """At least 60 in the short form and 500 in the long one, and none is dealt to no run."""
    assert sum(CI.values()) >= 60
    assert SOAK_RUNS // RUNS * sum(CI.values()) + SOAK_LOSSES * sum(LOSSES.values()) >= 500
    assert sum(map(len, dealt(drawn(dice("CI"), CI), RUNS))) == sum(CI.values())
    assert set(CI) | set(LOSSES) == set(KINDS) == set(STRIKES)
