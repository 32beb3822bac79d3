"""
Settle, erasure: the digests of an erased member are deleted where they are kept.

Who owns a digest is kept at the digest's home account, on any shard.  So an account keeps
the digests that name it, as their homes tell it, and sends its erasure to each of them, and
to the accounts that were merged into it.  Such a command names in `via` whose erasure it is.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from streams.agents.desk import Case, Command, Desk, Handlers
from streams.core.account import Account
from streams.core.ids import derived
from streams.core.ownership import Ownership, digest_at, forget, home, is_home
from streams.core.status import forgotten
from streams.tables import OWNERS
from streams.wire import messages
from streams.wire.envelopes import Message


class Erasure:
    """The handler of granted claims, and what follows from an erasure."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.handlers: Handlers = {messages.ClaimAnswer: self._granted}

    def _granted(self, case: Case) -> None:
        """Note a digest that names this account now, though it may be a pointer by now."""
        body = case.command.body
        assert isinstance(body, messages.ClaimAnswer)
        account = self._desk.account(case.key)
        if account.status == "erased":
            self._send(case, home(body.digest), via=(account.id,))
        elif body.code is None and body.digest not in account.identifiers:
            known = (*account.identifiers, body.digest)
            self._desk.accounts.put(replace(account, identifiers=known))

    def spread(self, case: Case, erased: Account) -> None:
        """Send the erasure on; *erased* is the account as it was before."""
        for digest in erased.identifiers:
            self._send(case, home(digest), via=(erased.id,))
        merged = [name for each in erased.joined for name in each.origins if not is_home(name)]
        for name in merged:
            self._send(case, name, via=(erased.id, *merged))

    def takes(self, case: Case) -> bool:
        """Take an erasure that another account sent on; False where it is the account's own."""
        change = case.command.body
        assert isinstance(change, messages.StatusChange)
        if change.status != "erased" or not case.command.via:
            return False
        if is_home(case.key):
            self._forget(case, case.command.via[0])
            return True
        account = self._desk.account(case.key)
        if account.merged_into not in case.command.via:
            return False
        for digest in account.identifiers:
            self._send(case, home(digest), via=(account.id,))
        self._desk.accounts.put(forgotten(account))
        return True

    def _forget(self, case: Case, account: str) -> None:
        """Delete what the digest at home here knows of *account*, and tell the routers."""
        digest = digest_at(case.key)
        before = OWNERS.get(case.batch, digest) or Ownership(digest)
        after = forget(before, account=account)
        if after == before:
            return
        if after.intervals:
            OWNERS.put(case.batch, digest, after)
            self._desk.out.resolution(case.batch, after)
        else:
            OWNERS.delete(case.batch, digest)
            self._desk.out.no_resolution(case.batch, digest)

    def _send(self, case: Case, key: str, *, via: Sequence[str]) -> None:
        name = derived("C", case.command.id, "erase", key)
        change = messages.StatusChange("erased")
        onward: Command = Message(name, case.command.at, change, case.source, tuple(via))
        self._desk.out.command(case.batch, key, onward)
