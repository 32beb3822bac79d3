"""
Three real brokers on loopback, of which any one may be lost.

Every topic has a copy on each; a record is acknowledged when two have it.  Each broker is
a controller too, so that the loss of one also moves the leader of the metadata.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.sandbox.kafka import EmbeddedKafka, Place, cluster_id
from streams.sandbox.ports import free_port

BROKERS = 3


class KafkaCluster:
    """
    Three brokers, in folders of their own within *data_dir*.

    Args:
        data_dir: Created when missing.
        heap_mb: Most of the Java heap of each.
        properties: More lines of each one's server.properties.
    """

    def __init__(self, data_dir: Path, *, heap_mb: int = 512, properties: str = "") -> None:
        ports = [free_port() for _ in range(BROKERS)]
        voters = tuple(f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports, 1))
        cluster = cluster_id(os.urandom(16))
        self.brokers = tuple(
            EmbeddedKafka(
                data_dir / f"broker-{node}",
                heap_mb=heap_mb,
                properties=properties,
                place=Place(node, voters, cluster, port),
            )
            for node, port in enumerate(ports, 1)
        )

    @property
    def bootstrap(self) -> str:
        """The addresses for clients."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def start(self) -> Self:
        """
        Start all brokers and wait until each answers.

        Raises:
            BrokerError: If one ends or doesn't answer within three minutes.
            JarError: If Kafka's jars can't be had.
        """
        try:
            for broker in self.brokers:
                broker.launch()
            for broker in self.brokers:
                broker.await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all brokers; without a majority none of them could end in order."""
        for broker in self.brokers:
            broker.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
