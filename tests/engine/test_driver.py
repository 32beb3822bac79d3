"""The driver runs stages without a broker and leaves nothing behind of a failed batch."""

import pytest

from streams.engine import Batch, Stage, partition_for
from streams.engine.driver import Crash, Rewind, StageDriver


def count(batch: Batch) -> None:
    """Count the records of each key and say the count."""
    for record in batch.records:
        assert record.key is not None
        if record.value == b"poison":
            raise ValueError("poison")
        seen = int(batch.get("counts", record.key) or 0) + 1
        batch.put("counts", record.key, b"%d" % seen)
        batch.emit("counted", record.key, b"%d" % seen)


COUNT = Stage("count", ("words",), count, tables=("counts",))


def test_a_batch_sees_what_earlier_batches_put():
    """The table outlives the batch; each record gives one output."""
    driver = StageDriver(COUNT)
    driver.run([driver.record(b"", key=key) for key in (b"a", b"b", b"a")], batch_records_max=1)

    assert driver.table("counts") == {b"a": b"2", b"b": b"1"}
    assert [output.value for output in driver.emitted("counted")] == [b"1", b"1", b"2"]


def test_a_batch_that_fails_does_nothing():
    """The record before the poison isn't counted either."""
    driver = StageDriver(COUNT)
    with pytest.raises(ValueError, match="poison"):
        driver.run([driver.record(b"", key=b"a"), driver.record(b"poison", key=b"a")])

    assert driver.table("counts") == {}
    assert driver.outputs == []


def test_a_scan_is_ordered_and_sees_puts_and_deletions():
    """Rows of the store and of the batch come as one, in the order of keys."""
    seen = []

    def handler(batch: Batch) -> None:
        if not batch.records[0].offset:
            for key in (b"a1", b"a3", b"a4", b"b1"):
                batch.put("rows", key, b"stored")
            return
        batch.put("rows", b"a2", b"fresh")
        batch.put("rows", b"a3", b"fresh")
        batch.put("rows", b"a4", None)
        seen.extend(batch.scan("rows", b"a"))

    driver = StageDriver(Stage("scan", ("words",), handler, tables=("rows",)))
    driver.run([driver.record(None)])
    driver.run([driver.record(None)])

    assert seen == [(b"a1", b"stored"), (b"a2", b"fresh"), (b"a3", b"fresh")]


def test_a_version_serves_from_its_instant_until_the_next():
    """Before the first version there is none."""
    driver = StageDriver(
        Stage("look", ("words",), lambda _: None, references=("prices",)),
        {"prices": {b"sku": [(20, b"new"), (10, b"old")]}},
    )
    prices = driver.references["prices"]

    assert [prices.as_of(b"sku", at) for at in (9, 10, 19, 20)] == [None, b"old", b"old", b"new"]
    assert list(prices.versions()) == [(b"sku", 10, b"old"), (b"sku", 20, b"new")]


def seen_by(steps, *, batch_records_max=2):
    """Run a stage that counts, and note each batch its handler saw, by offsets."""
    batches = []

    def handler(batch: Batch) -> None:
        batches.append([record.offset for record in batch.records])
        count(batch)

    driver = StageDriver(Stage("count", ("words",), handler, tables=("counts",)))
    records = iter([driver.record(b"", key=b"a") for _ in range(9)])
    driver.run(
        [next(records) if step == "record" else step for step in steps],
        batch_records_max=batch_records_max,
    )
    return batches, driver


@pytest.mark.parametrize(
    ("steps", "batches", "counted"),
    [
        (["record", Crash()], [[0], [0]], 1),
        (["record", Crash(), "record"], [[0], [0, 1]], 2),
        (["record", "record", Crash(), Crash(), "record"], [[0, 1], [0, 1], [0, 1], [2]], 3),
        (["record", "record", "record", Crash()], [[0, 1], [2], [2]], 3),
        (["record", Crash(committed=True), "record"], [[0], [1]], 2),
        ([Crash(), "record"], [[0]], 1),
        (["record", "record", "record", Rewind(1), "record"], [[0, 1], [2], [1, 2], [3]], 6),
        (["record", Crash(), Rewind(0)], [[0], [0], [0]], 2),
    ],
)
def test_crashes_and_rewinds_are_steps_between_the_records(steps, batches, counted):
    """A batch in hand comes again and counts once; what is rewound counts again."""
    seen, driver = seen_by(steps)

    assert seen == batches
    assert driver.table("counts") == {b"a": b"%d" % counted}
    assert len(driver.outputs) == counted


def test_a_rewind_to_where_nothing_was_is_refused():
    """It would try nothing, and the test would pass."""
    with pytest.raises(ValueError, match="no record of words was given at offset 1"):
        seen_by(["record", Rewind(1)])


def test_a_crash_takes_what_a_handler_kept_in_memory():
    """A stage that counts in memory is found out, if the driver may make it anew."""

    def make() -> Stage:
        kept: list[int] = []

        def handler(batch: Batch) -> None:
            kept.extend(record.offset for record in batch.records)
            batch.put("kept", b"offsets", repr(kept).encode())

        return Stage("keep", ("words",), handler, tables=("kept",))

    driver = StageDriver(make)
    driver.run([driver.record(b""), Crash(committed=True), driver.record(b"")])

    assert driver.table("kept") == {b"offsets": b"[1]"}


@pytest.mark.parametrize(
    ("key", "hashed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_keys_go_where_java_sends_them(key, hashed):
    """The hashes are those of Kafka's own UtilsTest."""
    assert partition_for(key, 1 << 30) == (hashed & 0x7FFFFFFF) % (1 << 30)
