"""A broker that has just come back may leave a partition out of an answer."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import OFFSET_INVALID

from streams.engine import kafka_cluster
from streams.engine.failure import UnavailableError
from streams.engine.kafka_cluster import KafkaCluster


class Admin:
    """Answers with each of *offsets* in turn, and with the last one for good."""

    def __init__(self, *offsets):
        self.offsets = list(offsets)

    def list_offsets(self, wanted, **_):
        """Give the same offset for every partition."""
        offset = self.offsets.pop(0) if len(self.offsets) > 1 else self.offsets[0]
        found = {}
        for each in wanted:
            found[each] = Future()
            found[each].set_result(SimpleNamespace(offset=offset))
        return found


def cluster(*offsets):
    """Make a cluster that answers so."""
    return KafkaCluster(
        client={}, admin=Admin(*offsets), group="g", timeout_ms=1, stopping=lambda: False
    )


def test_an_end_that_an_answer_leaves_out_is_asked_for_again(monkeypatch):
    """It once read as a log that was cut, and a worker refused to start for good."""
    monkeypatch.setattr(kafka_cluster, "LOOK_S", 0)
    assert cluster(OFFSET_INVALID, OFFSET_INVALID, 7).ends([("t", 0)]) == {("t", 0): 7}
    assert cluster(OFFSET_INVALID, 0).starts([("t", 0)]) == {("t", 0): 0}


def test_an_end_that_no_answer_names_makes_the_cluster_unavailable(monkeypatch):
    """That is no reason for an operator to look at the data."""
    monkeypatch.setattr(kafka_cluster, "LOOK_S", 0)
    monkeypatch.setattr(kafka_cluster, "SETTLE_S", 0.05)
    with pytest.raises(UnavailableError):
        cluster(OFFSET_INVALID).ends([("t", 0)])
