import json


def test_what_does_not_hold_is_said_and_fails(call, shop):
    """The corner shop's results were made up: the chain of its member holds nothing."""
    ended = call("reconcile", **shop)
    report = json.loads(call("reconcile", "--json", **shop).out)

    assert ended.code == 1
    assert "✗ account versions have no gaps and their chains hold" in ended.out
    assert "m-17: the chain breaks at version 1" in ended.out
    assert ended.out.rstrip().endswith("The books do not balance.")
    assert report["holds"] is False
    assert report["totals"]["P"]["issued"] == 66


def test_an_empty_shop_balances(call, market):
    """Nothing sent, nothing owed."""
    ended = call("reconcile", **market)

    assert ended.code == 0, ended.out
    assert ended.out.rstrip().endswith("Everything holds.")
