import json


def test_dead_letters_are_listed_with_code_and_origin(call, shop):
    """The headers say why and where; the bytes stay where they are."""
    (letter,) = json.loads(call("dlq", "list", "--json", **shop).out)

    assert letter["code"] == "TRUNCATED"
    assert letter["stage"] == "intake"
    assert letter["origin"] == {"topic": "corner.receipts.v1", "partition": 2, "offset": 40}
    assert letter["value_bytes"] == 14


def test_dead_letters_of_one_topic_can_be_asked_for(call, shop):
    """Short names do."""
    assert len(json.loads(call("dlq", "list", "--topic", "receipts", "--json", **shop).out)) == 1
    assert json.loads(call("dlq", "list", "--topic", "members", "--json", **shop).out) == []


def place(letter):
    """Write where a letter is."""
    position = letter["position"]
    return f"{position['topic']}[{position['partition']}]@{position['offset']}"


def test_what_a_letter_holds_is_shown_on_request_only(call, shop):
    """A name and a phone number stand in it: neither list nor show prints them unasked."""
    (letter,) = json.loads(call("dlq", "list", "--json", **shop).out)

    silent = call("dlq", "list", **shop).out + call("dlq", "show", place(letter), **shop).out
    asked = call("dlq", "show", place(letter), "--payload", **shop).out

    assert "Smith" not in silent
    assert "4155550100" not in silent
    assert "Ann Smith" in asked
    assert "00 00 00 00 01 41 6e 6e" in asked


def test_a_place_that_is_none_is_wrong_usage(call, shop):
    """Exit code 2 and how to write it."""
    ended = call("dlq", "show", "somewhere", **shop)

    assert ended.code == 2
    assert "topic[partition]@offset" in ended.err
