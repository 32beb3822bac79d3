"""One broker for the engine's tests."""

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from tests.support.toy import Toy, ToyWorker


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
