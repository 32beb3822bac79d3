"""
Exactly-once batches on Faust; knows Kafka and RocksDB and no loyalty.

Declaring work: `stage` (stages, references, topics needed), `batch` (what a
handler sees), `record` (what crosses the edge), `settings` (what an operator
may set).  Trying it without a broker: `driver`.

Running it: `engine` (a worker), `team` (a stage in it), `shard` (one partition of it),
`transaction` (the order of effects), `kafka_log` and `store` (where they happen), `takeover`
(who owned the partitions before), `restore`, `standby`, `references`, `faust_parts` (what
is replaced of Faust), `credentials`, `health`, `failure`, `failpoints`.
"""

from streams.engine.batch import Batch, ReferenceView
from streams.engine.engine import Engine
from streams.engine.record import Headers, Output, Record, partition_for
from streams.engine.settings import AppDeclaration, EngineSettings
from streams.engine.stage import Reference, Stage, TopicNeed, changelog_topic, topics_needed

__all__ = [
    "AppDeclaration",
    "Batch",
    "Engine",
    "EngineSettings",
    "Headers",
    "Output",
    "Record",
    "Reference",
    "ReferenceView",
    "Stage",
    "TopicNeed",
    "changelog_topic",
    "partition_for",
    "topics_needed",
]
