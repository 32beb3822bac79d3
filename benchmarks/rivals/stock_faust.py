"""
The job as a plain Faust agent: a RocksDB table and a send, at least once.

    python -m benchmarks.rivals.stock_faust BROKERS SOURCE OUT APP FOLDER
"""

import logging
import sys
from pathlib import Path
from typing import Any

import faust
import mode.loop

from benchmarks.rivals.job import PARTITIONS, counted, passed_on


def main(brokers: str, source: str, out: str, name: str, folder: str) -> None:
    """Run until SIGTERM."""
    # As `faust --loop uvloop worker` does.
    mode.loop.use("uvloop")
    Path(folder).mkdir(parents=True, exist_ok=True)
    app: Any = faust.App(
        name,
        broker=f"kafka://{brokers}",
        store="rocksdb://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        # Faust's largest gains that only take a setting.
        producer_linger=0.02,
        broker_commit_interval=1.0,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw"}
    events = app.topic(source, value_serializer="raw", partitions=PARTITIONS, **raw)
    results = app.topic(out, value_serializer="raw", partitions=PARTITIONS, **raw)
    counts = app.Table("counts", partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    for library in ("faust", "aiokafka", "mode"):
        # Faust builds a log record for every send, also for those that nobody reads.
        logging.getLogger(library).setLevel(logging.ERROR)

    async def count(stream: Any) -> None:
        async for event in stream.events():
            counts[event.key] = counted(counts.get(event.key))
            await results.send(key=event.key, value=passed_on(event.value))

    app.agent(events)(count)
    worker = faust.Worker(app, loglevel=logging.ERROR, quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
