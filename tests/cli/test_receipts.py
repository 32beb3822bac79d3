import json

import pytest

from streams.cli.receipts import refund, sentence
from streams.core.result import LineResult, Refund, Result


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

    assert "booked on account m-17, version 1: 66 points earned." in told
    assert "paid by base v1: 16, jam-week v3: 50" in told


def test_an_id_inside_another_is_not_taken_for_it(call, shop):
    """`r-` is part of both ids and is no receipt."""
    ended = call("receipts", "show", "r-", **shop)

    assert ended.code == 1
    assert "error UNKNOWN" in ended.err


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            Result("R", "r", "receipt", "refused", "TOO_OLD"),
            "refused, TOO_OLD; nothing was posted.",
        ),
        (
            Result("R", "r", "receipt", "deferred", "ORIGINAL_UNKNOWN"),
            "waits, ORIGINAL_UNKNOWN; nothing is posted until then.",
        ),
        (
            Result("R", "r", "receipt", "conflict", "CONFLICT"),
            "conflict: the id is known with other content; the first stands.",
        ),
        (
            Result("R", "r", "receipt", "ok"),
            "booked without an account: nobody was named at the till.",
        ),
        (
            Result("R", "r", "receipt", "ok", None, "m", 3, lines=(LineResult(1, clawed=6),)),
            "booked on account m, version 3: 6 points clawed back.",
        ),
        (
            Result("R", "r", "receipt", "ok", None, "m", 4),
            "booked on account m, version 4: no point moved.",
        ),
    ],
)
def test_every_outcome_has_its_sentence(result, said):
    """What a help desk reads aloud."""
    assert sentence(result) == said


def test_a_refund_names_each_kind_of_money():
    """Nothing where nothing went back."""
    result = Result("R", "r", "receipt", "ok", None, "m", 3, refund=Refund(350000, 250, 1500))

    assert refund(result, 2) == "refunded 3,500.00 in cash, 2.50 on a gift card, 1,500 in points"
    assert refund(Result("R", "r", "receipt", "ok"), 2) is None
