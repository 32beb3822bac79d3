"""
Accounts as values, read and written once a batch.

A member's account is often asked for again, by the next receipt of the batch or of the
day, and to make it of its bytes costs more than to settle a receipt.  So the value that
was stored last is kept beside its bytes, and taken again where the table still gives the
same bytes.  It follows that a batch that was aborted, a shard that moved, and a table
that was restored are all seen as they are: then the bytes differ, and are read.
"""

from streams.core.account import Account
from streams.engine import Batch
from streams.tables import ACCOUNTS

# Of all accounts kept, so that memory is bounded by some 100 MB however long histories get.
STORED_BYTES_MAX = 16 * 1024 * 1024


class Accounts:
    """The accounts of the shards of one process, of one batch at a time."""

    def __init__(self, stored_bytes_max: int = STORED_BYTES_MAX) -> None:
        self._most = stored_bytes_max
        self._known: dict[bytes, tuple[bytes, Account]] = {}
        self._size = 0
        self._batch: Batch | None = None
        self._read: dict[str, Account | None] = {}
        self._changed: dict[str, Account] = {}

    def open(self, batch: Batch) -> None:
        """Begin *batch*; what an earlier one left unwritten never happened."""
        self._batch = batch
        self._read = {}
        self._changed = {}

    def get(self, name: str) -> Account | None:
        """
        Give the account, with what this batch has put already; None where there is none.

        Raises:
            StateError: If this build cannot read what is stored.
        """
        if name in self._read:
            return self._read[name]
        assert self._batch is not None
        key = name.encode()
        stored = self._batch.get(ACCOUNTS.name, key)
        account = None if stored is None else self._account(key, stored)
        self._read[name] = account
        return account

    def put(self, account: Account) -> None:
        """Set the account when the batch commits."""
        self._read[account.id] = self._changed[account.id] = account

    def close(self) -> None:
        """Write what the batch has put."""
        assert self._batch is not None
        for name, account in self._changed.items():
            key, stored = name.encode(), ACCOUNTS.write(account)
            self._batch.put(ACCOUNTS.name, key, stored)
            self._remember(key, stored, account)

    def _account(self, key: bytes, stored: bytes) -> Account:
        known = self._known.get(key)
        if known is not None and known[0] == stored:
            return known[1]
        account = ACCOUNTS.read(stored)
        self._remember(key, stored, account)
        return account

    def _remember(self, key: bytes, stored: bytes, account: Account) -> None:
        before = self._known.pop(key, None)
        if before is not None:
            self._size -= len(before[0])
        self._known[key] = stored, account
        self._size += len(stored)
        while self._size > self._most:
            oldest = next(iter(self._known))
            self._size -= len(self._known.pop(oldest)[0])
