import base64
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.sandbox import kafka
from streams.sandbox.kafka import BrokerError, EmbeddedKafka, cluster_id

# Starts a broker, says its pid and address, and waits to be killed.
STARTER = """
import sys, time
from pathlib import Path
from streams.sandbox.kafka import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]), heap_mb=256).start()
print(broker.pid, broker.port, flush=True)
time.sleep(600)
"""
GONE_SECONDS = 10


@pytest.mark.parametrize("first", range(256))
def test_no_cluster_id_begins_with_a_hyphen(first):
    """Kafka's tool would read it as an option and refuse to format the folder."""
    made = cluster_id(bytes([first]) + b"\xff" * 15)

    assert not made.startswith("-")
    assert len(base64.urlsafe_b64decode(made + "==")) == 16


@pytest.mark.broker
def test_a_broker_that_cannot_start_is_not_left_behind(tmp_path, monkeypatch):
    """Its port is taken: it hangs instead of ending, and has to be ended."""
    monkeypatch.setattr(kafka, "START_SECONDS", 12.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        broker = EmbeddedKafka(tmp_path / "kafka", heap_mb=256, port=taken.getsockname()[1])
        with pytest.raises(BrokerError, match=r"broker\.log"):
            broker.start()

    pids = [each for each in Path("/proc").iterdir() if each.name.isdigit()]
    assert not [each for each in pids if str(tmp_path).encode() in command_of(each)]


def command_of(process):
    """Read a process's command line; empty when it has ended meanwhile."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.broker
def test_the_broker_is_gone_when_its_starter_was_killed(tmp_path):
    """A demo that is killed with SIGKILL leaves no broker and no port behind."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "kafka")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pid, _ = map(int, starter.stdout.readline().split())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()

    deadline = time.monotonic() + GONE_SECONDS
    while running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def running(pid):
    """Whether the process is there; a zombie is none."""
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
