"""A burst costs time and no memory, also where the broker is slow, or the disk."""

import os
import time
from pathlib import Path

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port
from tests.support import chain
from tests.support.proxy import Proxy
from tests.support.siege import BROKER_PROPERTIES, RATE, Siege
from tests.support.toy_worker import SLOW_DISK

# On a machine that is busy with something else a run takes many times what it needs.
pytestmark = pytest.mark.timeout(3600)

BURST_RATE = 20 * RATE
MINUTE_S = 60.0
SHORT_S = 5.0
LONG_S = float(os.environ.get("LOYALTY_BURST_S", "600"))
"""How long the burst of the soak lasts."""
SLOW_S = 0.03
"""How much longer everything takes to a slow broker, and from it."""
SLOW_DISK_S = 0.05
"""How much longer a slow disk takes for the state of a shard, each time."""
PADDING = 1000
"""Bytes of each record: together they are many times what a worker may hold."""
PEAK_MB = 260
"""
The most that a worker may ever have resident here.

Code and libraries take 110 MB.  The rest is what is read ahead: 2,000 records of each of 12
shards, a fetch of Faust's consumer, a transaction under way, and RocksDB's memtables.
"""

PATIENT = {"session_timeout_s": 45.0, "transaction_timeout_ms": 30_000, "call_timeout_s": 60.0}
"""How fast the machine is isn't the question here."""


SLOWNESS = {
    "nothing slow": {},
    "broker slow": {"delay_s": SLOW_S},
    "disk slow": {"disk_s": SLOW_DISK_S},
}


@pytest.mark.parametrize(
    ("slow", "seconds"),
    [("nothing slow", MINUTE_S), ("broker slow", SHORT_S), ("disk slow", SHORT_S)],
)
def test_a_burst_of_twenty_times_the_load_is_worked_off_in_bounded_memory(
    tmp_path, record_measure, slow, seconds
):
    """What is behind waits in the log and not in the worker; slowness makes more of it."""
    send_burst(tmp_path, record_measure, slow, seconds=seconds)


@pytest.mark.soak
@pytest.mark.parametrize("slow", SLOWNESS)
def test_a_long_burst_is_worked_off_in_the_same_memory(tmp_path, record_measure, slow):
    """However much is behind, a worker holds no more of it."""
    send_burst(tmp_path, record_measure, slow, seconds=LONG_S)


def send_burst(tmp_path, record_measure, slow, *, seconds):
    """Send twenty times the load for *seconds*, and wait until it is worked off."""
    delay_s = SLOWNESS[slow].get("delay_s", 0.0)
    settings = {**PATIENT, SLOW_DISK: SLOWNESS[slow].get("disk_s", 0.0)}
    port = free_port()
    kafka = EmbeddedKafka(
        tmp_path / "kafka", heap_mb=512, advertised_port=port, properties=BROKER_PROPERTIES
    )
    with Proxy(port, kafka.port) as proxy, kafka:
        siege = Siege(
            kafka, tmp_path, proxy=proxy, static=True, seed=1, padding=PADDING, settings=settings
        )
        chain.create_topics(siege.client, copies=1)

        def burst():
            quiet = peak_mb(siege)
            proxy.delay_s = delay_s
            siege.feed.rate = BURST_RATE
            began, sent = time.monotonic(), len(siege.feed.taken)
            siege.wait(seconds)
            sent = len(siege.feed.taken) - sent
            siege.feed.rate = RATE
            owed = len(siege.feed.taken)
            behind = owed - siege.watcher.results
            siege.wait_for(
                lambda: siege.watcher.results >= owed,
                "results",
                # A long burst on a slow broker takes its time, and is worked off nevertheless.
                moved=lambda: siege.watcher.results,
            )
            proxy.delay_s = 0.0
            measured = (
                f"{sent} records of {PADDING} bytes in {seconds:.0f} s, {behind} behind at its end,"
                f" worked off {time.monotonic() - began:.0f} s after it began;"
                f" peak {quiet} MB before and {peak_mb(siege)} MB after"
            )
            siege.say(measured)
            return measured

        differences = siege.during(burst)
    record_measure(f"burst, {slow}: {siege.measured}")

    assert not differences, "\n".join(differences)
    assert siege.peak_mb <= PEAK_MB


def peak_mb(siege):
    """Give the most that any worker has had resident, in MB."""
    for worker in siege.running():
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
        kilobytes = int(status.split("VmHWM:")[1].split()[0])
        siege.peak_mb = max(siege.peak_mb, kilobytes // 1024)
    return siege.peak_mb
