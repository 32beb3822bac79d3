"""Workers are restarted one after the other, and stopped, without harm."""

import signal
import subprocess
import time

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from tests.support import chain
from tests.support.chain_worker import APP
from tests.support.generations import generations
from tests.support.siege import BROKER_PROPERTIES, Siege
from tests.support.toy import ToyWorker

# On a machine that is busy with something else a run takes many times what it needs.
pytestmark = pytest.mark.timeout(3600)

GAP_S = 10.0
"""No partition may be without results for longer while workers are restarted one by one."""
STOP_S = 15.0
"""SIGTERM ends a worker within this time, whatever the broker does."""

PATIENT = {"session_timeout_s": 45.0, "transaction_timeout_ms": 30_000, "call_timeout_s": 60.0}
"""On a machine that is busy with something else a start takes longer than 10 s."""


@pytest.fixture
def kafka(tmp_path):
    """Start a broker of one's own, which may be harmed."""
    with EmbeddedKafka(tmp_path / "kafka", heap_mb=512, properties=BROKER_PROPERTIES) as broker:
        yield broker


@pytest.mark.soak
def test_a_rolling_restart_moves_no_partitions_and_stops_none_for_long(
    tmp_path, kafka, record_measure
):
    """Three named workers come back within their session, so that the group stays as it is."""
    siege = Siege(
        kafka,
        tmp_path,
        static=True,
        seed=1,
        names=("one", "two", "three"),
        settings=PATIENT,
    )
    chain.create_topics(siege.client, copies=1)

    def roll():
        began, before = time.monotonic(), generations(siege.client, APP)
        slowest = max(restart_s(siege, worker) for worker in siege.workers)
        siege.wait(2)
        gaps = siege.watcher.gaps(began)
        gained = len(set(generations(siege.client, APP)) - set(before))
        return slowest, gaps, gained

    differences = siege.during(roll)
    slowest, gaps, gained = siege.measured
    shown = ", ".join(f"{gap:.1f}" for _, gap in sorted(gaps.items()))
    record_measure(
        f"rolling restart: longest gap of each partition {shown} s, slowest restart"
        f" {slowest:.1f} s, {gained} new generations"
    )

    assert not differences, "\n".join(differences)
    # Where the machine itself is so slow that a start takes longer, nothing else may add to it.
    assert max(gaps.values()) <= max(GAP_S, slowest + 1)
    assert gained <= len(siege.workers)


def restart_s(siege, worker):
    """Restart *worker* in order; give the seconds until it was ready again."""
    began = time.monotonic()
    siege._away.add(worker)
    assert worker.stop() == 0
    siege._start(worker)
    siege.wait_for(lambda: siege._is_ready(worker), "ready")
    return time.monotonic() - began


@pytest.mark.parametrize("broker", ["killed", "frozen"])
@pytest.mark.parametrize("worker_is", ["working", "idle", "opening"])
def test_a_worker_ends_in_time_while_the_broker_is_away(
    tmp_path, kafka, record_measure, broker, worker_is
):
    """Nothing is lost by it either: what wasn't acknowledged comes again."""
    client = {"bootstrap.servers": kafka.bootstrap, "log_level": 0}
    chain.create_topics(client, copies=1)
    worker = ToyWorker(
        kafka.bootstrap, tmp_path / "w", instance="w", module="chain_worker", settings=PATIENT
    )
    feed = chain.Feed(client, seed=1)
    try:
        worker.start(failpoints="opening=1:freeze" if worker_is == "opening" else "")
        if worker_is == "opening":
            while worker.state() != "T":
                time.sleep(0.05)
        else:
            worker.await_ready(120)
        if worker_is == "working":
            feed.start(500)
            time.sleep(1)
        if broker == "killed":
            kafka.kill()
        else:
            kafka.pause()
        time.sleep(0.5)
        worker.signal(signal.SIGCONT)
        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        code = worker.wait(STOP_S)
        record_measure(
            f"SIGTERM, broker {broker}, worker {worker_is}: exit {code} after"
            f" {time.monotonic() - began:.1f} s"
        )
    except subprocess.TimeoutExpired:
        worker.signal(signal.SIGRTMIN)
        time.sleep(0.5)
        raise AssertionError(worker.log.read_text()[-8000:]) from None
    finally:
        worker.kill()
        feed.abandon()

    assert code in {0, 70}
