"""Route: has this document been seen, and whose is it?

Reads `routes`, keyed by receipt id; keeps the registry of all receipt ids.  Documents
that wait for an original are woken by it, or by a tick when they have waited too long.
"""

from collections.abc import Callable

from schemas.codec import CodecError
from streams.agents.outbox import Outbox, source_of
from streams.agents.terms import PROGRAMMES, RESOLUTIONS, Terms
from streams.core import result as results
from streams.core.ownership import Interval, owner_at
from streams.core.receipt import EpochMs, Receipt
from streams.core.routing import (
    Answer,
    Ended,
    Output,
    Park,
    Part,
    Route,
    Step,
    Visit,
    arrive,
    end,
    give_up_waiting,
    look_again,
    visit,
)
from streams.engine import Batch
from streams.tables import PARKED, REGISTRY, due_key, due_name
from streams.wire.envelopes import CommandBody, Message, RouteBody, route_from
from streams.wire.messages import RoutedReceipt, Source, Tick
from streams.wire.outputs import resolution_from

TABLES = (REGISTRY.name, PARKED)
REFERENCES = (PROGRAMMES, RESOLUTIONS)


class RouteStage:
    """The stage's handler."""

    def __init__(self, out: Outbox, terms: Terms) -> None:
        self._out = out
        self._terms = terms

    def __call__(self, batch: Batch) -> None:
        """Decide every record of *batch*."""
        for record in batch.records:
            try:
                message = route_from(self._out.codec, record.value)
            except CodecError as error:
                self._out.letter(batch, record, error)
                continue
            source = message.source or source_of(record)
            if isinstance(message.body, Tick):
                self._wake(batch, message.body.at, source)
            else:
                self._decide(batch, message.body, source)

    def _decide(self, batch: Batch, body: RoutedReceipt | Visit | Ended, source: Source) -> None:
        name = _row_of(body)
        row = REGISTRY.get(batch, name) or Route()
        match body:
            case RoutedReceipt(receipt=Receipt(sold_at=sold_at)):
                step = arrive(
                    row,
                    body.receipt,
                    digest=body.digest,
                    code=body.code,
                    resolve=_resolver(self._out, batch),
                    unknown=lambda: self._terms.policy(batch, sold_at).unknown_member,
                )
            case Visit():
                step = visit(row, body, park_days=self._park_days(batch, body.receipt.sold_at))
            case Ended():
                step = end(row, code=body.code)
        self._apply(batch, name, row, step, source)

    def _wake(self, batch: Batch, now: EpochMs, source: Source) -> None:
        """Give up on the documents that have waited too long by *now*."""
        for key, _ in batch.scan(PARKED, b"due:"):
            name = due_name(key, now)
            if name is None:
                break
            row = REGISTRY.get(batch, name) or Route()
            days = self._park_days(batch, now)
            batch.put(PARKED, key, None)
            step = give_up_waiting(row, at=now, park_days=days)
            self._apply(batch, name, row, step, source)
            row = step.route
            step = look_again(row, at=now, park_days=days, resolve=_resolver(self._out, batch))
            self._apply(batch, name, row, step, source)

    def _apply(self, batch: Batch, name: str, row: Route, step: Step, source: Source) -> None:
        if step.route != row:
            REGISTRY.put(batch, name, step.route)
        for output in step.outputs:
            self._send(batch, output, source)

    def _send(self, batch: Batch, output: Output, source: Source) -> None:
        match output:
            case Part(receipt=receipt):
                command: Message[CommandBody] = Message(receipt.id, receipt.sold_at, output, source)
                self._out.command(batch, output.owner.key, command)
            case Visit(receipt=receipt):
                onward: Message[RouteBody] = Message(receipt.id, receipt.sold_at, output, source)
                self._out.route(batch, output.originals[0], onward)
            case Ended(document=document):
                ended: Message[RouteBody] = Message(f"{document}/ended", 0, output, source)
                self._out.route(batch, document, ended)
            case Park(original=original, at=at):
                batch.put(PARKED, due_key(at, original), b"")
            case Answer():
                self._out.bonus(batch, _result(output), source=source)

    def _park_days(self, batch: Batch, at: EpochMs) -> int:
        return self._terms.policy(batch, at).park_days


def _row_of(body: RoutedReceipt | Visit | Ended) -> str:
    """Name the receipt id whose registry row decides *body*."""
    match body:
        case RoutedReceipt(receipt=receipt):
            return receipt.id
        case Visit(originals=originals):
            return originals[0]
        case Ended(document=document):
            return document


def _resolver(out: Outbox, batch: Batch) -> Callable[[str, EpochMs], Interval | None]:
    def resolve(digest: str, at: EpochMs) -> Interval | None:
        stored = batch.reference(RESOLUTIONS).get(digest.encode())
        return None if stored is None else owner_at(resolution_from(out.codec, stored), at)

    return resolve


def _result(answer: Answer) -> results.Result:
    document = answer.receipt.id
    if answer.status == "conflict":
        return results.conflict(document, answer.digest or "")
    if answer.status == "deferred":
        return results.deferred(document, answer.code)
    return results.refused(document, answer.code, at=answer.receipt.sold_at)
