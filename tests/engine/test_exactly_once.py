"""Nothing is lost and nothing counted twice, whatever is killed."""

import json
import random
import re
import signal
import time

import pytest
from confluent_kafka import Producer

from streams.engine.failpoints import POINTS
from tests.support.toy_worker import POISON, SOURCE

# The lock of a data folder and the exit codes are promised to operators.
UNACKNOWLEDGED, REFUSED = 70, 78


@pytest.mark.parametrize("wipe", [False, True], ids=["disk kept", "disk lost"])
def test_a_worker_killed_between_two_effects_repeats_or_finishes_the_batch(toy, worker_named, wipe):
    """Each place where power may fail is hit in turn, on the way of another batch."""
    worker = worker_named("w", instance="w")
    toy.produce(300, seed=1)
    worker.start()
    toy.await_done()
    worker.kill(wipe=wipe)
    for point in (each for each in POINTS if each != "revoked"):
        toy.produce(300, seed=len(point))
        worker.start(failpoints=f"{point}=1")
        assert worker.wait() == -signal.SIGKILL, point
        worker.kill(wipe=wipe)
    worker.start()
    toy.await_done()

    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []


def test_random_kills_of_two_workers_change_nothing(toy, worker_named):
    """Twelve kills at random moments while records flow, a third with a lost disk."""
    seed = time.time_ns() % 10**6
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)  # noqa: S311 - a seed, not a secret
    workers = [worker_named(name, instance=name) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for _ in range(12):
        toy.produce(1500, seed=dice.randrange(10**6), rate=3000)
        worker = dice.choice(workers)
        worker.kill(wipe=dice.random() < 1 / 3)
        armed = f"{dice.choice(POINTS)}={dice.choice(('0.02', '0.2'))}"
        worker.start(failpoints=armed if dice.random() < 0.5 else "", seed=dice.randrange(99))
        time.sleep(dice.uniform(0, 2))
    for worker in workers:
        worker.kill()
        worker.start()
    for worker in workers:
        worker.await_ready()
    toy.await_done()

    assert [worker.stop() for worker in workers] == [0, 0]
    assert toy.differences(*(worker.folder for worker in workers)) == []


def test_workers_that_join_and_leave_hand_partitions_over_whole(toy, worker_named):
    """Two join a running one, the first leaves, one comes back."""
    workers = [worker_named(f"w{each}") for each in range(3)]
    workers[0].start()
    workers[0].await_ready()
    toy.produce(2000, seed=1)
    for worker in workers[1:]:
        worker.start()
        toy.produce(2000, seed=2, rate=2000)
    assert workers[0].stop() == 0
    toy.produce(2000, seed=3, rate=2000)
    workers[0].start()
    toy.produce(2000, seed=4, rate=2000)
    workers[0].await_ready()
    toy.await_done()

    assert [worker.stop() for worker in workers] == [0, 0, 0]
    assert toy.differences(*(worker.folder for worker in workers)) == []


@pytest.mark.parametrize("instance", ["", "zombie"], ids=["nameless", "named"])
@pytest.mark.parametrize("in_hand", [True, False], ids=["with a batch in hand", "idle"])
def test_a_zombie_is_fenced_writes_nothing_that_anybody_sees_and_ends(
    toy, worker_named, in_hand, instance
):
    """Frozen past its session, it wakes up when others have gone on with its partitions."""
    zombie, heir = worker_named("zombie", instance=instance), worker_named("heir")
    zombie.settings["session_timeout_s"] = 3.0
    zombie.start(failpoints="offsets=1:freeze" if in_hand else "")
    if in_hand:
        toy.produce(1000, seed=1)
        zombie.await_frozen()
    else:
        zombie.await_ready()
        toy.produce(1000, seed=1)
        toy.await_done()
        zombie.signal(signal.SIGSTOP)
    heir.start()
    toy.produce(1000, seed=2)
    toy.await_done()
    zombie.signal(signal.SIGCONT)
    toy.produce(1000, seed=3, rate=2000)

    assert zombie.wait() == UNACKNOWLEDGED, zombie.log.read_text()[-2000:]
    toy.await_done()
    assert heir.stop() == 0
    assert toy.differences(heir.folder, zombie.folder) == []


def test_a_handler_that_fails_stops_the_worker_and_skips_nothing(toy, worker_named):
    """The log names the record's place and not what it holds."""
    worker = worker_named("w")
    producer = Producer(toy.client)
    for value in (b"good", b"good", POISON, b"good"):
        producer.produce(SOURCE, value, b"secret-key", partition=0)
    producer.flush(10)
    worker.start()

    assert worker.wait() == UNACKNOWLEDGED
    # The good ones may have come, and be committed, before it.
    assert toy.committed()[0] in (-1001, 0, 1, 2)
    said = worker.log.read_text()
    assert re.search(r"\boffset=2\b", said)
    assert "secret-key" not in said
    assert "poison" not in said


def test_a_second_worker_on_one_folder_refuses(worker_named):
    """Two writers of one state would each undo the other."""
    first = worker_named("w")
    second = worker_named("second", folder="w")
    first.start()
    first.await_ready()
    second.start()

    assert second.wait() == REFUSED
    assert first.stop() == 0


def test_the_lag_of_an_idle_worker_is_nothing_even_behind_markers(toy, worker_named):
    """The transaction's own marker at the end is read too, and said to be."""
    worker = worker_named("w", instance="w")
    transactional = Producer({**toy.client, "transactional.id": "till"})
    transactional.init_transactions(10)
    transactional.begin_transaction()
    for place in range(20):
        transactional.produce(SOURCE, b"v", b"k%d" % place)
        toy.sent[b"k%d" % place] += 1
    transactional.commit_transaction(10)
    worker.start()
    toy.await_done()

    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []


def test_health_says_what_is_missing_and_then_that_it_is_ready(worker_named):
    """Metrics and readiness are served by the worker itself."""
    worker = worker_named("w")
    worker.start()
    worker.await_ready()
    health = json.loads(worker.ask("/ready"))
    metrics = worker.ask("/metrics").decode()

    assert health["ready"]
    assert {shard["name"] for shard in health["shards"]} == {f"count-{each}" for each in range(4)}
    assert 'loyalty_shard_lag_records{app="toy",shard="count-0"} 0.0' in metrics
    assert worker.stop() == 0
