"""Where the shards of a worker live: its cluster, its disk, its threads."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka.admin import AdminClient

from streams.engine.kafka_cluster import KafkaCluster
from streams.engine.kafka_log import Client
from streams.engine.references import HeldReference
from streams.engine.settings import EngineSettings
from streams.engine.stage import Stage
from streams.engine.store import Memory, ShardStore
from streams.engine.suspects import Suspects

Flow = Callable[[str, int, bool], None]


class WorkerSpot:
    """See ShardSpot; *pool* runs what waits for the cluster or the disk."""

    def __init__(
        self,
        *,
        app_id: str,
        settings: EngineSettings,
        client: Client,
        admin: AdminClient,
        memory: Memory,
        references: Mapping[str, HeldReference],
        turn: threading.Lock,
        pool: ThreadPoolExecutor,
        flow: Flow,
    ) -> None:
        self.app_id = app_id
        self.settings = settings
        self.references = references
        self.turn = turn
        self.pool = pool
        self.flow = flow
        self.client = client
        self._admin = admin
        self._memory = memory

    def stale(self, stage: Stage) -> list[str]:
        """Name the references of *stage* whose copies may be too old to decide by."""
        return [name for name in stage.references if self.references[name].stale]

    def cluster(self, stopping: Callable[[], bool]) -> KafkaCluster:
        """See ShardSpot."""
        return KafkaCluster(
            client=self.client,
            admin=self._admin,
            group=self.app_id,
            timeout_ms=self.settings.transaction_timeout_ms,
            stopping=stopping,
        )

    def state(self, stage: str, partition: int) -> ShardStore:
        """See ShardSpot."""
        return ShardStore(
            self.settings.data_dir / "state" / f"{stage}-{partition}",
            owner=f"{self.app_id}/{stage}/{partition}",
            memory=self._memory,
        )

    def suspects(self, shard: str) -> Suspects:
        """See ShardSpot."""
        return Suspects(self.settings.data_dir / "in-hand" / shard)
