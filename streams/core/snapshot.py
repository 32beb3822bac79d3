"""What others may read of an account: ledger.md §6.

Readers ignore lots that have ended without waiting for the ledger to say so.
The birthday and the member's attributes stay inside.
"""

from msgspec import Struct

from streams.core.account import (
    Account,
    CommittedHold,
    Counter,
    Debt,
    Qualifying,
    RecentSale,
    Status,
    TierFloor,
)
from streams.core.balances import balances
from streams.core.lots import Lot
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs
from streams.core.result import Balance
from streams.core.tiers import tier_at


class Snapshot(Struct, frozen=True):
    """
    An account as published.

    Attributes:
        mark: The instant at which *balances* and *tier* hold.
        recent: Sales of late, newest last.
        holds: Committed holds, which the front no longer counts.
        merged_into: The survivor, when the account is a pointer.
    """

    account: str
    version: int
    chain: str
    mark: EpochMs | None
    status: Status
    tier: str | None
    balances: tuple[Balance, ...]
    lots: tuple[Lot, ...]
    debts: tuple[Debt, ...]
    qualifying: tuple[Qualifying, ...]
    tier_floor: TierFloor | None
    counters: tuple[Counter, ...]
    recent: tuple[RecentSale, ...]
    holds: tuple[CommittedHold, ...]
    merged_into: str | None


def snapshot(account: Account, policy: LedgerPolicy) -> Snapshot:
    """Give what is published of *account* after a decision."""
    return Snapshot(
        account=account.id,
        version=account.version,
        chain=account.chain,
        mark=account.mark,
        status=account.status,
        tier=None if account.mark is None else tier_at(account, account.mark, policy),
        balances=balances(account),
        lots=account.lots,
        debts=account.debts,
        qualifying=account.qualifying,
        tier_floor=account.tier_floor,
        counters=account.counters,
        recent=account.recent,
        holds=account.holds,
        merged_into=account.merged_into,
    )
