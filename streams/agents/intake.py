"""Intake: what tills and the CRM send becomes routes and commands, without personal data.

Reads `receipts` and `members`; keeps nothing.  A record that can't be read is a dead
letter; one whose receipt id can be read is answered MALFORMED besides.  A document that its
channel may not send is answered SOURCE_FORBIDDEN and goes no further.
"""

from collections.abc import Iterator
from hashlib import sha256

from schemas.codec import CodecError
from streams.agents.outbox import Outbox, source_of
from streams.agents.terms import PROGRAMMES, Terms
from streams.core.digest import receipt_digest
from streams.core.ids import derived, result_id
from streams.core.ownership import home
from streams.core.refusals import form_refusal, source_refusal
from streams.core.result import Result
from streams.engine import Batch, Record
from streams.identifiers import Digester
from streams.wire.envelopes import CommandBody, Message, RouteBody
from streams.wire.errors import MalformedError
from streams.wire.members import MemberEvent, member_from
from streams.wire.messages import Claim, GiveUp, RoutedReceipt, Source, StatusChange
from streams.wire.receipts import receipt_from

REFERENCES = (PROGRAMMES,)


class IntakeStage:
    """The stage's handler."""

    def __init__(self, out: Outbox, digester: Digester, terms: Terms) -> None:
        self._out = out
        self._digester = digester
        self._terms = terms

    def __call__(self, batch: Batch) -> None:
        """Take every record of *batch*."""
        for record in batch.records:
            try:
                if record.topic == self._out.names.members:
                    self._take_member(batch, record)
                else:
                    self._take_receipt(batch, record)
            except (CodecError, MalformedError) as error:
                self._out.letter(batch, record, error)
                if record.topic == self._out.names.receipts:
                    document = getattr(error, "document", None)
                    if document is not None:
                        self._turn_away(batch, record, document, "MALFORMED")

    def _take_receipt(self, batch: Batch, record: Record) -> None:
        receipt = receipt_from(
            self._out.codec, record.value, accepted_at=record.timestamp, digester=self._digester
        )
        policy = self._terms.policy(batch, receipt.sold_at)
        forbidden = source_refusal(receipt, policy)
        if forbidden is not None:
            self._turn_away(batch, record, receipt.id, forbidden)
            return
        body = RoutedReceipt(receipt, receipt_digest(receipt), form_refusal(receipt, policy))
        message: Message[RouteBody] = Message(receipt.id, receipt.sold_at, body, source_of(record))
        self._out.route(batch, receipt.id, message)

    def _turn_away(self, batch: Batch, record: Record, document: str, code: str) -> None:
        """
        Answer a document that goes no further.

        The result's id holds the digest of the bytes: a sound document under the same id
        must be free to get the id of a final result.
        """
        digest = sha256(record.value or b"").hexdigest()
        result = Result(result_id(document, digest), document, "receipt", "refused", code)
        self._out.bonus(batch, result, source=source_of(record))

    def _take_member(self, batch: Batch, record: Record) -> None:
        event = member_from(self._out.codec, record.value, digester=self._digester)
        for key, message in member_commands(event, source_of(record)):
            self._out.command(batch, key, message)


def member_commands(
    event: MemberEvent, source: Source
) -> Iterator[tuple[str, Message[CommandBody]]]:
    """
    Give the commands that a member event asks for, each with the account it goes to.

    Facts come before claims, so that an account exists before anything moves to it;
    the status comes last.
    """
    yield event.account, Message(event.id, event.at, event.facts, source)
    for replaced in event.replaced:
        gone = GiveUp(replaced.digest, event.account)
        name = derived("C", event.id, "give up", replaced.digest)
        yield home(replaced.digest), Message(name, event.at, gone, source)
    for named in event.identifiers:
        yield home(named.digest), _of_identifier(event, named.digest, source)
    if event.status is not None:
        change = StatusChange(event.status, event.actor, event.reason)
        name = derived("C", event.id, "status")
        yield event.account, Message(name, event.at, change, source)


def _of_identifier(event: MemberEvent, digest: str, source: Source) -> Message[CommandBody]:
    """Claim an identifier that a member event names, or let an erasure forget it."""
    if event.status == "erased":
        name = derived("C", event.id, "erase", digest)
        gone = StatusChange("erased", event.actor, event.reason)
        return Message(name, event.at, gone, source, (event.account,))
    wanted = Claim(digest, event.account, event.facts.person)
    return Message(derived("C", event.id, "claim", digest), event.at, wanted, source)
