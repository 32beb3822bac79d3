"""Which of equal pieces claims take: the last tie of promotions.md §4."""

from streams.core.vectors_promotions import KINDS

QUOTE = KINDS["quote"]


def claims(lanes, campaigns, *lines, **programme):
    """Quote pieces, written `quantity x price`, and give claims as `campaign:line.piece …`."""
    document = {
        "programme": "p", "version": 1, "zone": "UTC", "nodes": 1_000_000,
        "points": {"bonus": {"unit": 1, "value": 1}},
        "discount_lanes": lanes, "points_lanes": ["base"], **programme,
    }  # fmt: skip
    basket = {
        "time": "2026-03-02T12:00Z", "codes": {"c0": "c0"},
        "lines": [
            {
                "line": at, "sku": f"s{at}", "attributes": {},
                "quantity": int(line.split("x")[0]) * 1000, "price": int(line.split("x")[1]),
            }
            for at, line in enumerate(lines, 1)
        ],
    }  # fmt: skip
    named = [{"campaign": f"c{at}", "version": 1, **each} for at, each in enumerate(campaigns)]
    found = QUOTE({"programme": document, "campaigns": named, "basket": basket, "member": None})
    assert found["proven"]
    return [
        f"{name}:" + " ".join(f"{line}.{piece}" for line, piece in pieces)
        for _, name, pieces in found["claims"]
    ]


def one_free_of(take, **more):
    """Make a set that gives its cheapest piece."""
    reward = {"percent": 10_000, "of": {"cheapest": 1}, "share": "rewarded"}
    return {"gives": {"set": [{"take": take}], "reward": reward}, **more}


def amount(take, figure, **more):
    """Make a set that gives an amount."""
    return {"gives": {"set": [{"take": take}], "reward": {"amount": figure}}, **more}


def test_of_many_equal_combinations_the_smallest_is_given():
    """A limit makes all sets of two worth as much: more than sixteen ways to lay two of them."""
    half = {"set": [{"take": 1}, {"take": 1}], "reward": {"percent": 5_000}}
    limited = {"gives": half, "lane": "a", "limits": {"receipt": {"amount": 5}}}

    assert claims(["a"], [limited], "1x100", "2x333", "3x33") == [
        "c0:1.0 2.0", "c0:2.1 3.0", "c0:3.1 3.2",
    ]  # fmt: skip


def test_a_lane_makes_way_for_a_later_one_that_is_written_first():
    """Piece 1 is given free, so that pieces 0 and 2 have room for what is written before."""
    half = {"gives": {"set": [{"take": 1}], "reward": {"percent": 5_000}}, "lane": "a"}

    found = claims(
        [["a", "b"]], [{**half, "needs": "code"}, one_free_of(2, lane="b")], "3x5",
        max_line_discount=3_333,
    )  # fmt: skip

    assert found == ["c0:1.0", "c0:1.2", "c1:1.1 1.2"]


def test_a_campaign_that_wants_pieces_alone_keeps_them():
    """Piece 0 of the second line runs as the others do, but the second lane can't have it."""
    alone = {
        "gives": {"set": [{"take": 2}], "reward": {"price": 9}}, "lane": "a",
        "exclusive": "items", "limits": {"receipt": {"amount": 8, "sets": 1}},
    }  # fmt: skip

    found = claims(["a", "b"], [alone, amount(2, 4, lane="b")], "1x333", "3x5")

    assert found == ["c0:1.0 2.0", "c1:2.1 2.2"]


def test_of_equal_pieces_each_claim_has_the_lowest():
    """Both lanes can have them, in either order."""
    campaigns = [
        amount(2, 3, lane="a", limits={"receipt": {"sets": 3}}),
        amount(3, 5, lane="b", limits={"receipt": {"sets": 2}}),
    ]

    assert claims([["a", "b"]], campaigns, "12x100") == [
        "c0:1.0 1.1", "c0:1.2 1.3", "c0:1.4 1.5", "c1:1.0 1.1 1.2", "c1:1.3 1.4 1.5",
    ]  # fmt: skip


def test_of_more_numberings_than_are_tried_one_is_given():
    """Of nine pieces three are given free, and what is written first has all others once."""
    half = {"gives": {"set": [{"take": 1}], "reward": {"percent": 5_000}}, "lane": "a"}

    found = claims(
        [["a", "b"]], [{**half, "needs": "code"}, one_free_of(3, lane="b")], "9x5",
        max_line_discount=3_333,
    )  # fmt: skip

    free = sorted(piece for each in found[6:] for piece in each.removeprefix("c1:").split())
    assert free == [f"1.{piece}" for piece in range(9)]
    given = {each.removeprefix("c1:").split()[0] for each in found[6:]}
    assert found[:6] == [f"c0:{piece}" for piece in free if piece not in given]


def test_of_more_numberings_than_are_tried_none_is_given_that_an_exchange_makes_smaller():
    """Of 12 pieces each lane takes all, and there are thousands of ways to group them."""
    half = {"set": [{"take": 1}, {"take": 1}], "reward": {"percent": 5_000}}

    found = claims([["a", "b"]], [{"gives": half, "lane": "a"}, one_free_of(3, lane="b")],
                   "5x5", "7x5")  # fmt: skip

    assert found == [
        "c0:1.0 1.1", "c0:1.2 1.3", "c0:1.4 2.0", "c0:2.1 2.2", "c0:2.3 2.4", "c0:2.5 2.6",
        "c1:1.0 1.1 1.2", "c1:1.3 1.4 2.0", "c1:2.1 2.2 2.3", "c1:2.4 2.5 2.6",
    ]  # fmt: skip
