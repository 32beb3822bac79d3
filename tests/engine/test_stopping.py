"""A worker stops in time and goes on later, whatever is away or full."""

import contextlib
import resource
import signal
import subprocess
import time

import pytest

from streams.engine.failure import StateDamagedError
from streams.engine.store import Memory, ShardStore

STOPPED, UNACKNOWLEDGED = 0, 70
STOP_S = 15.0
"""SIGTERM ends a worker within this time, whatever the broker does."""

# What a worker is at when the broker goes away, where it is frozen until then, how it ends.
AT = {
    "idle": ("", STOPPED),
    "opening": ("opening=1:freeze", STOPPED),
    "in a round": ("flushed=1:freeze", UNACKNOWLEDGED),
}


@pytest.fixture
def stop_while_away(engine_broker, record_measure):
    """Give what stops a worker while the broker is away, and says how it ended."""

    def stop(worker, how, *, meanwhile=lambda worker: worker.signal(signal.SIGCONT)):
        with away(engine_broker, how):
            meanwhile(worker)
            began = time.monotonic()
            code = worker.stop(STOP_S)
            seconds = time.monotonic() - began
        record_measure(f"SIGTERM while the broker was {how}: exit {code} after {seconds:.1f} s")
        return code

    return stop


@contextlib.contextmanager
def away(broker, how):
    """Take *broker* away for a while."""
    if how == "gone":
        broker.stop()
    else:
        broker.pause()
    try:
        yield
    finally:
        if how == "gone":
            broker.start()
        else:
            broker.resume()


@pytest.mark.parametrize("how", ["gone", "frozen"])
@pytest.mark.parametrize("at", AT)
def test_a_worker_ends_in_time_while_the_broker_is_away(
    stop_while_away, toy, worker_named, how, at
):
    """What has no round in hand ends in order; a round that is given up is done once later."""
    failpoint, expected = AT[at]
    worker = worker_named("w", instance="w")
    worker.start(failpoints=failpoint)
    if at != "opening":
        worker.await_ready()
    toy.produce(100 if at == "in a round" else 0, seed=1)
    if failpoint:
        worker.await_frozen()

    assert stop_while_away(worker, how) == expected, worker.log.read_text()[-2000:]
    worker.start()
    toy.await_done()
    assert worker.stop() == STOPPED
    assert toy.differences(worker.folder) == []


def test_a_worker_that_is_told_to_end_while_it_starts_ends_in_order(stop_while_away, worker_named):
    """The broker that it waits for needn't come back for that."""
    worker = worker_named("w", instance="w")

    def start(worker):
        worker.start()
        while not (worker.folder / "lock").exists():
            time.sleep(0.02)

    assert stop_while_away(worker, "frozen", meanwhile=start) == STOPPED


class Mounted:
    """A disk of 64 MB that is mounted for a test."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, worker):
        """Leave no byte."""
        assert worker
        with (
            (self.folder / "ballast").open("wb", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while True:
                file.write(bytes(4096))

    def free(self):
        """Make room again."""
        (self.folder / "ballast").unlink()


class Limited:
    """A limit to the size of files: no rights are needed to set one."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, worker):
        """Let no log of a database grow by more than a page from now on."""
        sizes = [path.stat().st_size for path in (self.folder / "state").rglob("*.log")]
        limit = max(sizes) + 4096
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (limit, limit))

    def free(self):
        """Do nothing: the next process has no limit."""


@contextlib.contextmanager
def mounted(folder):
    """Mount a disk at *folder*, as the super-user or in a namespace; give it, or None."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield Mounted(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    # The mount is seen in the namespace alone, and by others through a process that is in it.
    held = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    with subprocess.Popen(
        [*held, '"$@" && echo mounted && exec cat', "sh", *mount],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as holder:
        there = holder.stdout.readline() == b"mounted\n"
        yield Mounted(type(folder)(f"/proc/{holder.pid}/root{folder}")) if there else None
        holder.kill()


@pytest.fixture(params=["full", "at a limit"])
def small_disk(request, tmp_path):
    """Make a disk that can be full; where none may be mounted, a limit stands for it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "at a limit":
        yield Limited(folder)
        return
    with mounted(folder) as disk:
        yield disk or Limited(folder)


def test_a_worker_with_a_full_disk_stops_and_goes_on_when_there_is_room(
    small_disk, toy, worker_named
):
    """The broker has what it committed, and its state catches up from there."""
    worker = worker_named("disk", folder=small_disk.folder, instance="w")
    worker.start()
    worker.await_ready()
    toy.produce(200, seed=1)
    toy.await_done()
    small_disk.fill(worker)
    toy.produce(2000, seed=2)

    assert worker.wait(120) == UNACKNOWLEDGED
    small_disk.free()
    worker.start()
    toy.await_done()
    assert worker.stop() == STOPPED
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
        ("IO error: Disk quota exceeded: While appending to file: 000004.log", False),
        ("IO error: File too large: While appending to file: 000004.log", False),
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
