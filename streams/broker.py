"""
Compare the topic plan with a broker, and apply it.

Only what is missing is created, only settings that differ are changed.  A partition
count that differs is reported and left: records would no longer be where their state
is (docs/operating.md says how to move to another count).
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from msgspec import Struct

from streams.topics import Topic

# A broker that answers at all answers well within this; longer only hides that it does not.
ANSWER_S = 30.0


class Difference(Struct, frozen=True):
    """
    One way in which a broker is not as planned.

    Attributes:
        kind: missing (no such topic), config (a setting), or partitions (a count, which
            is never changed here).
        setting: Name of the setting, for kind config.
    """

    topic: str
    kind: Literal["missing", "config", "partitions"]
    setting: str | None = None
    planned: str | None = None
    actual: str | None = None


def differences(topics: Iterable[Topic], admin: AdminClient) -> tuple[Difference, ...]:
    """
    List how the broker differs from *topics*, in the order of the plan.

    Raises:
        KafkaException: If the broker does not answer.
    """
    planned = tuple(topics)
    counts = {
        name: len(found.partitions)
        for name, found in admin.list_topics(timeout=ANSWER_S).topics.items()
        if found.error is None
    }
    present = [topic for topic in planned if topic.name in counts]
    configs = _configs([topic.name for topic in present], admin)
    found: list[Difference] = []
    for topic in planned:
        if topic.name not in counts:
            found.append(Difference(topic.name, "missing"))
            continue
        if counts[topic.name] != topic.partitions:
            found.append(
                Difference(
                    topic.name,
                    "partitions",
                    planned=str(topic.partitions),
                    actual=str(counts[topic.name]),
                )
            )
        actual = configs[topic.name]
        found += [
            Difference(topic.name, "config", setting, value, actual.get(setting))
            for setting, value in topic.config.items()
            if actual.get(setting) != value
        ]
    return tuple(found)


def apply(
    topics: Iterable[Topic], admin: AdminClient, *, replication: int = 1
) -> tuple[Difference, ...]:
    """
    Make the broker as planned, and list what was different and is no longer.

    Applying twice changes nothing the second time.  Two callers at once are no error.

    Args:
        topics: The plan.
        admin: Of the broker.
        replication: Replicas of each new topic.

    Raises:
        KafkaException: If the broker does not answer or refuses.
        ValueError: If a partition count differs; then nothing was changed.
    """
    planned = {topic.name: topic for topic in topics}
    found = differences(planned.values(), admin)
    counts = [each for each in found if each.kind == "partitions"]
    if counts:
        shown = ", ".join(f"{each.topic} has {each.actual}, not {each.planned}" for each in counts)
        raise ValueError(f"partition counts are chosen once: {shown}")
    _create([planned[each.topic] for each in found if each.kind == "missing"], admin, replication)
    changed: dict[str, dict[str, str]] = {}
    for each in found:
        if each.kind == "config" and each.setting is not None and each.planned is not None:
            changed.setdefault(each.topic, {})[each.setting] = each.planned
    _configure(changed, admin)
    return found


def _create(topics: Iterable[Topic], admin: AdminClient, replication: int) -> None:
    new = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config=topic.config,
        )
        for topic in topics
    ]
    if not new:
        return
    for future in admin.create_topics(new, request_timeout=ANSWER_S).values():
        try:
            future.result()
        except KafkaException as failed:
            if failed.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise


def _configs(names: Iterable[str], admin: AdminClient) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    answers = admin.describe_configs(resources, request_timeout=ANSWER_S)
    return {
        resource.name: {entry.name: entry.value for entry in future.result().values()}
        for resource, future in answers.items()
    }


def _configure(changed: Mapping[str, Mapping[str, str]], admin: AdminClient) -> None:
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
                for setting, value in settings.items()
            ],
        )
        for topic, settings in changed.items()
    ]
    if not resources:
        return
    for future in admin.incremental_alter_configs(resources, request_timeout=ANSWER_S).values():
        future.result()
