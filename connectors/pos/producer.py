"""
Send what tills tell to the receipts topic, each document once and in order.

The rule of this file: a document that `send` took is delivered, or `flush` says which
was not.  The queue is bounded: a till that is faster than Kafka waits in `send`.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from connectors.pos.documents import Document, check, fields
from schemas.codec import Codec, committed
from streams.topics import INPUT_BYTES_MAX, SENDING, Names

# Documents waiting to be sent.  Of the largest shop's receipts, a few hundred bytes
# each, this is some ten megabytes; fewer would leave a fast replay waiting for answers.
QUEUE_MAX = 20_000
# How long Kafka may be away before a document counts as not delivered.
DELIVERY_S = 120.0
# Callbacks are served at least once in so many documents.
SERVE_EVERY = 64
FAILURES_KEPT = 100


class DeliveryError(RuntimeError):
    """
    Kafka did not take some documents; send them again, the service drops repetitions.

    Attributes:
        documents: Their ids, the first hundred of them.
    """

    def __init__(self, count: int, documents: tuple[str, ...], reason: str) -> None:
        super().__init__(f"{count} not delivered ({', '.join(documents[:3])}): {reason}")
        self.documents = documents


class PosProducer:
    """
    A till's way to the loyalty service.

    Args:
        bootstrap: Brokers, host:port, comma separated.
        tenant: First word of the topic names.
        codec: Of the registry's ids; the committed ids when None.
        queue_max: Documents that may wait to be sent.
        client: More settings of librdkafka: TLS, SASL, linger.ms…
    """

    def __init__(
        self,
        bootstrap: str,
        tenant: str = "loyalty",
        *,
        codec: Codec | None = None,
        queue_max: int = QUEUE_MAX,
        client: Mapping[str, str | int | bool] | None = None,
    ) -> None:
        self.topic = Names(tenant).receipts
        self.delivered = 0
        self._codec = codec or committed()
        self._failures: list[tuple[str, str]] = []
        self._failed = 0
        self._unserved = 0
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            # A retry must neither double nor reorder what a till said, nor lose any of it.
            **SENDING,
            "queue.buffering.max.messages": queue_max,
            "delivery.timeout.ms": int(DELIVERY_S * 1000),
            "linger.ms": 5,
            "message.max.bytes": INPUT_BYTES_MAX,
            "compression.type": "lz4",
            # The partition that Java's clients give the same key.
            "partitioner": "murmur2_random",
            # What goes wrong is raised; librdkafka would print it on the till's terminal.
            "log_level": 0,
        }
        self._producer = Producer(settings | dict(client or {}))

    def send(
        self, document: Document, accepted_at_ms: int | None = None, *, unchecked: bool = False
    ) -> None:
        """
        Check and queue a document; wait while the queue is full.

        Args:
            document: What the till tells.
            accepted_at_ms: The record's Kafka timestamp: now when None, and the time of
                the sale in a replay.  A broker that stamps records itself ignores it.
            unchecked: Leave it to the service to refuse what is not sound: for replays of
                what was sold long ago, as it was.

        Raises:
            DocumentError: If the document is not sound; nothing was sent.
            CodecError: If a value has the wrong type.
            DeliveryError: If the document is too large, Kafka did not take an earlier one,
                or it stays away.
        """
        if not unchecked:
            check(document)
        value = self._codec.encode("Receipt", fields(document))
        self.send_bytes(document.id, value, accepted_at_ms)

    def send_bytes(self, key: str, value: bytes, accepted_at_ms: int | None = None) -> None:
        """
        Queue a record as it is, for programs that encode themselves; wait as `send` does.

        Raises:
            DeliveryError: As `send` does.
        """
        self._raise_failures()
        deadline = time.monotonic() + DELIVERY_S
        while True:
            try:
                self._producer.produce(
                    self.topic,
                    value,
                    key.encode(),
                    on_delivery=self._answered,
                    timestamp=accepted_at_ms or 0,  # librdkafka reads 0 as now
                )
                break
            except BufferError:
                if time.monotonic() > deadline:
                    raise DeliveryError(
                        1, (key,), f"the queue stayed full for {DELIVERY_S:.0f} s"
                    ) from None
                self._producer.poll(0.05)
            except KafkaException as refused:
                raise DeliveryError(1, (key,), refused.args[0].str()) from None
        self._unserved += 1
        if self._unserved >= SERVE_EVERY:
            self._unserved = 0
            self._producer.poll(0)

    def flush(self, timeout_s: float = DELIVERY_S) -> None:
        """
        Wait until Kafka has taken everything that was sent.

        Raises:
            DeliveryError: If it did not take a document, or not within *timeout_s*.
        """
        waiting = self._producer.flush(timeout_s)
        self._raise_failures()
        if waiting:
            raise DeliveryError(waiting, (), f"no answer within {timeout_s:.0f} s")

    def close(self) -> None:
        """Flush; the producer is not used afterwards."""
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            # The first error is the one to tell; what waits is given a moment all the same.
            self._producer.flush(1.0)

    def _answered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.delivered += 1
            return
        self._failed += 1
        if len(self._failures) < FAILURES_KEPT:
            self._failures.append((message.key().decode(), error.str()))

    def _raise_failures(self) -> None:
        if not self._failed:
            return
        failures, count = self._failures, self._failed
        self._failures, self._failed = [], 0
        raise DeliveryError(count, tuple(each for each, _ in failures), failures[0][1])
