"""A worker stops in time and goes on later, whatever is away or full."""

import contextlib
import subprocess

import pytest

from streams.engine.failure import StateDamagedError
from streams.engine.store import Memory, ShardStore

UNACKNOWLEDGED = 70


def test_a_worker_stops_while_the_broker_is_away(engine_broker, toy, worker_named):
    """Whatever waits for the broker is given up; nothing is lost or doubled by it."""
    worker = worker_named("w", instance="w")
    worker.start()
    worker.await_ready(120)
    toy.produce(1000, seed=1)
    engine_broker.pause()
    try:
        code = worker.stop(timeout_s=60)
    finally:
        engine_broker.resume()
    said = worker.log.read_text()

    assert code == 0 or (code == UNACKNOWLEDGED and "it did not stop in time" in said)
    worker.start()
    toy.await_done()
    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of its own, which can be full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only the super-user may mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path):
    """Leave no byte."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_worker_with_a_full_disk_stops_and_goes_on_when_there_is_room(
    small_disk, toy, worker_named
):
    """The broker has what it committed, and its state catches up from there."""
    worker = worker_named("disk", instance="w")
    worker.start()
    worker.await_ready(120)
    toy.produce(200, seed=1)
    toy.await_done()
    fill(small_disk / "ballast")
    toy.produce(2000, seed=2)

    assert worker.wait(120) == UNACKNOWLEDGED
    (small_disk / "ballast").unlink()
    worker.start()
    toy.await_done()
    assert worker.stop() == 0
    assert toy.differences(worker.folder) == []
    assert not list((worker.folder / "state").glob("*.aside"))


class Failing:
    """A database that can't write."""

    def __init__(self, reason):
        self._reason = reason

    def write(self, _):
        """Fail as RocksDB does."""
        raise OSError(self._reason)


@pytest.mark.parametrize(
    ("reason", "set_aside"),
    [
        ("IO error: No space left on device: While appending to file: 000004.log", False),
        ("Corruption: block checksum mismatch", True),
    ],
)
def test_only_damage_sets_a_state_aside(tmp_path, reason, set_aside):
    """A full disk has harmed nothing that is on it."""
    memory = Memory(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=1)
    store = ShardStore(tmp_path / "s-0", owner="me", memory=memory)
    store.close()
    store._db = Failing(reason)
    with pytest.raises(StateDamagedError):
        store.apply({"t": {b"k": b"v"}}, {"t": 1})
    store._db = ShardStore(tmp_path / "s-0", owner="me", memory=memory)._db
    store.close()

    assert (tmp_path / "s-0.aside").exists() == set_aside
