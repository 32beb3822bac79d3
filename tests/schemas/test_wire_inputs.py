"""What tills and the CRM send, made into core values without what names a person."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import CodecError, committed
from streams.core.receipt import Original, ReturnLine
from streams.identifiers import Digester, IdentifierError, names_payment_card
from streams.wire import dead_letters, members, receipts
from streams.wire.errors import MalformedError
from streams.wire.messages import Source
from tests.support.values import values

CODEC = committed()
DIGESTER = Digester(b"a key of the tests", "US")
VISA = "4111 1111 1111 1111"


def till(**changes):
    """Give a till's document of one line, after *changes*."""
    return {
        "id": "r-1",
        "store": "S1",
        "till": "T1",
        "sold_at": 1_700_000_000_000,
        "lines": [sale()],
        **changes,
    }


def sale(**changes):
    """Give one sold line, after *changes*."""
    return {"n": 1, "sku": "milk", "qty": 1000, "amount": 199, **changes}


def read(document, accepted_at=7):
    """Send *document* as a till does, and read it as intake does."""
    data = receipts.receipt_bytes(CODEC, document)
    return receipts.receipt_from(CODEC, data, accepted_at=accepted_at, digester=DIGESTER)


def refusal(document):
    """Give the error in which reading *document* ends."""
    with pytest.raises(MalformedError) as refused:
        read(document)
    return refused.value


class TestReceipt:
    """A till's document."""

    def test_the_time_of_acceptance_is_the_logs(self):
        """A till cannot say when it was heard."""
        assert read(till(), accepted_at=42).accepted_at == 42

    def test_lines_part_into_sold_and_returned(self):
        """An exchange is one document."""
        back = {
            "n": 2,
            "sku": "jacket",
            "qty": 1000,
            "kind": "return",
            "of": {"receipt": "r-0", "line": 3},
        }

        receipt = read(till(lines=[sale(), back]))

        assert [line.n for line in receipt.sales] == [1]
        assert receipt.returns == (ReturnLine(2, "jacket", 1000, Original("r-0", 3)),)

    def test_an_identifier_becomes_a_digest(self):
        """Nobody after intake sees a phone number."""
        receipt = read(till(identifiers=[{"kind": "phone", "value": "212-555-2368"}]))

        assert receipt.identifiers == (DIGESTER.digest("phone", "+12125552368"),)
        assert "2368" not in repr(receipt)

    def test_the_number_of_a_payment_card_is_dropped_from_tenders_and_codes(self):
        """A till that is set up wrongly must not spread it."""
        receipt = read(
            till(codes=["SPRING", VISA], payments=[{"tender": VISA}, {"tender": "card"}])
        )

        assert receipt.codes == ("SPRING",)
        assert receipt.payments == ("card",)

    @pytest.mark.parametrize("field", ["till", "channel", "hold_id", "quote_id"])
    def test_the_number_of_a_payment_card_elsewhere_is_refused(self, field):
        """And the refusal keeps neither the number nor the record."""
        refused = refusal(till(**{field: VISA}))
        letter = dead_letters.dead_letter(
            refused, stage="intake", source=Source("t", 0, 1), value=b"secret"
        )

        assert refused.code == "CARD_DATA"
        assert letter.value is None
        assert "1111" not in repr(letter)

    @pytest.mark.parametrize(
        ("document", "field"),
        [
            (till(store=""), "store"),
            (till(till="\n"), "till"),
            (till(channel="x" * 129), "channel"),
            (till(hold_id=""), "hold_id"),
            (till(lines=[sale(sku="")]), "lines.sku"),
            (till(lines=[sale(kind="gift")]), "lines.kind"),
            (till(lines=[sale(of={"receipt": "r", "line": 1})]), "lines.of"),
            (till(lines=[sale(kind="return")]), "lines.amount"),
            (till(void_of="r-0"), "void_of"),
            (
                till(lines=[sale(discounts=[{"campaign": "", "version": 1, "amount": 1}])]),
                "lines.discounts.campaign",
            ),
            (
                till(lines=[sale(redeem=[{"points": 1, "currency": "P\x1f"}])]),
                "lines.redeem.currency",
            ),
            (till(lines=[sale(redeem=[{"points": 1, "lot": ""}])]), "lines.redeem.lot"),
            (till(lines=[sale(n=n) for n in range(10_001)]), "lines"),
            (till(codes=["x"] * 101), "codes"),
            (till(identifiers=[{"kind": "iris", "value": "x"}]), "identifiers"),
            (till(identifiers=[{"kind": "card", "value": " - "}]), "identifiers"),
            (till(identifiers=[{"kind": "card", "value": "9" * 300}]), "identifiers"),
        ],
    )
    def test_a_wrong_form_is_refused_by_its_field(self, document, field):
        """With the document's id, so that the till gets its answer."""
        refused = refusal(document)

        assert str(refused).startswith(f"MALFORMED: {field}:")
        assert refused.document == "r-1"

    @pytest.mark.parametrize("document", ["", "r#1", "~abc", "a\0b", "x" * 129])
    def test_an_id_that_could_be_taken_for_another_is_refused_without_it(self, document):
        """No result can be keyed by it."""
        assert refusal(till(id=document)).document is None

    def test_five_thousand_lines_are_read(self):
        """A wholesale receipt is long, and no reason to stop."""
        assert len(read(till(lines=[sale(n=n) for n in range(5_000)])).sales) == 5_000

    @given(data=st.data())
    def test_figures_pass_as_they_are(self, data):
        """What they mean is the core's business: its refusals have their own order."""
        qty, amount, sold_at = (data.draw(values(int)) for _ in range(3))

        receipt = read(till(sold_at=sold_at, lines=[sale(qty=qty, amount=amount)]))

        assert (receipt.sold_at, receipt.sales[0].qty, receipt.sales[0].amount) == (
            sold_at,
            qty,
            amount,
        )

    @pytest.mark.parametrize("amount", [1.0, True, "199", None, 2**63])
    def test_a_figure_that_is_no_whole_number_is_not_even_sent(self, amount):
        """The library would round 1.7 and count True."""
        with pytest.raises(CodecError) as refused:
            receipts.receipt_bytes(CODEC, till(lines=[sale(amount=amount)]))

        assert refused.value.code == "UNENCODABLE"
        assert "Receipt.lines.amount" in str(refused.value)


class TestIdentifiers:
    """Many spellings, one member."""

    @pytest.mark.parametrize(
        ("kind", "spelling", "same"),
        [
            ("phone", "(212) 555-2368", "+1 212 555 2368"),
            ("phone", "2125552368", "+12125552368"),
            ("phone", "１-212-555-2368", "+12125552368"),
            ("card", " 2990 0000-0001 ", "299000000001"),
            ("card", "ab12", "AB12"),
            ("card", "２９９０", "2990"),
            ("email", " Ann@Example.COM", "ann@example.com"),
        ],
    )
    def test_spellings_of_one_identifier_have_one_digest(self, kind, spelling, same):
        """The cashier types, the phone dials, the card is scanned."""
        assert DIGESTER.digest(kind, spelling) == DIGESTER.digest(kind, same)

    def test_a_card_and_a_phone_of_the_same_digits_differ(self):
        """Or one could be claimed by the other."""
        card = DIGESTER.digest("card", "+12125552368")
        phone = DIGESTER.digest("phone", "+12125552368")

        assert card.digest != phone.digest

    def test_another_key_gives_another_digest(self):
        """Without the key nobody can try all numbers."""
        assert Digester(b"another", "US").digest("card", "1") != DIGESTER.digest("card", "1")

    def test_a_local_number_is_of_the_chains_region(self):
        """8 (912) is how Russia dials +7 912."""
        russian = Digester(b"key", "RU")

        assert russian.digest("phone", "8 (912) 345-67-89") == russian.digest(
            "phone", "+79123456789"
        )

    @given(kind=st.sampled_from(["card", "phone", "email", "iris"]), value=st.text(max_size=400))
    def test_any_text_gives_a_digest_or_the_one_error(self, kind, value):
        """A scanner may read anything."""
        with contextlib.suppress(IdentifierError):
            assert len(DIGESTER.digest(kind, value).digest) == 64

    @pytest.mark.parametrize(
        ("text", "is_one"),
        [
            (VISA, True),
            ("5555-5555-5555-4444", True),
            ("card 378282246310005.", True),
            ("4111111111111112", False),
            ("1234567890123452", False),
            ("4006381333931", False),
            ("14111111111111111123", False),
            ("hello", False),
        ],
    )
    def test_numbers_of_payment_cards_are_told_by_length_network_and_check(self, text, is_one):
        """A loyalty card or an article number is none of them."""
        assert names_payment_card(text) == is_one


def member(**changes):
    """Give a registration, after *changes*."""
    return {"id": "e-1", "kind": "register", "account": "A", "at": 1_000, **changes}


def heard(event):
    """Send a member event as the CRM does, and read it as intake does."""
    return members.member_from(CODEC, members.member_bytes(CODEC, event), digester=DIGESTER)


class TestMember:
    """What the CRM tells."""

    def test_what_names_a_person_ends_here(self):
        """Only digests and facts go on."""
        event = heard(
            member(
                name="Ann Onymous",
                phone="+1 212 555 2368",
                email="ann@example.com",
                cards=["2990-1"],
                born="1980-02-29",
            )
        )

        assert [each.kind for each in event.identifiers] == ["card", "phone", "email"]
        assert (event.facts.born.month, event.facts.born.day) == (2, 29)
        assert event.facts.born.known_at == 1_000
        for word in ("Ann", "555", "example", "2990", "1980"):
            assert word not in repr(event)

    def test_what_is_not_said_stays_as_it_is(self):
        """An update of the language is no removal of the segments."""
        facts = heard(member(kind="update", language="de")).facts

        assert facts.language == "de"
        assert facts.segments is None
        assert facts.attributes is None
        assert facts.registered_at is None

    def test_a_registration_is_dated_by_its_event(self):
        """Unless the CRM says since when."""
        assert heard(member()).facts.registered_at == 1_000
        assert heard(member(registered_at=5)).facts.registered_at == 5

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("register", None),
            ("block", "blocked"),
            ("unblock", "open"),
            ("close", "closed"),
            ("erase", "erased"),
        ],
    )
    def test_some_events_change_the_status(self, kind, status):
        """Each row is one kind."""
        assert heard(member(kind=kind)).status == status

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "promote"},
            {"account": ""},
            {"account": "~digest"},
            {"account": "A#1"},
            {"born": "29.02.1980"},
            {"born": "1981-02-29"},
            {"cards": ["1"] * 101},
            {"phone": ""},
        ],
    )
    def test_a_wrong_form_is_refused_with_the_events_id(self, changes):
        """So that the CRM can be told which."""
        with pytest.raises(MalformedError) as refused:
            heard(member(**changes))

        assert refused.value.document == "e-1"


class TestDeadLetters:
    """What could not be read, kept with the reason."""

    def test_a_letter_keeps_bytes_and_headers_and_says_why(self):
        """An operator sends it again once the cause is gone."""
        error = CodecError("TRUNCATED", "Receipt ends before its last field")
        letter = dead_letters.dead_letter(
            error,
            stage="intake",
            source=Source("loyalty.receipts.v1", 3, 17),
            value=b"\0\0",
            headers=(("traceparent", b"00-1"),),
        )

        assert letter.value == b"\0\0"
        assert letter.headers[0] == ("traceparent", b"00-1")
        assert dict(letter.headers)["__connect.errors.offset"] == b"17"
        assert dead_letters.reason_from(letter.headers) == dead_letters.Reason(
            Source("loyalty.receipts.v1", 3, 17), "intake", "TRUNCATED", str(error)
        )

    def test_a_malformed_document_is_named(self):
        """Its refused result has the same id."""
        letter = dead_letters.dead_letter(
            refusal(till(store="")), stage="intake", source=Source("t", 0, 0), value=b"x"
        )

        assert dead_letters.reason_from(letter.headers).document == "r-1"

    def test_a_record_that_is_no_letter_has_no_reason(self):
        """Somebody may write anything to the topic."""
        assert dead_letters.reason_from([("a", b"b")]) is None
