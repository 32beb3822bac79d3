"""The engine beside its rivals: one job, one broker, one run.

The job, its rivals and how they are watched stand in `rivals/`.  Every round runs them all
one after the other, so that whatever else the machine does meets them alike; a ratio is
the median of the ratios of one round.  CPU is that of a whole process, threads, garbage
collector and compiler included.  Figures by the clock (latency, events/s, start-up) are
those of a machine that does nothing else; on a busy one only their ratios tell.

What a rival needs is brought when it is first run: packages by `locks/bench.txt`, Kafka
Streams by Maven.  What can't be had is said, and has no figures.

    python -m benchmarks.engine [--quick] [--rounds=N] [RIVAL…]
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rivals import bare_loop, chain
from benchmarks.rivals.chain import Chained, chained
from benchmarks.rivals.course import Course, Rival, Sizes
from benchmarks.rivals.environments import MissingError, kafka_streams, quix_python
from benchmarks.rivals.verdict import (
    FAUST,
    JAVA,
    JAVA_TWICE,
    LOOP,
    OURS,
    QUIX,
    QUIX_TWICE,
    Measures,
    Run,
    verdict,
)
from streams.sandbox.kafka import EmbeddedKafka, default_home

FULL = Sizes(3_000_000, 20_000, (500, 5000), 12.0, 4.0)
QUICK = Sizes(200_000, 5_000, (500, 5000), 5.0, 2.0)
ROUNDS = 3
CHAIN_RATE = 500
CHAIN_SIZES = Sizes(0, 0, (), 40.0, 10.0)


def say(what: str) -> None:
    """Tell the reader what happens, beside the result."""
    print(what, file=sys.stderr, flush=True)


def contestants(home: Path) -> tuple[list[Rival], dict[str, str]]:
    """Give who can run here, and why others can't."""

    def ours_and(module: str) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.rivals.{module}"]

    found = [
        Rival(
            OURS,
            lambda *where: [*ours_and("ours"), *where],
            topics=lambda app: chain.needs(app, f"{app}-in", f"{app}-out"),
        ),
        Rival(
            LOOP,
            lambda *where: [*ours_and("bare_loop"), *where],
            restores=False,
            topics=lambda app: {bare_loop.changelog(app): 4},
        ),
        Rival(FAUST, lambda *where: [*ours_and("stock_faust"), *where], small=True),
    ]
    missing = {}
    try:
        python = [quix_python(home), "-m", "benchmarks.rivals.quix"]
        found += [
            Rival(QUIX, lambda *where: [*python, *where, "exactly-once"]),
            Rival(QUIX_TWICE, lambda *where: [*python, *where, "at-least-once"]),
        ]
    except MissingError as error:
        missing |= dict.fromkeys((QUIX, QUIX_TWICE), str(error))
    try:
        java = kafka_streams(home)
        found += [
            Rival(JAVA, lambda *where: [*java, *where, "exactly_once_v2"]),
            Rival(JAVA_TWICE, lambda *where: [*java, *where, "at_least_once"]),
        ]
    except MissingError as error:
        missing |= dict.fromkeys((JAVA, JAVA_TWICE), str(error))
    return found, missing


def rounds(
    course: Course, rivals: Sequence[Rival], count: int, missing: dict[str, str]
) -> list[Run]:
    """Run all *rivals*, *count* times in turns; one that fails is missing from then on."""
    found: list[Run] = []
    for number in range(count):
        run: Run = {}
        turn = number % len(rivals)
        for rival in (*rivals[turn:], *rivals[:turn]):
            if rival.name in missing:
                continue
            start = time.monotonic()
            try:
                run[rival.name] = course.run(rival, examine=number == 0)
            except RuntimeError as error:
                missing[rival.name] = str(error)
                say(f"{rival.name} failed: {error}")
            else:
                say(f"round {number + 1}: {rival.name}, {time.monotonic() - start:.0f} s")
                say(f"    {run[rival.name]}")
        found.append(run)
    return found


def chains(
    kafka: EmbeddedKafka, folder: Path, sizes: Sizes, count: int
) -> dict[int, list[Chained]]:
    """Run the chain in one worker and in three, *count* times in turns."""
    found: dict[int, list[Chained]] = {1: [], chain.STAGES: []}
    for number in range(count):
        for workers, runs in found.items():
            name = f"chain{number}x{workers}"
            runs.append(chained(kafka, folder, name, CHAIN_RATE, sizes, workers=workers))
            say(f"round {number + 1}: three stages, {workers} workers: {runs[-1]}")
    return found


def run(*, quick: bool, only: Sequence[str] = (), turns: int | None = None) -> Measures:
    """
    Measure all.

    Args:
        quick: One round on a small backlog: it tells order, not figures.
        only: Names of the rivals to run; all when empty.
        turns: How many rounds; one where it is quick, else three, when None.
    """
    sizes = QUICK if quick else FULL
    count = turns or (1 if quick else ROUNDS)
    home = default_home()
    home.mkdir(parents=True, exist_ok=True)
    rivals, missing = contestants(home)
    for name, why in missing.items():
        say(f"not here: {name}: {why}")
    rivals = [each for each in rivals if not only or each.name in only]
    with (
        tempfile.TemporaryDirectory(dir=home, prefix="benchmark-") as folder,
        EmbeddedKafka(Path(folder) / "kafka", heap_mb=1024, long_lived=True) as kafka,
    ):
        course = Course(kafka, Path(folder), sizes)
        course.prepare()
        found = rounds(course, rivals, count, missing)
        in_chains = chains(kafka, Path(folder), QUICK if quick else CHAIN_SIZES, count)
    return verdict(found, in_chains, missing, warm=not quick)


if __name__ == "__main__":
    names = [each for each in sys.argv[1:] if not each.startswith("--")]
    told = [
        int(each.removeprefix("--rounds=")) for each in sys.argv if each.startswith("--rounds=")
    ]
    found = run(quick="--quick" in sys.argv, only=names, turns=told[0] if told else None)
    print(json.dumps(found, indent=1))
