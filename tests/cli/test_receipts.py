import json


def test_a_receipt_shows_its_results_lines_and_places(call, shop):
    """The command and the result are found by the id that the till wrote."""
    shown = json.loads(call("receipts", "show", "r-1", "--json", **shop).out)

    (seen,) = shown["log"]
    assert seen["what"] == "SettleReceipt"
    (answer,) = shown["results"]
    assert answer["command"] == seen["position"]
    assert answer["result"]["status"] == "ok"
    assert [line["earned"] for line in answer["result"]["lines"]] == [4, 62]
    assert [entry["from"] for entry in answer["result"]["entries"]] == ["issued", "issued"]


def test_a_receipt_reads_as_sentences(call, shop):
    """What was decided comes first, then the postings."""
    told = call("receipts", "show", "r-1", **shop).out

    assert "booked on account m-17, version 1: 66 points earned, 0 spent." in told
    assert "paid by base v1: 16, jam-week v3: 50" in told


def test_an_id_inside_another_is_not_taken_for_it(call, shop):
    """`r-` is part of both ids and is no receipt."""
    ended = call("receipts", "show", "r-", **shop)

    assert ended.code == 1
    assert "error UNKNOWN" in ended.err
