"""What the figures of all rounds come to, and the goals they are held to."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from benchmarks.rivals.chain import Chained
from benchmarks.rivals.course import Figures

OURS, LOOP, FAUST = "ours", "bare loop", "stock Faust"
QUIX, QUIX_TWICE = "quixstreams exactly once", "quixstreams at least once"
JAVA, JAVA_TWICE = "Kafka Streams exactly_once_v2", "Kafka Streams at_least_once"
LOAD = 500
"""Events a second of the load that has goals."""

Run = dict[str, Figures]
Measures = dict[str, dict[str, Any]]
Pick = Callable[[Figures], float | None]


class Beside(Struct, frozen=True):
    """
    A goal beside a rival.

    Attributes:
        what: What is compared.
        pick: Takes it from the figures.
        unit: Its unit.
        rival: Beside whom.
        at_least: The least that we are better by; below 1 allows us to be worse.
        strictly: Whether equal isn't enough.
        less: Whether less is better.
    """

    what: str
    pick: Pick
    unit: str
    rival: str
    at_least: float
    strictly: bool = False
    less: bool = True


RIVALRIES = (
    Beside("CPU, first third", lambda f: f.cpu_first, "µs/event", JAVA, 1.0, strictly=True),
    Beside("CPU, warm", lambda f: f.cpu_last, "µs/event", JAVA, 1 / 1.3),
    Beside("CPU, warm", lambda f: f.cpu_last, "µs/event", QUIX, 2.0),
    Beside("CPU, warm", lambda f: f.cpu_last, "µs/event", FAUST, 20.0),
    Beside("CPU, warm", lambda f: f.cpu_last, "µs/event", LOOP, 1 / 1.4),
    Beside("restore", lambda f: f.restore_rate, "records/s", FAUST, 25.0, less=False),
)


class Bound(Struct, frozen=True):
    """A goal of ours alone: the median must not be above *most*."""

    what: str
    pick: Pick
    unit: str
    most: float


BOUNDS = (
    Bound(f"p50 at {LOAD}/s", lambda f: f.latencies[LOAD].p50_ms, "ms", 15),
    Bound(f"p99 at {LOAD}/s", lambda f: f.latencies[LOAD].p99_ms, "ms", 40),
    Bound("resident memory, peak", lambda f: f.peak_mib, "MiB", 200),
)

PLAIN: tuple[tuple[str, Pick, str], ...] = (
    ("events", lambda f: f.rate, "events/s"),
    ("CPU, first third", lambda f: f.cpu_first, "µs/event"),
    ("CPU, warm", lambda f: f.cpu_last, "µs/event"),
    ("CPU of the broker", lambda f: f.broker_cpu, "µs/event"),
    ("resident memory", lambda f: f.resident_mib, "MiB"),
    ("resident memory, peak", lambda f: f.peak_mib, "MiB"),
    ("start to first output", lambda f: f.start_s, "s"),
    ("restore", lambda f: f.restore_rate, "records/s"),
    ("CPU of the restore", lambda f: f.restore_cpu, "µs/record"),
)


def verdict(
    runs: Sequence[Run],
    chains: Mapping[int, Sequence[Chained]],
    missing: Mapping[str, str],
    *,
    warm: bool,
) -> Measures:
    """
    Make the measures of all rounds: goals first, then the figures of each rival.

    Where the runs were too short for a JVM to get warm, goals beside one stay undecided.

    Ratios are medians of the ratios of one round, figures are medians.  What could not be
    measured has no value, and its goal says why.
    """
    found: Measures = {}
    for rivalry in RIVALRIES:
        name = f"{rivalry.what}: {OURS} beside {rivalry.rival}"
        found[name] = _beside(rivalry, runs, missing)
        if rivalry.rival == JAVA and not warm:
            found[name] |= {"goal": f"{found[name]['goal']}, in a full run", "met": None}
    for bound in BOUNDS:
        value = _median(runs, OURS, bound.pick)
        found[f"{bound.what}: {OURS}"] = _bounded(value, bound.unit, bound.most)
    for workers, each in chains.items():
        found |= _chained(workers, each)
    for rival in dict.fromkeys(name for run in runs for name in run):
        found |= _plain(rival, runs)
    return found


def _beside(goal: Beside, runs: Sequence[Run], missing: Mapping[str, str]) -> dict[str, Any]:
    pairs = [
        (goal.pick(run[OURS]), goal.pick(run[goal.rival]))
        for run in runs
        if OURS in run and goal.rival in run
    ]
    known = [(ours, theirs) for ours, theirs in pairs if ours and theirs]
    if not known:
        why = missing.get(goal.rival) or missing.get(OURS) or "nothing to compare"
        return _measure(None, goal.unit, goal=f"not measured: {why}")
    ratio = statistics.median(
        theirs / ours if goal.less else ours / theirs for ours, theirs in known
    )
    return _measure(
        statistics.median(ours for ours, _ in known),
        goal.unit,
        baseline=statistics.median(theirs for _, theirs in known),
        ratio=ratio,
        goal=f"ratio {'>' if goal.strictly else '≥'} {goal.at_least:.3g}",
        met=ratio > goal.at_least if goal.strictly else ratio >= goal.at_least,
    )


def _chained(workers: int, runs: Sequence[Chained]) -> Measures:
    """Hold the chain to its goals; in one worker, as an app with three stages runs."""
    name = f"three stages at {LOAD}/s, {workers} worker{'s' if workers > 1 else ''}"
    p50 = statistics.median(each.p50_ms for each in runs)
    p99 = statistics.median(each.p99_ms for each in runs)
    cores = statistics.median(each.cores for each in runs)
    own = statistics.median(each.worker_cores for each in runs)
    return {
        f"{name}: p50": _bounded(p50, "ms", 60),
        f"{name}: p99": _bounded(p99, "ms", 150),
        f"{name}: broker and workers": _bounded(cores, "cores", 1),
        f"{name}: workers": _measure(own, "cores"),
    }


def _plain(rival: str, runs: Sequence[Run]) -> Measures:
    """Write the figures of one rival."""
    found: Measures = {}
    for what, pick, unit in (*PLAIN, *_latencies(rival, runs)):
        value = _median(runs, rival, pick)
        if value is not None:
            found[f"{rival}: {what}"] = _measure(value, unit)
    return found


def _latencies(rival: str, runs: Sequence[Run]) -> Iterator[tuple[str, Pick, str]]:
    rates = {rate for run in runs if rival in run for rate in run[rival].latencies}
    for rate in sorted(rates):
        yield f"p50 at {rate}/s", lambda f, r=rate: f.latencies[r].p50_ms, "ms"
        yield f"p99 at {rate}/s", lambda f, r=rate: f.latencies[r].p99_ms, "ms"
        yield f"CPU at {rate}/s", lambda f, r=rate: f.latencies[r].cores, "cores"
        yield (
            f"CPU of the broker at {rate}/s",
            lambda f, r=rate: f.latencies[r].broker_cores,
            "cores",
        )


def _median(runs: Sequence[Run], rival: str, pick: Pick) -> float | None:
    values = [pick(run[rival]) for run in runs if rival in run]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _bounded(value: float | None, unit: str, most: float) -> dict[str, Any]:
    if value is None:
        return _measure(None, unit, goal="not measured")
    return _measure(value, unit, goal=f"≤ {most}", met=value <= most)


def _measure(
    value: float | None,
    unit: str,
    *,
    baseline: float | None = None,
    ratio: float | None = None,
    goal: str | None = None,
    met: bool | None = None,
) -> dict[str, Any]:
    return {
        "value": _short(value),
        "unit": unit,
        "baseline": _short(baseline),
        "ratio": _short(ratio),
        "goal": goal,
        "met": met,
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
