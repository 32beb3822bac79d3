import json

MEMBER, PHONE = "m-17", "(415) 555-0100"


def test_a_balance_is_shown_per_currency(call, shop):
    """Twenty of the fifty points of jam week are spent, the sixteen of every day are not."""
    ended = call("members", "show", MEMBER, "--json", **shop)

    assert ended.code == 0
    shown = json.loads(ended.out)
    assert shown["balances"] == [
        {"currency": "P", "active": 46, "pending": 0, "held": 0, "debt": 0, "available": 46}
    ]
    assert (shown["status"], shown["tier"], shown["version"]) == ("open", "basic", 2)


def test_a_member_is_found_by_phone_however_it_is_written(call, shop):
    """The number is digested as intake does it; nothing but the digest is looked up."""
    for written in (PHONE, "+1 415 555 0100"):
        shown = json.loads(call("members", "show", "--phone", written, "--json", **shop).out)
        assert shown["account"] == MEMBER


def test_a_balance_can_be_read_as_of_an_instant(call, shop):
    """On the first evening, jam week's lot is not active; after a month it has ended."""
    for at, active, pending in (("2017-03-01T20:00", 16, 30), ("2017-04-02T00:00", 16, 0)):
        ended = call("members", "show", MEMBER, "--at", at, "--json", **shop)
        (balance,) = json.loads(ended.out)["balances"]
        assert (balance["active"], balance["pending"]) == (active, pending)


def test_every_point_leads_to_receipt_line_campaign_and_offset(call, shop):
    """A lot names what earned it, line by line, and where in the log that was decided."""
    shown = json.loads(call("members", "explain", MEMBER, "--json", **shop).out)

    jam, base = shown["lots"]
    assert (jam["lot"]["rule"], jam["lot"]["version"], jam["lot"]["document"]) == (
        "jam-week",
        3,
        "r-1",
    )
    assert [(line["n"], line["sku"], line["points"]) for line in jam["goods"]] == [(2, "jam", 50)]
    assert [(line["n"], line["points"]) for line in base["goods"]] == [(1, 4), (2, 12)]
    assert jam["store"] == "store-9"
    assert jam["command"].startswith("corner.commands.v1[")
    assert jam["command"].endswith("]@0")
    (move,) = jam["moves"]
    assert (move["kind"], move["points"], move["document"], move["line"]) == (
        "redemption",
        20,
        "r-2",
        1,
    )
    assert move["command"].endswith("]@1")


def test_the_points_of_an_explanation_sum_to_the_balance(call, shop):
    """No point is told of twice, and none is left out."""
    shown = json.loads(call("members", "explain", MEMBER, "--json", **shop).out)

    (balance,) = shown["balances"]
    assert sum(each["lot"]["remaining"] for each in shown["lots"]) == balance["active"]
    for each in shown["lots"]:
        assert sum(line["points"] for line in each["goods"]) == each["lot"]["credited"]


def test_an_explanation_reads_as_sentences(call, shop):
    """What a till's help desk reads aloud."""
    told = call("members", "explain", MEMBER, **shop).out

    assert "30 P of 50 left: can be spent, until 2017-03-31 15:00Z" in told
    assert "campaign jam-week v3, for receipt r-1 of 2017-03-01 15:00Z at store store-9" in told
    assert "line 2: 1 × jam for 12.50 earned 50" in told
    assert "20 spent, document r-2 line 1" in told


def test_who_is_not_there_is_said_with_a_next_step(call, shop):
    """An account that was never published ends in one line and exit code 1."""
    ended = call("members", "show", "m-404", **shop)

    assert ended.code == 1
    assert ended.err.startswith("error UNKNOWN: no account m-404")
    assert ended.err.count("\n") == 1


def test_one_member_is_named(call, shop):
    """Neither none nor two."""
    assert call("members", "show", **shop).code == 2
    assert call("members", "show", MEMBER, "--phone", PHONE, **shop).code == 2


def test_without_the_changelog_the_receipts_sums_are_told(call, shop, monkeypatch):
    """A reader who may not see the app's own topics learns the lines, not each share."""
    monkeypatch.setattr("streams.cli.members.changelog_topic", lambda *_: "corner-nothing")

    jam, base = json.loads(call("members", "explain", MEMBER, "--json", **shop).out)["lots"]

    for lot in (jam, base):
        assert [(line["n"], line["points"]) for line in lot["goods"]] == [(1, None), (2, None)]


def test_an_identifier_that_nobody_registered_leads_to_its_home_account(call, shop):
    """Which is not there before its first receipt; the number itself is not repeated."""
    ended = call("members", "show", "--phone", "(415) 555-0199", **shop)

    assert ended.code == 1
    assert "error UNKNOWN: no account ~" in ended.err
    assert "0199" not in ended.err


def test_what_is_no_identifier_is_wrong_usage(call, shop):
    """Such as a card without a digit or letter."""
    ended = call("members", "show", "--card", " - ", **shop)

    assert ended.code == 2
    assert "error IDENTIFIER: that is no card" in ended.err
