"""
The envelopes of routes, commands and budgets: an id, a time, and one body of many.

The id is derived from the input, so that a repeated message can be told; the time is
the input's event time, never a clock's.
"""

from typing import Any, Generic, TypeVar

from msgspec import Struct

from schemas.codec import Codec
from streams.core.merging import HandOver
from streams.core.receipt import EpochMs
from streams.core.routing import Ended, Part, Visit
from streams.wire import messages
from streams.wire.messages import RoutedReceipt, Source, Tick

PACKAGE = "loyalty.v1."

RouteBody = RoutedReceipt | Visit | Ended | Tick
CommandBody = (
    Part
    | Tick
    | messages.MemberFacts
    | messages.Claim
    | messages.ClaimAnswer
    | messages.GiveUp
    | messages.Merge
    | HandOver
    | messages.ReceiptHandOver
    | messages.Unmerge
    | messages.Recall
    | messages.StatusChange
    | messages.Adjustment
    | messages.TierGrant
    | messages.Offer
    | messages.ConfirmedHold
    | messages.ReleasedHold
    | messages.BudgetGrant
    | messages.BudgetRecall
    | messages.BudgetFill
)
BudgetBody = messages.BudgetTotal | messages.BudgetAnswer | messages.BudgetRequest | Tick
Body = TypeVar("Body")

# Bodies whose record has another name than the core's type.
_NAMES: dict[type, str] = {Part: "SettleReceipt", Visit: "ReturnVisit"}
_BODIES: dict[str, type] = {
    _NAMES.get(kind, kind.__name__): kind
    for union in (RouteBody, CommandBody, BudgetBody)
    for kind in union.__args__
}


class Message(Struct, Generic[Body], frozen=True):
    """
    One message between stages.

    Attributes:
        id: Deterministic; the document's id for a receipt.
        at: Event time, epoch milliseconds.
        source: Log position of the input that caused it; None for the clock's.
        via: Merged accounts that forwarded a command, oldest first.
    """

    id: str
    at: EpochMs
    body: Body
    source: Source | None = None
    via: tuple[str, ...] = ()


class _Envelope(Struct):
    """The record of routes and budgets."""

    id: str
    at: EpochMs
    source: Source | None
    body: Any


class _CommandEnvelope(Struct):
    """The record of commands."""

    id: str
    at: EpochMs
    source: Source | None
    via: tuple[str, ...]
    body: Any


def route_bytes(codec: Codec, message: Message[RouteBody]) -> bytes:
    """Write a record of the routes topic; key it by the receipt id that it concerns."""
    return _bytes(codec, "RouteEnvelope", message)


def route_from(codec: Codec, data: bytes | None) -> Message[RouteBody]:
    """
    Read a record of the routes topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    read = codec.read(data, "RouteEnvelope", _Envelope, _BODIES)
    return Message(read.id, read.at, read.body, read.source)


def command_bytes(codec: Codec, message: Message[CommandBody]) -> bytes:
    """Write a record of the commands topic; key it by the account, or `Owner.key`."""
    body = (PACKAGE + "SettleReceipt", message.body)
    wrapped = _CommandEnvelope(
        message.id,
        message.at,
        message.source,
        message.via,
        body if isinstance(message.body, Part) else message.body,
    )
    return codec.encode("CommandEnvelope", wrapped)


def command_from(codec: Codec, data: bytes | None) -> Message[CommandBody]:
    """
    Read a record of the commands topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    read = codec.read(data, "CommandEnvelope", _CommandEnvelope, _BODIES)
    return Message(read.id, read.at, read.body, read.source, read.via)


def budget_bytes(codec: Codec, message: Message[BudgetBody]) -> bytes:
    """Write a record of the budgets topic; key it by the campaign."""
    return _bytes(codec, "BudgetEnvelope", message)


def budget_from(codec: Codec, data: bytes | None) -> Message[BudgetBody]:
    """
    Read a record of the budgets topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    read = codec.read(data, "BudgetEnvelope", _Envelope, _BODIES)
    return Message(read.id, read.at, read.body, read.source)


def _bytes(codec: Codec, envelope: str, message: Message[Any]) -> bytes:
    body = message.body
    if isinstance(body, Visit):
        body = (PACKAGE + "ReturnVisit", _visit_record(body))
    return codec.encode(envelope, _Envelope(message.id, message.at, message.source, body))


def _visit_record(visit: Visit) -> dict[str, Any]:
    return {
        "receipt": visit.receipt,
        "digest": visit.digest,
        "own": visit.own,
        "originals": visit.originals,
        "owners": [{"receipt": original, "owner": owner} for original, owner in visit.owners],
    }
