"""
What an operator sees of a worker: `/live`, `/ready` and `/metrics` on loopback.

They are served by a thread of their own, so that they answer also when the worker's
event loop doesn't.  `/ready` says what is still missing; `/live` fails when a shard has
records to read and has made no progress for too long.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

TRANSACTION_SECONDS = Histogram(
    "loyalty_transaction_seconds",
    "Transactions, from the call of the handlers to the local state",
    ("app", "stage"),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=None,
)


class StandbyHealth(Struct, frozen=True):
    """A standby as an operator sees it."""

    name: str
    left: int
    """Offsets between it and the end of its changelogs, as of the last look."""
    records: int
    """Taken over so far, its first restore included."""


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ShardHealth(Struct, frozen=True):
    """One shard as an operator sees it; ages and durations in seconds."""

    name: str
    state: str
    lag: int
    buffered: int
    batches: int
    records: int
    last_batch: int
    last_transaction_s: float
    aborted: int
    quarantined: int
    restored: int
    restore_left: int
    since_commit_s: float


class Health(Struct, frozen=True):
    """A worker as an operator sees it."""

    app: str
    missing: tuple[str, ...]
    """What it still waits for."""
    stuck: tuple[str, ...]
    """What has made no progress for too long, though it has something to do."""
    shards: tuple[ShardHealth, ...]
    standbys: tuple[StandbyHealth, ...]
    references: dict[str, int]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


class HealthServer:
    """
    Serves what *look* finds.

    Args:
        look: Called for every request, from the server's thread.
        port: Loopback port; 0 takes a free one.
    """

    def __init__(self, look: Callable[[], Health], *, host: str, port: int) -> None:
        registry = CollectorRegistry()
        registry.register(_Shards(look))
        registry.register(TRANSACTION_SECONDS)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = _answer(self.path, look, registry)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
                """Say nothing: probes come every second."""

        self._server = _Server((host, port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A server that says nothing of clients that don't wait for its answer."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave it to the client, which has gone."""


def _answer(
    path: str, look: Callable[[], Health], registry: CollectorRegistry
) -> tuple[HTTPStatus, str, bytes]:
    if path == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE, generate_latest(registry)
    if path not in {"/live", "/ready"}:
        return HTTPStatus.NOT_FOUND, "text/plain", b"there is /live, /ready and /metrics\n"
    health = look()
    holds = health.ready if path == "/ready" else not health.stuck
    body = {
        "app": health.app,
        "ready": health.ready,
        "missing": health.missing,
        "stuck": health.stuck,
        "references": health.references,
        "shards": msgspec.to_builtins(health.shards),
        "standbys": msgspec.to_builtins(health.standbys),
    }
    status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(body).encode() + b"\n"


class _Shards(Collector):
    """The metrics, made of what is looked at when they are asked for."""

    def __init__(self, look: Callable[[], Health]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Give every metric; names are in base units."""
        health = self._look()
        ready = GaugeMetricFamily("loyalty_ready", "Whether the worker is ready", labels=["app"])
        ready.add_metric([health.app], float(health.ready))
        yield ready
        gauges = {
            "loyalty_shard_lag_records": ("Records to read, by committed position", "lag"),
            "loyalty_shard_buffered_records": ("Records read ahead", "buffered"),
            "loyalty_shard_batch_records": ("Records in the last batch", "last_batch"),
            "loyalty_shard_transaction_seconds": ("The last transaction", "last_transaction_s"),
            "loyalty_shard_since_commit_seconds": ("Since the last commit", "since_commit_s"),
            "loyalty_shard_restored_records": ("Restored when it opened", "restored"),
            "loyalty_shard_restore_left_offsets": ("Still to restore", "restore_left"),
        }
        counters = {
            "loyalty_shard_records": ("Records done", "records"),
            "loyalty_shard_batches": ("Transactions committed", "batches"),
            "loyalty_shard_aborted": ("Transactions aborted", "aborted"),
            "loyalty_shard_quarantined": ("Records set aside as they kill", "quarantined"),
        }
        for name, (about, field) in gauges.items():
            gauge = GaugeMetricFamily(name, about, labels=["app", "shard"])
            for shard in health.shards:
                gauge.add_metric([health.app, shard.name], getattr(shard, field))
            yield gauge
        for name, (about, field) in counters.items():
            counter = CounterMetricFamily(name, about, labels=["app", "shard"])
            for shard in health.shards:
                counter.add_metric([health.app, shard.name], getattr(shard, field))
            yield counter
        standby = GaugeMetricFamily(
            "loyalty_standby_left_offsets", "Still to take over", labels=["app", "shard"]
        )
        for each in health.standbys:
            standby.add_metric([health.app, each.name], each.left)
        yield standby
        reference = GaugeMetricFamily(
            "loyalty_reference_offset", "Last offset read", labels=["app", "reference"]
        )
        for name, offset in health.references.items():
            reference.add_metric([health.app, name], offset)
        yield reference


def age(since: float) -> float:
    """Give the seconds since *since*, by the monotonic clock."""
    return time.monotonic() - since
