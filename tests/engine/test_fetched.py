import aiokafka
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.engine import Record
from streams.engine.faust_parts import Fetched

SENT = [
    (b"a", b"1", [("trace", b"t"), ("trace", b"u")]),
    (b"b", None, []),
    (None, b"3", []),
]


@pytest.fixture
def batch():
    """Make a batch as it stands in the log."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 16)
    for offset, (key, value, headers) in enumerate(SENT):
        builder.append(offset, 1_700_000_000_000 + offset, key, value, headers)
    return bytes(builder.build())


def test_records_are_unpacked_with_all_they_have(batch):
    """Tombstones, records without a key, and headers in order, names repeated."""
    place = aiokafka.TopicPartition("source", 3)
    found = list(Fetched(place, MemoryRecords(batch), [], 0, None, None, True, READ_COMMITTED))  # noqa: FBT003

    assert found == [
        Record("source", 3, offset, 1_700_000_000_000 + offset, key, value, tuple(headers))
        for offset, (key, value, headers) in enumerate(SENT)
    ]


def test_records_below_the_position_are_left_out(batch):
    """A batch is fetched whole, also where the position is in its middle."""
    place = aiokafka.TopicPartition("source", 3)
    found = list(Fetched(place, MemoryRecords(batch), [], 2, None, None, True, READ_COMMITTED))  # noqa: FBT003

    assert [each.offset for each in found] == [2]


def test_aiokafka_still_unpacks_by_the_name_that_we_replace():
    """A version that doesn't would bring its own records, at twice the cost."""
    assert "PartitionRecords" in Fetcher._proc_fetch_request.__code__.co_names
