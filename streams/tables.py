"""The tables of the stages: what is kept under which key.

A value is msgpack behind a version byte; an older version is read and written back
as the newest.  Values never leave the app: what others may read is published.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from streams.core.ownership import Ownership
from streams.core.routing import Route
from streams.core.state import (
    VERSION,
    StateError,
    account_bytes,
    account_from,
    settled_bytes,
    settled_from,
)
from streams.engine import Batch

Value = TypeVar("Value")


class Table(Struct, Generic[Value], frozen=True):
    """One table: its name, and how its values are written and read."""

    name: str
    write: Callable[[Value], bytes]
    read: Callable[[bytes], Value]

    def get(self, batch: Batch, key: str) -> Value | None:
        """
        Give the value of *key*, with what this batch has put already.

        Raises:
            StateError: If this build cannot read what is stored.
        """
        stored = batch.get(self.name, key.encode())
        return None if stored is None else self.read(stored)

    def put(self, batch: Batch, key: str, value: Value) -> None:
        """Set *key* to *value* when the batch commits."""
        batch.put(self.name, key.encode(), self.write(value))

    def delete(self, batch: Batch, key: str) -> None:
        """Keep nothing under *key* when the batch commits."""
        batch.put(self.name, key.encode(), None)


def _packed(name: str, kind: type[Value]) -> Table[Value]:
    encoder = msgspec.msgpack.Encoder()
    decoder: Any = msgspec.msgpack.Decoder(kind)

    def write(value: Value) -> bytes:
        return VERSION + encoder.encode(value)

    def read(stored: bytes) -> Value:
        if stored[:1] != VERSION:
            raise StateError(f"{name}: state of version {stored[:1]!r}, not {VERSION!r}")
        try:
            value: Value = decoder.decode(memoryview(stored)[1:])
        except msgspec.MsgspecError as error:
            raise StateError(f"{name}: damaged state: {error}") from error
        return value

    return Table(name, write, read)


# Route stage.  A receipt id → what was decided of it, for life.
REGISTRY = _packed("registry", Route)
# `due:<minute>:<receipt id>` → nothing: originals with a document that waits till then.
PARKED = "parked"

# Settle stage.  An account id → the account.
ACCOUNTS = Table("accounts", account_bytes, account_from)
# A receipt id → per line what was paid, earned, drawn and returned, and its result.
SETTLED = Table("settled", settled_bytes, settled_from)
# A digest → who owns it.
OWNERS = _packed("owners", Ownership)

# Marketing stage.  A result id → nothing: what members have been told of.
TOLD = "told"

MINUTE_MS = 60_000
# Minutes of ten digits sort as numbers until the year 20,988.
MINUTE_DIGITS = 10


def due_key(at_ms: int, name: str) -> bytes:
    """Name the entry that wakes *name* at the first tick at or after *at_ms*."""
    minute = -(-at_ms // MINUTE_MS)
    return f"due:{minute:0{MINUTE_DIGITS}}:{name}".encode()


def due_name(key: bytes, now_ms: int) -> str | None:
    """Give the name in *key* if it is due at *now_ms*, or None."""
    _, minute, name = key.decode().split(":", 2)
    return name if int(minute) * MINUTE_MS <= now_ms else None
