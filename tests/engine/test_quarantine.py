"""A record that kills every start is set aside, and only that one."""

import signal

import pytest
from confluent_kafka import Producer

from streams.engine import NotQuarantinedError, Record, quarantined, retry
from streams.engine.suspects import DEATHS_MAX, GUARDED_CALLS, Suspects
from tests.support.toy_worker import APP, DEADLY, SOURCE, STAGE, UNMENDED


def test_a_record_that_kills_three_starts_is_set_aside_and_may_be_retried(
    toy, worker_named, monkeypatch
):
    """Its neighbours are counted all the same, and it is counted when it is mended."""
    monkeypatch.setenv(UNMENDED, "1")
    worker = worker_named("w", instance="w")
    producer = Producer(toy.client)
    for value in (b"good", b"good", DEADLY, b"good"):
        producer.produce(SOURCE, value, b"k1", 0, headers={"from": b"till"})
        toy.sent[b"k1"] += 1
    producer.flush(10)
    for _ in range(DEATHS_MAX):
        worker.start()
        assert worker.wait(120) == -signal.SIGKILL
    worker.start()
    toy.await_done()
    (found,) = quarantined(toy.client, APP)

    assert (found.stage, found.record.topic, found.record.offset) == (STAGE, SOURCE, 2)
    assert found.record.value == DEADLY
    assert found.record.headers == (("from", b"till"),)
    assert toy.outputs() == {(0, 0): 1, (0, 1): 1, (0, 3): 1}
    assert worker.stop() == 0

    monkeypatch.delenv(UNMENDED)
    assert retry(toy.client, APP, found.number) == found
    worker.start()
    toy.await_done()

    assert toy.outputs() == {(0, 0): 1, (0, 1): 1, (0, 3): 1, (0, 4): 1}
    assert quarantined(toy.client, APP) == []
    with pytest.raises(NotQuarantinedError):
        retry(toy.client, APP, found.number)
    assert worker.stop() == 0


NEVER_LEFT = []


class Start:
    """One start of a process with the suspects of a shard in *path*."""

    def __init__(self, path):
        self.suspects = Suspects(path)
        self.handled = []

    def handle(self, *offsets):
        """Have the records at *offsets* handled."""
        with self.suspects.guarding([record(each) for each in offsets]):
            self.handled.append(offsets)

    def die_with(self, *offsets):
        """End the process while the handler has the records at *offsets*."""
        guard = self.suspects.guarding([record(each) for each in offsets])
        # It must not be closed by the collector of this process, which lives on.
        NEVER_LEFT.append(guard)
        guard.__enter__()


def record(offset):
    """Make a record of `words`."""
    return Record("words", 0, offset, 0, None, None)


def test_a_start_that_died_in_the_handler_leaves_its_records_suspect(tmp_path):
    """Those before and behind them aren't."""
    Start(tmp_path / "file").die_with(4, 5, 6)
    suspects = Start(tmp_path / "file").suspects

    assert [suspects.narrow(record(each)) for each in (3, 4, 5, 6, 7)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert not any(suspects.guilty(record(each)) for each in (4, 5, 6))


def test_a_start_that_died_elsewhere_leaves_no_suspect(tmp_path):
    """A kill from outside, or an exception, is no fault of a record."""
    start = Start(tmp_path / "file")
    start.handle(4, 5)
    with pytest.raises(ValueError, match="data"), start.suspects.guarding([record(6)]):
        raise ValueError("data")

    assert not Suspects(tmp_path / "file").any


def test_only_the_record_that_killed_alone_is_guilty_after_three_starts(tmp_path):
    """The first of the three had it among others."""
    path = tmp_path / "file"
    Start(path).die_with(4, 5, 6)
    second = Start(path)
    second.handle(4)
    second.die_with(5)
    Start(path).die_with(5)
    last = Suspects(path)

    assert [last.guilty(record(each)) for each in (4, 5, 6)] == [False, True, False]


def test_a_batch_is_never_guilty(tmp_path):
    """It killed as often, but nobody knows yet which of them it was."""
    path = tmp_path / "file"
    for _ in range(DEATHS_MAX + 1):
        Start(path).die_with(4, 5)

    assert not Suspects(path).guilty(record(4))


def test_a_shard_that_runs_well_writes_no_more(tmp_path):
    """What is paid for at the start isn't paid for all day."""
    start = Start(tmp_path / "file")
    for offset in range(GUARDED_CALLS):
        start.handle(offset)
    start.die_with(GUARDED_CALLS)

    assert not (tmp_path / "file").exists()


def test_a_torn_note_of_suspects_is_none(tmp_path):
    """The process died while it wrote."""
    (tmp_path / "file").write_bytes(b'{"ranges":{"wo')

    assert not Suspects(tmp_path / "file").any
