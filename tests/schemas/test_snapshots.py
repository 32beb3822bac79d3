"""An account that is written again costs what has changed, and its bytes don't tell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.codec import CodecError, committed
from schemas.encoding import Written
from streams.core.account import Qualifying, RecentSale
from streams.core.lots import Lot
from streams.core.snapshot import Snapshot
from streams.wire.outputs import account_bytes
from streams.wire.snapshots import NEVER, SnapshotWriter, rewritten
from tests.support.values import values

CODEC = committed()
ITEMS = st.lists(st.integers(0, 30), max_size=80).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    base=values(Snapshot),
    lots=st.lists(values(Lot), min_size=1, max_size=8),
    sales=st.lists(values(Qualifying), min_size=1, max_size=4),
    recent=st.lists(values(RecentSale), min_size=1, max_size=4),
    data=st.data(),
)
def test_whatever_was_written_before_the_bytes_are_those_of_the_whole(
    base, lots, sales, recent, data
):
    """In any history of any accounts, however few of them are remembered."""
    writer = SnapshotWriter(CODEC, remembered=data.draw(st.sampled_from([0, 20, 1000])))
    for _ in range(data.draw(st.integers(1, 5))):
        snapshot = replace(
            base,
            account=data.draw(st.sampled_from("ab")),
            lots=tuple(data.draw(st.lists(st.sampled_from(lots), max_size=40))),
            qualifying=tuple(data.draw(st.lists(st.sampled_from(sales), max_size=10))),
            recent=tuple(data.draw(st.lists(st.sampled_from(recent), max_size=10))),
        )
        assert writer.bytes_of(snapshot) == account_bytes(CODEC, snapshot)


def parts(numbers):
    """Write numbers as their items would be."""
    return Written(b"%d," % each for each in numbers)


@settings(max_examples=300)
@given(before=ITEMS, after=ITEMS)
def test_every_item_is_written_as_itself(before, after):
    """Whether it was there before, moved, or is new."""
    assert rewritten(before, parts(before), after, parts) == parts(after)


@pytest.mark.parametrize("place", [0, 1, 500, 999, 1000])
@pytest.mark.parametrize(("gone", "new"), [(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (0, 0)])
def test_a_change_costs_itself(place, gone, new):
    """Of a thousand items only the new ones are written."""
    before = tuple(range(1000))
    after = (*before[:place], *range(2000, 2000 + new), *before[place + gone :])
    asked = []

    def write(items):
        asked.extend(items)
        return parts(items)

    assert rewritten(before, parts(before), after, write) == parts(after)
    assert asked == list(range(2000, 2000 + new))


def test_what_is_remembered_is_bounded():
    """The accounts written longest ago are forgotten first."""
    writer = SnapshotWriter(CODEC, remembered=3)
    recent = tuple(RecentSale(at, "r") for at in range(2))
    for name in "abca":
        writer.bytes_of(snapshot_of(name, recent))
    assert list(writer._last) == ["a"]


def snapshot_of(account, recent=()):
    """Build a snapshot of nothing but sales."""
    empty = ((), (), (), ())
    return Snapshot(account, 1, "", None, "open", None, *empty, None, (), recent, (), None)


def test_a_value_that_no_record_can_hold_is_refused_and_leaves_nothing_behind():
    """The next snapshot of the account is written as ever."""
    writer = SnapshotWriter(CODEC)
    with pytest.raises(CodecError, match=r"RecentSale\.receipt: string expected, not int"):
        writer.bytes_of(snapshot_of("a", (RecentSale(1, 2),)))
    good = snapshot_of("a", (RecentSale(1, "r"),))
    assert writer.bytes_of(good) == account_bytes(CODEC, good)
    assert NEVER.size == 0
