"""A restore goes to the true end of its changelogs, or says what keeps it from there."""

import pytest
from structlog.testing import capture_logs

from streams.engine.failure import UnavailableError
from streams.engine.restore import Restore


class Hiding:
    """A cluster with a changelog of ten records, of which an open transaction hides the last."""

    def __init__(self, *, shown):
        self._shown = iter(shown)

    def topic_ids(self, topics):
        """See Cluster."""
        return dict.fromkeys(topics, "id")

    def starts(self, places):
        """See Cluster."""
        return dict.fromkeys(places, 0)

    def ends(self, places, *, settled=False):
        """See Cluster."""
        return dict.fromkeys(places, next(self._shown) if settled else 10)

    def looks(self):
        """Give three looks."""
        yield from range(3)
        raise UnavailableError

    def read(self, place, start, end):
        """Keep what was asked for."""
        self.asked = (place, start, end)
        return iter(())


class Empty:
    """A state that has nothing."""

    name = "state"

    def topic_id(self, _):
        """See RestorableState."""

    def set_topic_id(self, *_):
        """See RestorableState."""

    def offset(self, _):
        """See RestorableState."""
        return -1


def restore(cluster):
    """Restore a table from *cluster*."""
    Restore(
        cluster,
        partition=3,
        changelogs={"counts": "changelog"},
        stopping=lambda: False,
        progress=lambda *_: None,
    ).run(Empty())


def test_a_restore_waits_until_the_broker_shows_everything():
    """What was committed behind an open transaction is there, and not yet to be seen."""
    cluster = Hiding(shown=(7, 7, 10))
    restore(cluster)

    assert cluster.asked == (("changelog", 3), 0, 10)


def test_a_transaction_that_is_never_ended_is_named():
    """An operator has to end it, and needs to know where it stands."""
    with capture_logs() as said, pytest.raises(UnavailableError):
        restore(Hiding(shown=(7, 7, 7)))

    (line,) = (each for each in said if each["log_level"] == "critical")
    assert line["event"] == "a transaction stays open for longer than any may"
    assert (line["topic"], line["partition"], line["offset"]) == ("changelog", 3, 7)
