"""The topic plan holds what the design says of every topic."""

import pytest

from schemas.catalogue import catalogue
from schemas.codec import RECORD_BYTES_MAX
from streams.topics import MESSAGE_BYTES_MAX, plan


def test_every_name_has_tenant_plural_and_version():
    """Kafka's metrics fold dots and underscores, so there are only dots."""
    for topic in plan("acme"):
        assert topic.name.startswith("acme.")
        assert topic.name.removesuffix(".dlq").endswith("s.v1")
        assert "_" not in topic.name


REFERENCES = {"Product", "Store", "Campaign", "Programme", "Resolution"}


def test_keyed_topics_share_one_count_of_partitions():
    """A shard owns one partition of all of them."""
    topics = [topic for topic in plan(partitions=16) if topic.schema not in REFERENCES]

    assert {topic.partitions for topic in topics} == {16}


def test_reference_topics_have_one_partition():
    """Every worker holds them in full, and one offset says what a batch saw."""
    references = [topic for topic in plan() if topic.schema in REFERENCES]

    assert [topic.partitions for topic in references] == [1] * len(REFERENCES)
    assert {topic.config["cleanup.policy"] for topic in references} == {"compact"}


def test_compaction_keeps_every_version():
    """A version is part of the key, or a receipt of last week could not be judged again."""
    versioned = [topic for topic in plan() if topic.schema in REFERENCES - {"Resolution"}]

    assert all("@" in topic.key for topic in versioned)


def test_nothing_is_deleted_by_time():
    """Replayed records are stamped years ago."""
    assert all(topic.config["retention.ms"] == "-1" for topic in plan())


def test_every_record_has_a_topic():
    """A schema without one could not be sent anywhere."""
    assert {topic.schema for topic in plan()} - {None} == {each.record for each in catalogue()}


def test_the_codec_reads_what_the_broker_takes():
    """A record that was stored must not be too large to read."""
    assert RECORD_BYTES_MAX == MESSAGE_BYTES_MAX


@pytest.mark.parametrize("tenant", ["", "Loyalty", "a.b", "a_b", "a b", "é"])
def test_a_tenant_that_would_make_odd_names_is_refused(tenant):
    """Names are shared with metrics, files and ACLs."""
    with pytest.raises(ValueError, match="tenant"):
        plan(tenant)


def test_no_partitions_are_refused():
    """Zero is how a missing setting looks."""
    with pytest.raises(ValueError, match="partitions"):
        plan(partitions=0)
