"""What a store may redeem while it is offline."""

import pytest
from msgspec.structs import replace

from streams.core.allowance import (
    Allowance,
    StoreFloat,
    admissible,
    redeemed_unknown,
    settled_unknown,
    signed,
)
from streams.core.policy import ledger_policy

KEY = b"of the front"
GIVEN = signed(Allowance("A", "S-1", "h", 100, 1_000, "n"), KEY)


@pytest.mark.parametrize(
    ("allowance", "store", "points", "at", "fine"),
    [
        (GIVEN, "S-1", 100, 999, True),
        (GIVEN, "S-1", 1, 999, True),
        (GIVEN, "S-1", 101, 999, False),
        (GIVEN, "S-1", 0, 999, False),
        (GIVEN, "S-1", 100, 1_000, False),
        (GIVEN, "S-2", 100, 999, False),
        (replace(GIVEN, points=1_000), "S-1", 100, 999, False),
        (replace(GIVEN, nonce="m"), "S-1", 100, 999, False),
        (replace(GIVEN, signature=""), "S-1", 100, 999, False),
    ],
)
def test_an_allowance_is_for_one_store_so_many_points_and_a_time(
    allowance, store, points, at, fine
):
    """And nobody but the front can write one."""
    assert admissible(allowance, KEY, store=store, points=points, at=at) is fine


def test_a_member_whom_an_offline_store_cannot_find_only_earns():
    """The default: nothing is redeemed, so nothing is exposed."""
    empty = StoreFloat("S-1")
    assert redeemed_unknown(empty, 1, ledger_policy()) == (empty, False)


def test_a_store_with_a_float_is_exposed_to_no_more_than_that():
    """What was settled frees it again."""
    policy = ledger_policy({"offline_unknown": "store_float", "store_float": 1_000})
    once, fine = redeemed_unknown(StoreFloat("S-1"), 600, policy)
    assert fine
    assert redeemed_unknown(once, 401, policy) == (once, False)
    twice, fine = redeemed_unknown(once, 400, policy)
    assert (twice.exposed, fine) == (1_000, True)
    assert settled_unknown(twice, 600).exposed == 400
    assert settled_unknown(twice, 2_000).exposed == 0
