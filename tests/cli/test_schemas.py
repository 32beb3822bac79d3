import json


def test_the_schemas_of_this_checkout_may_be_released(call):
    """Untouched, numbered and compatible."""
    ended = call("schemas", "check", "--json")

    assert ended.code == 0
    shown = json.loads(ended.out)
    assert shown["problems"] == []
    assert {"id": 1, "record": "Receipt", "version": 1} in shown["schemas"]


def test_registering_asks_for_a_registry(call):
    """Without one the committed ids hold."""
    ended = call("schemas", "register")

    assert ended.code == 2
    assert "LOYALTY_REGISTRY_URL is not set" in ended.err


def test_registering_is_a_dry_run_until_told_to(call):
    """A dry run talks to nobody: there is no registry at this address."""
    ended = call("schemas", "register", "--json", registry_url="http://127.0.0.1:1")

    assert ended.code == 0
    assert {"subject": "loyalty.receipts.v1-value", "ids": None} in json.loads(ended.out)


def test_a_registry_that_does_not_answer_is_infrastructure(call):
    """Exit code 70: try again."""
    ended = call("schemas", "register", "--execute", registry_url="http://127.0.0.1:1")

    assert ended.code == 70
    assert "error NO_REGISTRY" in ended.err
