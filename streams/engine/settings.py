"""
What an operator may set about an engine.

Every value has a default that is right for one worker of a small chain.
"""

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from streams.engine.stage import Reference, Stage


class EngineSettings(Struct, frozen=True, kw_only=True):
    """Where an engine runs and how much it takes."""

    brokers: str
    """Bootstrap servers, as `host:port,host:port`."""
    data_dir: Path
    """Holds the state of this worker alone; a second worker on it is refused."""
    health_port: int | None = None
    """Loopback port of `/live`, `/ready` and `/metrics`; 0 takes any free one, None serves none."""
    instance_id: str | None = None
    """
    Name of this worker within its group, the same after a restart.

    With it a restart within the session time-out moves no partitions.  Without
    it a worker that was killed is missed only after the session time-out.
    """
    client: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Settings of librdkafka for every connection, such as `security.protocol`."""
    batch_records_max: int = 1000
    """Records in one transaction, of all its shards; more cost latency, fewer cost CPU."""
    buffer_records: int = 4000
    """Records read ahead by one shard before it asks the consumer to wait."""
    min_interval_ms: float = 10.0
    """Shortest time from one transaction of a writer to its next while records come in."""
    writer_per: Literal["stage", "shard"] = "stage"
    """
    Whether all shards of a stage in a worker share a transactional writer, or each has one.

    Sharing costs the broker a fraction; a writer each keeps shards from waiting for another.
    """
    session_timeout_s: float = 6.0
    """After this silence the group gives the partitions of a worker away."""
    transaction_timeout_ms: int = 10_000
    """
    The broker aborts a transaction that is open for so long.

    It is how long a killed worker may hold up readers of its outputs; it must
    be longer than the slowest batch.
    """
    call_timeout_s: float = 30.0
    """Deadline of one transaction, after which the worker exits with 70."""
    stop_timeout_s: float = 8.0
    """
    Rounds under way have this long to finish after SIGTERM.

    The process ends 3 s later at the latest, also while the broker is away.
    """
    stuck_after_s: float = 60.0
    """A shard that has lag and makes no progress for so long fails `/live`."""
    block_cache_bytes: int = 32 << 20
    """RocksDB's read cache, shared by all shards of the process."""
    recent_bytes: int = 16 << 20
    """Values looked up lately, kept in front of RocksDB, of all shards of the process."""
    write_buffer_bytes: int = 8 << 20
    """RocksDB's memtable, for each shard; at most two are in use."""


class AppDeclaration(Struct, frozen=True):
    """An app: its consumer group, its stages and what they read beside their sources."""

    app_id: str
    stages: tuple[Stage, ...]
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could never run."""
        names = [stage.name for stage in self.stages]
        sources = [source for stage in self.stages for source in stage.sources]
        known = {reference.name for reference in self.references}
        if not names or len(set(names)) != len(names):
            raise ValueError(f"app {self.app_id!r} needs stages with different names: {names}")
        if len(set(sources)) != len(sources):
            raise ValueError(f"app {self.app_id!r} gives a source to two stages: {sources}")
        for stage in self.stages:
            if missing := set(stage.references) - known:
                raise ValueError(f"stage {stage.name!r} reads unknown references: {missing}")
