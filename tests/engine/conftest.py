"""One broker for the engine's tests, and the table of the faults that struck."""

from collections import Counter

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from tests.support import faults
from tests.support.siege import BROKER_PROPERTIES
from tests.support.toy import Toy, ToyWorker

STORY = "siege"
MEASURE = "measure"


def pytest_terminal_summary(terminalreporter):
    """
    Show what struck and what was measured, also when everything went well.

    It comes with the reports of the tests, which may have run in another process.
    """
    told = [
        each
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for each in report.user_properties
    ]
    stories = [value for name, value in told if name == STORY]
    if stories:
        terminalreporter.section("faults that struck")
        terminalreporter.write_line(faults.table(summed(stories, "struck")))
        terminalreporter.write_line(f"in {'; '.join(each['run'] for each in stories)}")
        for what, key in (
            ("workers that ended, by exit code", "ended"),
            ("workers frozen past their session", "zombies"),
        ):
            terminalreporter.write_line(f"{what}: {dict(summed(stories, key))}")
    measures = [value for name, value in told if name == MEASURE]
    if measures:
        terminalreporter.section("measured under pressure")
        for line in measures:
            terminalreporter.write_line(line)


def summed(stories, key):
    """Add up the counts that each run has under *key*."""
    return sum((Counter(each[key]) for each in stories), Counter())


@pytest.fixture
def record_measure(record_property):
    """Give what takes a line for the end of the session."""
    return lambda line: record_property(MEASURE, line)


@pytest.fixture
def record_siege(record_property):
    """Give what takes the counts of a run for the end of the session."""

    def record(run, siege):
        counts = {key: dict(getattr(siege, key)) for key in ("struck", "ended", "zombies")}
        record_property(STORY, {"run": run, **counts})

    return record


@pytest.fixture(scope="session")
def engine_broker(tmp_path_factory):
    """Start a broker that all tests of the engine share."""
    folder = tmp_path_factory.mktemp("engine-kafka")
    with EmbeddedKafka(folder, heap_mb=512, properties=BROKER_PROPERTIES) as kafka:
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
