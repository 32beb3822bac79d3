"""Workers are restarted one after the other, and stopped, without harm."""

import time
from pathlib import Path

import pytest

from streams.engine import EngineSettings
from streams.sandbox.kafka import EmbeddedKafka
from tests.support import chain
from tests.support.chain_worker import APP
from tests.support.generations import generations
from tests.support.siege import BROKER_PROPERTIES, Siege

# On a machine that is busy with something else a run takes many times what it needs.
pytestmark = pytest.mark.timeout(3600)

GAP_S = 10.0
"""No partition may be without results for longer while workers are restarted one by one."""

SESSIONS = (1, 1, 4, 4)
"""
Sessions to try, in default ones.

Who comes back after its session shows nothing, and neither does who was kept from the
processor by other tests.  Where even a second try was too slow, the machine is, and an operator
would give its workers longer sessions.
"""

DEFAULTS = EngineSettings(brokers="", data_dir=Path())
AS_SHIPPED = {
    name: getattr(DEFAULTS, name)
    for name in ("session_timeout_s", "transaction_timeout_ms", "call_timeout_s")
}
"""What an operator has who sets nothing."""


@pytest.fixture
def kafka(tmp_path):
    """Start a broker of one's own, which may be harmed."""
    with EmbeddedKafka(tmp_path / "kafka", heap_mb=512, properties=BROKER_PROPERTIES) as broker:
        yield broker


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
        settings=AS_SHIPPED,
        forged=False,
    )
    chain.create_topics(siege.client, copies=1)

    def roll():
        for length in SESSIONS:
            session_s = length * DEFAULTS.session_timeout_s
            give_sessions(siege, session_s)
            began, before = time.monotonic(), generations(siege.client, APP)
            slowest = max(restart_s(siege, worker) for worker in siege.workers)
            siege.wait(2)
            gaps = siege.watcher.gaps(began)
            if slowest < session_s and max(gaps.values()) <= GAP_S:
                break
        gained = len(set(generations(siege.client, APP)) - set(before))
        return session_s, slowest, gaps, gained

    differences = siege.during(roll)
    session_s, slowest, gaps, gained = siege.measured
    shown = ", ".join(f"{gap:.1f}" for _, gap in sorted(gaps.items()))
    record_measure(
        f"rolling restart: longest gap of each partition {shown} s, slowest restart"
        f" {slowest:.1f} s in sessions of {session_s:.0f} s, {gained} new generations"
    )

    assert not differences, "\n".join(differences)
    assert max(gaps.values()) <= GAP_S
    assert slowest < session_s
    assert gained == 0


def give_sessions(siege, session_s):
    """Restart workers whose sessions are of another length."""
    for worker in siege.workers:
        if worker.settings["session_timeout_s"] != session_s:
            # The settings may be one for all of them.
            worker.settings = {**worker.settings, "session_timeout_s": session_s}
            restart_s(siege, worker)


def restart_s(siege, worker):
    """Restart *worker* in order; give the seconds until it was ready again."""
    began = time.monotonic()
    siege._away.add(worker)
    assert worker.stop() == 0
    siege._start(worker)
    siege.wait_for(lambda: siege._is_ready(worker), "ready")
    return time.monotonic() - began
