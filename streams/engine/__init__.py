"""
Exactly-once batches on Faust; knows Kafka and RocksDB and no loyalty.

Declaring work: `stage` (stages, references, topics needed), `batch` (what a
handler sees), `record` (what crosses the edge), `settings` (what an operator
may set).  Trying it without a broker: `driver`.
"""

from streams.engine.batch import Batch, ReferenceView
from streams.engine.record import Headers, Output, Record, partition_for
from streams.engine.settings import AppDeclaration, EngineSettings
from streams.engine.stage import Reference, Stage, TopicNeed, changelog_topic, topics_needed

__all__ = [
    "AppDeclaration",
    "Batch",
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
