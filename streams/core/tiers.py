"""Tiers: a pure function of kept qualifying net (ledger.md §7).

Demotion is the function falling; past earnings are never rated again.
"""

from datetime import date
from functools import lru_cache

from streams.core.account import Account
from streams.core.calendar import local_date, midnight, months_on
from streams.core.policy import LedgerPolicy, TierPolicy
from streams.core.receipt import EpochMs, Money

EARLIEST: EpochMs = 0  # Documents carry no instant before 1970.


def tier_at(
    account: Account, at: EpochMs, policy: LedgerPolicy, *, counting: Money = 0
) -> str | None:
    """
    Give the tier of *account* at the instant *at*, or None below the first level.

    Args:
        account: With the sales settled so far.
        at: Sales and returns dated later do not count.
        policy: The programme's.
        counting: Net of the receipt in hand, where it counts for itself.
    """
    tier = policy.tier
    if tier is None:
        return None
    net = _qualifying_net(account, at, tier, policy.zone, counting)
    reached = [name for name, least in tier.levels if net >= least]
    earned = reached[-1] if reached else None
    floor = account.tier_floor
    if floor is None or at >= floor.until:
        return earned
    names = [None, *(name for name, _ in tier.levels)]
    if floor.tier not in names:
        return earned
    return max(earned, floor.tier, key=names.index)


def _qualifying_net(
    account: Account, at: EpochMs, tier: TierPolicy, zone: str, counting: Money
) -> Money:
    today = local_date(at, zone)
    if tier.window == "lifetime":
        return counting + _net_within(account, None, at, tier)
    if tier.window == "calendar":
        this_year = midnight(today.replace(month=1, day=1), zone)
        last_year = midnight(today.replace(year=today.year - 1, month=1, day=1), zone)
        this = counting + _net_within(account, this_year, at, tier)
        last = _net_within(account, last_year, at, tier, before=this_year)
        return max(this, last)
    return counting + _net_within(account, _window_start(today, tier.window, zone), at, tier)


@lru_cache(maxsize=4_096)
def _window_start(today: date, months: int, zone: str) -> EpochMs:
    """Give the start of the window of *months*: it holds the dates after the same date then."""
    first = months_on(today, -months).toordinal() + 1
    return midnight(date.fromordinal(first), zone)


def _net_within(
    account: Account,
    start: EpochMs | None,
    at: EpochMs,
    tier: TierPolicy,
    before: EpochMs | None = None,
) -> Money:
    """Sum sales of [start, at] (below *before*), less what came back by *at*."""
    first = EARLIEST if start is None else start
    last = at if before is None else min(at, before - 1)
    net = 0
    withdraw = tier.on_return == "withdraw"
    for sale in account.qualifying:
        if first <= sale.sold_at <= last:
            net += sale.net
            if sale.returns and withdraw:
                net -= sum(each.net for each in sale.returns if each.at <= at)
    return net
