"""Versions of records may follow each other, and released ones stay as they are."""

import copy
import json

import pytest
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas import registry
from schemas.catalogue import AVRO, Schema, catalogue, listed, unlisted
from schemas.evolution import edited, faults, level_of, unreadable
from streams.topics import plan

NUMBER = {
    "type": "record",
    "name": "Sum",
    "fields": [
        {"name": "points", "type": "long", "doc": "Points."},
        {"name": "lot", "type": ["null", "string"], "doc": "Lot.", "default": None},
    ],
}


def changed(change):
    """Give a copy of NUMBER after *change*."""
    tree = copy.deepcopy(NUMBER)
    change(tree["fields"])
    return tree


def versions(record, *trees):
    """Give the trees as versions of one record."""
    return [
        Schema(number, record, number, json.dumps(tree)) for number, tree in enumerate(trees, 1)
    ]


def test_every_released_version_may_follow_those_before():
    """No version breaks a reader or a writer that it must not break."""
    assert faults(catalogue()) == ()


def test_released_files_are_as_they_were_released():
    """A change is a new version in a file of its own."""
    assert edited() == ()


def test_every_file_has_a_committed_id():
    """Otherwise a new schema works here and nowhere else."""
    assert unlisted() == ()


def test_ids_count_from_one_without_gaps():
    """The in-process registry counts, so the list must be what it counts to."""
    assert [row["id"] for row in listed()] == list(range(1, len(listed()) + 1))


def test_the_in_process_registry_gives_the_committed_ids():
    """Programs outside may rely on ids.json while there is no registry."""
    client = registry.in_process()

    for schema in catalogue():
        assert client.get_schema(schema.id).schema_str == schema.text


def test_a_codec_of_a_registry_reads_what_another_of_the_same_registry_wrote():
    """Ids of a registry need not be the committed ones."""
    client = registry.SchemaRegistryClient.new_client({"url": "mock://"})
    subjects = {"acme.stores.v1-value": "Store", "acme.receipts.v1-value": "Receipt"}
    ids = registry.register(client, subjects, hold=False)
    codec = registry.codec(client, subjects)

    data = codec.encode("Store", {"id": "S", "valid_from": 0, "attributes": {}})

    assert ids == {"acme.stores.v1-value": (1,), "acme.receipts.v1-value": (2,)}
    assert data[:5] == b"\0\0\0\0\1"
    assert codec.decode(data, "Store")["id"] == "S"


def test_registering_again_changes_nothing():
    """An operator may run it before every start."""
    client = registry.SchemaRegistryClient.new_client({"url": "mock://"})
    subjects = {"loyalty.stores.v1-value": "Store"}

    assert registry.register(client, subjects, hold=False) == registry.register(
        client, subjects, hold=False
    )


def test_a_schema_that_no_registry_knows_is_named():
    """A worker that started without its schemas would dead-letter everything."""
    client = registry.SchemaRegistryClient.new_client({"url": "mock://"})

    with pytest.raises((registry.UnregisteredError, SchemaRegistryError)) as unknown:
        registry.codec(client, {"loyalty.stores.v1-value": "Store"})

    assert "Store" in str(unknown.value) or unknown.value.http_status_code == 404


ADD_WITH_DEFAULT = {"name": "x", "type": ["null", "long"], "doc": "X.", "default": None}
ADD_WITHOUT = {"name": "x", "type": "long", "doc": "X."}


@pytest.mark.parametrize(
    ("change", "backward", "forward"),
    [
        (lambda fields: fields.append(ADD_WITH_DEFAULT), True, True),
        (lambda fields: fields.append(ADD_WITHOUT), False, True),
        (lambda fields: fields.pop(), True, True),
        (lambda fields: fields.pop(0), True, False),
        (lambda fields: fields[0].update(type="string"), False, False),
        (lambda fields: fields[0].update(name="points_total"), False, False),
        (lambda fields: fields[1].update(type=["null", "string", "long"]), True, False),
        (lambda fields: fields[1].update(type=["null", "long"]), False, False),
        (lambda fields: fields[0].update(type=["long", "null"]), True, False),
        (lambda fields: fields.reverse(), True, True),
    ],
    ids=[
        "add with default",
        "add without default",
        "drop what has a default",
        "drop what has none",
        "change a type",
        "rename",
        "widen a union",
        "replace a type in a union",
        "admit null",
        "reorder",
    ],
)
def test_what_a_change_breaks_is_found(change, backward, forward):
    """Each row is one change of one version."""
    new = changed(change)

    assert (not unreadable(new, NUMBER)) == backward
    assert (not unreadable(NUMBER, new)) == forward
    assert (not faults(versions("Sum", NUMBER, new))) == (backward and forward)


def test_a_change_is_held_against_every_earlier_version():
    """Dropping and adding a name again with another type breaks the oldest readers."""
    dropped = changed(lambda fields: fields.pop())
    again = changed(lambda fields: fields[1].update(type=["null", "long"]))

    assert faults(versions("Sum", NUMBER, dropped)) == ()
    assert faults(versions("Sum", NUMBER, dropped, again)) == (
        "Sum 3 cannot read 1: lot may hold string, not read here",
        "Sum 1 cannot read 3: lot may hold long, not read here",
    )


def test_a_new_body_of_an_envelope_breaks_only_readers_that_are_upgraded_first():
    """Public records may not do the same."""
    old = {"type": "record", "name": "E", "fields": [{"name": "body", "type": [NUMBER]}]}
    more = {"type": "record", "name": "More", "fields": []}
    new = {"type": "record", "name": "E", "fields": [{"name": "body", "type": [NUMBER, more]}]}

    assert faults(versions("RouteEnvelope", old, new)) == ()
    assert faults(versions("Bonus", old, new)) == (
        "Bonus 1 cannot read 2: body may hold record More, not read here",
    )


def test_what_outsiders_read_is_held_to_full_compatibility():
    """Only the envelopes between stages may be stricter on their readers."""
    by_topic = {topic.name: level_of(topic.schema) for topic in plan() if topic.schema}

    assert [name for name, level in by_topic.items() if level != "FULL_TRANSITIVE"] == [
        "loyalty.routes.v1",
        "loyalty.commands.v1",
        "loyalty.budgets.v1",
    ]


def records_of(tree):
    """Go through every record in a schema."""
    if isinstance(tree, list):
        for each in tree:
            yield from records_of(each)
    elif isinstance(tree, dict):
        if tree.get("type") == "record":
            yield tree
        for part in ("items", "values", "type"):
            yield from records_of(tree.get(part))
        for field in tree.get("fields", []):
            yield from records_of(field["type"])


def types_of(tree):
    """Go through every type that a schema uses, by name."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for each in tree:
            yield from types_of(each)
    elif isinstance(tree, dict):
        for part in ("items", "values", "type"):
            yield from types_of(tree.get(part))
        for field in tree.get("fields", []):
            yield from types_of(field["type"])


@pytest.mark.parametrize("schema", catalogue(), ids=lambda schema: schema.record)
class TestEveryFile:
    """House rules of the .avsc files."""

    def test_every_field_says_what_it_is(self, schema):
        """Integrators read the schema, not our minds."""
        for record in records_of(schema.tree):
            assert record["doc"].strip()
            for field in record["fields"]:
                assert field.get("doc", "").strip(), f"{record['name']}.{field['name']}"

    def test_no_type_lets_a_float_in(self, schema):
        """Money, quantities and points are whole numbers; a float is a defect."""
        assert not {"float", "double", "int", "enum", "fixed"} & set(types_of(schema.tree))

    def test_every_item_takes_a_byte(self, schema):
        """Or a count of millions in four bytes would fill the memory."""
        for name in ("items", "values"):
            for holder in holders_of(schema.tree, name):
                assert least_bytes(holder[name]) >= 1

    def test_instants_say_that_they_are(self, schema):
        """Tools of others show a timestamp-millis as a time."""
        for record in records_of(schema.tree):
            for field in record["fields"]:
                if field["name"].endswith(("_at", "_from", "_until")) and "long" in set(
                    types_of(field["type"])
                ):
                    assert "timestamp-millis" in json.dumps(field["type"])


def holders_of(tree, part):
    """Go through every array (part items) or map (part values) in a schema."""
    if isinstance(tree, list):
        for each in tree:
            yield from holders_of(each, part)
    elif isinstance(tree, dict):
        if part in tree:
            yield tree
        for inner in ("items", "values", "type"):
            yield from holders_of(tree.get(inner), part)
        for field in tree.get("fields", []):
            yield from holders_of(field["type"], part)


def least_bytes(tree):
    """Give the least number of bytes that a value takes; a name stands for one at least."""
    if isinstance(tree, list):
        return 1
    kind = tree["type"] if isinstance(tree, dict) else tree
    if kind == "null":
        return 0
    if kind == "record":
        return sum(least_bytes(field["type"]) for field in tree["fields"])
    return 1


@pytest.mark.parametrize("record", ["CommandEnvelope", "RouteEnvelope"])
def test_what_goes_on_from_intake_has_no_field_for_what_names_a_person(record):
    """The log of record is kept for ever, so nothing in it may have to be erased."""
    tree = json.loads((AVRO / f"{record}.1.avsc").read_text(encoding="utf-8"))
    names = {field["name"] for each in records_of(tree) for field in each["fields"]}

    assert not names & {"name", "phone", "email", "address", "birthday", "born_on", "value"}
