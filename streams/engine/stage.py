"""
How an app declares its work: stages, the tables they own, the references they read.

A declaration holds no connection and starts nothing, so that it can be built
in a test, printed by a tool, and run by an engine.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from streams.engine.batch import Batch
from streams.engine.record import Record

Handler = Callable[[Batch], None]

DAY_S = 24 * 3600
TOMBSTONES_S = 7 * DAY_S
"""For how long a changelog keeps deletions."""

AWAY_S = TOMBSTONES_S - DAY_S
"""A local state that wasn't written for longer isn't gone on with: it could lack deletions."""

CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "delete.retention.ms": str(TOMBSTONES_S * 1000),
    "retention.ms": "-1",
}

QUARANTINE_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1"}


class Stage(Struct, frozen=True):
    """
    One step of an app: a function of a batch, with the tables only it writes.

    All *sources* have the same partition count, and one shard owns partition p
    of every one of them.  The handler is called for one batch at a time in a
    process, does no I/O, and may be called again with the same records: then
    nothing of the earlier call has happened.
    """

    name: str
    sources: tuple[str, ...]
    handler: Handler
    tables: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could never run."""
        if not self.sources:
            raise ValueError(f"stage {self.name!r} has no source topic")
        for names in (self.sources, self.tables, self.references):
            if len(set(names)) != len(names):
                raise ValueError(f"stage {self.name!r} names something twice: {names}")


class Reference(Struct, frozen=True):
    """
    A compacted topic of one partition that every worker holds in full.

    Without *valid_from* a key has one value, the latest.  With it, each record
    is a version of its key that serves from that instant (milliseconds) until
    the next version; of two with the same instant the later offset wins.  A record for
    which it gives None is left out, as if it weren't there.

    Compaction keeps one record a Kafka key.  A topic whose versions must
    survive it gives each version a Kafka key of its own, and *lookup_key* says
    which key the version is looked up by; publishing the Kafka key again then
    replaces that version, and a tombstone removes it.  Without *lookup_key* a
    tombstone removes all versions of the key.

    With *stale_after_s* a stage that reads the reference stops working while the copy
    can't be known to be current for so many seconds, and goes on when it is again.
    """

    name: str
    topic: str
    valid_from: Callable[[Record], int | None] | None = None
    lookup_key: Callable[[Record], bytes] | None = None
    stale_after_s: float | None = None


class TopicNeed(Struct, frozen=True):
    """A topic the engine needs beside the sources and outputs of the stages."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def changelog_topic(app_id: str, stage: str, table: str) -> str:
    """Name the changelog of *table*."""
    return f"{app_id}-{stage}-{table}-changelog"


def changelogs(app_id: str, stage: Stage) -> dict[str, str]:
    """Give the changelog topic of each table of *stage*."""
    return {table: changelog_topic(app_id, stage.name, table) for table in stage.tables}


def quarantine_topic(app_id: str) -> str:
    """Name the topic that takes the records which kill a worker again and again."""
    return f"{app_id}-quarantine"


def topics_needed(
    app_id: str, stages: Iterable[Stage], partitions: Mapping[str, int]
) -> tuple[TopicNeed, ...]:
    """
    List the topics that must exist for *stages* beside their sources and outputs.

    Args:
        app_id: The consumer group.
        stages: The stages of the app.
        partitions: The partition count of every source topic.

    Raises:
        ValueError: If the sources of one stage differ in their counts.
    """
    needs = []
    for stage in stages:
        counts = {partitions[source] for source in stage.sources}
        if len(counts) != 1:
            shown = {source: partitions[source] for source in stage.sources}
            raise ValueError(f"the sources of stage {stage.name!r} differ in partitions: {shown}")
        count = counts.pop()
        needs += [
            TopicNeed(changelog_topic(app_id, stage.name, table), count, CHANGELOG_CONFIG)
            for table in stage.tables
        ]
    return (*needs, TopicNeed(quarantine_topic(app_id), 1, QUARANTINE_CONFIG))
