"""Settle, receipts: what a document of a till means for its account."""

from collections.abc import Mapping
from typing import Any

from streams.agents.desk import Case, Command, Desk, Handlers
from streams.core.account import Account
from streams.core.receipt import Receipt, SaleLine
from streams.core.redemption import attributes_of
from streams.core.result import refused, result_from
from streams.core.returns import gather, originals_of
from streams.core.routing import Part
from streams.core.settled import split_sale
from streams.core.settlement import Rulebook, Settlement, refused_record, settle_receipt
from streams.core.state import settled_bytes, settled_from
from streams.tables import SETTLED
from streams.wire import messages
from streams.wire.envelopes import Message


class Receipts:
    """The handlers of receipts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.handlers: Handlers = {
            Part: self._part,
            messages.ReceiptHandOver: self._take_record,
        }

    def _part(self, case: Case) -> None:
        part = case.command.body
        assert isinstance(part, Part)
        known = SETTLED.get(case.batch, part.receipt.id)
        if known is not None:
            self._desk.answer(case, result_from(known.result))
            return
        account = None
        if part.owner.account is not None:
            account = self._desk.account(case.key)
            if account.merged_into is not None:
                self._forward(case, account, part.receipt)
                return
        self._settle(case, part, account)

    def _settle(self, case: Case, part: Part, account: Account | None) -> None:
        batch, receipt = case.batch, part.receipt
        policy = self._desk.terms.policy(batch, receipt.sold_at)
        receipt, originals = gather(receipt, account, policy, lambda name: SETTLED.get(batch, name))

        def describe(line: SaleLine) -> Mapping[str, Any]:
            product = self._desk.terms.product(batch, line.sku, receipt.sold_at)
            return {**product, **attributes_of(line)}

        settlement = settle_receipt(
            account,
            receipt,
            Rulebook(
                policy,
                self._desk.terms.rules(batch),
                limits_of=self._desk.terms.limits_of(batch),
                describe=describe,
            ),
            originals=originals,
            origin=case.command.via[0] if case.command.via else None,
            person=part.owner.person,
            digest=part.digest,
            flags=("IDENTITY_MISMATCH",) if part.owner.mismatch else (),
        )
        if settlement.result.status == "deferred":
            settlement = _unsettled_original(settlement, part)
        for settled in settlement.settled:
            SETTLED.put(batch, settled.id, settled)
            if settled.id == part.receipt.id != part.document and settled.lines:
                SETTLED.put(batch, part.document, split_sale(settled, part.document))
        self._desk.publish(case, account, settlement.account, settlement.result, policy)

    def _forward(self, case: Case, pointer: Account, receipt: Receipt) -> None:
        """Pass a document on to the survivor, with the records that it gives back from."""
        survivor = pointer.merged_into
        assert survivor is not None
        policy = self._desk.terms.policy(case.batch, receipt.sold_at)
        names = list(originals_of(receipt, None, policy))
        for name in names:
            record = SETTLED.get(case.batch, name)
            if record is None:
                continue
            if record.sold_as is not None:
                names.append(record.sold_as)
            merge = f"{case.key}>{survivor}"
            body = messages.ReceiptHandOver(merge, case.key, name, settled_bytes(record))
            handed: Command = Message(f"{name}/{merge}", case.command.at, body, case.source)
            self._desk.out.command(case.batch, survivor, handed)
            # The survivor counts what comes back from now on; two records would differ.
            case.batch.put(SETTLED.name, name.encode(), None)
        self._desk.pass_on(case, survivor)

    def _take_record(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.ReceiptHandOver)
        account = self._desk.accounts.get(case.key)
        if account is not None and account.merged_into is not None:
            self._desk.pass_on(case, account.merged_into)
            return
        SETTLED.put(case.batch, body.document, settled_from(body.record))


def _unsettled_original(settlement: Settlement, part: Part) -> Settlement:
    """
    Refuse a return whose original its owner refused in the end.

    The route stage knows the original's owner and sent the return after it; nothing will
    ever settle that original, so that waiting for it has no end.
    """
    result = refused(part.receipt.id, "ORIGINAL_UNKNOWN", account=part.owner.account)
    record = refused_record(part.receipt, result, part.digest)
    return Settlement(settlement.account, result, (record,))
