"""Points a store may take while it is offline: ledger.md §8.

A signed allowance is a confirmed hold for one store, so that nothing it lets a till
redeem can be spent elsewhere meanwhile: the exposure is zero by construction.  A member
whom the store can't find only earns, unless the programme gives stores a float.
"""

from hashlib import sha256
from hmac import compare_digest, new

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs, Money, Points


class Allowance(Struct, frozen=True):
    """
    What *store* may redeem of *account*, up to *points*, before *not_after*.

    Attributes:
        nonce: Makes each allowance of a hold another one.
        signature: Hex HMAC-SHA256 of the others; empty before signing.
    """

    account: str
    store: str
    hold_id: str
    points: Points
    not_after: EpochMs
    nonce: str
    signature: str = ""


def signed(allowance: Allowance, key: bytes) -> Allowance:
    """Sign *allowance* with the front's *key*."""
    return replace(allowance, signature=_signature(allowance, key))


def admissible(
    allowance: Allowance, key: bytes, *, store: str, points: Points, at: EpochMs
) -> bool:
    """Tell whether a till of *store* may redeem *points* on *allowance* at *at*."""
    genuine = compare_digest(allowance.signature, _signature(allowance, key))
    return (
        genuine
        and allowance.store == store
        and 0 < points <= allowance.points
        and at < allowance.not_after
    )


def _signature(allowance: Allowance, key: bytes) -> str:
    content = msgspec.json.encode(replace(allowance, signature=""), order="deterministic")
    return new(key, content, sha256).hexdigest()


class StoreFloat(Struct, frozen=True):
    """What one store redeemed for members it can't find, not settled yet, in minor units."""

    store: str
    exposed: Money = 0


def redeemed_unknown(
    float_: StoreFloat, money: Money, policy: LedgerPolicy
) -> tuple[StoreFloat, bool]:
    """Let the store's float cover *money*, above 0, whole or not at all."""
    if policy.offline_unknown == "earn_only" or float_.exposed + money > policy.store_float:
        return float_, False
    return replace(float_, exposed=float_.exposed + money), True


def settled_unknown(float_: StoreFloat, money: Money) -> StoreFloat:
    """Free *money* once its receipt is settled, whoever owes it then."""
    return replace(float_, exposed=max(0, float_.exposed - money))
