"""
The job on this engine, exactly once, through its public face.

    python -m benchmarks.rivals.ours BROKERS SOURCE OUT APP FOLDER [STAGES]

With *STAGES* above 1 as many stages run in this one process, each reading what the one
before it has written: SOURCE, then OUT-1, OUT-2 and so on, the last one OUT.
"""

import sys
from pathlib import Path

import uvloop

from benchmarks.rivals.job import counted, passed_on
from streams.engine import AppDeclaration, Batch, Engine, EngineSettings, Stage

STAGE, TABLE = "count", "counts"
BATCH = 4000
"""As many as the bare loop takes; at a low load neither ever gets so many."""


class Counting:
    """The handler: count, and pass on to *out*."""

    def __init__(self, out: str) -> None:
        self._out = out

    def __call__(self, batch: Batch) -> None:
        """Do the job for a batch."""
        out = self._out
        for record in batch.records:
            key = record.key or b""
            batch.put(TABLE, key, counted(batch.get(TABLE, key)))
            batch.emit(out, key, passed_on(record.value or b""))


def between(out: str, stages: int) -> list[str]:
    """Name what the stages of a chain write, in order."""
    return [f"{out}-{place}" for place in range(1, stages)] + [out]


def declared(app: str, source: str, out: str, stages: int = 1) -> AppDeclaration:
    """Declare the job, or a chain of it."""
    outs = between(out, stages)
    sources = [source, *outs]
    return AppDeclaration(
        app,
        tuple(
            Stage(f"{STAGE}{place}", (sources[place],), Counting(outs[place]), (TABLE,))
            for place in range(stages)
        ),
    )


def main(
    brokers: str,
    source: str,
    out: str,
    app: str,
    folder: str,
    stages: str = "1",
    interval_ms: str = "10",
) -> int:
    """Run until SIGTERM."""
    # As the project's own workers do.
    uvloop.install()
    settings = EngineSettings(
        brokers=brokers,
        data_dir=Path(folder),
        batch_records_max=BATCH,
        buffer_records=2 * BATCH,
        min_interval_ms=float(interval_ms),
    )
    return Engine(declared(app, source, out, int(stages)), settings).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
