"""Settle: what a command means for its account.

Reads `commands`, keyed by account; alone writes accounts, settled receipts and owners of
identifiers.  A receipt without a member is keyed by its own id and has no account.  A
command for an account that has been merged is passed on under its own id.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schemas.codec import CodecError
from streams.agents.accounts import Accounts
from streams.agents.outbox import Outbox, source_of
from streams.agents.terms import CAMPAIGNS, PRODUCTS, PROGRAMMES, STORES, Terms
from streams.core import adjustments, status
from streams.core.account import Account
from streams.core.accrual import LotTerms
from streams.core.calendar import LATEST, CalendarError, dates
from streams.core.digest import document_digest
from streams.core.grammar import DocumentError
from streams.core.lots import condition_text, spending_condition
from streams.core.merging import HandOver, merge_in, merge_out, unmerge_in, unmerge_out
from streams.core.ownership import Ownership, claim, give_up, is_home
from streams.core.policy import LedgerPolicy
from streams.core.receipt import Receipt, SaleLine
from streams.core.redemption import attributes_of
from streams.core.result import Result, conflict, refused, result_bytes, result_from
from streams.core.returns import gather, originals_of
from streams.core.routing import Part
from streams.core.settled import SettledReceipt, split_sale
from streams.core.settlement import Settlement, refused_record, settle_receipt
from streams.core.snapshot import snapshot
from streams.core.state import settled_bytes, settled_from
from streams.engine import Batch, Record
from streams.tables import ACCOUNTS, OWNERS, SETTLED
from streams.wire import messages
from streams.wire.envelopes import CommandBody, Message, command_from
from streams.wire.errors import MalformedError

TABLES = (ACCOUNTS.name, SETTLED.name, OWNERS.name)
REFERENCES = (PROGRAMMES, CAMPAIGNS, PRODUCTS, STORES)
STATUSES = ("open", "blocked", "closed", "erased")

Command = Message[CommandBody]


class Case(Struct, frozen=True):
    """One command in hand: where it was read, whose it is, and what it says."""

    batch: Batch
    record: Record
    key: str
    command: Command

    @property
    def source(self) -> messages.Source:
        """The command's own place in the log, which a result names."""
        return source_of(self.record)


class SettleStage:
    """The stage's handler."""

    def __init__(self, out: Outbox, terms: Terms) -> None:
        self._out = out
        self._terms = terms
        self._accounts = Accounts()
        self._handlers: Mapping[type, Callable[[Case], None]] = {
            Part: self._part,
            messages.MemberFacts: self._facts,
            messages.Claim: self._claim,
            messages.GiveUp: self._give_up,
            messages.StatusChange: partial(self._document, decide=self._status),
            messages.Adjustment: partial(self._document, decide=self._adjust),
            messages.Merge: self._merge,
            HandOver: self._hand_over,
            messages.ReceiptHandOver: self._take_record,
            messages.Unmerge: self._unmerge,
            messages.Recall: self._recall,
            messages.TierGrant: self._tier,
            messages.Offer: self._offer,
            # Nothing of an account waits for the time yet: lots end when looked at.
            messages.Tick: lambda _: None,
        }

    def __call__(self, batch: Batch) -> None:
        """Decide every record of *batch*."""
        self._accounts.open(batch)
        for record in batch.records:
            try:
                case = self._read(batch, record)
            except (CodecError, MalformedError) as error:
                self._out.letter(batch, record, error)
            else:
                self._handlers[type(case.command.body)](case)
        self._accounts.close()

    def _read(self, batch: Batch, record: Record) -> Case:
        """
        Read a command, checked so far that nothing but a fault of ours can fail later.

        What has been put when a handler fails can't be taken back singly, so that no
        handler raises for what a record says.
        """
        command = command_from(self._out.codec, record.value)
        if type(command.body) not in self._handlers:
            raise MalformedError(f"body: no stage serves {type(command.body).__name__}")
        try:
            key = (record.key or b"").decode()
        except UnicodeDecodeError:
            raise MalformedError("key: not UTF-8") from None
        if not 0 <= command.at <= LATEST:
            raise MalformedError("at: beyond the calendar")
        if isinstance(command.body, messages.Adjustment):
            _terms_of(command.body.terms)
        if isinstance(command.body, messages.StatusChange) and command.body.status not in STATUSES:
            raise MalformedError(f"status: one of {', '.join(STATUSES)}")
        return Case(batch, record, key, command)

    # --- Receipts -----------------------------------------------------------------

    def _part(self, case: Case) -> None:
        part = case.command.body
        assert isinstance(part, Part)
        known = SETTLED.get(case.batch, part.receipt.id)
        if known is not None:
            self._answer(case, result_from(known.result))
            return
        account = None
        if part.owner.account is not None:
            account = self._account(case.key)
            if account.merged_into is not None:
                self._forward(case, account, part.receipt)
                return
        self._settle(case, part, account)

    def _settle(self, case: Case, part: Part, account: Account | None) -> None:
        batch, receipt = case.batch, part.receipt
        policy = self._terms.policy(batch, receipt.sold_at)
        receipt, originals = gather(receipt, account, policy, lambda name: SETTLED.get(batch, name))

        def describe(line: SaleLine) -> Mapping[str, Any]:
            product = self._terms.product(batch, line.sku, receipt.sold_at)
            return {**product, **attributes_of(line)}

        settlement = settle_receipt(
            account,
            receipt,
            policy=policy,
            rules=self._terms.rules(batch, receipt),
            limits_of=self._terms.limits_of(batch),
            originals=originals,
            describe=describe,
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
        self._publish(case, account, settlement.account, settlement.result, policy)

    def _forward(self, case: Case, pointer: Account, receipt: Receipt) -> None:
        """Pass a document on to the survivor, with the records that it gives back from."""
        survivor = pointer.merged_into
        assert survivor is not None
        policy = self._terms.policy(case.batch, receipt.sold_at)
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
            self._out.command(case.batch, survivor, handed)
            # The survivor counts what comes back from now on; two records would differ.
            case.batch.put(SETTLED.name, name.encode(), None)
        self._pass_on(case, survivor)

    def _take_record(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.ReceiptHandOver)
        account = self._accounts.get(case.key)
        if account is not None and account.merged_into is not None:
            self._pass_on(case, account.merged_into)
            return
        SETTLED.put(case.batch, body.document, settled_from(body.record))

    # --- Members ------------------------------------------------------------------

    def _facts(self, case: Case) -> None:
        facts = case.command.body
        assert isinstance(facts, messages.MemberFacts)
        before = self._open(case)
        if before is None or before.status in {"closed", "erased"}:
            return
        attributes = {**before.attributes, **(facts.attributes or {})}
        if facts.segments is not None:
            attributes["segments"] = facts.segments
        born = before.born if facts.born is None else facts.born
        if before.born is not None and born is not None and _same_day(born, before.born):
            # The same date told again has been known since it was first told.
            born = before.born
        after = replace(before, born=born, attributes=attributes)
        if after != before or self._accounts.get(case.key) is None:
            self._keep(case, after)

    def _claim(self, case: Case) -> None:
        wanted = case.command.body
        assert isinstance(wanted, messages.Claim)
        before = OWNERS.get(case.batch, wanted.digest) or Ownership(wanted.digest)
        at = case.command.at
        claimed = claim(before, account=wanted.account, person=wanted.person, at=at)
        if claimed.code is not None:
            result = refused(case.command.id, claimed.code, kind="claim", account=wanted.account)
            self._answer(case, result)
            return
        if claimed.ownership != before:
            OWNERS.put(case.batch, wanted.digest, claimed.ownership)
            self._out.resolution(case.batch, claimed.ownership)
        if claimed.first:
            self._merge_into(case, wanted.account)

    def _give_up(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.GiveUp)
        before = OWNERS.get(case.batch, body.digest) or Ownership(body.digest)
        after = give_up(before, account=body.account, at=case.command.at)
        if after != before:
            OWNERS.put(case.batch, body.digest, after)
            self._out.resolution(case.batch, after)

    def _tier(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.TierGrant)
        account = self._open(case)
        if account is not None:
            self._keep(case, replace(account, tier_floor=body.floor))

    def _offer(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Offer)
        account = self._open(case)
        if account is not None and body.campaign not in account.offers:
            self._keep(case, replace(account, offers=(*account.offers, body.campaign)))

    # --- Merging ------------------------------------------------------------------

    def _merge(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Merge)
        self._merge_into(case, body.into)

    def _merge_into(self, case: Case, into: str) -> None:
        """Make the account addressed a pointer to *into*, and hand over what it has."""
        giver = self._account(case.key)
        policy = self._terms.policy(case.batch, case.command.at)
        pointer, payload = merge_out(
            giver, case.command.id, case.command.at, into=into, policy=policy
        )
        if isinstance(payload, Result):
            if giver.merged_into != into:
                self._answer(case, payload)
            return
        self._accounts.put(pointer)
        if giver.version:
            self._out.account(case.batch, snapshot(pointer, policy), source=case.source)
            handed: Command = Message(case.command.id, case.command.at, payload, case.source)
            self._out.command(case.batch, into, handed)

    def _hand_over(self, case: Case) -> None:
        payload = case.command.body
        assert isinstance(payload, HandOver)
        receiver = self._account(case.key)
        policy = self._terms.policy(case.batch, payload.at)
        if payload.kind == "unmerge":
            self._keep(case, unmerge_in(receiver, payload))
            return
        if receiver.merged_into is not None:
            self._pass_on(case, receiver.merged_into)
            return
        after, result = merge_in(receiver, payload, policy=policy)
        if result is not None:
            self._publish(case, receiver, after, result, policy)

    def _unmerge(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Unmerge)
        recall: Command = Message(
            case.command.id, case.command.at, messages.Recall(body.merge, case.key), case.source
        )
        self._out.command(case.batch, body.into, recall)

    def _recall(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Recall)
        survivor = self._account(case.key)
        at = case.command.at
        policy = self._terms.policy(case.batch, at)
        after, payload, result = unmerge_out(
            survivor, case.command.id, at, giver=body.giver, policy=policy
        )
        self._publish(case, survivor, after, result, policy)
        if payload is not None:
            returned: Command = Message(case.command.id, at, payload, case.source)
            self._out.command(case.batch, body.giver, returned)

    # --- Documents of the office -----------------------------------------------------

    def _document(
        self,
        case: Case,
        *,
        decide: Callable[[Case, Account, LedgerPolicy], tuple[Account, Result]],
    ) -> None:
        """Decide a command that has an id of its own; the same again is answered alike."""
        command = case.command
        account = self._open(case)
        if account is None:
            return
        digest = document_digest({"at": command.at, "body": command.body})
        known = SETTLED.get(case.batch, command.id)
        if known is not None:
            same = known.digest == digest
            self._answer(case, result_from(known.result) if same else conflict(command.id, digest))
            return
        policy = self._terms.policy(case.batch, command.at)
        after, result = decide(case, account, policy)
        settled = SettledReceipt(
            command.id, digest, result_bytes(result), ok=result.status == "ok", sold_at=command.at
        )
        SETTLED.put(case.batch, command.id, settled)
        self._publish(case, account, after, result, policy)

    def _status(self, case: Case, account: Account, policy: LedgerPolicy) -> tuple[Account, Result]:
        body = case.command.body
        assert isinstance(body, messages.StatusChange)
        change = msgspec.convert(
            {
                "id": case.command.id,
                "account": account.id,
                "status": body.status,
                "at": case.command.at,
            },
            status.StatusChange,
        )
        return status.set_status(account, change, policy=policy)

    def _adjust(self, case: Case, account: Account, policy: LedgerPolicy) -> tuple[Account, Result]:
        body = case.command.body
        assert isinstance(body, messages.Adjustment)
        adjustment = adjustments.Adjustment(
            id=case.command.id,
            account=account.id,
            at=case.command.at,
            points=body.points,
            currency=body.currency,
            actor=body.actor or "",
            reason=body.reason or "",
            approver=body.approver,
            terms=_terms_of(body.terms),
            allow_debt=body.allow_debt,
        )
        return adjustments.adjust(account, adjustment, policy=policy)

    # --- Accounts -----------------------------------------------------------------

    def _account(self, name: str) -> Account:
        """Give the account, a new one if need be: nobody has registered a home account yet."""
        found = self._accounts.get(name)
        if found is not None:
            return found
        return Account(name, status="provisional" if is_home(name) else "open")

    def _open(self, case: Case) -> Account | None:
        """Give the account addressed; a merged one's command is passed on, and None returned."""
        account = self._account(case.key)
        if account.merged_into is None:
            return account
        self._pass_on(case, account.merged_into)
        return None

    def _pass_on(self, case: Case, survivor: str) -> None:
        command = case.command
        onward: Command = Message(
            command.id, command.at, command.body, command.source, (*command.via, case.key)
        )
        self._out.command(case.batch, survivor, onward)

    def _keep(self, case: Case, account: Account) -> None:
        """Store and publish an account that changed without a posting."""
        self._accounts.put(account)
        at = account.mark if account.mark is not None else case.command.at
        policy = self._terms.policy(case.batch, at)
        self._out.account(case.batch, snapshot(account, policy), source=case.source)

    def _publish(
        self,
        case: Case,
        before: Account | None,
        after: Account | None,
        result: Result,
        policy: LedgerPolicy,
    ) -> None:
        """Store and publish what a decision led to."""
        self._answer(case, result)
        if after is not None and after != before:
            self._accounts.put(after)
            self._out.account(case.batch, snapshot(after, policy), source=case.source)

    def _answer(self, case: Case, result: Result) -> None:
        seen = {name: case.batch.reference(name).offset for name in REFERENCES}
        self._out.bonus(case.batch, result, source=case.source, references=seen)


def _unsettled_original(settlement: Settlement, part: Part) -> Settlement:
    """
    Refuse a return whose original its owner refused in the end.

    The route stage knows the original's owner and sent the return after it; nothing will
    ever settle that original, so that waiting for it has no end.
    """
    result = refused(part.receipt.id, "ORIGINAL_UNKNOWN", account=part.owner.account)
    record = refused_record(part.receipt, result, part.digest)
    return Settlement(settlement.account, result, (record,))


def _same_day(one: Any, other: Any) -> bool:
    return (one.month, one.day) == (other.month, other.day)


def _terms_of(terms: messages.Terms) -> LotTerms:
    """
    Read lot terms off the wire, where each map is JSON.

    Raises:
        MalformedError: If no lot could have them.
    """
    written = {"spendable_on": terms.spendable_on, "delay": terms.delay, "valid": terms.valid}
    try:
        read = {
            name: None if text is None else msgspec.json.decode(text)
            for name, text in written.items()
        }
        found = msgspec.convert({"class": terms.class_, **read}, LotTerms)
        dates(found, 0, "UTC")
        spending_condition(condition_text(found.spendable_on))
    except (msgspec.MsgspecError, CalendarError, DocumentError) as error:
        raise MalformedError(f"terms: {type(error).__name__}") from None
    return found
