"""A worker of the toy job: count the records of each key, and pass each one on.

The right answer is known without running it: a key's count is how often it was produced,
and every source offset appears once among the outputs.
"""

import faulthandler
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.engine import AppDeclaration, Batch, Engine, EngineSettings, Stage
from streams.engine.store import ShardStore

APP, STAGE, TABLE, SOURCE, OUT = "toy", "count", "counts", "toy-source", "toy-out"
POISON = b"poison"
DEADLY = b"deadly"
SLOW_DISK = "slow_disk_s"
UNMENDED = "TOY_UNMENDED"
"""While it is in the environment, a deadly record takes the process with it."""


def count(batch: Batch) -> None:
    """Count, and say where each record was read."""
    for record in batch.records:
        if record.value == POISON:
            raise ValueError("this record can't be handled")
        if record.value == DEADLY and UNMENDED in os.environ:
            # As a fault in a library does, without an exception.
            os.kill(os.getpid(), signal.SIGKILL)
        key = record.key or b""
        batch.put(TABLE, key, b"%d" % (int(batch.get(TABLE, key) or 0) + 1))
        batch.emit(OUT, key, b"%d/%d" % (record.partition, record.offset))


def declared() -> AppDeclaration:
    """Declare the toy app."""
    return AppDeclaration(APP, (Stage(STAGE, (SOURCE,), count, (TABLE,)),))


def slow_down(disk_s: float) -> None:
    """Have every write to a local state take *disk_s* seconds longer."""
    if not disk_s:
        return
    apply = ShardStore.apply

    def later(store: ShardStore, *arguments: Any) -> None:
        time.sleep(disk_s)
        apply(store, *arguments)

    ShardStore.apply = later  # type: ignore[method-assign]


def run(app: AppDeclaration, arguments: Sequence[str]) -> int:
    """
    Run one worker until it is told to stop.

    Args:
        app: The job.
        arguments: Brokers, folder, health port, instance id, other settings as JSON; among
            these may be SLOW_DISK, in seconds.
    """
    faulthandler.enable()
    # A test that waits in vain asks every thread where it is.
    faulthandler.register(signal.SIGRTMIN, all_threads=True)
    brokers, folder, port, instance, written = arguments
    others = json.loads(written)
    slow_down(others.pop(SLOW_DISK, 0.0))
    settings = {"session_timeout_s": 6.0, "batch_records_max": 200, "buffer_records": 2000}
    return Engine(
        app,
        EngineSettings(
            brokers=brokers,
            data_dir=Path(folder),
            health_port=int(port),
            instance_id=instance or None,
            **{**settings, **others},
        ),
    ).run()


def main(arguments: Sequence[str]) -> int:
    """Run a worker of the toy job; see run."""
    return run(declared(), arguments)
