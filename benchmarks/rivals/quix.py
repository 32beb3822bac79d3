"""
The job on quixstreams, at least once or exactly once.

    python -m benchmarks.rivals.quix BROKERS SOURCE OUT APP FOLDER GUARANTEE
"""

import sys
from typing import Any

from quixstreams import Application

from benchmarks.rivals.job import passed_on

COMMIT_S = 0.5
"""It keeps state in memory until it commits; with its 5 s a short run would pay for none."""


def main(brokers: str, source: str, out: str, name: str, folder: str, guarantee: str) -> None:
    """Run until SIGTERM."""
    app: Any = Application(
        broker_address=brokers,
        consumer_group=name,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_S,
        state_dir=folder,
        processing_guarantee=guarantee,
        loglevel="ERROR",
    )
    events = app.topic(source, key_deserializer="bytes", value_deserializer="bytes")
    results = app.topic(out, key_serializer="bytes", value_serializer="bytes")

    def count(value: bytes, state: Any) -> bytes:
        state.set("count", state.get("count", 0) + 1)
        return passed_on(value)

    app.dataframe(events).apply(count, stateful=True).to_topic(results)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
