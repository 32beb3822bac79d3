"""A worker of three chained stages, each with tables, whose right answer is known.

Every record carries a serial number.  Each stage counts it under a key of its own, sums up
the serials, and passes it on under the next stage's key with the count it had got: so a
record that is lost, doubled or out of order shows in what follows it.
"""

from collections.abc import Sequence

from streams.engine import AppDeclaration, Batch, Stage
from tests.support.toy_worker import run

APP = "chain"
SOURCE, MIDDLE, LATE, OUT = "chain-source", "chain-middle", "chain-late", "chain-out"
GROUPS, SUMS = 17, 31

# For each stage: its source, its tables, where it sends.
STAGES = {
    "count": (SOURCE, ("counts", "odd"), MIDDLE),
    "group": (MIDDLE, ("groups",), LATE),
    "sum": (LATE, ("sums",), OUT),
}


def group_key(serial: int) -> bytes:
    """Give the key of *serial* in the second stage."""
    return b"g%d" % (serial % GROUPS)


def sum_key(serial: int) -> bytes:
    """Give the key of *serial* in the third stage."""
    return b"s%d" % (serial % SUMS)


def row(count: int, total: int) -> bytes:
    """Write a row of a table."""
    return b"%d/%d" % (count, total)


def noted(batch: Batch, table: str, key: bytes, serial: int) -> int:
    """Add *serial* to the row of *key*; give how many are in it now."""
    count, total = map(int, (batch.get(table, key) or b"0/0").split(b"/"))
    batch.put(table, key, row(count + 1, total + serial))
    return count + 1


def count(batch: Batch) -> None:
    """Count under the record's own key; a second table holds the keys with an odd count."""
    for record in batch.records:
        serial, _, padding = (record.value or b"").partition(b"/")
        key = record.key or b""
        seen = noted(batch, "counts", key, int(serial))
        batch.put("odd", key, b"odd" if seen % 2 else None)
        value = b"%b/%b/%d/%b" % (serial, key, seen, padding)
        batch.emit(MIDDLE, group_key(int(serial)), value)


def group(batch: Batch) -> None:
    """Count under one of few keys."""
    pass_on(batch, "groups", LATE)


def total(batch: Batch) -> None:
    """Count under one of a few other keys."""
    pass_on(batch, "sums", OUT)


def pass_on(batch: Batch, table: str, topic: str) -> None:
    """Count under the record's key and send it on to *topic*."""
    for record in batch.records:
        serial, _, _, padding = (record.value or b"").split(b"/", 3)
        key = record.key or b""
        seen = noted(batch, table, key, int(serial))
        following = sum_key(int(serial)) if topic == LATE else key
        batch.emit(topic, following, b"%b/%b/%d/%b" % (serial, key, seen, padding))


HANDLERS = {"count": count, "group": group, "sum": total}


def declared() -> AppDeclaration:
    """Declare the chain."""
    return AppDeclaration(
        APP,
        tuple(
            Stage(name, (source,), HANDLERS[name], tables)
            for name, (source, tables, _) in STAGES.items()
        ),
    )


def main(arguments: Sequence[str]) -> int:
    """Run a worker of the chain; see toy_worker.run."""
    return run(declared(), arguments)
