"""A whole programme in memory: documents fed in order through the core.

It is the simplest faithful form of what the route and settle stages do with
tables and topics: one result a document, or one a part where its returns are of several
owners, the same again for the same again, returns parked until their sale is known, merged
accounts followed.  The worked
examples, the scenarios and the models in tests run on it.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from streams.core.account import Account
from streams.core.accrual import LimitsOf, Rules
from streams.core.adjustments import Adjustment, adjust
from streams.core.calendar import DAY_MS
from streams.core.digest import document_digest, receipt_digest
from streams.core.discounts import no_limits
from streams.core.ids import tick_id
from streams.core.merging import HandOver, merge_in, merge_out, origins_of, unmerge_in, unmerge_out
from streams.core.passing_time import tick
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs, Points, Receipt
from streams.core.redemption import Describe, attributes_of
from streams.core.refusals import form_refusal, source_refusal
from streams.core.result import Kind, Result, conflict, deferred, refused, result_from
from streams.core.returns import gather
from streams.core.routing import Owner, Part, Visit, originals_of, parts_of
from streams.core.settled import SettledReceipt, split_sale
from streams.core.settlement import Rulebook, Settlement, refused_record, settle_receipt
from streams.core.status import StatusChange, set_status


class Response(Struct, frozen=True):
    """The immediate answer to one event."""

    document: str
    status: str
    code: str | None


class Parked(Struct, frozen=True):
    """A document that waits for what it names; *account* is None without a card."""

    receipt: Receipt
    account: str | None
    digest: str
    person: str | None = None


def no_rules(*_: Any) -> tuple[()]:
    """Pay nothing."""
    return ()


class History:
    """
    Accounts, settled receipts and results, as they stand after the events so far.

    Attributes:
        results: The final or, while there is none, the deferred result of each document.
        tick_results: Of the ticks that posted something, which are no documents.
        parked: In order of arrival.
        split: Answers to documents that were settled in parts; the parts have the results.
        taken: Points taken of each budget.
    """

    def __init__(
        self,
        policy: LedgerPolicy,
        rules: Rules = no_rules,
        *,
        budgets: dict[str, Points] | None = None,
        limits_of: LimitsOf = no_limits,
        describe: Describe = attributes_of,
    ) -> None:
        self.policy = policy
        self.rules = rules
        self.budgets = budgets or {}
        self.limits_of = limits_of
        self.describe = describe
        self.accounts: dict[str, Account] = {}
        self.settled: dict[str, SettledReceipt] = {}
        self.results: dict[str, Result] = {}
        self.tick_results: list[Result] = []
        self.digests: dict[str, str] = {}
        self.parked: list[Parked] = []
        self.split: dict[str, Response] = {}
        self.taken: dict[str, Points] = {}

    # --- Accounts ---------------------------------------------------------------

    def holder(self, account: str) -> str:
        """Follow merges from *account* to the account that holds its points."""
        while (found := self.accounts.get(account)) is not None and found.merged_into is not None:
            account = found.merged_into
        return account

    def account(self, account: str) -> Account:
        """Give the account that holds the points of *account*; an empty one if new."""
        holder = self.holder(account)
        return self.accounts.get(holder) or Account(holder)

    # --- Receipts ---------------------------------------------------------------

    def receive(self, receipt: Receipt, account: str | None, person: str | None = None) -> Response:
        """Take a receipt whose member is *account*, or nobody."""
        forbidden = source_refusal(receipt, self.policy)
        if forbidden is not None:
            return Response(receipt.id, "refused", forbidden)
        # Whose it is stands for the identifiers, which are a part of what the till says.
        digest = document_digest([account, person, receipt_digest(receipt)])
        repeated = self._repeated(receipt.id, digest, "receipt")
        if repeated is not None:
            return repeated
        self.digests[receipt.id] = digest
        code = form_refusal(receipt, self.policy)
        if code is not None:
            result = refused(receipt.id, code, account=account)
            self.settled[receipt.id] = refused_record(receipt, result, digest)
            self.results[receipt.id] = result
            return _response(result)
        response = self._settle(Parked(receipt, account, digest, person))
        self._wake(receipt.id)
        return response

    def _settle(self, parked: Parked) -> Response:
        """Settle a document, in parts where it gives back from several owners, or park it."""
        receipt = parked.receipt
        named = originals_of(receipt)
        if not all(each in self.settled and self.settled[each].ok for each in named):
            self.parked.append(parked)
            self.results[receipt.id] = deferred(receipt.id)
            return _response(self.results[receipt.id])
        own = self._route(receipt.id, parked.account, parked.person)
        owners = tuple((each, self._owner(each)) for each in named)
        parts = parts_of(Visit(receipt, parked.digest, own, (), owners))
        results = [self._settle_part(part, own) for part in parts]
        if len(parts) == 1:
            return _response(results[0])
        # What waited as one document is answered in parts, and not under its own id.
        self.results.pop(receipt.id, None)
        failed = next((each for each in results if each.status != "ok"), results[0])
        self.split[receipt.id] = Response(receipt.id, failed.status, failed.code)
        return self.split[receipt.id]

    def _settle_part(self, part: Part, own: Owner) -> Result:
        """
        Settle one owner's part of a document, or the whole; keep and give its result.

        What is sold, and what comes back without a receipt, is *own*'s also where another
        account of the same holder sold what else comes back.
        """
        receipt = part.receipt
        anew = receipt.sales or any(line.of is None for line in receipt.returns)
        owner = own if anew else part.owner
        account = None if owner.account is None else self.account(owner.account)
        seen, originals = gather(receipt, account, self.policy, self.settled.get)
        settlement = settle_receipt(
            account,
            seen,
            Rulebook(
                self.policy,
                self.rules,
                budget_left=self._left,
                limits_of=self.limits_of,
                describe=self.describe,
            ),
            originals=originals,
            origin=owner.account,
            person=owner.person,
            digest=part.digest,
        )
        self.results[receipt.id] = settlement.result
        self._keep(settlement)
        record = self.settled[receipt.id]
        if receipt.id != part.document and record.lines:
            self.settled[part.document] = split_sale(record, part.document)
        return settlement.result

    def _owner(self, original: str) -> Owner:
        """Give whose the goods of a settled receipt were; of a split one, of its sale."""
        record = self.settled[original]
        if record.sold_as is not None:
            record = self.settled[record.sold_as]
        return self._route(original, record.origin, record.person)

    def _route(self, document: str, account: str | None, person: str | None) -> Owner:
        """Key a document by who holds the points of *account*, or by itself without one."""
        key = document if account is None else self.holder(account)
        return Owner(key, account, person)

    def _keep(self, settlement: Settlement) -> None:
        if settlement.account is not None and settlement.result.status == "ok":
            self.accounts[settlement.account.id] = settlement.account
        for record in settlement.settled:
            self.settled[record.id] = record
        for budget, points in settlement.budgets:
            self.taken[budget] = self.taken.get(budget, 0) + points

    def _left(self, budget: str) -> Points | None:
        total = self.budgets.get(budget)
        return None if total is None else total - self.taken.get(budget, 0)

    def _wake(self, document: str) -> None:
        """Settle, in order of arrival, what waited for *document* and waits no more."""
        record = self.settled.get(document)
        if record is None or not record.ok:
            return
        for parked in list(self.parked):
            named = [line.of.receipt for line in parked.receipt.returns if line.of is not None]
            named += [parked.receipt.void_of] if parked.receipt.void_of is not None else []
            if document in named and all(
                each in self.settled and self.settled[each].ok for each in named
            ):
                self.parked.remove(parked)
                self._settle(parked)
                self._wake(parked.receipt.id)

    # --- Other documents ----------------------------------------------------------

    def adjust(self, adjustment: Adjustment) -> Response:
        """Take an adjustment."""

        def decide() -> Result:
            account, result = adjust(
                self.account(adjustment.account), adjustment, policy=self.policy
            )
            return self._kept(account, result)

        return self._once(adjustment.id, adjustment, "adjustment", decide)

    def set_status(self, change: StatusChange) -> Response:
        """Take a change of status."""

        def decide() -> Result:
            account, result = set_status(self.account(change.account), change, policy=self.policy)
            return self._kept(account, result)

        return self._once(change.id, change, "status", decide)

    def merge(self, document: str, giver: str, into: str, at: EpochMs) -> Response:
        """Merge *giver*, or what holds its points, into *into*, or what holds its points."""

        def decide() -> Result:
            source, target = self.account(giver), self.account(into)
            pointer, payload = merge_out(source, document, at, into=target.id, policy=self.policy)
            if isinstance(payload, Result):
                return payload
            survivor, result = merge_in(target, payload, policy=self.policy)
            assert result is not None
            self.accounts[pointer.id] = pointer
            return self._kept(survivor, result)

        return self._once(document, ["merge", giver, into, at], "merge", decide)

    def unmerge(self, document: str, giver: str, at: EpochMs) -> Response:
        """Undo the merge of *giver*."""

        def decide() -> Result:
            pointer = self.accounts.get(giver)
            if pointer is None or pointer.merged_into is None:
                return refused(document, "NOT_MERGED", kind="unmerge", account=giver)
            survivor = self.account(giver)
            sales = frozenset(
                each.receipt
                for each in survivor.recent
                if self.settled[each.receipt].origin in origins_of(survivor, giver)
            )
            survivor, payload, result = unmerge_out(
                survivor, document, at, giver=giver, receipts=sales, policy=self.policy
            )
            if isinstance(payload, HandOver):
                self.accounts[giver] = unmerge_in(pointer, payload)
            return self._kept(survivor, result)

        return self._once(document, ["unmerge", giver, at], "unmerge", decide)

    def tick(self, account: str, at: EpochMs) -> Response:
        """Let time go on for *account*, and end what waited too long anywhere."""
        before = self.account(account)
        after, result = tick(before, at, policy=self.policy, keyed=account)
        if result is not None:
            self.tick_results.append(result)
        if after.version or after.id in self.accounts:
            self.accounts[after.id] = after
        waited = at - self.policy.park_days * DAY_MS
        for parked in list(self.parked):
            if parked.receipt.accepted_at <= waited:
                self.parked.remove(parked)
                receipt = parked.receipt
                ended = refused(
                    receipt.id, "RETURN_UNMATCHED", account=parked.account, at=receipt.sold_at
                )
                self.results[receipt.id] = ended
                self.settled[receipt.id] = refused_record(receipt, ended, parked.digest)
        return Response(tick_id(account, at) if result is None else result.document, "ok", None)

    # --- Repetition ---------------------------------------------------------------

    def _once(
        self, document: str, content: Any, kind: Kind, decide: Callable[[], Result]
    ) -> Response:
        digest = document_digest(content)
        repeated = self._repeated(document, digest, kind)
        if repeated is not None:
            return repeated
        self.digests[document] = digest
        result = decide()
        self.results[document] = result
        return _response(result)

    def _repeated(self, document: str, digest: str, kind: Kind) -> Response | None:
        """Answer what was answered before, or CONFLICT; None when *document* is new."""
        known = self.digests.get(document)
        if known is None:
            return None
        if known != digest:
            return _response(conflict(document, digest, kind=kind))
        if document in self.split:
            return self.split[document]
        record = self.settled.get(document)
        if record is not None:
            return _response(result_from(record.result))
        return _response(self.results[document])

    def _kept(self, account: Account, result: Result) -> Result:
        if result.status == "ok":
            self.accounts[account.id] = account
        return result


def _response(result: Result) -> Response:
    return Response(result.document, result.status, result.code)


__all__ = ["History", "Parked", "Response", "deferred", "no_rules"]
