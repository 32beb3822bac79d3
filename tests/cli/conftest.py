"""A command line to call, and a small shop's log to call it on."""

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from typer.testing import CliRunner

from schemas.codec import CodecError, committed
from streams import broker
from streams.cli.main import app
from streams.core.lots import Lot
from streams.core.ownership import Interval, Ownership
from streams.core.postings import Entry
from streams.core.receipt import Receipt, SaleLine
from streams.core.result import Balance, LineResult, Result, RulePaid
from streams.core.routing import Owner, Part
from streams.core.settled import Award, SettledLine, SettledReceipt
from streams.core.snapshot import Snapshot
from streams.engine.record import partition_for
from streams.engine.stage import changelog_topic
from streams.identifiers import Digester
from streams.sandbox.kafka import EmbeddedKafka
from streams.settings import SANDBOX_KEY
from streams.tables import SETTLED
from streams.topics import Names, Topic, dead_letters, plan
from streams.wire.dead_letters import dead_letter
from streams.wire.envelopes import Message, command_bytes
from streams.wire.headers import event_headers
from streams.wire.messages import Source
from streams.wire.outputs import account_bytes, bonus_bytes, resolution_bytes

TENANT = "corner"
PARTITIONS = 3
DAY = 86_400_000
SOLD = 1_488_380_400_000  # 2017-03-01 15:00 UTC
MEMBER, PHONE = "m-17", "(415) 555-0100"


class Ended(Struct, frozen=True):
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch):
    """Call the command line with arguments, in an environment without settings of ours."""

    def run(*arguments, **environment):
        settings = {f"LOYALTY_{name.upper()}": value for name, value in environment.items()}
        ended = CliRunner().invoke(app, arguments, env=settings, prog_name="loyalty")
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    monkeypatch.setenv("LOYALTY_BROKERS", "127.0.0.1:1")
    return run


def pytest_collection_modifyitems(items):
    """Mark what needs a broker, so that the rest can be run alone."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """Start a broker for all tests of the command line; each has topics of its own."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), heap_mb=256) as embedded:
        yield embedded


@pytest.fixture
def market(kafka, request):
    """Give the broker of a tenant of its own."""
    tenant = request.node.name.replace("_", "-")[:40]
    broker.apply(plan(tenant, partitions=1), AdminClient({"bootstrap.servers": kafka.bootstrap}))
    return {"brokers": kafka.bootstrap, "tenant": tenant}


@pytest.fixture(scope="session")
def shop(kafka):
    """Give the broker of a shop in which one member bought, earned and spent."""
    client = {"bootstrap.servers": kafka.bootstrap}
    settled = Topic(
        changelog_topic(f"{TENANT}-settle", "settle", SETTLED.name), PARTITIONS, {}, "", ""
    )
    topics = (*plan(TENANT, partitions=PARTITIONS), settled)
    broker.apply(topics, AdminClient(client))
    producer = Producer({**client, "partitioner": "murmur2_random"})
    write(producer, settled.name)
    assert producer.flush(30) == 0
    return {"brokers": kafka.bootstrap, "tenant": TENANT, "partitions": str(PARTITIONS)}


def write(producer, settled_topic):
    """Write what the stages would have written."""
    codec, names = committed(), Names(TENANT)
    partition = partition_for(MEMBER.encode(), PARTITIONS)
    digest = Digester(SANDBOX_KEY.encode(), "US").digest("phone", PHONE).digest
    owners = Ownership(digest, (Interval(MEMBER),))
    producer.produce(names.resolutions, resolution_bytes(codec, owners), digest)
    for offset, (receipt, result, snapshot) in enumerate(story()):
        part = Part(receipt, Owner(MEMBER, MEMBER), receipt.id, "d")
        command = command_bytes(codec, Message(receipt.id, receipt.sold_at, part))
        producer.produce(names.commands, command, MEMBER, timestamp=receipt.sold_at)
        source = Source(names.commands, partition, offset)
        for topic, value in (
            (names.bonuses, bonus_bytes(codec, result)),
            (names.accounts, account_bytes(codec, snapshot)),
        ):
            headers = event_headers(
                "Bonus", event=result.result_id, stage="settle", subject=MEMBER, source=source
            )
            producer.produce(topic, value, MEMBER, headers=list(headers))
    lines = (
        SettledLine(1, "milk", 2000, 398, 398, 398),
        SettledLine(2, "jam", 1000, 1250, 1250, 1250),
    )
    awards = (
        Award("base", 1, "Lbase", "P", 16, ((1, 4), (2, 12))),
        Award("jam-week", 3, "Ljam", "P", 50, ((2, 50),)),
    )
    kept = SettledReceipt("r-1", "d", b"", True, SOLD, MEMBER, lines=lines, awards=awards)  # noqa: FBT003
    producer.produce(settled_topic, SETTLED.write(kept), "r-1", partition=partition)
    letter = dead_letter(
        CodecError("TRUNCATED", "Receipt ends before its last field"),
        stage="intake",
        source=Source(names.receipts, 2, 40),
        value=b"\0\0\0\0\x01Ann Smith",
    )
    producer.produce(
        dead_letters(names.receipts), letter.value, "4155550100", headers=list(letter.headers)
    )


def story():
    """Tell the member's two receipts: the first earns two lots, the second spends of one."""
    first = Receipt(
        "r-1",
        "store-9",
        "till-1",
        SOLD,
        SOLD,
        sales=(SaleLine(1, "milk", 2000, 398), SaleLine(2, "jam", 1000, 1250)),
    )
    base = Lot(
        "Lbase", "P", "regular", MEMBER, SOLD, SOLD + 365 * DAY, 16, 16,
        document="r-1", rule="base", version=1,
    )  # fmt: skip
    jam = Lot(
        "Ljam", "P", "specific", MEMBER, SOLD + DAY, SOLD + 30 * DAY, 50, 50,
        document="r-1", rule="jam-week", version=3,
    )  # fmt: skip
    earned = Result(
        "R1", "r-1", "receipt", "ok", None, MEMBER, 1, "c1", SOLD, "basic", "basic",
        rules=(RulePaid("base", 1, 16), RulePaid("jam-week", 3, 50)),
        lines=(LineResult(1, 4), LineResult(2, 62)),
        entries=tuple(
            Entry("accrual", "issued", "lot", lot.credited, "P", lot.id, MEMBER, "r-1", None, SOLD)
            for lot in (base, jam)
        ),
    )  # fmt: skip
    later = SOLD + 2 * DAY
    second = Receipt(
        "r-2", "store-9", "till-1", later, later, sales=(SaleLine(1, "bread", 1000, 299),)
    )
    spent = Lot(
        "Ljam", "P", "specific", MEMBER, SOLD + DAY, SOLD + 30 * DAY, 50, 30, spent=20,
        document="r-1", rule="jam-week", version=3,
    )  # fmt: skip
    redeemed = Result(
        "R2", "r-2", "receipt", "ok", None, MEMBER, 2, "c2", later, "basic", "basic",
        lines=(LineResult(1, 0, 20),),
        entries=(
            Entry("redemption", "lot", "spent", 20, "P", "Ljam", MEMBER, "r-2", 1, later),
        ),
    )  # fmt: skip
    return (
        (first, earned, snapshot(1, SOLD, (base, jam), 16, 50)),
        (second, redeemed, snapshot(2, later, (base, spent), 46, 0)),
    )


def snapshot(version, mark, lots, active, pending):
    """Publish the member's account."""
    return Snapshot(
        account=MEMBER, version=version, chain=f"c{version}", mark=mark, status="open",
        tier="basic", balances=(Balance("P", active, pending, available=active),), lots=lots,
        debts=(), qualifying=(), tier_floor=None, counters=(), recent=(), holds=(),
        merged_into=None,
    )  # fmt: skip
