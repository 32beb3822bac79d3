"""What all handlers of the settle stage share: the command in hand, and the ways to end it."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from streams.agents.accounts import Accounts
from streams.agents.outbox import Outbox, source_of
from streams.agents.terms import CAMPAIGNS, PRODUCTS, PROGRAMMES, STORES, Terms
from streams.core.account import Account
from streams.core.ownership import is_home
from streams.core.policy import LedgerPolicy
from streams.core.result import Result
from streams.core.snapshot import snapshot
from streams.engine import Batch, Record
from streams.wire import messages
from streams.wire.envelopes import CommandBody, Message

REFERENCES = (PROGRAMMES, CAMPAIGNS, PRODUCTS, STORES)

Command = Message[CommandBody]
Handlers = Mapping[type, Callable[["Case"], None]]


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


class Desk:
    """
    The accounts of the batch in hand, and where decisions go.

    Args:
        out: Of the stage.
        terms: What serves an instant.
    """

    def __init__(self, out: Outbox, terms: Terms) -> None:
        self.out = out
        self.terms = terms
        self.accounts = Accounts()

    def account(self, name: str) -> Account:
        """Give the account, a new one if need be: nobody has registered a home account yet."""
        found = self.accounts.get(name)
        if found is not None:
            return found
        return Account(name, status="provisional" if is_home(name) else "open")

    def open(self, case: Case) -> Account | None:
        """Give the account addressed; a merged one's command is passed on, and None returned."""
        account = self.account(case.key)
        if account.merged_into is None:
            return account
        self.pass_on(case, account.merged_into)
        return None

    def pass_on(self, case: Case, survivor: str) -> None:
        """Send the command on to *survivor* under its own id, and say through whom it went."""
        command = case.command
        onward: Command = Message(
            command.id, command.at, command.body, command.source, (*command.via, case.key)
        )
        self.out.command(case.batch, survivor, onward)

    def keep(self, case: Case, account: Account) -> None:
        """Store and publish an account that changed without a posting."""
        self.accounts.put(account)
        at = account.mark if account.mark is not None else case.command.at
        policy = self.terms.policy(case.batch, at)
        self.out.account(case.batch, snapshot(account, policy), source=case.source)

    def publish(
        self,
        case: Case,
        before: Account | None,
        after: Account | None,
        result: Result,
        policy: LedgerPolicy,
    ) -> None:
        """Store and publish what a decision led to."""
        self.answer(case, result)
        if after is not None and after != before:
            self.accounts.put(after)
            self.out.account(case.batch, snapshot(after, policy), source=case.source)

    def answer(self, case: Case, result: Result) -> None:
        """Publish *result*, with what it was decided on."""
        seen = {name: case.batch.reference(name).offset for name in REFERENCES}
        self.out.bonus(case.batch, result, source=case.source, references=seen)
