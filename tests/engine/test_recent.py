from hypothesis import given
from hypothesis import strategies as st

from streams.engine.recent import ROW_BYTES, UNKNOWN, Recent
from streams.engine.store import Memory, ShardStore

ROWS = st.sampled_from([b"a", b"b", b"c", b"d"])
VALUES = st.none() | st.binary(max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from(["look up", "write"]), ROWS, VALUES))


@given(STEPS, st.integers(0, 6 * ROW_BYTES))
def test_what_is_known_is_what_the_database_has(steps, bytes_max):
    """However small it is, and whatever it has forgotten."""
    database, recent = {}, Recent(bytes_max)
    for what, row, value in steps:
        if what == "write":
            database[row] = value
            recent.change([(row, value)])
        elif (known := recent.get(row)) is UNKNOWN:
            recent.put(row, database.get(row))
        else:
            assert known == database.get(row)


def test_memory_is_bounded():
    """Of a thousand rows that were looked up only some are kept, the last of all among them."""
    recent = Recent(100 * (ROW_BYTES + 10))
    for place in range(1000):
        recent.put(b"%05d" % place, b"value")

    assert 50 <= len(recent) <= 102
    assert recent.get(b"00999") == b"value"
    assert recent.get(b"00000") is UNKNOWN


def test_a_row_in_use_outlives_rows_that_are_not():
    """It is looked up between all the others, and never forgotten."""
    recent = Recent(20 * (ROW_BYTES + 10))
    recent.put(b"in use", b"kept")
    for place in range(1000):
        recent.put(b"%05d" % place, b"value")
        assert recent.get(b"in use") == b"kept"


def test_a_row_that_nobody_looked_up_takes_no_room():
    """A restore writes all there is."""
    recent = Recent(1 << 20)
    recent.change([(b"a", b"1")])

    assert len(recent) == 0


def test_a_store_gives_what_was_written_last(tmp_path):
    """Also of rows that it had been asked for before they were written, deleted or replaced."""
    memory = Memory(
        block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, shards=1, recent_bytes=1 << 20
    )
    store = ShardStore(tmp_path / "counts-0", owner="toy/count/0", memory=memory)
    found = [store.get("counts", b"a")]
    for offset, value in enumerate([b"1", b"2", None]):
        store.apply({"counts": {b"a": value}}, {"counts": offset})
        found.append(store.get("counts", b"a"))
    store.apply({"counts": {b"a": b"4"}}, {"counts": 3})
    store.start_over("a test")

    assert found == [None, b"1", b"2", None]
    assert store.get("counts", b"a") is None
    store.close()
