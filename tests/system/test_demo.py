"""The demo as a newcomer runs it: a process, its exit code, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from streams.sandbox.kafka import default_home

pytestmark = pytest.mark.broker

COMMAND = [sys.executable, "-m", "streams.cli", "demo", "--offline", "--json"]
CHAOS = ["--receipts", "300", "--rate", "30", "--chaos", "--seed", "5"]
RUN_SECONDS = 240
READY_SECONDS = 180
GONE_SECONDS = 15


@pytest.fixture
def home(tmp_path):
    """A private folder of its own, which shares only the jars with other runs."""
    jars = default_home() / "jars"
    jars.mkdir(parents=True, exist_ok=True)
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to(jars)
    return home


def environment(home):
    """The settings of a run; those of another Kafka must not reach its workers."""
    given = {"LOYALTY_HOME": str(home), "LOYALTY_TENANT": "elsewhere", "LOYALTY_PARTITIONS": "9"}
    return os.environ | given | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_every_receipt_has_one_result_and_every_point_adds_up_while_workers_are_killed(home):
    """Returns, redemptions, duplicates, conflicts, broken records, and a kill -9 or more."""
    balances = home / "balances.csv"
    run = subprocess.run(
        [*COMMAND, *CHAOS, "--balances", str(balances)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-3000:] + run.stdout[-3000:]
    outcome = json.loads(run.stdout)
    assert {check["name"]: check["problems"] for check in outcome["checks"]} == {
        check["name"]: [] for check in outcome["checks"]
    }
    assert outcome["figures"]["workers_killed"] >= 2
    assert outcome["figures"]["receipts"] >= 300
    assert outcome["points"]["accrual"] > 0
    assert "went shopping" in run.stderr
    assert balances.read_text().startswith("account,household,currency,active,pending,debt\n")
    assert list(home.glob("demo-*")) == []


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_port_or_folder(home, ended_by):
    """Broker and workers end with it, in the middle of the replay."""
    log = home / "said"
    with log.open("wb") as said:
        run = subprocess.Popen(
            [*COMMAND, "--receipts", "5000", "--rate", "20"],
            env=environment(home),
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while " of 5,000 receipts" not in log.read_text():
            assert run.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        started = psutil.Process(run.pid).children(recursive=True)
        assert len(started) >= 4
        run.send_signal(ended_by)
        code = run.wait(60)
    finally:
        run.kill()
        run.wait()

    assert code == 130
    _, left = psutil.wait_procs(started, timeout=GONE_SECONDS)
    assert left == []
    assert list(home.glob("demo-*")) == []
