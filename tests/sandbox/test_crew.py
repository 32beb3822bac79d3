import random
import sys
import time

import pytest

from streams.sandbox import crew as crews

# Stands in for a worker: it says when it can be told to end, and then ends in order.
WORKER = """#!/bin/sh
trap 'exit 0' TERM
echo up
while :; do sleep 0.05; done
"""
WAIT_SECONDS = 10


@pytest.fixture
def crew(tmp_path, monkeypatch):
    """A crew of two stand-ins."""
    program = tmp_path / "worker"
    program.write_text(WORKER)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    crew = crews.Crew(("one", "two"), folder=tmp_path / "logs", environment={})
    yield crew
    crew.stop()


def started(worker):
    """How many of a worker's processes have come up."""
    return worker.log.read_text().count("up") if worker.log.exists() else 0


def until(condition):
    """Wait until *condition* holds, or fail."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_worker_is_started_again_and_still_ends_in_order(crew):
    """The kernel must not kill the successor when the thread that started it is gone."""
    crew.start()
    until(lambda: all(started(worker) == 1 for worker in crew.workers))
    name = crew.kill_one(random.Random(1))  # noqa: S311 -- reproducible, not secret
    killed = next(worker for worker in crew.workers if worker.app == name)
    until(lambda: started(killed) == 2)

    assert crew.stop() == {"one": 0, "two": 0}


def test_no_worker_is_started_after_the_crew_was_stopped(crew):
    """A worker that ends because it was told to is not taken for a crash."""
    crew.start()
    until(lambda: all(started(worker) == 1 for worker in crew.workers))
    crew.stop()
    time.sleep(3 * crews.LOOK_SECONDS)

    assert [worker.starts for worker in crew.workers] == [1, 1]
    assert not any(worker.running for worker in crew.workers)
