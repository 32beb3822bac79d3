import json

from confluent_kafka.admin import AdminClient, NewTopic

from streams.topics import Names


def test_the_plan_needs_no_broker(call):
    """Names, counts and keys of every topic, the engine's own among them."""
    topics = {each["name"]: each for each in json.loads(call("topics", "plan", "--json").out)}

    assert topics["loyalty.receipts.v1"]["partitions"] == 4
    assert topics["loyalty.accounts.v1"]["config"]["cleanup.policy"] == "compact"
    assert any(name.endswith("-changelog") for name in topics)


def test_applying_is_a_dry_run_until_told_to(call, kafka):
    """Then the broker is as planned, and a second time changes nothing."""
    shop = {"brokers": kafka.bootstrap, "tenant": "cli-topics", "partitions": "2"}

    assert call("topics", "check", **shop).code == 1
    planned = json.loads(call("topics", "apply", "--json", **shop).out)
    assert {each["kind"] for each in planned} == {"missing"}
    assert call("topics", "check", **shop).code == 1
    assert call("topics", "apply", "--execute", **shop).code == 0
    assert call("topics", "check", **shop).code == 0
    assert json.loads(call("topics", "apply", "--execute", "--json", **shop).out) == []


def test_a_partition_count_is_never_changed(call, kafka):
    """A key must stay where its state is, so a difference is refused with both numbers."""
    shop = {"brokers": kafka.bootstrap, "tenant": "cli-counts", "partitions": "2"}
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    name = Names("cli-counts").receipts
    admin.create_topics([NewTopic(name, 5, 1)])[name].result()

    ended = call("topics", "apply", "--execute", **shop)

    assert ended.code == 1
    assert f"error PARTITIONS: {name} has 5, planned 2" in ended.err
