import json


def test_secrets_are_masked(call):
    """Neither the key of the digests nor a password is printed, in no form."""
    secrets = {"identifier_key": "s3cret-key", "sasl_password": "hunter2"}

    for flags in ((), ("--json",)):
        ended = call("config", "show", *flags, **secrets)
        assert ended.code == 0
        assert "s3cret-key" not in ended.out
        assert "hunter2" not in ended.out


def test_a_setting_says_where_it_comes_from(call):
    """The command line wins over the environment, and that over the default."""
    ended = call("--tenant", "mine", "config", "show", "--json", partitions="8")

    rows = {row["setting"]: row for row in json.loads(ended.out)}
    assert (rows["tenant"]["value"], rows["tenant"]["source"]) == ("mine", "command line")
    assert (rows["partitions"]["value"], rows["partitions"]["source"]) == (8, "environment")
    assert rows["region"]["source"] == "default"
    assert all(row["about"] for row in rows.values())
