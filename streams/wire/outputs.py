"""
What the stages publish: bonuses, accounts, resolutions, notifications.

Each record has the fields of the core value; equal values have equal bytes, so a
repeated document is answered byte for byte.
"""

from schemas.codec import Codec
from streams.core.notices import Notification
from streams.core.ownership import Ownership
from streams.core.result import Result
from streams.core.snapshot import Snapshot
from streams.wire.records import value_of


def bonus_bytes(codec: Codec, result: Result) -> bytes:
    """Write a record of the bonuses topic; key it by account, or by document without one."""
    return codec.encode("Bonus", result)


def bonus_from(codec: Codec, data: bytes | None) -> Result:
    """
    Read a record of the bonuses topic.

    Raises:
        CodecError: If the bytes are no bonus.
    """
    return value_of(Result, codec.decode(data, "Bonus"))


def account_bytes(codec: Codec, snapshot: Snapshot) -> bytes:
    """Write a record of the accounts topic; key it by account."""
    return codec.encode("Account", snapshot)


def account_from(codec: Codec, data: bytes | None) -> Snapshot:
    """
    Read a record of the accounts topic.

    Raises:
        CodecError: If the bytes are no account.
    """
    return value_of(Snapshot, codec.decode(data, "Account"))


def resolution_bytes(codec: Codec, ownership: Ownership) -> bytes:
    """Write a record of the resolutions topic; key it by digest."""
    return codec.encode("Resolution", ownership)


def resolution_from(codec: Codec, data: bytes | None) -> Ownership:
    """
    Read a record of the resolutions topic.

    Raises:
        CodecError: If the bytes are no resolution.
    """
    return value_of(Ownership, codec.decode(data, "Resolution"))


def notification_bytes(codec: Codec, notification: Notification) -> bytes:
    """Write a record of the notifications topic; key it by account."""
    return codec.encode("Notification", notification)


def notification_from(codec: Codec, data: bytes | None) -> Notification:
    """
    Read a record of the notifications topic.

    Raises:
        CodecError: If the bytes are no notification.
    """
    return value_of(Notification, codec.decode(data, "Notification"))
