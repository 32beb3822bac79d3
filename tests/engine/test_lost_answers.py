"""What the broker has carried out and nobody has heard of is done once."""

import struct
import time

import pytest

from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.ports import free_port
from tests.support.proxy import Proxy, Requests
from tests.support.siege import BROKER_PROPERTIES
from tests.support.toy import Toy, ToyWorker

UNACKNOWLEDGED = 70
LOST_S = 60.0

# The requests that a transaction is made of, by their `api_key`.
OF_A_TRANSACTION = {
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "Produce": 0,
    "AddOffsetsToTxn": 25,
    "TxnOffsetCommit": 28,
    "EndTxn": 26,
}
TIMES = 2


@pytest.fixture
def behind_proxy(tmp_path):
    """Start a broker and the proxy through which workers reach it; give both."""
    port = free_port()
    kafka = EmbeddedKafka(
        tmp_path / "kafka", heap_mb=512, advertised_port=port, properties=BROKER_PROPERTIES
    )
    with Proxy(port, kafka.port) as proxy, kafka:
        yield kafka, proxy


@pytest.fixture
def worker(behind_proxy, tmp_path):
    """Make a worker behind the proxy; it doesn't outlive its test."""
    kafka, _ = behind_proxy
    made = ToyWorker(kafka.bootstrap, tmp_path / "w", instance="w")
    yield made
    made.kill()


def test_a_batch_whose_answer_is_lost_is_done_once(behind_proxy, worker):
    """Whether the client asks again, aborts or gives up: the broker may have done it."""
    kafka, proxy = behind_proxy
    toy = Toy(kafka.own_bootstrap)
    for seed, (name, kind) in enumerate(TIMES * list(OF_A_TRANSACTION.items())):
        if name == "InitProducerId":
            # It is asked by a start alone.
            worker.kill()
        lose(proxy, toy, worker, kind, seed=seed)
    keep_going(worker)
    toy.await_done()

    assert proxy.answers_lost == TIMES * len(OF_A_TRANSACTION)
    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []


def lose(proxy, toy, worker, kind, *, seed):
    """Send records, and lose the answer to one request of *kind* while they are handled."""
    before, until = proxy.answers_lost, time.monotonic() + LOST_S
    proxy.lose_answer(kind)
    while proxy.answers_lost == before:
        assert time.monotonic() < until, worker.log.read_text()[-2000:]
        keep_going(worker)
        toy.produce(20, seed=seed)
        time.sleep(0.2)


def keep_going(worker):
    """Start *worker* again if it gave up."""
    if worker.process is not None and worker.process.poll() is None:
        return
    if worker.process is not None:
        assert worker.process.returncode in {UNACKNOWLEDGED, -9}, worker.log.read_text()[-2000:]
    worker.start()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_a_request_is_known_in_whatever_pieces_it_comes(piece):
    """The head of one may stand in two pieces, and several in one."""
    sent = b"".join(
        struct.pack(">ih", 2 + length, kind) + bytes(length)
        for kind, length in ((3, 10), (26, 5), (0, 0), (26, 3))
    )
    requests = Requests()
    pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]

    assert [kind for each in pieces for kind in requests.kinds(each)] == [3, 26, 0, 26]
