"""
The topic plan: every topic of the system, as data.

One place decides names, partition counts and retention; `streams.broker` compares
the plan with a broker and applies it.  The engine's changelogs are no part of it:
whoever runs stages adds the topics that the engine asks for.

A keyed topic has as many partitions as every other keyed topic, because a stage's
shard owns one partition of all its topics and tables.  A reference topic has one,
so that a single offset says what a batch has seen.
"""

import re

from msgspec import Struct

# Records of a replay are stamped with the time of their sale, and Kafka deletes by that
# stamp: with the broker's default a receipt of 2017 is gone within minutes.
FOREVER: dict[str, str] = {"cleanup.policy": "delete", "retention.ms": "-1"}
# Of a key only the newest value matters.  A tombstone outlives the longest outage of a
# reader by far: one that misses it would keep what was erased.
NEWEST: dict[str, str] = {
    "cleanup.policy": "compact",
    "delete.retention.ms": "2592000000",
    "retention.ms": "-1",
}
# Apart from the limit of the broker, and the codec's (schemas.codec.RECORD_BYTES_MAX):
# a record that a till may send can be carried on in an envelope that is a little larger.
MESSAGE_BYTES_MAX = 2_097_152
# How everything is sent that is not part of a transaction.  One request at a time, because of
# several librdkafka takes an earlier one for acknowledged once a later one is, and a partition
# that doesn't know the producer yet takes the later one alone: the earlier would be lost.
SENDING: dict[str, str | int | bool] = {
    "enable.idempotence": True,
    "max.in.flight.requests.per.connection": 1,
}
# What a till or a CRM may send; the broker refuses more at the producer.
INPUT_BYTES_MAX = 1_048_588


class Topic(Struct, frozen=True):
    """
    One topic of the plan.

    Attributes:
        name: Full name, the tenant first.
        partitions: How many; never changed once there are records.
        config: Topic configuration that differs from the broker's, as Kafka writes it.
        key: What the record key is, in words.
        about: What one record means, in words.
        schema: Name of the Avro record that values hold, or None for raw bytes.
    """

    name: str
    partitions: int
    config: dict[str, str]
    key: str
    about: str
    schema: str | None = None

    @property
    def subject(self) -> str | None:
        """Name the registry subject of the values, by the topic name strategy."""
        return None if self.schema is None else f"{self.name}-value"


class Names(Struct, frozen=True):
    """
    Every topic name of one tenant.

    Dots only: Kafka's metrics fold dots and underscores into one.
    """

    tenant: str = "loyalty"

    @property
    def receipts(self) -> str:
        """Documents as tills write them."""
        return f"{self.tenant}.receipts.v1"

    @property
    def members(self) -> str:
        """What happens to members, as the CRM and the front tell it."""
        return f"{self.tenant}.members.v1"

    @property
    def products(self) -> str:
        """Products and their attributes."""
        return f"{self.tenant}.products.v1"

    @property
    def stores(self) -> str:
        """Stores and their attributes."""
        return f"{self.tenant}.stores.v1"

    @property
    def campaigns(self) -> str:
        """Published campaign versions."""
        return f"{self.tenant}.campaigns.v1"

    @property
    def programmes(self) -> str:
        """Published programme versions."""
        return f"{self.tenant}.programmes.v1"

    @property
    def routes(self) -> str:
        """What the route stage reads."""
        return f"{self.tenant}.routes.v1"

    @property
    def commands(self) -> str:
        """What the settle stage reads: the log of record."""
        return f"{self.tenant}.commands.v1"

    @property
    def budgets(self) -> str:
        """What the budget stage reads."""
        return f"{self.tenant}.budgets.v1"

    @property
    def bonuses(self) -> str:
        """Results."""
        return f"{self.tenant}.bonuses.v1"

    @property
    def accounts(self) -> str:
        """Snapshots of accounts."""
        return f"{self.tenant}.accounts.v1"

    @property
    def resolutions(self) -> str:
        """Who owns which identifier."""
        return f"{self.tenant}.resolutions.v1"

    @property
    def notifications(self) -> str:
        """What members are to be told."""
        return f"{self.tenant}.notifications.v1"


def dead_letters(topic: str) -> str:
    """Name the topic of what could not be read from *topic*."""
    return f"{topic}.dlq"


def plan(tenant: str = "loyalty", *, partitions: int = 4) -> tuple[Topic, ...]:
    """
    List every topic of *tenant*, in the order of a record's way.

    Args:
        tenant: First word of every name: lower-case letters, digits and hyphens.
        partitions: Of every keyed topic, 1 or more; chosen once, because a key must
            stay where its state is.

    Raises:
        ValueError: If *tenant* or *partitions* is out of bounds.
    """
    if partitions < 1:
        raise ValueError(f"{partitions} partitions: 1 is the least")
    if not re.fullmatch("[a-z0-9-]+", tenant):
        raise ValueError(f"tenant {tenant!r}: lower-case letters, digits and hyphens only")
    names = Names(tenant)
    return (
        *_inputs(names, partitions),
        *_references(names),
        *_internal(names, partitions),
        *_outputs(names, partitions),
        *(
            Topic(
                dead_letters(topic),
                partitions,
                FOREVER | {"max.message.bytes": str(MESSAGE_BYTES_MAX)},
                key="as it came",
                about=f"What could not be read from {topic}: key and bytes untouched",
            )
            for topic in (
                names.receipts,
                names.members,
                names.routes,
                names.commands,
                names.bonuses,
            )
        ),
    )


def _inputs(names: Names, partitions: int) -> tuple[Topic, ...]:
    limit = {"max.message.bytes": str(INPUT_BYTES_MAX)}
    return (
        Topic(
            names.receipts,
            partitions,
            FOREVER | limit,
            key="any; the receipt id by custom",
            about="A document of a till: sale, return, exchange or void",
            schema="Receipt",
        ),
        Topic(
            names.members,
            partitions,
            FOREVER | limit,
            key="account id",
            about="Something that happened to a member",
            schema="Member",
        ),
    )


def _references(names: Names) -> tuple[Topic, ...]:
    """List the reference topics; a version is part of the key, so compaction keeps them all."""
    rows = (
        (names.products, "Product", "product id@valid_from", "A product from an instant on"),
        (names.stores, "Store", "store id@valid_from", "A store from an instant on"),
        (names.campaigns, "Campaign", "campaign id@version", "A version of a campaign"),
        (names.programmes, "Programme", "programme id@version", "A version of the programme"),
    )
    return tuple(
        Topic(name, 1, NEWEST, key=key, about=about, schema=schema)
        for name, schema, key, about in rows
    )


def _internal(names: Names, partitions: int) -> tuple[Topic, ...]:
    limit = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
    return (
        Topic(
            names.routes,
            partitions,
            FOREVER | limit,
            key="receipt id, of the original for a return that visits it",
            about="A receipt on its way to an account",
            schema="RouteEnvelope",
        ),
        Topic(
            names.commands,
            partitions,
            FOREVER | limit,
            key="account id, or the receipt id where there is no account",
            about="A command to an account: the log of record, kept for ever",
            schema="CommandEnvelope",
        ),
        Topic(
            names.budgets,
            partitions,
            FOREVER | limit,
            key="campaign id",
            about="A message to the keeper of a campaign's budget",
            schema="BudgetEnvelope",
        ),
    )


def _outputs(names: Names, partitions: int) -> tuple[Topic, ...]:
    limit = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
    return (
        Topic(
            names.bonuses,
            partitions,
            FOREVER | limit,
            key="account id, or the receipt id where there is no account",
            about="The result of a document",
            schema="Bonus",
        ),
        Topic(
            names.accounts,
            partitions,
            NEWEST | limit,
            key="account id",
            about="An account after its latest posting",
            schema="Account",
        ),
        Topic(
            # Every router holds all of it, so that one offset says what it has seen.
            names.resolutions,
            1,
            NEWEST,
            key="digest of the identifier",
            about="Who owns an identifier, and since when",
            schema="Resolution",
        ),
        Topic(
            names.notifications,
            partitions,
            FOREVER,
            key="account id",
            about="Something to tell a member",
            schema="Notification",
        ),
    )
