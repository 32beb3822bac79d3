"""
The clock of the stages: ticks to every partition of routes and commands.

A tick is an input like any other, logged and ordered.  In real time there is one a
minute; in a replay the time is that of the receipts that were answered.  Its id follows
from its instant, so that two clocks at once tell nothing new.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, Producer

from schemas.codec import Codec, committed
from streams.topics import SENDING, Names
from streams.wire.envelopes import Message, command_bytes, route_bytes
from streams.wire.headers import event_headers
from streams.wire.messages import Tick

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
ANSWER_S = 30.0


class ClockError(RuntimeError):
    """Kafka did not take a tick, or has no such topics."""


class ReplayTime:
    """
    The time that a replay has reached: every document sent up to then was answered.

    A replay may send days in a second, and ticks don't queue behind receipts: a tick of
    the newest sale would end what waits for a receipt that is still on its way.  Any
    number of threads may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: deque[tuple[str, int]] = deque()
        self._waiting: set[str] = set()
        self._reached_ms: int | None = None

    def sent(self, document: str, at_ms: int) -> None:
        """Note that a document was sent, once each, in the order of *at_ms*."""
        with self._lock:
            self._sent.append((document, at_ms))
            self._waiting.add(document)

    def answered(self, document: str) -> None:
        """Note a result, deferred ones too; a part `id#k` answers for its document."""
        with self._lock:
            self._waiting.discard(document.partition("#")[0])

    def reached_ms(self) -> int | None:
        """
        Give when the newest document was sent before which none waits; None at first.

        What is answered again later changes nothing.
        """
        with self._lock:
            while self._sent and self._sent[0][0] not in self._waiting:
                _, self._reached_ms = self._sent.popleft()
            return self._reached_ms


class Clock:
    """
    Send ticks; the instants are the caller's.

    Args:
        client: Connection settings of librdkafka, `bootstrap.servers` among them.
        tenant: First word of the topic names.
        codec: Of the registry's ids; the committed ids when None.
        every_ms: Ticks stand at whole multiples of this since the epoch.

    Raises:
        ClockError: If the topics are not there.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        tenant: str = "loyalty",
        *,
        codec: Codec | None = None,
        every_ms: int = HOUR_MS,
    ) -> None:
        self.every_ms = every_ms
        self.reached_ms: int | None = None
        self._codec = codec or committed()
        self._names = Names(tenant)
        self._failure: str | None = None
        # What goes wrong is raised; librdkafka would print it too.
        settings: dict[str, Any] = {
            **SENDING,
            "linger.ms": 0,
            "log_level": 0,
        }
        self._producer = Producer(settings | dict(client))
        topics = (self._names.routes, self._names.commands)
        self._partitions = {topic: self._count(topic) for topic in topics}

    def reach(self, at_ms: int) -> int:
        """
        Tell the stages that *at_ms* was reached, if a tick is due since the last call.

        Several due at once are one: the newest.  Time never goes back.

        Returns:
            How many records were sent: 0, or one a partition of both topics.

        Raises:
            ClockError: If Kafka did not take an earlier tick.
        """
        due = at_ms - at_ms % self.every_ms
        if self.reached_ms is not None and due <= self.reached_ms:
            self._producer.poll(0)
            return 0
        self._raise_failure()
        self.reached_ms = due
        return self._tick(due)

    def flush(self) -> None:
        """
        Wait until Kafka has taken every tick.

        Raises:
            ClockError: If it did not.
        """
        if self._producer.flush(ANSWER_S):
            raise ClockError(f"no answer within {ANSWER_S:.0f} s")
        self._raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()

    def _tick(self, at_ms: int) -> int:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        tick, event = Tick(at_ms), f"tick-{moment}"
        headers = event_headers("Tick", event=event, stage="clock", subject="time", at=at_ms)
        values = {
            self._names.routes: route_bytes(self._codec, Message(event, at_ms, tick)),
            self._names.commands: command_bytes(self._codec, Message(event, at_ms, tick)),
        }
        for topic, value in values.items():
            for partition in range(self._partitions[topic]):
                self._producer.produce(
                    topic,
                    value,
                    partition=partition,
                    timestamp=at_ms,
                    headers=list(headers),
                    on_delivery=self._answered,
                )
        self._producer.poll(0)
        return sum(self._partitions.values())

    def _count(self, topic: str) -> int:
        found = self._producer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if found.error is not None:
            raise ClockError(f"{topic}: {found.error.str()}")
        return len(found.partitions)

    def _answered(self, error: KafkaError | None, _: Any) -> None:
        if error is not None:
            self._failure = error.str()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise ClockError(f"a tick was not taken: {failure}")


def run_clock(
    client: Mapping[str, str],
    tenant: str = "loyalty",
    *,
    stop: threading.Event,
    codec: Codec | None = None,
    every_ms: int = MINUTE_MS,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> None:
    """
    Tick in real time, at every whole minute, until *stop* is set.

    The app `clock`: it keeps no state, and several of it do no harm.

    Raises:
        ClockError: If the topics are not there, or Kafka does not take a tick.
    """
    with Clock(client, tenant, codec=codec, every_ms=every_ms) as clock:
        while not stop.is_set():
            now = now_ms()
            if clock.reach(now):
                clock.flush()
            stop.wait((every_ms - now % every_ms) / 1000)
