"""The settings of a verb and its ways to the broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError

from schemas.codec import Codec, CodecError, committed
from streams.cli.errors import FAILED, INFRASTRUCTURE, USAGE, VerbError
from streams.reading.log import LogError, LogReader, silent
from streams.reading.values import Values
from streams.settings import Settings
from streams.topics import plan

NEXT_STEPS = {
    "NO_BROKER": "start one with 'loyalty demo --keep', or set LOYALTY_BROKERS to yours",
    "NO_TOPIC": "create the topics with 'loyalty topics apply --execute'",
    "NO_PARTITION": "list the partitions with 'loyalty topics plan'",
    "NO_ANSWER": "look at the broker with 'loyalty doctor', then try again",
    "KAFKA": "look at the set-up with 'loyalty doctor'",
}


def of_log(error: LogError) -> VerbError:
    """Turn a log's error into a verb's."""
    exit_code = FAILED if error.code in {"NO_TOPIC", "NO_PARTITION"} else INFRASTRUCTURE
    return VerbError(error.code, str(error), NEXT_STEPS[error.code], exit_code)


def settings(context: typer.Context) -> Settings:
    """
    Read the environment; `--brokers` and `--tenant` win over it.

    Raises:
        VerbError: If a setting is not usable.
    """
    given: dict[str, Any] = dict(context.find_root().obj or {})
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = "LOYALTY_" + "_".join(str(step) for step in first["loc"]).upper()
        raise VerbError(
            "SETTING",
            f"{name} is not usable: {first['msg'].lower()}",
            "set it right, or unset it; 'loyalty config show' lists all settings",
            USAGE,
        ) from None


@contextmanager
def reading(chosen: Settings) -> Iterator[LogReader]:
    """
    Open a reader of the broker that *chosen* names.

    Raises:
        VerbError: If the broker cannot be read, now or later inside.
    """
    try:
        with LogReader(chosen.client()) as log:
            log.topics()
            yield log
    except LogError as error:
        raise of_log(error) from error
    except CodecError as error:
        raise VerbError(
            "UNREADABLE",
            f"a record cannot be decoded, {error}",
            "set LOYALTY_REGISTRY_URL to the registry of those who wrote it, or unset it",
        ) from error


def codec(chosen: Settings) -> Codec:
    """
    Build the codec of the registry that *chosen* names, or of the committed ids.

    Raises:
        VerbError: If the registry does not answer or lacks a schema.
    """
    if chosen.registry_url is None:
        return committed()
    from schemas import registry  # noqa: PLC0415 -- loads an HTTP client

    try:
        return registry.codec(registry.connect(chosen.registry_url), subjects(chosen))
    except registry.UnregisteredError as error:
        raise VerbError("UNREGISTERED", str(error), "loyalty schemas register --execute") from error
    except Exception as error:
        # The client raises what its HTTP library does, too.
        raise no_registry(chosen, error) from error


def no_registry(chosen: Settings, error: Exception) -> VerbError:
    """Say that the registry cannot be used."""
    return VerbError(
        "NO_REGISTRY",
        f"the registry at {chosen.registry_url} cannot be used: {error}",
        "set LOYALTY_REGISTRY_URL right, or unset it to use the committed ids",
        INFRASTRUCTURE,
    )


def subjects(chosen: Settings) -> dict[str, str]:
    """Map each registry subject to its record, in the order of the topic plan."""
    return {
        topic.subject: topic.schema
        for topic in plan(chosen.tenant, partitions=chosen.partitions)
        if topic.subject is not None and topic.schema is not None
    }


def values(chosen: Settings) -> Values:
    """Give the reader of the tenant's values."""
    return Values(chosen.tenant, codec(chosen))


@contextmanager
def administering(chosen: Settings) -> Iterator[Any]:
    """
    Open an admin client.

    Raises:
        VerbError: If the broker does not answer or refuses.
    """
    from confluent_kafka import KafkaException  # noqa: PLC0415 -- verbs without Kafka don't wait
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    with reading(chosen):
        pass
    try:
        yield AdminClient(dict[str, Any](chosen.client()), logger=silent)
    except KafkaException as error:
        raise VerbError(
            "KAFKA", error.args[0].str(), "look at the set-up with 'loyalty doctor'", INFRASTRUCTURE
        ) from error
