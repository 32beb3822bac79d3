"""Ports are promised to one only."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.sandbox import ports
from streams.sandbox.ports import PortError, free_port

# Is given ports of a few, says which, and lives until it is heard.
OTHER = """
import sys
from streams.sandbox import ports
ports.PORT_FIRST, ports.PORT_TRIES = int(sys.argv[1]), 2000
ports._first_given_port = lambda: ports.PORT_FIRST + 40
print(*[ports.free_port() for _ in range(15)], flush=True)
sys.stdin.read()
"""


def test_no_port_is_one_that_the_kernel_gives_to_connections():
    """Such a one may be taken before the broker has bound it."""
    given = range(*map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()))

    assert not [port for port in (free_port() for _ in range(200)) if port in given]


def test_no_port_is_given_twice_here_or_to_another_process(monkeypatch):
    """Each is bound a while after it was given; once the other has ended, its ports are free."""
    first = ports.PORT_FIRST - 100
    monkeypatch.setattr(ports, "PORT_FIRST", first)
    monkeypatch.setattr(ports, "PORT_TRIES", 2000)
    monkeypatch.setattr(ports, "_promised", set())  # Else it could pass once a process only.
    monkeypatch.setattr(ports, "_first_given_port", lambda: first + 40)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(first)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        theirs = [int(port) for port in other.stdout.readline().split()]
        ours = [free_port() for _ in range(15)]
        other.stdin.close()
    assert len({*theirs, *ours}) == 30

    ours += [free_port() for _ in range(10)]
    assert set(ours) & set(theirs)
    assert len(set(ours)) == 25


def test_where_every_port_is_taken_that_is_said(monkeypatch):
    """By whoever asks for one."""
    monkeypatch.setattr(ports, "_is_free", lambda _: False)

    with pytest.raises(PortError, match="no port from 15000 to"):
        free_port()
