"""One broker for the engine's tests, and the table of the faults that struck."""

from collections import Counter

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from tests.support import faults
from tests.support.toy import Toy, ToyWorker

FAULTS = pytest.StashKey["FaultTable"]()


class FaultTable:
    """What struck in every run of this session."""

    def __init__(self):
        self.runs = []
        self.struck = Counter()
        self.ended = Counter()
        self.zombies = Counter()
        self.measures = []

    def add(self, name, siege):
        """Take a run's counts over."""
        self.runs.append(name)
        self.struck += siege.struck
        self.ended += siege.ended
        self.zombies += siege.zombies


def pytest_configure(config):
    """Keep a table for the whole session."""
    config.stash[FAULTS] = FaultTable()


def pytest_terminal_summary(terminalreporter, config):
    """Show the table, also when everything went well."""
    table = config.stash[FAULTS]
    if table.struck:
        terminalreporter.section("faults that struck")
        terminalreporter.write_line(faults.table(table.struck))
        terminalreporter.write_line(f"in {'; '.join(table.runs)}")
        terminalreporter.write_line(f"workers that ended, by exit code: {dict(table.ended)}")
        terminalreporter.write_line(f"workers frozen past their session: {dict(table.zombies)}")
    if table.measures:
        terminalreporter.section("measured under pressure")
        for line in table.measures:
            terminalreporter.write_line(line)


@pytest.fixture
def record_measure(pytestconfig):
    """Give what takes a line for the end of the session."""
    return pytestconfig.stash[FAULTS].measures.append


@pytest.fixture
def fault_table(pytestconfig):
    """Give the table of the session."""
    return pytestconfig.stash[FAULTS]


@pytest.fixture(scope="session")
def engine_broker(tmp_path_factory):
    """Start a broker that all tests of the engine share."""
    with EmbeddedKafka(tmp_path_factory.mktemp("engine-kafka"), heap_mb=512) as kafka:
        yield kafka


@pytest.fixture
def toy(engine_broker):
    """Make the toy job's topics anew."""
    return Toy(engine_broker.bootstrap)


@pytest.fixture
def worker_named(toy, tmp_path):
    """Make workers by name; none of them outlives its test."""
    made = []

    def make(name, *, folder=None, instance=""):
        made.append(ToyWorker(toy.brokers, tmp_path / (folder or name), instance=instance))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()
