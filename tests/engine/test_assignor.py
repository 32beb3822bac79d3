"""Who gets which partitions, also where the brokers have just come back."""

import zlib
from collections import Counter

from aiokafka.cluster import ClusterMetadata
from faust.assignor.client_assignment import ClientMetadata

from streams.engine import AppDeclaration, Engine, EngineSettings, Stage

PARTITIONS = 4
MEMBERS = ("one", "two")


def assigned(tmp_path, counts):
    """Let a leader whose broker names no topic share a stage of two sources; give who got what."""
    stage = Stage("count", ("words", "ticks"), lambda _: None)
    engine = Engine(
        AppDeclaration("toy", (stage,)),
        EngineSettings(brokers="127.0.0.1:1", data_dir=tmp_path, session_timeout_s=6.0),
    )
    engine.partitions = counts
    app = engine._faust_app()
    subscribed = app.assignor.metadata(set(stage.sources))
    found = app.assignor.assign(ClusterMetadata(), dict.fromkeys(MEMBERS, subscribed))
    told = {
        member: ClientMetadata.loads(zlib.decompress(each.user_data))
        for member, each in found.items()
    }
    return {
        member: sorted(
            (topic, partition)
            for topic, partitions in each.assignment.actives.items()
            for partition in partitions
        )
        for member, each in told.items()
    }


def test_a_broker_that_has_just_come_back_and_names_no_topic_takes_no_partition_away(tmp_path):
    """Nobody would ask for another assignment, and all would stand still."""
    found = assigned(tmp_path, dict.fromkeys(("words", "ticks"), PARTITIONS))
    given = Counter(place for places in found.values() for place in places)

    assert given == Counter(
        (topic, partition) for topic in ("words", "ticks") for partition in range(PARTITIONS)
    )
    assert all(len(places) == PARTITIONS for places in found.values())
    # Partitions of one number belong to one shard, whose state they share.
    for places in found.values():
        assert {p for topic, p in places if topic == "words"} == {
            p for topic, p in places if topic == "ticks"
        }
