"""Settle: what a command means for its account.

Reads `commands`, keyed by account; alone writes accounts, settled receipts and owners of
identifiers.  A receipt without a member is keyed by its own id and has no account.  A
command for an account that has been merged is passed on under its own id.
"""

from schemas.codec import CodecError
from streams.agents.desk import REFERENCES, Case, Desk, Handlers
from streams.agents.erasure import Erasure
from streams.agents.members import Members
from streams.agents.merging import Merging
from streams.agents.office import Office, terms_of
from streams.agents.outbox import Outbox
from streams.agents.receipts import Receipts
from streams.agents.terms import Terms
from streams.core.calendar import LATEST
from streams.engine import Batch, Record
from streams.tables import ACCOUNTS, OWNERS, SETTLED
from streams.wire import messages
from streams.wire.envelopes import command_from
from streams.wire.errors import MalformedError

TABLES = (ACCOUNTS.name, SETTLED.name, OWNERS.name)
STATUSES = ("open", "blocked", "closed", "erased")


class SettleStage:
    """The stage's handler."""

    def __init__(self, out: Outbox, terms: Terms) -> None:
        self._out = out
        self._desk = desk = Desk(out, terms)
        merging, erasure = Merging(desk), Erasure(desk)
        self._handlers: Handlers = {
            **Receipts(desk).handlers,
            **Members(desk, merging).handlers,
            **merging.handlers,
            **Office(desk, erasure).handlers,
            **erasure.handlers,
            # Nothing of an account waits for the time yet: lots end when looked at.
            messages.Tick: lambda _: None,
        }

    def __call__(self, batch: Batch) -> None:
        """Decide every record of *batch*."""
        self._desk.accounts.open(batch)
        for record in batch.records:
            try:
                case = self._read(batch, record)
            except (CodecError, MalformedError) as error:
                self._out.letter(batch, record, error)
            else:
                self._handlers[type(case.command.body)](case)
        self._desk.accounts.close()

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
            terms_of(command.body.terms)
        if isinstance(command.body, messages.StatusChange) and command.body.status not in STATUSES:
            raise MalformedError(f"status: one of {', '.join(STATUSES)}")
        return Case(batch, record, key, command)


__all__ = ["REFERENCES", "TABLES", "SettleStage"]
