"""A local state that was damaged is set aside and restored; a log that was isn't gone on with."""

import shutil
import time

import pytest
from rocksdict import Options, Rdict

from streams.engine.failure import REFUSED, UNACKNOWLEDGED
from streams.engine.store import Memory, ShardStore
from tests.support.toy_worker import TABLE

ASIDE = "state set aside"


def flip(path):
    """Turn over the byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def files(state, pattern):
    """Give the files of a database by name; there must be some, and something in them."""
    found = [path for path in state.glob(pattern) if path.stat().st_size]
    assert found, sorted(path.name for path in state.iterdir())
    return found


def lose(path):
    """Delete a file."""
    path.unlink()


def cut(path):
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    """Leave a file without anything in it."""
    path.write_bytes(b"")


def become_another_shards(path):
    """Put the database of the next shard in the place of this one."""
    shutil.rmtree(path.parent)
    shutil.copytree(path.parent.with_name("count-1"), path.parent)


@pytest.fixture
def worker(toy, worker_named):
    """Give a worker that has worked and ended in order, so that its state is in table files."""
    worker = worker_named("w", instance="w")
    toy.produce(1000, seed=1)
    worker.start()
    toy.await_done()
    assert worker.stop() == 0
    return worker


def work_on(toy, worker):
    """Have records of every key be done, with a second start if the damage asks for it."""
    toy.produce(1000, seed=3)
    worker.start()
    until = time.monotonic() + 60
    while toy.committed() != toy.ends():
        assert time.monotonic() < until, worker.log.read_text()[-2000:]
        if worker.process.poll() is not None:
            assert worker.process.returncode == UNACKNOWLEDGED
            worker.start()
        time.sleep(0.2)


def test_a_damaged_state_is_set_aside_and_restored(toy, worker):
    """The worker says so, and the damage costs time and no count."""
    state = worker.folder / "state" / "count-0"
    aside = state.with_name("count-0.aside")
    for pattern, damage in (
        ("*.sst", flip),
        ("*.sst", lose),
        ("MANIFEST-*", flip),
        ("MANIFEST-*", lose),
        ("CURRENT", empty),
        ("CURRENT", become_another_shards),
    ):
        what = f"{damage.__name__} {pattern}"
        for path in files(state, pattern):
            damage(path)
        worker.log.write_text("")
        work_on(toy, worker)

        assert ASIDE in worker.log.read_text(), what
        assert aside.is_dir(), what
        shutil.rmtree(aside)
        assert worker.stop() == 0
        assert toy.differences(worker.folder) == [], what


def test_what_a_damaged_log_has_lost_is_restored(toy, worker):
    """What is behind the damage is the newest, its offset with it; the changelog has it."""
    for damage in (cut, flip, lose):
        work_on(toy, worker)
        worker.kill()
        for path in files(worker.folder / "state" / "count-0", "*.log"):
            damage(path)
        work_on(toy, worker)

        assert worker.stop() == 0
        assert toy.differences(worker.folder) == [], damage.__name__


def test_a_state_that_is_ahead_of_its_changelog_is_refused(worker):
    """The changelog was cut, or isn't this state's: to go on with either could lose points."""
    database = Rdict(str(worker.folder / "state" / "count-0"), Options(raw_mode=True))
    database[b"\0offset\0" + TABLE.encode()] = (10**6).to_bytes(8, "big")
    database.close()
    worker.start()

    assert worker.wait() == REFUSED
    assert "the topic was cut" in worker.log.read_text()


@pytest.mark.parametrize(("days", "kept"), [(5, True), (7, False)])
def test_a_state_that_was_away_for_longer_than_deletions_are_kept_is_set_aside(
    tmp_path, monkeypatch, days, kept
):
    """It could keep for ever what was deleted meanwhile."""

    def opened():
        memory = Memory(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=1)
        return ShardStore(tmp_path / "count-0", owner="toy/count/0", memory=memory)

    store = opened()
    store.apply({TABLE: {b"a": b"1"}}, {TABLE: 7})
    store.close()
    later = time.time() + days * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    store = opened()

    assert store.offset(TABLE) == (7 if kept else -1)
    assert (store.get(TABLE, b"a") == b"1") is kept
    assert (tmp_path / "count-0.aside").exists() is not kept
    store.close()
