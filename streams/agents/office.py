"""Settle, the office: documents that people write, each with an id of its own."""

from collections.abc import Callable
from functools import partial

import msgspec

from streams.agents.desk import Case, Desk, Handlers
from streams.agents.erasure import Erasure
from streams.core import adjustments, status
from streams.core.account import Account
from streams.core.accrual import LotTerms
from streams.core.calendar import CalendarError, dates
from streams.core.digest import document_digest
from streams.core.grammar import DocumentError
from streams.core.lots import condition_text, spending_condition
from streams.core.policy import LedgerPolicy
from streams.core.result import Result, conflict, result_bytes, result_from
from streams.core.settled import SettledReceipt
from streams.tables import SETTLED
from streams.wire import messages
from streams.wire.errors import MalformedError


class Office:
    """The handlers of adjustments and changes of status."""

    def __init__(self, desk: Desk, erasure: Erasure) -> None:
        self._desk = desk
        self._erasure = erasure
        self.handlers: Handlers = {
            messages.StatusChange: self._change,
            messages.Adjustment: partial(self._document, decide=self._adjust),
        }

    def _change(self, case: Case) -> None:
        if not self._erasure.takes(case):
            self._document(case, decide=self._status)

    def _document(
        self,
        case: Case,
        *,
        decide: Callable[[Case, Account, LedgerPolicy], tuple[Account, Result]],
    ) -> None:
        """Decide a command that has an id of its own; the same again is answered alike."""
        command = case.command
        account = self._desk.open(case)
        if account is None:
            return
        digest = document_digest({"at": command.at, "body": command.body})
        known = SETTLED.get(case.batch, command.id)
        if known is not None:
            same = known.digest == digest
            self._desk.answer(
                case, result_from(known.result) if same else conflict(command.id, digest)
            )
            return
        policy = self._desk.terms.policy(case.batch, command.at)
        after, result = decide(case, account, policy)
        settled = SettledReceipt(
            command.id, digest, result_bytes(result), ok=result.status == "ok", sold_at=command.at
        )
        SETTLED.put(case.batch, command.id, settled)
        self._desk.publish(case, account, after, result, policy)

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
        after, result = status.set_status(account, change, policy=policy)
        if change.status == "erased" and result.status == "ok":
            self._erasure.spread(case, account)
        return after, result

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
            terms=terms_of(body.terms),
            allow_debt=body.allow_debt,
        )
        return adjustments.adjust(account, adjustment, policy=policy)


def terms_of(terms: messages.Terms) -> LotTerms:
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
