"""Loopback ports for what listens a while after its port was chosen."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

# Below lie the ports of well-known services.
PORT_FIRST, PORT_LAST, PORT_TRIES = 15_000, 32_768, 100
GIVEN_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")

_promised: set[int] = set()


class PortError(RuntimeError):
    """There is no free port."""


def free_port() -> int:
    """
    Give a loopback port that nobody listens on, and that nobody else is given.

    A broker binds its port seconds after this, and a worker that joins late minutes.  So no
    port comes from the range that the kernel gives outgoing connections, and none is given
    twice, here or to another process of this user, as long as this one lives.

    Raises:
        PortError: If a hundred that were drawn are all taken.
    """
    dice = random.SystemRandom()
    for _ in range(PORT_TRIES):
        port = dice.randrange(PORT_FIRST, _first_given_port())
        if port not in _promised and _is_promised_nobody(port) and _is_free(port):
            _promised.add(port)
            return port
    raise PortError(f"no port from {PORT_FIRST} to {_first_given_port()} is free")


def _first_given_port() -> int:
    """Read where the range of ports for outgoing connections begins."""
    try:
        first = int(GIVEN_PORTS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return PORT_LAST
    # Where it leaves too few below it, a port from within is all there is.
    return first if first >= PORT_FIRST + PORT_TRIES else PORT_LAST


def _is_promised_nobody(port: int) -> bool:
    """Keep other processes from being given *port*; False where one has been."""
    try:
        # The kernel drops the lock of one byte with the process, however that ends.
        fcntl.lockf(_promises(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _promises() -> int:
    """Open, for good, the file of which a process locks the bytes at the places of its ports."""
    return os.open(
        Path(tempfile.gettempdir(), f"loyalty-ports-{os.getuid()}"), os.O_RDWR | os.O_CREAT, 0o600
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
