"""Where a document goes."""

import pytest
from msgspec.structs import replace

from streams.core.ownership import NOBODY, Interval
from streams.core.receipt import Identifier, Original, Receipt, ReturnLine, SaleLine
from streams.core.routing import (
    DAY_MS,
    RETRY_MS,
    Answer,
    Ended,
    Owner,
    Park,
    Part,
    Route,
    Visit,
    arrive,
    end,
    give_up_waiting,
    look_again,
    owner_of,
    visit,
)

CARD, PHONE = Identifier("card", "c"), Identifier("phone", "f")
GIVEN_UP = Identifier("card", "g")
OWNERS = {"c": Interval("A"), "f": Interval("B"), "g": NOBODY}


def resolve(digest, at):
    """Know the card and the phone, at every instant."""
    assert at >= 0
    return OWNERS.get(digest)


def sale(name="s", *identifiers, **fields):
    """Build a sale of one line."""
    line = SaleLine(n=1, sku="ski", qty=1000, amount=100)
    return Receipt(name, "S1", "T1", 10, 10, sales=(line,), identifiers=identifiers, **fields)


def back(name, *originals, **fields):
    """Build a return of line 1 of each original; None is a line without a receipt."""
    lines = tuple(
        ReturnLine(n, "ski", 1000, None if each is None else Original(each, 1))
        for n, each in enumerate(originals, 1)
    )
    return Receipt(name, "S1", "T1", 20, 20, returns=lines, **fields)


def arrives(route, receipt, digest="x", code=None):
    """Let *receipt* arrive at its own row."""
    return arrive(route, receipt, digest=digest, code=code, resolve=resolve)


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ((CARD,), Owner("A", "A")),
        ((PHONE, CARD), Owner("A", "A", mismatch=True)),
        ((Identifier("card", "new"),), Owner("~new", "~new")),
        ((Identifier("card", "new"), PHONE), Owner("B", "B")),
        ((Identifier("email", "e"), Identifier("phone", "new")), Owner("~new", "~new")),
        ((GIVEN_UP,), Owner("s", None)),
        ((GIVEN_UP, PHONE), Owner("B", "B")),
        ((GIVEN_UP, Identifier("phone", "new")), Owner("~new", "~new")),
        ((), Owner("s", None)),
    ],
)
def test_a_known_identifier_wins_and_card_comes_before_phone(identifiers, expected):
    """Each row is one way to name a member."""
    assert owner_of(sale("s", *identifiers), resolve) == expected


def test_the_same_document_takes_the_stored_route_again_even_when_it_has_become_too_old():
    """What was accepted once stays accepted."""
    first = arrives(Route(), sale("s", CARD))
    OWNERS["c"] = Interval("Z")
    try:
        again = arrives(first.route, sale("s", CARD), code="TOO_OLD")
    finally:
        OWNERS["c"] = Interval("A")

    assert again == first
    assert first.outputs == (Part(sale("s", CARD), Owner("A", "A"), "s", "x"),)


def test_other_content_under_a_known_id_is_a_conflict_and_the_row_stays():
    """Whatever card it shows now."""
    first = arrives(Route(), sale("s", CARD))
    other = arrives(first.route, sale("s", PHONE), digest="y")

    assert other.route == first.route
    assert other.outputs == (Answer(sale("s", PHONE), "conflict", "CONFLICT", "y"),)


def test_a_refused_document_has_no_owner_so_its_returns_wait():
    """A correction needs a new id."""
    refused = arrives(Route(), sale(), code="TOO_OLD")
    visitor = Visit(back("r", "s"), "r", Owner("r", None), ("s",))

    assert refused.outputs == (Answer(sale(), "refused", "TOO_OLD", "x"),)
    assert visit(refused.route, visitor, park_days=30).outputs[0].status == "deferred"


def test_a_return_goes_to_the_owner_of_the_original_without_a_card():
    """Goods know whose they were."""
    sold = arrives(Route(), sale("s", CARD)).route
    started = arrives(Route(), back("r", "s"))
    (visitor,) = started.outputs

    (part,) = visit(sold, visitor, park_days=30).outputs

    assert part == Part(back("r", "s"), Owner("A", "A"), "r", "x")


def test_a_return_before_its_sale_waits_and_follows_it_at_once():
    """Order of delivery decides nothing."""
    (visitor,) = arrives(Route(), back("r", "s")).outputs
    parked = visit(Route(), visitor, park_days=30)
    assert parked.outputs == (
        Answer(back("r", "s"), "deferred", "ORIGINAL_UNKNOWN", "x"),
        Park("s", 20 + 30 * DAY_MS),
    )
    again = visit(parked.route, visitor, park_days=30)
    assert again.route == parked.route

    sold = arrives(parked.route, sale("s", CARD))

    assert [each.receipt.id for each in sold.outputs] == ["s", "r"]
    assert all(each.owner.account == "A" for each in sold.outputs)
    assert sold.route.waiting == ()


def test_a_return_that_waited_too_long_is_refused_and_its_own_row_is_told():
    """A duplicate of it gets the same answer."""
    (visitor,) = arrives(Route(), back("r", "s")).outputs
    parked = visit(Route(), visitor, park_days=30).route

    early = give_up_waiting(parked, at=20 + 30 * DAY_MS - 1, park_days=30)
    late = give_up_waiting(parked, at=20 + 30 * DAY_MS, park_days=30)

    assert early.outputs == ()
    assert early.route == parked
    assert late.route.waiting == ()
    assert late.outputs == (
        Answer(back("r", "s"), "refused", "RETURN_UNMATCHED", "x"),
        Ended("r", "RETURN_UNMATCHED"),
    )
    own = end(arrives(Route(), back("r", "s")).route, code="RETURN_UNMATCHED").route
    assert arrives(own, back("r", "s")).outputs[0].code == "RETURN_UNMATCHED"


def test_an_exchange_across_owners_becomes_parts_that_keep_every_line():
    """Returns go to whose the goods were, sales to the card."""
    exchange = replace(
        back("x", "s1", "s2", "s1"), sales=sale().sales, identifiers=(PHONE,), gift_card=7
    )
    visitor = Visit(exchange, "x", Owner("B", "B"), ("s1", "s2"))
    halfway = visit(Route(digest="1", owner=Owner("A", "A")), visitor, park_days=30)
    (visitor,) = halfway.outputs
    parts = visit(Route(digest="2", owner=Owner("s2", None)), visitor, park_days=30).outputs

    assert [(each.receipt.id, each.owner.key, each.k, each.n) for each in parts] == [
        ("x#1", "A", 1, 3),
        ("x#2", "s2", 2, 3),
        ("x#3", "B", 3, 3),
    ]
    assert [[line.n for line in each.receipt.returns] for each in parts] == [[1, 3], [2], []]
    assert [each.receipt.gift_card for each in parts] == [0, 0, 7]
    assert parts[2].receipt.sales == exchange.sales


def test_a_return_without_a_receipt_goes_to_the_card():
    """The ledger then looks for the purchase in the account."""
    (part,) = arrives(Route(), back("r", None, identifiers=(CARD,))).outputs

    assert part.owner == Owner("A", "A")


def test_a_void_goes_to_the_owner_of_what_it_voids():
    """It returns every quantity still out."""
    void = Receipt("v", "S1", "T1", 20, 20, void_of="s")
    (visitor,) = arrives(Route(), void).outputs
    (part,) = visit(Route(digest="1", owner=Owner("A", "A")), visitor, park_days=30).outputs

    assert part == Part(void, Owner("A", "A"), "v", "x")


NEW = Identifier("card", "new")


def meet(receipt, unknown, route=None):
    """Let *receipt* arrive where nobody has registered its card."""
    return arrive(
        route or Route(), receipt, digest="x", code=None, resolve=resolve, unknown=lambda: unknown
    )


@pytest.mark.parametrize(
    ("unknown", "owner"), [("hold", Owner("~new", "~new")), ("anonymous", Owner("s", None))]
)
def test_a_sale_of_an_unknown_member_is_held_or_nobodys(unknown, owner):
    """The programme says; a known member's sale does not ask."""
    step = meet(sale("s", NEW), unknown)
    assert step.outputs == (Part(sale("s", NEW), owner, "s", "x"),)
    assert step.route.owner == owner
    assert meet(sale("s", CARD), unknown).route.owner == Owner("A", "A")


def test_a_sale_may_wait_for_its_member_to_register():
    """It is looked at again every hour; registered, it is the member's, and its returns follow."""
    receipt = sale("s", NEW)
    step = meet(receipt, "park")
    assert step.outputs == (
        Answer(receipt, "deferred", "MEMBER_UNKNOWN", "x"),
        Park("s", 10 + RETRY_MS),
    )
    assert meet(receipt, "park", step.route).outputs == step.outputs[:1]
    visitor = meet(back("r", "s", identifiers=(NEW,)), "park").outputs[0]
    row = visit(step.route, visitor, park_days=30).route
    step = look_again(row, at=RETRY_MS + 10, park_days=30, resolve=resolve)
    assert step == (type(step))(row, (Park("s", 2 * RETRY_MS + 10),))

    step = look_again(row, at=99, park_days=30, resolve=lambda *_: Interval("N"))
    assert [(each.owner.key, each.receipt.id) for each in step.outputs] == [("N", "s"), ("N", "r")]
    assert step.route == Route("x", Owner("N", "N"))
    assert look_again(step.route, at=999, park_days=30, resolve=resolve) == type(step)(step.route)


def test_a_sale_whose_member_never_registered_is_nobodys_in_the_end():
    """Its goods can still be returned; it earns nothing."""
    row = meet(sale("s", NEW), "park").route
    assert look_again(row, at=30 * DAY_MS + 9, park_days=30, resolve=resolve).route == row
    step = look_again(row, at=30 * DAY_MS + 10, park_days=30, resolve=resolve)
    assert step.outputs == (Part(sale("s", NEW), Owner("s", None), "s", "x"),)


def test_a_return_does_not_wait_for_its_member():
    """It follows the sale that it names, whoever brings it."""
    assert isinstance(meet(back("r", "s", identifiers=(NEW,)), "park").outputs[0], Visit)
    waits = meet(back("q", None, identifiers=(NEW,)), "park").outputs[0]
    assert isinstance(waits, Answer)


def test_a_repeated_return_is_answered_again_and_waits_once():
    """The answer is the one that it had; nothing is woken twice."""
    visitor = arrives(Route(), back("r", "s")).outputs[0]
    first = visit(Route(), visitor, park_days=30)
    again = visit(first.route, visitor, park_days=30)

    assert again.route == first.route
    assert again.outputs == first.outputs[:1]
    assert isinstance(again.outputs[0], Answer)
