"""
The job of the simulated app: it remembers of each key all it has seen, in order.

What is lost, doubled or out of order shows in the state of its key for ever, and in the
outputs.  After `FORGET` records of a key the state is deleted, so that tombstones happen.
"""

from collections.abc import Iterable, Mapping

from streams.engine import Batch, Record, Stage

APP = "sim"
TABLE = "seen"
FORGET = 4


def seen_after(before: bytes | None, value: bytes) -> bytes | None:
    """Give the state of a key after one more *value*."""
    after = value if before is None else before + b" " + value
    return None if after.count(b" ") >= FORGET else after


def emitted_for(stage: str, before: bytes | None, value: bytes) -> bytes:
    """Give what a stage emits for *value*: the record itself, and at the end what it saw."""
    return value if stage == "first" else (before or b"") + b" " + value


def stages(count: int, partitions: int) -> tuple[Stage, ...]:
    """Declare a chain of one or two stages from `in` to `out`."""

    def remember(stage: str, target: str, batch: Batch) -> None:
        for record in batch.records:
            assert record.key is not None
            assert record.value is not None
            before = batch.get(TABLE, record.key)
            batch.put(TABLE, record.key, seen_after(before, record.value))
            batch.emit(
                target,
                record.key,
                emitted_for(stage, before, record.value),
                partition=int(record.value) % partitions,
            )

    last = Stage(
        "last",
        ("mid" if count > 1 else "in",),
        lambda batch: remember("last", "out", batch),
        (TABLE,),
    )
    if count == 1:
        return (last,)
    first = Stage("first", ("in",), lambda batch: remember("first", "mid", batch), (TABLE,))
    return first, last


def right_answer(
    stage: str, records: Iterable[tuple[int, bytes, bytes]], partitions: int
) -> tuple[Mapping[bytes, bytes], list[list[tuple[bytes, bytes]]]]:
    """Give the table and, for each partition of the target, the outputs for *records*."""
    table: dict[bytes, bytes] = {}
    outputs: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
    for _, key, value in records:
        before = table.get(key)
        outputs[int(value) % partitions].append((key, emitted_for(stage, before, value)))
        after = seen_after(before, value)
        if after is None:
            table.pop(key, None)
        else:
            table[key] = after
    return table, outputs


def record_of(topic: str, partition: int, offset: int, key: bytes, value: bytes) -> Record:
    """Make a record as a consumer gives it."""
    return Record(topic, partition, offset, 0, key, value)
