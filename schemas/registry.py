"""
Bring the schemas to a registry, and take the ids from there.

Without a registry the committed ids hold; `in_process` is a registry inside this
process that gives the same ones.  With one, registering is an operator's act (or the
demo's), never a worker's: a worker looks the ids up once, before its first record.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.catalogue import Schema, catalogue
from schemas.codec import Codec
from schemas.evolution import level_of

NOT_FOUND = 404


class UnregisteredError(Exception):
    """A registry doesn't know a schema that this build needs; says which."""


def connect(url: str, **more: str) -> SchemaRegistryClient:
    """
    Make a client of the registry at *url*.

    Args:
        url: Of Confluent's API; Apicurio serves it under /apis/ccompat/v7.
        more: Further settings of confluent-kafka's client, such as credentials.
    """
    return SchemaRegistryClient({"url": url, **more})


def in_process() -> SchemaRegistryClient:
    """
    Make a registry inside this process that gives the committed ids.

    Raises:
        UnregisteredError: If it gives other ids: then the library counts differently.
    """
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    for schema in catalogue():
        given = client.register_schema(f"committed-{schema.record}", _outgoing(schema))
        if given != schema.id:
            raise UnregisteredError(f"{schema.record} got the id {given}, not {schema.id}")
    return client


def register(
    client: SchemaRegistryClient, subjects: Mapping[str, str], *, hold: bool = True
) -> dict[str, tuple[int, ...]]:
    """
    Register every version of every record under its subjects; repeating changes nothing.

    Args:
        client: Of the registry.
        subjects: Subject to record, such as loyalty.receipts.v1-value to Receipt.
        hold: Whether to set each subject's compatibility first; the in-process registry
            has none.

    Returns:
        The ids by subject, in the order of versions.

    Raises:
        SchemaRegistryError: If the registry refuses, as it does an incompatible version.
    """
    ids: dict[str, tuple[int, ...]] = {}
    for subject, record in subjects.items():
        if hold:
            client.set_compatibility(subject, level_of(record))
        ids[subject] = tuple(
            client.register_schema(subject, _outgoing(schema)) for schema in _versions(record)
        )
    return ids


def codec(client: SchemaRegistryClient, subjects: Mapping[str, str]) -> Codec:
    """
    Build the codec of a registry's ids, by asking for every version of every subject.

    Two subjects of one record have the same id, because the text is the same.

    Raises:
        UnregisteredError: If a subject or version is not registered; `register` does it.
        SchemaRegistryError: If the registry doesn't answer.
    """
    found = []
    for subject, record in subjects.items():
        for schema in _versions(record):
            try:
                registered = client.lookup_schema(subject, _outgoing(schema))
            except SchemaRegistryError as refused:
                if refused.http_status_code != NOT_FOUND:
                    raise
                name = f"{record} {schema.version} of {subject}"
                raise UnregisteredError(f"{name} is not registered") from None
            if registered.schema_id is None:
                raise UnregisteredError(f"{subject} has no id in the registry")
            found.append(Schema(registered.schema_id, schema.record, schema.version, schema.text))
    return Codec(found)


def _versions(record: str) -> Iterable[Schema]:
    return [schema for schema in catalogue() if schema.record == record]


def _outgoing(schema: Schema) -> RegistrySchema:
    return RegistrySchema(schema.text, "AVRO")
