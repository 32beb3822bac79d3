"""Core values survive the way over the wire, and nothing of them is left behind."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import catalogue
from schemas.codec import CodecError, committed
from streams.core.notices import Notification
from streams.core.ownership import Ownership
from streams.core.receipt import Receipt
from streams.core.result import Balance, Result
from streams.core.routing import Owner, Part
from streams.core.snapshot import Snapshot
from streams.wire import envelopes, headers, messages, outputs, references
from tests.support.values import LONGS, TEXT, values

CODEC = committed()

PUBLISHED = [
    (Result, outputs.bonus_bytes, outputs.bonus_from),
    (Snapshot, outputs.account_bytes, outputs.account_from),
    (Ownership, outputs.resolution_bytes, outputs.resolution_from),
    (Notification, outputs.notification_bytes, outputs.notification_from),
    (references.Described, references.product_bytes, references.product_from),
    (references.Described, references.store_bytes, references.store_from),
    (references.Document, references.campaign_bytes, references.campaign_from),
    (references.Document, references.programme_bytes, references.programme_from),
]
MESSAGES = [
    (envelopes.RouteBody, envelopes.route_bytes, envelopes.route_from),
    (envelopes.CommandBody, envelopes.command_bytes, envelopes.command_from),
    (envelopes.BudgetBody, envelopes.budget_bytes, envelopes.budget_from),
]
BODIES = [
    pytest.param(kind, write, read, id=f"{write.__name__}-{kind.__name__}")
    for union, write, read in MESSAGES
    for kind in union.__args__
]


@pytest.mark.parametrize(("kind", "write", "read"), PUBLISHED, ids=lambda each: each.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_published_value_is_read_as_it_was_written(kind, write, read, data):
    """Each record carries every field of its value."""
    value = data.draw(values(kind))

    assert read(CODEC, write(CODEC, value)) == value


@pytest.mark.parametrize(("kind", "write", "read"), BODIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_message_is_read_as_it_was_written(kind, write, read, data):
    """Each body travels in its envelope."""
    message = envelopes.Message(
        id=data.draw(TEXT),
        at=data.draw(LONGS),
        body=data.draw(values(kind)),
        source=data.draw(values(messages.Source | None)),
        via=data.draw(values(tuple[str, ...])) if write is envelopes.command_bytes else (),
    )

    assert read(CODEC, write(CODEC, message)) == message


def test_every_body_of_the_envelopes_has_a_value():
    """A body that only the schema knows could not be read by any stage."""
    for name, union in (
        ("RouteEnvelope", envelopes.RouteBody),
        ("CommandEnvelope", envelopes.CommandBody),
        ("BudgetEnvelope", envelopes.BudgetBody),
    ):
        (tree,) = [each.tree for each in catalogue() if each.record == name]
        (body,) = [field["type"] for field in tree["fields"] if field["name"] == "body"]
        bodies = {each if isinstance(each, str) else each["name"] for each in body}
        renamed = {"Part": "SettleReceipt", "Visit": "ReturnVisit"}

        assert bodies == {renamed.get(kind.__name__, kind.__name__) for kind in union.__args__}


@given(value=values(Result))
def test_equal_results_have_equal_bytes(value):
    """A repeated document is answered byte for byte."""
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=Result)

    assert outputs.bonus_bytes(CODEC, again) == outputs.bonus_bytes(CODEC, value)


def test_a_field_that_the_schema_lacks_is_refused():
    """Or a new field of the core would silently stay behind."""
    grown = msgspec.defstruct("Grown", [("surprise", int, 1)], bases=(Balance,), frozen=True)

    with pytest.raises(CodecError, match="differ in surprise"):
        outputs.bonus_bytes(
            CODEC, Result("R1", "r", "receipt", "ok", balances=(grown(currency="P"),))
        )


def test_a_word_that_the_core_does_not_know_is_no_value():
    """Statuses are strings on the wire and checked here."""
    plain = CODEC.decode(
        outputs.bonus_bytes(CODEC, Result("R1", "r", "receipt", "ok", balances=(Balance("P"),))),
        "Bonus",
    )
    unknown = CODEC.encode("Bonus", {**plain, "status": "perhaps"})

    with pytest.raises(CodecError) as refused:
        outputs.bonus_from(CODEC, unknown)

    assert refused.value.code == "UNDECODABLE"


def test_a_document_split_in_parts_keeps_its_own_id():
    """Settle answers a part under id#k and still knows the whole."""
    receipt = Receipt(id="r#2", store="S", till="1", sold_at=1, accepted_at=2)
    part = Part(receipt=receipt, owner=Owner("A", "A"), document="r", digest="d", k=2, n=3)
    message = envelopes.Message("r#2", 5, part)

    body = envelopes.command_from(CODEC, envelopes.command_bytes(CODEC, message)).body

    assert (body.document, body.receipt.id, body.k, body.n) == ("r", "r#2", 2, 3)


class TestReferenceKeys:
    """A version is part of the key, the entity is looked up."""

    @given(entity=st.text(min_size=1, max_size=12), version=st.integers(0, 2**62))
    def test_the_entity_of_a_version_is_found(self, entity, version):
        """Also where the entity's own name has an @."""
        assert references.lookup_key(references.key_of(entity, version)) == entity.encode()

    def test_a_key_without_version_is_the_entity(self):
        """A simple producer may leave the version out and keep the newest alone."""
        assert references.lookup_key(b"sku-1") == b"sku-1"

    def test_canonical_json_does_not_depend_on_the_order_of_keys(self):
        """Publishing the same document again is no change."""
        assert references.canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'

    def test_a_document_that_is_not_json_is_refused(self):
        """A marketer's file can be published by anything that speaks Avro."""
        document = references.Document("c", 1, 0, "{", 0)

        with pytest.raises(CodecError):
            references.content(document)


class TestHeaders:
    """What stands beside the value."""

    @given(
        source=values(messages.Source),
        offsets=st.dictionaries(st.sampled_from(["products", "campaigns"]), st.integers(-1)),
    )
    def test_what_a_decision_saw_is_read_back(self, source, offsets):
        """The log position and the reference offsets make a replay exact."""
        written = headers.event_headers(
            "Bonus",
            event="R1",
            stage="settle",
            subject="A",
            at=0,
            source=source,
            references=offsets,
        )

        assert headers.decided_from(written) == headers.Decided(source, offsets)

    def test_the_time_is_cloudevents_own(self):
        """RFC 3339, UTC."""
        written = dict(
            headers.event_headers("Bonus", event="R", stage="settle", subject="A", at=1_700)
        )

        assert written["ce_time"] == b"1970-01-01T00:00:01.700Z"
        assert written["ce_type"] == b"loyalty.Bonus.v1"
        assert written["ce_specversion"] == b"1.0"

    @given(at=LONGS)
    def test_a_time_outside_the_calendar_is_left_out(self, at):
        """A till's clock may say anything, and its receipt still has an answer."""
        written = dict(
            headers.event_headers("Bonus", event="R", stage="settle", subject="A", at=at)
        )

        assert written["ce_id"] == b"R"

    def test_headers_of_others_decide_nothing(self):
        """A record without ours was made elsewhere."""
        assert headers.decided_from([("traceparent", b"00")]) is None
