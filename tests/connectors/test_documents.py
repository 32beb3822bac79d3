"""What a till tells arrives as it was told, and what no till should send is named."""

import msgspec
import pytest

from connectors.pos import (
    Discount,
    DocumentError,
    Exchange,
    Redeem,
    Return,
    ReturnLine,
    Sale,
    SaleLine,
    Void,
)
from connectors.pos.documents import check, fields, problems
from schemas.codec import CodecError, committed
from streams.core.receipt import (
    LineDiscount,
    Original,
    RedeemRequest,
)
from streams.core.receipt import ReturnLine as CoreReturn
from streams.core.receipt import SaleLine as CoreSale
from streams.identifiers import Digester
from streams.wire.receipts import receipt_from

CODEC = committed()
DIGESTER = Digester(b"key", "US")
MILK = SaleLine("1029743", 199)
BACK = ReturnLine("1029743", 1000, "r-1", 2)
HEAD = {"id": "r-9", "store": "367", "till": "4", "sold_at": 1_500_000_000_000}


def arrived(document):
    """Read a document as intake does."""
    data = CODEC.encode("Receipt", fields(document))
    return receipt_from(CODEC, data, accepted_at=1_500_000_000_500, digester=DIGESTER)


LINES = [
    (MILK, CoreSale(1, "1029743", 1000, 199)),
    (SaleLine("7", 0, 1), CoreSale(1, "7", 1, 0)),
    (SaleLine("6534178", 2500, 11_274), CoreSale(1, "6534178", 11_274, 2500)),
    (
        SaleLine("7", 150, 2000, 198, (Discount("shelf", 40, 3), Discount("coupon", 8))),
        CoreSale(
            1, "7", 2000, 150, 198, (LineDiscount("shelf", 3, 40), LineDiscount("coupon", 1, 8))
        ),
    ),
    (
        SaleLine("7", 150, redeem=(Redeem(50), Redeem(20, lot="L1", currency="SVC"))),
        CoreSale(1, "7", 1000, 150, redeem=(RedeemRequest(50), RedeemRequest(20, "L1", "SVC"))),
    ),
]


@pytest.mark.parametrize(("told", "read"), LINES)
def test_a_sold_line_arrives_as_it_was_told(told, read):
    """Each row is one line."""
    assert arrived(Sale(**HEAD, lines=(told,))).sales == (read,)


RETURNS = [
    (BACK, CoreReturn(1, "1029743", 1000, Original("r-1", 2))),
    (ReturnLine("7", 250), CoreReturn(1, "7", 250)),
]


@pytest.mark.parametrize(("told", "read"), RETURNS)
def test_a_returned_line_arrives_as_it_was_told(told, read):
    """Each row is one line."""
    assert arrived(Return(**HEAD, lines=(told,))).returns == (read,)


def test_an_exchange_prints_what_comes_back_first():
    """Line numbers are those of the print."""
    receipt = arrived(Exchange(**HEAD, returned=(BACK,), sold=(MILK, MILK)))

    assert [line.n for line in receipt.returns] == [1]
    assert [line.n for line in receipt.sales] == [2, 3]


def test_a_void_has_no_lines_and_names_its_receipt():
    """The document that is taken back is named by its id."""
    receipt = arrived(Void(**HEAD, receipt="r-1"))

    assert receipt.void_of == "r-1"
    assert receipt.sales == receipt.returns == ()


def test_every_other_field_of_a_sale_arrives():
    """Store, till, time, tenders, codes, gift card, hold, quote and channel."""
    receipt = arrived(
        Sale(
            **HEAD,
            lines=(MILK,),
            gift_card=99,
            codes=("SPRING",),
            tenders=("cash", "card"),
            channel="app",
            offline=True,
            hold_id="h-1",
            quote_id="q-1",
        )
    )

    assert (receipt.id, receipt.store, receipt.till) == ("r-9", "367", "4")
    assert (receipt.sold_at, receipt.gift_card) == (1_500_000_000_000, 99)
    assert (receipt.codes, receipt.payments) == (("SPRING",), ("cash", "card"))
    assert (receipt.channel, receipt.offline) == ("app", True)
    assert (receipt.hold_id, receipt.quote_id) == ("h-1", "q-1")


def test_identifiers_come_in_the_order_of_precedence():
    """Card, phone, e-mail, whichever were shown, and digests of just these."""
    sale = Sale(**HEAD, lines=(MILK,), card="9800000000017", email="A@example.com")

    assert arrived(sale).identifiers == (
        DIGESTER.digest("card", "9800000000017"),
        DIGESTER.digest("email", "a@example.com"),
    )


def line(**changes):
    """Make a sale with one changed line."""
    return Sale(**HEAD, lines=(msgspec.structs.replace(MILK, **changes),))


FAULTS = [
    (Sale(**{**HEAD, "id": ""}, lines=(MILK,)), "id: 1 to 128"),
    (Sale(**{**HEAD, "id": "a#1"}, lines=(MILK,)), "id: holds one of #~"),
    (Sale(**{**HEAD, "store": "x" * 129}, lines=(MILK,)), "store: 1 to 128"),
    (Sale(**{**HEAD, "till": "a\n"}, lines=(MILK,)), "till: 1 to 128"),
    (Sale(**HEAD, lines=()), "lines: at least one"),
    (Sale(**HEAD, lines=(MILK,), card=" "), "card: 1 to 254"),
    (Sale(**HEAD, lines=(MILK,), gift_card=200), "gift_card: 0 to what is due, 199"),
    (line(sku=""), "line 1: sku: 1 to 128"),
    (line(quantity=0), "line 1: quantity: 1 to"),
    (line(amount=-1), "line 1: amount: 0 to"),
    (line(list=210), "line 1: discounts: list 210 less 0 is not amount 199"),
    (line(discounts=(Discount("c", 5),)), "line 1: discounts: list 199 less 5"),
    (line(redeem=(Redeem(0),)), "line 1: redeem: 1 to"),
    (Return(**HEAD, lines=(ReturnLine("7", 1000, "r-1"),)), "line 1: receipt and line: both"),
    (Return(**HEAD, lines=(ReturnLine("7", -5),)), "line 1: quantity: 1 to"),
    (Void(**HEAD, receipt=""), "receipt: 1 to 128"),
]


@pytest.mark.parametrize(("document", "expected"), FAULTS)
def test_what_no_till_should_send_is_named(document, expected):
    """Each row is one fault, and the only one of its document."""
    (problem,) = problems(document)

    assert problem.startswith(expected)
    with pytest.raises(DocumentError) as refused:
        check(document)
    assert refused.value.problems == (problem,)


SOUND = [
    Sale(**HEAD, lines=(MILK,), card="1", gift_card=199),
    line(list=210, discounts=(Discount("c", 11),)),
    Return(**HEAD, lines=(BACK, ReturnLine("7"))),
    Exchange(**HEAD, returned=(BACK,), sold=(MILK,)),
    Void(**HEAD, receipt="r-1"),
]


@pytest.mark.parametrize("document", SOUND)
def test_a_sound_document_has_no_problems(document):
    """Each row is one document."""
    assert problems(document) == ()


@pytest.mark.parametrize("wrong", [1.5, "2", None, True])
def test_a_figure_of_another_type_is_refused_before_it_is_sent(wrong):
    """A float would become another number on its way."""
    with pytest.raises(CodecError, match=r"Receipt\.lines\.amount: long expected"):
        CODEC.encode("Receipt", fields(line(amount=wrong)))
