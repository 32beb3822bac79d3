"""Short histories with each fault before each single effect, and two crashes at each pair."""

from collections.abc import Iterator

import msgspec
import pytest

from tests.simulation.history import Fault, History
from tests.simulation.world import World, breaks, report

SHORT = {
    "one worker": History(
        seed=1,
        workers=1,
        partitions=1,
        records=3,
        keys=1,
        stages=1,
        batch=2,
        static=True,
        faults=(),
    ),
    "two workers": History(
        seed=2,
        workers=2,
        partitions=2,
        records=4,
        keys=1,
        stages=1,
        batch=2,
        static=False,
        faults=(),
    ),
    "two static workers, two stages": History(
        seed=3,
        workers=2,
        partitions=1,
        records=3,
        keys=1,
        stages=2,
        batch=100,
        static=True,
        faults=(),
    ),
    "two workers, two stages": History(
        seed=4,
        workers=2,
        partitions=2,
        records=3,
        keys=2,
        stages=2,
        batch=100,
        static=False,
        faults=(),
    ),
}

ENDINGS = (
    ("crash", 3),
    ("crash", 100),  # long enough for another worker to take over
    ("wipe", 3),
    ("tear", 2),
    ("freeze", 100),
    ("expel", 0),
    ("expire", 0),
    ("abort", 0),
    ("leave", 0),
)


def acts(history: History) -> list[int]:
    """Give the ticks at which a process does something in *history*: one effect each."""
    return World(history).run().acts


def struck(history: History, *faults: Fault) -> History:
    """Give *history* with *faults*."""
    return msgspec.structs.replace(history, faults=faults)


def enumerated(history: History) -> Iterator[History]:
    """Give *history* with each fault before each effect."""
    for tick in acts(history):
        for kind, amount in ENDINGS:
            yield struck(history, Fault(tick, kind, amount))


@pytest.mark.parametrize("name", SHORT)
def test_a_fault_before_any_effect_changes_nothing(name):
    """Every place where a process can die, stand still or be thrown out, one at a time."""
    count = 0
    for history in enumerated(SHORT[name]):
        count += 1
        if breaks(history):
            pytest.fail(report(history))
    print(f"{count} faults enumerated")  # noqa: T201 - how many there were
    assert count > 500


def test_a_second_crash_on_the_way_back_changes_nothing():
    """The recovery from a crash dies too, at each of its effects."""
    history = msgspec.structs.replace(SHORT["one worker"], records=2)
    count = 0
    for first in acts(history):
        once = struck(history, Fault(first, "crash", 1))
        for second in (tick for tick in acts(once) if first < tick):
            count += 1
            twice = struck(history, Fault(first, "crash", 1), Fault(second, "crash", 1))
            if breaks(twice):
                pytest.fail(report(twice))
    print(f"{count} pairs enumerated")  # noqa: T201 - how many there were
    assert count > 1000
