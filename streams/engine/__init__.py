"""
Exactly-once batches on Faust; knows Kafka and RocksDB and no loyalty.

Declaring work: `stage` (stages, references, topics needed), `batch` (what a
handler sees), `record` (what crosses the edge), `settings` (what an operator
may set).  Trying it without a broker: `driver`.

What is done, and in which order, whoever's log and disk it is: `tenure` (partitions from
taking them over to losing them), `takeover` (who owned them before), `restore`, `shard` (one
partition), `transaction` (the order of effects), `cluster` (what is asked).  The simulator
runs these.

Running it: `engine` (a worker), `team` (a stage in it), `worker_spot`, `kafka_cluster`,
`kafka_log` and `store` (where the effects happen), `recent` (what was looked up lately),
`standby`, `references`, `faust_parts` (what is replaced of Faust), `credentials`, `suspects`
and `quarantine` (records that kill), `kafka_quarantine`, `health`, `ending`, `failure`,
`failpoints`.
"""

from streams.engine.batch import Batch, ReferenceView
from streams.engine.engine import Engine
from streams.engine.kafka_quarantine import NotQuarantinedError, quarantined, retry
from streams.engine.quarantine import Quarantined
from streams.engine.record import Headers, Output, Record, partition_for
from streams.engine.settings import AppDeclaration, EngineSettings
from streams.engine.stage import Reference, Stage, TopicNeed, changelog_topic, topics_needed

__all__ = [
    "AppDeclaration",
    "Batch",
    "Engine",
    "EngineSettings",
    "Headers",
    "NotQuarantinedError",
    "Output",
    "Quarantined",
    "Record",
    "Reference",
    "ReferenceView",
    "Stage",
    "TopicNeed",
    "changelog_topic",
    "partition_for",
    "quarantined",
    "retry",
    "topics_needed",
]
