"""The five views of the chain find what is planted into them, and nothing where all is right."""

import msgspec
import pytest
from rocksdict import Options, Rdict

from streams.engine.driver import StageDriver
from streams.reading.log import Logged, Position
from tests.support.chain import CHANGED, PARTITIONS, SENT, Seen, Views
from tests.support.chain_worker import LATE, MIDDLE, OUT, SOURCE, STAGES, declared

RECORDS = 60


@pytest.fixture
def right(tmp_path):
    """Make the views of a run in which nothing went wrong, all of it in one partition."""
    stages = declared().stages
    records = [(b"k%d" % (each % 7), b"%d/" % each) for each in range(RECORDS)]
    topics = {SOURCE: records}
    changes = {}
    for stage in stages:
        driver = StageDriver(stage)
        source, tables, sink = STAGES[stage.name]
        driver.run([driver.record(value, key=key) for key, value in topics[source]])
        topics[sink] = [(each.key, each.value) for each in driver.emitted(sink)]
        changes |= {table: list(driver.table(table).items()) for table in tables}
        write_states(tmp_path / "one" / "state", stage.name, tables, changes)
    logged = {
        topic: [log(topic, place, *pair) for place, pair in enumerate(pairs)]
        for topic, pairs in topics.items()
    }
    ends = {
        (source, partition): 0 if partition else RECORDS
        for source, _, _ in STAGES.values()
        for partition in range(PARTITIONS)
    }
    return Views(
        source=logged[SOURCE],
        sent={topic: logged[topic] for topic in SENT},
        changes={
            table: [log(CHANGED[table][1], place, *pair) for place, pair in enumerate(pairs)]
            for table, pairs in changes.items()
        },
        committed=dict(ends),
        ends=ends,
        taken=set(range(RECORDS)),
        watched=[
            Seen(topic, 0, place, value, 0.0)
            for topic in SENT
            for place, (_, value) in enumerate(topics[topic])
        ],
        folders=[tmp_path / "one"],
    )


def log(topic, offset, key, value):
    """Make a record of partition 0."""
    return Logged(Position(topic, 0, offset), 0, key, value, ())


def write_states(folder, stage, tables, changes):
    """Write the state of every partition of *stage*; all but the first are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for partition in range(PARTITIONS):
        database = Rdict(str(folder / f"{stage}-{partition}"), Options(raw_mode=True))
        for table in tables if partition == 0 else ():
            for key, value in changes[table]:
                database[table.encode() + b"\0" + key] = value
            last = len(changes[table]) - 1
            database[b"\0offset\0" + table.encode()] = last.to_bytes(8, "big")
        database.close()


def in_state(views, name, key, value):
    """Change a row of a worker's disk."""
    database = Rdict(str(views.folders[0] / "state" / name), Options(raw_mode=True))
    database[key] = value
    database.close()


def lose_output(views):
    """Take an output away."""
    del views.sent[OUT][3]


def double_output(views):
    """Send an output again."""
    records = views.sent[LATE]
    records.append(msgspec.structs.replace(records[5], position=Position(LATE, 0, RECORDS)))


def swap_outputs(views):
    """Send two outputs of one key in the other order."""
    records = views.sent[MIDDLE]
    records[0], records[7] = records[7], records[0]


def show_aborted(views):
    """Show a reader what is later taken back."""
    views.watched.append(Seen(OUT, 0, RECORDS, b"1/s1/1/", 0.0))


def hide_output(views):
    """Hide from the reader what is there."""
    views.watched.pop()


def lose_source(views):
    """Lose a record that was acknowledged."""
    views.taken.add(RECORDS)


def change_changelog(views):
    """Put a row into a changelog that isn't the right one."""
    key = views.changes["sums"][0].key
    views.changes["sums"].append(log(CHANGED["sums"][1], 999, key, b"0/0"))


def change_state(views):
    """Change a row on disk alone."""
    in_state(views, "group-0", b"groups\0g1", b"0/0")


def fall_behind(views):
    """Have the only copy on disk stand before the end, rightly."""
    row = views.changes["sums"][-1]
    in_state(views, "sum-0", b"\0offset\0sums", (row.position.offset - 1).to_bytes(8, "big"))
    database = Rdict(str(views.folders[0] / "state" / "sum-0"), Options(raw_mode=True))
    del database[b"sums\0" + row.key]
    database.close()


def commit_less(views):
    """Leave a committed offset behind."""
    views.committed[LATE, 0] -= 1


PLANTED = [
    (lose_output, "chain-out: 1 are missing"),
    (double_output, "chain-late: 1 are there twice"),
    (swap_outputs, "chain-middle: 1 are out of order"),
    (show_aborted, "chain-out: 1 were seen that aren't there"),
    (hide_output, "chain-out: 1 are there and weren't seen"),
    (lose_source, "source: 1 that were taken are missing"),
    (change_changelog, "changelog of sums: 1 differ"),
    (change_state, "one/group-0, groups at 16: 1 differ"),
    (fall_behind, "disks: 1 have no copy that is at the end"),
    (commit_less, "committed offsets: 1 aren't the end"),
]


@pytest.mark.parametrize(
    ("plant", "found"), PLANTED, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_is_planted_is_found(right, plant, found):
    """Each view is held against the others."""
    plant(right)

    assert [line for line in right.differences() if line.startswith(found)]


def test_where_all_is_right_nothing_is_found(right):
    """The views agree."""
    assert right.differences() == []
