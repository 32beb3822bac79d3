"""A worker's heir has its state already."""

import json
import time

from tests.support.toy import PARTITIONS


def health(worker):
    """Ask a worker how it is."""
    return json.loads(worker.ask("/ready"))


def await_warm(*workers):
    """Wait until each partition is owned by one worker and warm at another."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        standbys = [each for worker in workers for each in health(worker)["standbys"]]
        if len(standbys) == PARTITIONS and not any(each["left"] for each in standbys):
            return
        time.sleep(0.2)
    raise AssertionError(f"standbys are {standbys}")


def test_an_heir_restores_nothing_that_its_standby_has(toy, worker_named):
    """Two workers, one killed: the other goes on with all partitions, and both views agree."""
    dead, heir = worker_named("dead"), worker_named("heir")
    for worker in (dead, heir):
        worker.start()
        worker.await_ready(120)
    toy.produce(2000, seed=1)
    toy.await_done()
    dead.await_ready(120)
    await_warm(dead, heir)
    owned = len(health(heir)["shards"])
    dead.kill()
    toy.produce(500, seed=2)
    toy.await_done()
    shards = health(heir)["shards"]

    assert owned < len(shards) == PARTITIONS
    assert sum(shard["restored"] for shard in shards) == 0
    assert heir.stop() == 0
    assert toy.differences(heir.folder) == []
