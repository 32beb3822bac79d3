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


def bonus_bytes(codec: Codec, result: Result) -> bytes:
    """Write a record of the bonuses topic; key it by account, or by document without one."""
    return codec.encode("Bonus", result)


def bonus_from(codec: Codec, data: bytes | None) -> Result:
    """
    Read a record of the bonuses topic.

    Raises:
        CodecError: If the bytes are no bonus.
    """
    return codec.read(data, "Bonus", Result)


def account_bytes(codec: Codec, snapshot: Snapshot) -> bytes:
    """Write a record of the accounts topic; key it by account."""
    return codec.encode("Account", snapshot)


def account_from(codec: Codec, data: bytes | None) -> Snapshot:
    """
    Read a record of the accounts topic.

    Raises:
        CodecError: If the bytes are no account.
    """
    return codec.read(data, "Account", Snapshot)


def resolution_bytes(codec: Codec, ownership: Ownership) -> bytes:
    """Write a record of the resolutions topic; key it by digest."""
    return codec.encode("Resolution", ownership)


def resolution_from(codec: Codec, data: bytes | None) -> Ownership:
    """
    Read a record of the resolutions topic.

    Raises:
        CodecError: If the bytes are no resolution.
    """
    return codec.read(data, "Resolution", Ownership)


def notification_bytes(codec: Codec, notification: Notification) -> bytes:
    """Write a record of the notifications topic; key it by account."""
    return codec.encode("Notification", notification)


def notification_from(codec: Codec, data: bytes | None) -> Notification:
    """
    Read a record of the notifications topic.

    Raises:
        CodecError: If the bytes are no notification.
    """
    return codec.read(data, "Notification", Notification)
