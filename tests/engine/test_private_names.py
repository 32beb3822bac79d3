"""What the engine leans on inside Faust, aiokafka and confluent-kafka is still there.

The tests on the real broker show that it still does what it did.  These say in a word what
is gone when a new version of a library has changed it; `docs/engine.md` has the list.
"""

import importlib.metadata
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState
from confluent_kafka import Consumer as Confluent
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as OnAiokafka
from faust.worker import Worker

from streams.engine import faust_parts

FACE = Path(__file__).parents[2] / "docs" / "engine.md"

CALLED = [
    (Consumer._drain_messages, ["self", "fetcher"]),
    (Consumer._wait_next_records, ["self", "timeout"]),
    (Consumer.perform_seek, ["self"]),
    (OnAiokafka._new_consumer_thread, ["self"]),
    (AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
    (AIOKafkaConsumerThread.seek_wait, ["self", "partitions"]),
    (Worker._schedule_shutdown, ["self", "signal"]),
    (Recovery._resume_streams, ["self", "generation_id"]),
    (PartitionAssignor.assign, ["self", "cluster", "member_metadata"]),
    (PartitionRecords._consumer_record, ["self", "tp", "record"]),
    (Fetcher._proc_fetch_request, ["self", "assignment", "node_id", "request"]),
    (Assignment.state_value, ["self", "tp"]),
]

WRITTEN = [
    (TableManager, "_recovery"),
    (Consumer, "_stopped"),
    (Fetcher, "_fetch_min_bytes"),
    (Fetcher, "_fetch_max_wait_ms"),
    (AIOKafkaConsumerThread, "_consumer"),
    (OnAiokafka, "_thread"),
    (GroupCoordinator, "generation"),
    (GroupCoordinator, "member_id"),
    (SubscriptionState, "subscription"),
]


@pytest.mark.parametrize(
    ("function", "parameters"), CALLED, ids=lambda each: getattr(each, "__qualname__", "")
)
def test_a_function_that_we_call_or_replace_takes_what_it_took(function, parameters):
    """Whoever replaces a method of another's class must be called as before."""
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    ("owner", "name"), WRITTEN, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_value_that_we_read_or_set_is_still_kept_under_its_name(owner, name):
    """It is found in the source of its class, or of one that it inherits from."""
    libraries = ("faust", "mode", "aiokafka")
    source = "".join(
        inspect.getsource(each) for each in owner.__mro__ if each.__module__.startswith(libraries)
    )

    assert f"self.{name}" in source or f"def {name}(" in source


def test_aiokafka_takes_its_fetcher_from_the_name_that_we_replace():
    """It is replaced where the consumer looks it up."""
    assert aiokafka_consumer.Fetcher is Fetcher


def test_confluent_writes_the_metadata_of_a_group_as_we_do():
    """The generation of Faust's consumer is put into it by us, byte for byte."""
    client = Confluent({"group.id": "g", "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    theirs = client.consumer_group_metadata()
    client.close()
    nobody = SimpleNamespace(generation=-1, member_id="")
    consumer = SimpleNamespace(
        _thread=SimpleNamespace(_consumer=SimpleNamespace(_coordinator=nobody)),
        app=SimpleNamespace(conf=SimpleNamespace(consumer_group_instance_id=None)),
    )

    assert faust_parts.membership(consumer, "g").metadata == theirs


@pytest.mark.parametrize(
    ("package", "shown"),
    [
        ("faust-streaming", "Faust"),
        ("aiokafka", "aiokafka"),
        ("confluent-kafka", "confluent-kafka"),
    ],
)
def test_the_list_names_the_version_that_is_locked(package, shown):
    """Who brings a new one looks through the list."""
    version = ".".join(importlib.metadata.version(package).split(".")[:2])

    assert f"| {shown} {version}" in FACE.read_text()
