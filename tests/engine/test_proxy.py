import socket
import time

import pytest

from streams.sandbox.ports import free_port
from tests.support.proxy import Proxy


@pytest.fixture
def target():
    """Give the port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_proxy_that_ends_closes_what_it_had_just_accepted(target):
    """The loop is late: it hears of the connection and of its end at once."""
    with Proxy(free_port(), target) as proxy:
        proxy._loop.call_soon_threadsafe(time.sleep, 0.2)
        client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)

    with client:
        assert client.recv(1) == b""
