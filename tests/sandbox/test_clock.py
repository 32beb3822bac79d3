"""Ticks reach every partition once, and time never goes back."""

import threading

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.codec import committed
from streams.broker import apply
from streams.clock import HOUR_MS, Clock, ClockError, ReplayTime, run_clock
from streams.sandbox.kafka import EmbeddedKafka
from streams.topics import Names, plan
from streams.wire.envelopes import command_from, route_from
from streams.wire.messages import Tick

PARTITIONS = 3
NOON = 1_483_272_000_000


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Start a broker with the topics of two tenants."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), heap_mb=256) as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        for tenant in ("replay", "live"):
            apply(plan(tenant, partitions=PARTITIONS), AdminClient(settings))
        yield settings


def ticks(client, tenant):
    """Read the ticks of both topics: (topic, partition, at, timestamp), in log order."""
    names = Names(tenant)
    codec = committed()
    readers = {names.routes: route_from, names.commands: command_from}
    consumer = Consumer(client | {"group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, p, 0) for topic in readers for p in range(PARTITIONS)])
    found, ends = [], 0
    while ends < PARTITIONS * len(readers):
        record = consumer.poll(10)
        if record.error():
            ends += 1
            continue
        message = readers[record.topic()](codec, record.value())
        assert isinstance(message.body, Tick)
        assert message.at == message.body.at
        found.append((record.topic(), record.partition(), message.body.at, record.timestamp()[1]))
    consumer.close()
    return found


def test_replay_time_waits_for_the_oldest_unanswered_document():
    """Each row is a step: what is told, and the time reached after it."""
    reached = ReplayTime()
    steps = [
        (("sent", "a", 10), None),
        (("sent", "b", 20), None),
        (("sent", "c", 20), None),
        (("answered", "b"), None),
        (("answered", "a"), 20),
        (("answered", "a"), 20),
        (("answered", "unknown"), 20),
        (("sent", "d", 30), 20),
        (("answered", "d"), 20),
        (("answered", "c#2"), 30),
    ]
    for (told, *arguments), at in steps:
        getattr(reached, told)(*arguments)
        assert reached.reached_ms() == at, arguments


@pytest.mark.broker
def test_a_replay_ticks_at_whole_hours_on_every_partition(client):
    """An hour that was not reached has no tick; several at once are the newest."""
    with Clock(client, "replay") as clock:
        sent = [clock.reach(at) for at in (NOON + 5, NOON + 9, NOON - HOUR_MS, NOON + 3 * HOUR_MS)]

    assert sent == [6, 0, 0, 6]
    names = Names("replay")
    assert sorted(ticks(client, "replay")) == sorted(
        (topic, partition, at, at)
        for topic in (names.routes, names.commands)
        for partition in range(PARTITIONS)
        for at in (NOON, NOON + 3 * HOUR_MS)
    )


@pytest.mark.broker
def test_the_live_clock_ticks_until_it_is_stopped(client):
    """At whole periods of the time that it is given."""
    stop = threading.Event()
    times = iter([NOON + 1, NOON + 1_001, NOON + 1_002])

    def now():
        at = next(times)
        if at == NOON + 1_002:
            stop.set()
        return at

    run_clock(client, "live", stop=stop, every_ms=10, now_ms=now)

    instants = {at for _, _, at, _ in ticks(client, "live")}
    assert instants == {NOON, NOON + 1_000}


@pytest.mark.broker
def test_a_clock_without_topics_says_so(client):
    """A tick that nobody hears would be no clock."""
    with pytest.raises(ClockError, match=r"nobody\.routes\.v1"):
        Clock(client, "nobody")
