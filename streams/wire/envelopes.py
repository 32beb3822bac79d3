"""
The envelopes of routes, commands and budgets: an id, a time, and one body of many.

The id is derived from the input, so that a repeated message can be told; the time is
the input's event time, never a clock's.
"""

from typing import Any, Generic, TypeVar

from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.core.receipt import EpochMs
from streams.core.routing import Ended, Owner, Part, Visit
from streams.wire import messages
from streams.wire.messages import RoutedReceipt, Source, Tick
from streams.wire.records import attributes_of, value_of

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
    | messages.HandOver
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
_TYPES: dict[str, type] = {
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


def route_bytes(codec: Codec, message: Message[RouteBody]) -> bytes:
    """Write a record of the routes topic; key it by the receipt id that it concerns."""
    return _bytes(codec, "RouteEnvelope", message)


def route_from(codec: Codec, data: bytes | None) -> Message[RouteBody]:
    """
    Read a record of the routes topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    return _from(codec, "RouteEnvelope", data)


def command_bytes(codec: Codec, message: Message[CommandBody]) -> bytes:
    """Write a record of the commands topic; key it by the account, or `Owner.key`."""
    return _bytes(codec, "CommandEnvelope", message)


def command_from(codec: Codec, data: bytes | None) -> Message[CommandBody]:
    """
    Read a record of the commands topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    return _from(codec, "CommandEnvelope", data)


def budget_bytes(codec: Codec, message: Message[BudgetBody]) -> bytes:
    """Write a record of the budgets topic; key it by the campaign."""
    return _bytes(codec, "BudgetEnvelope", message)


def budget_from(codec: Codec, data: bytes | None) -> Message[BudgetBody]:
    """
    Read a record of the budgets topic.

    Raises:
        CodecError: If the bytes are no such message.
    """
    return _from(codec, "BudgetEnvelope", data)


def _bytes(codec: Codec, envelope: str, message: Message[Any]) -> bytes:
    body = message.body
    plain: dict[str, Any] = {"id": message.id, "at": message.at, "source": message.source}
    if envelope == "CommandEnvelope":
        plain["via"] = message.via
    if isinstance(body, Visit):
        plain["body"] = (PACKAGE + "ReturnVisit", _visit_record(body))
    else:
        name = _NAMES.get(type(body), type(body).__name__)
        plain["body"] = (PACKAGE + name, body)
    return codec.encode(envelope, plain)


def _from(codec: Codec, envelope: str, data: bytes | None) -> Message[Any]:
    plain = codec.decode(data, envelope)
    name, record = plain["body"]
    kind = _TYPES.get(name.removeprefix(PACKAGE))
    if kind is None:
        raise CodecError("UNDECODABLE", f"{envelope}: a body that this build doesn't know")
    if kind is Visit:
        body: Any = _visit(record)
    else:
        if record.get("attributes") is not None:
            record["attributes"] = attributes_of(record["attributes"])
        body = value_of(kind, record)
    source = plain["source"]
    return Message(
        id=plain["id"],
        at=plain["at"],
        body=body,
        source=None if source is None else Source(**source),
        via=tuple(plain.get("via", ())),
    )


def _visit_record(visit: Visit) -> dict[str, Any]:
    return {
        "receipt": visit.receipt,
        "digest": visit.digest,
        "own": visit.own,
        "originals": visit.originals,
        "owners": [{"receipt": original, "owner": owner} for original, owner in visit.owners],
    }


def _visit(record: dict[str, Any]) -> Visit:
    owners = record.pop("owners")
    visit = value_of(Visit, {**record, "owners": ()})
    found = tuple((each["receipt"], value_of(Owner, each["owner"])) for each in owners)
    return Visit(visit.receipt, visit.digest, visit.own, visit.originals, found)
