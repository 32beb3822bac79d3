"""What a reference of a million products costs a worker: to read, to hold, to ask, to change.

A process of its own holds the copy, with the memory that a worker has by default.  It reads
the topic for the first time; is asked for products at random, as of an instant; sees what is
changed meanwhile; and starts again when a thousand products have changed.

    python benchmarks/references.py [--quick]
"""

import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.engine import EngineSettings, Record, Reference, heap
from streams.engine.references import HeldReference, ReferenceReader
from streams.engine.store import Memory
from streams.sandbox.kafka import EmbeddedKafka

ROOT = Path(__file__).parents[1]
TOPIC = "products"
FILLING = b"x" * 150
"""Beside the instant that a version begins at and as many bytes by chance: a product."""
CHANGED = 1_000
ASKED = 200_000
LOOKS = 100
MEMORY_MB, SEEN_S = 200.0, 1.0
INSTANT = struct.Struct(">q")
NOW = 1_700_000_000_000


def valid_from(record: Record) -> int:
    """Read the instant that a version begins at."""
    (at,) = INSTANT.unpack_from(record.value or b"")
    return int(at)


def key_of(product: int) -> bytes:
    """Give the key of a product."""
    return b"sku-%08d" % product


def publish(brokers: str, products: range, *, at: int) -> None:
    """Write a version of each of *products*, valid from *at*."""
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 20, "queue.buffering.max.messages": 100_000}
    )
    dice = random.Random(at)
    for product in products:
        value = INSTANT.pack(at) + dice.randbytes(150) + FILLING
        while True:
            try:
                producer.produce(TOPIC, value, key_of(product))
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def hold(brokers: str, folder: str, products: str) -> None:
    """Be the process that holds the copy; print what was measured as JSON."""
    settings = EngineSettings(brokers=brokers, data_dir=Path(folder))
    memory = Memory(
        block_cache_bytes=settings.block_cache_bytes,
        write_buffer_bytes=settings.write_buffer_bytes,
        shards=12,
    )
    before_mb, began = resident_mb(), time.monotonic()
    turn = threading.Lock()
    copy = HeldReference(Reference("products", TOPIC, valid_from), Path(folder), memory)
    had = copy.offset + 1
    client = {"bootstrap.servers": brokers, "log_level": 0}
    reader = ReferenceReader([copy], client=client, group="references", turn=turn)
    reader.start()
    reader.await_complete(threading.Event())
    read_s = time.monotonic() - began
    heap.settle()
    found = {
        "before_mb": before_mb,
        "read_s": read_s,
        "read": copy.offset + 1 - had,
        "ask_us": asked(copy, int(products)),
        "seen_s": sorted(seen(brokers, copy, turn, place) for place in range(LOOKS)),
    }
    reader.stop()
    print(json.dumps({**found, "peak_mb": resident_mb(peak=True)}))


def asked(copy: HeldReference, products: int) -> float:
    """Ask for products at random; give the microseconds of CPU that one takes."""
    dice = random.Random(1)
    keys = [key_of(dice.randrange(products)) for _ in range(ASKED)]
    began = time.thread_time()
    for key in keys:
        assert copy.as_of(key, NOW) is not None
    return (time.thread_time() - began) / ASKED * 1e6


def seen(brokers: str, copy: HeldReference, turn: threading.Lock, place: int) -> float:
    """Change a product; give the seconds until a batch would see it."""
    at = time.time_ns() // 1000  # Later than any version there is.
    began = time.monotonic()
    publish(brokers, range(place, place + 1), at=at)
    while True:
        with turn:
            value = copy.get(key_of(place)) or b""
        if INSTANT.unpack_from(value) == (at,):
            return time.monotonic() - began
        time.sleep(0.001)


def resident_mb(*, peak: bool = False) -> float:
    """Give what this process has resident, or has had at most, in MB."""
    name = "VmHWM:" if peak else "VmRSS:"
    status = Path("/proc/self/status").read_text()
    return int(status.split(name)[1].split()[0]) / 1024


def held(brokers: str, folder: Path, products: int) -> dict[str, Any]:
    """Run the process that holds the copy; give what it measured."""
    command = [sys.executable, __file__, "hold", brokers, str(folder), str(products)]
    said = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def run(*, quick: bool = False) -> dict[str, Any]:
    """Hold so many products; see `loyalty bench`."""
    products = 50_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        config = {"cleanup.policy": "compact"}
        for made in admin.create_topics([NewTopic(TOPIC, 1, 1, config=config)]).values():
            made.result()
        publish(kafka.bootstrap, range(products), at=NOW - 1000)
        first = held(kafka.bootstrap, Path(folder) / "copy", products)
        publish(kafka.bootstrap, range(CHANGED), at=NOW)
        again = held(kafka.bootstrap, Path(folder) / "copy", products)
    for name, each in (("first", first), ("again", again)):
        shown = {key: value for key, value in each.items() if key != "seen_s"}
        print(f"{name}: {shown}", file=sys.stderr, flush=True)
    return measures(products, first, again)


def measures(products: int, first: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Turn what was measured into measures."""
    slowest = max(first["seen_s"][-1], again["seen_s"][-1])
    peak = max(first["peak_mb"], again["peak_mb"])
    return {
        f"first read of {products} products": {"value": first["read_s"], "unit": "s"},
        "first read, records": {"value": first["read"] / first["read_s"], "unit": "1/s"},
        f"start after {CHANGED} changes": {"value": again["read_s"], "unit": "s"},
        "read again at that start": {
            "value": again["read"],
            "unit": "records",
            "goal": "what changed alone",
            # What the first process had changed itself, it had read.
            "met": again["read"] == CHANGED,
        },
        "look-up as of an instant": {"value": again["ask_us"], "unit": "us"},
        "change to seen, median": {
            "value": statistics.median(first["seen_s"]) * 1000,
            "unit": "ms",
        },
        "change to seen, worst": {
            "value": slowest * 1000,
            "unit": "ms",
            "goal": SEEN_S * 1000,
            "met": slowest <= SEEN_S,
        },
        "peak resident": {
            "value": peak,
            "unit": "MB",
            "goal": MEMORY_MB,
            "met": peak <= MEMORY_MB,
        },
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["hold"]:
        hold(*sys.argv[2:])
        sys.exit()
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
