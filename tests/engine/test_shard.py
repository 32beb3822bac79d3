"""An idle shard acknowledges what it has read only where nothing can be lost by it."""

import threading
from types import SimpleNamespace

from streams.engine import Record, Stage
from streams.engine.shard import Shard


class Written:
    """A log that keeps the positions of its transactions."""

    def __init__(self):
        self.positions = []

    def begin(self):
        """Open nothing."""

    def emit(self, outputs):
        """Send nothing."""
        assert not outputs

    def flush(self):
        """Have nothing to wait for."""
        return {}

    def acknowledge(self, position):
        """Keep the position."""
        self.positions.append(dict(position))

    def commit(self):
        """Do nothing more."""


def running(*, position, read_to):
    """Make a shard of the topic `words` that runs, without broker and disk."""
    spot = SimpleNamespace(settings=SimpleNamespace(buffer_records=100))
    shard = Shard(spot, Stage("count", ("words",), lambda _: None), 0, b"")
    shard.state = "running"
    shard.position = {"words": position}
    shard.read_to = {"words": read_to}
    shard._log = Written()
    return shard


def record(offset):
    """Make a record of `words`."""
    return Record("words", 0, offset, 0, None, None)


async def test_an_idle_shard_goes_past_the_markers_it_has_read():
    """Its lag would stay at one for ever."""
    shard = running(position=5, read_to=6)

    assert shard.idle_ends() == {"words": 6}


async def test_a_shard_with_records_to_do_acknowledges_nothing_more():
    """What is read isn't what is done: a crash would lose the rest."""
    shard = running(position=5, read_to=9)
    shard.feed([record(8)])

    assert shard.idle_ends() == {}


async def test_a_shard_with_records_in_a_transaction_acknowledges_nothing_more():
    """They have left the buffer and aren't committed."""
    shard = running(position=5, read_to=9)
    shard._in_hand = True

    assert shard.idle_ends() == {}


async def test_an_idle_end_takes_no_committed_offset_back():
    """A batch went on to 20 while the idle end waited for its turn; 20 stays."""
    shard = running(position=5, read_to=6)
    ends = shard.idle_ends()
    with shard._transaction:
        settling = threading.Thread(target=shard.settle_to, args=(ends,))
        settling.start()
        shard.position["words"] = 20
    settling.join()

    assert shard._log.positions == []
    assert shard.position == {"words": 20}
