"""Tiers: a pure function of kept qualifying net (ledger.md §7).

Demotion is the function falling; past earnings are never rated again.
"""

from streams.core.account import Account
from streams.core.calendar import local_date, midnight, months_on
from streams.core.policy import LedgerPolicy, TierPolicy
from streams.core.receipt import EpochMs, Money


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
    # The window holds the local dates after the same date *window* months ago.
    first = months_on(today, -tier.window).toordinal() + 1
    return counting + _net_within(account, midnight(today.fromordinal(first), zone), at, tier)


def _net_within(
    account: Account,
    start: EpochMs | None,
    at: EpochMs,
    tier: TierPolicy,
    before: EpochMs | None = None,
) -> Money:
    """Sum sales of [start, at] (below *before*), less what came back by *at*."""
    net = 0
    withdraw = tier.on_return == "withdraw"
    for sale in account.qualifying:
        if sale.sold_at > at or (start is not None and sale.sold_at < start):
            continue
        if before is not None and sale.sold_at >= before:
            continue
        net += sale.net
        if withdraw and sale.returns:
            net -= sum(each.net for each in sale.returns if each.at <= at)
    return net
