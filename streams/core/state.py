"""State values as bytes: msgpack by msgspec behind a version byte (design.md §4).

An older version is read and written back as the newest; fields are added at the
end with defaults, which needs no new version.  They never leave the app.
"""

from typing import TypeVar

import msgspec

from streams.core.account import Account
from streams.core.settled import SettledReceipt

VERSION = b"\x01"
Value = TypeVar("Value")

_encoder = msgspec.msgpack.Encoder()
_account = msgspec.msgpack.Decoder(Account)
_settled = msgspec.msgpack.Decoder(SettledReceipt)


class StateError(ValueError):
    """State bytes that this build cannot read."""


def account_bytes(account: Account) -> bytes:
    """Write an account."""
    return VERSION + _encoder.encode(account)


def account_from(state: bytes) -> Account:
    """
    Read an account.

    Raises:
        StateError: If the bytes are of no known version or damaged.
    """
    return _read(_account, state)


def settled_bytes(settled: SettledReceipt) -> bytes:
    """Write a settled receipt."""
    return VERSION + _encoder.encode(settled)


def settled_from(state: bytes) -> SettledReceipt:
    """
    Read a settled receipt.

    Raises:
        StateError: If the bytes are of no known version or damaged.
    """
    return _read(_settled, state)


def _read(decoder: msgspec.msgpack.Decoder[Value], state: bytes) -> Value:
    if state[:1] != VERSION:
        raise StateError(f"state of version {state[:1]!r}; this build reads {VERSION!r}")
    try:
        return decoder.decode(memoryview(state)[1:])
    except msgspec.MsgspecError as error:
        raise StateError(f"damaged state: {error}") from error
