"""The programs of docs/integrators.md, pasted and run against a real Kafka."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from schemas.codec import committed
from streams import broker
from streams.core.result import Result, RulePaid
from streams.identifiers import Digester
from streams.sandbox.kafka import EmbeddedKafka
from streams.topics import Topic, plan
from streams.wire.outputs import bonus_bytes
from streams.wire.receipts import receipt_from

HOME = Path(__file__).parents[2]
PAGE = (HOME / "docs/integrators.md").read_text(encoding="utf-8")
TILL, READER = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """Start a broker with the topics of the plan."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), heap_mb=256) as embedded:
        admin = AdminClient({"bootstrap.servers": embedded.bootstrap})
        broker.apply(plan(), admin)
        yield embedded


def run(program, kafka):
    """Run a pasted program as its reader would, in the folder of the checkout."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=HOME,
        env={**os.environ, "LOYALTY_BROKERS": kafka.bootstrap},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_a_till_of_others_sends_what_intake_reads(kafka):
    """It knows the schema, the frame and the topic, and nothing of ours."""
    document = run(TILL, kafka).strip()
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "intake-of-the-test",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["loyalty.receipts.v1"])
    message = consumer.poll(30)
    consumer.close()

    receipt = receipt_from(
        committed(),
        message.value(),
        accepted_at=message.timestamp()[1],
        digester=Digester(b"k", "US"),
    )

    assert receipt.id == document == message.key().decode()
    assert (receipt.sales[0].amount, receipt.sales[0].list) == (650, 700)


def test_a_reader_of_others_reads_what_settle_publishes(kafka):
    """It has the schema and the id of the page."""
    result = Result("R1", "r-1", "receipt", "ok", account="A", rules=(RulePaid("dairy", 1, 65),))
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce("loyalty.bonuses.v1", bonus_bytes(committed(), result), key="A")
    producer.flush()

    assert run(READER, kafka) == "r-1 ok None [('dairy', 65)]\n"


class TestApplyingThePlan:
    """The broker becomes as planned, and what cannot be changed is said."""

    def test_applying_again_finds_nothing_to_do(self, kafka):
        """It may run before every start."""
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})

        assert broker.differences(plan(), admin) == ()
        assert broker.apply(plan(), admin) == ()

    def test_a_setting_that_differs_is_set(self, kafka):
        """Retention above all: a receipt that Kafka deleted has no answer."""
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        (store,) = [topic for topic in plan() if topic.schema == "Store"]
        other = Topic(store.name, 1, {"retention.ms": "1000"}, key="", about="")

        found = broker.apply([other], admin)

        assert [(each.kind, each.setting, each.planned) for each in found] == [
            ("config", "retention.ms", "1000")
        ]
        assert broker.differences([other], admin) == ()
        broker.apply(plan(), admin)

    def test_another_count_of_partitions_is_refused_and_nothing_done(self, kafka):
        """Records would no longer be where their state is."""
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        more = plan(partitions=8)
        new = Topic("loyalty.new.v1", 1, {}, key="", about="")

        with pytest.raises(ValueError, match=r"loyalty\.receipts\.v1 has 4, not 8"):
            broker.apply([*more, new], admin)

        assert broker.differences([new], admin) == (broker.Difference("loyalty.new.v1", "missing"),)
