"""Settle, merging: an account moves into another, and back."""

from streams.agents.desk import Case, Command, Desk, Handlers
from streams.core.merging import HandOver, merge_in, merge_out, unmerge_in, unmerge_out
from streams.core.result import Result
from streams.core.snapshot import snapshot
from streams.wire import messages
from streams.wire.envelopes import Message


class Merging:
    """The handlers of merges."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.handlers: Handlers = {
            messages.Merge: self._merge,
            HandOver: self._hand_over,
            messages.Unmerge: self._unmerge,
            messages.Recall: self._recall,
        }

    def _merge(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Merge)
        survivor = self._desk.account(case.key).merged_into
        if survivor is None or survivor == body.into:
            self.merge_into(case, body.into)
        else:
            # Its points are elsewhere by now, and it is they that move.
            self._desk.pass_on(case, survivor)

    def merge_into(self, case: Case, into: str) -> None:
        """Make the account addressed a pointer to *into*, and hand over what it has."""
        giver = self._desk.account(case.key)
        policy = self._desk.terms.policy(case.batch, case.command.at)
        pointer, payload = merge_out(
            giver, case.command.id, case.command.at, into=into, policy=policy
        )
        if isinstance(payload, Result):
            if giver.merged_into != into:
                self._desk.answer(case, payload)
            return
        self._desk.accounts.put(pointer)
        # A survivor has to know whose identifiers came with it; a home account has none.
        if giver.version or giver.identifiers:
            self._desk.out.account(case.batch, snapshot(pointer, policy), source=case.source)
            handed: Command = Message(case.command.id, case.command.at, payload, case.source)
            self._desk.out.command(case.batch, into, handed)

    def _hand_over(self, case: Case) -> None:
        payload = case.command.body
        assert isinstance(payload, HandOver)
        receiver = self._desk.account(case.key)
        policy = self._desk.terms.policy(case.batch, payload.at)
        if payload.kind == "unmerge":
            self._desk.keep(case, unmerge_in(receiver, payload))
            return
        if receiver.merged_into is not None:
            self._desk.pass_on(case, receiver.merged_into)
            return
        after, result = merge_in(receiver, payload, policy=policy)
        if result is not None:
            self._desk.publish(case, receiver, after, result, policy)

    def _unmerge(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Unmerge)
        recall: Command = Message(
            case.command.id, case.command.at, messages.Recall(body.merge, case.key), case.source
        )
        self._desk.out.command(case.batch, body.into, recall)

    def _recall(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Recall)
        survivor = self._desk.account(case.key)
        at = case.command.at
        policy = self._desk.terms.policy(case.batch, at)
        after, payload, result = unmerge_out(
            survivor, case.command.id, at, giver=body.giver, policy=policy
        )
        self._desk.publish(case, survivor, after, result, policy)
        if payload is not None:
            returned: Command = Message(case.command.id, at, payload, case.source)
            self._desk.out.command(case.batch, body.giver, returned)
