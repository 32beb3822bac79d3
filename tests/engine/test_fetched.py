import asyncio
from types import SimpleNamespace

import aiokafka
import pytest
from aiokafka.consumer import consumer as consuming
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.engine import Record
from streams.engine.faust_parts import GATHER_BYTES, Fetched, Gathering

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


PLACE = aiokafka.TopicPartition("source", 0)
GATHER_MS, IDLE_MS = 10, 1500


class Broker:
    """Answers fetches with what it is told to, then lets them wait."""

    _metadata_max_age_ms = 300_000

    def __init__(self, *answers):
        self.asked = []
        self._loop = asyncio.get_running_loop()
        self.cluster = SimpleNamespace(leader_for_partition=lambda _: 1)
        self._answers = list(answers)

    async def send(self, node, request):  # noqa: ARG002
        """Note how long a fetch may wait, and for how much."""
        self.asked.append((request._min_bytes, request._max_wait_ms))
        if not self._answers:
            await asyncio.Event().wait()
        found = (PLACE.partition, 0, 99, 99, [], self._answers.pop(0))
        return SimpleNamespace(API_VERSION=4, topics=[(PLACE.topic, [found])])


async def asked(gather_ms, *answers):
    """Fetch until the broker has no more answers; give how it was asked."""
    broker, subscriptions = Broker(*answers), SubscriptionState()
    fetcher = Gathering(
        broker,
        subscriptions,
        gather_ms=gather_ms,
        fetch_max_wait_ms=IDLE_MS,
        isolation_level="read_committed",
    )
    subscriptions.assign_from_user({PLACE})
    subscriptions.subscription.assignment.state_value(PLACE).reset_to(0)
    while len(broker.asked) <= len(answers):
        await fetcher.fetched_records([], timeout=0.01)
    await fetcher.close()
    return broker.asked


async def test_the_broker_gathers_while_records_come_and_answers_the_first_at_once(batch):
    """A fetch that brought something is followed by one that waits; silence ends that."""
    assert await asked(GATHER_MS, b"", batch, b"", b"") == [
        (1, IDLE_MS),
        (1, IDLE_MS),
        (GATHER_BYTES, GATHER_MS),
        (1, IDLE_MS),
        (1, IDLE_MS),
    ]


async def test_without_a_time_to_gather_every_record_is_fetched_at_once(batch):
    """Transactions that follow each other at once need their records at once."""
    assert await asked(0, batch, b"") == [(1, IDLE_MS)] * 3


def test_aiokafka_still_makes_its_fetcher_by_the_name_that_we_replace():
    """A version that doesn't would fetch each record by itself."""
    assert "Fetcher" in consuming.AIOKafkaConsumer.start.__code__.co_names
