"""What sales and returns count towards tiers, and how long it is kept: ledger.md §6.

Sales long past lateness are kept as one a day: no document can ask for a finer
answer any more.
"""

from msgspec.structs import replace

from streams.core.account import Account, Qualifying, QualifyingReturn
from streams.core.calendar import DAY_MS, local_date
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs, Money

# How many times a receipt's greatest lateness a sale stays apart from its day's others.
APART_TIMES = 4
# Merging looks at every sale, so it waits until this many could be merged.
MERGED_AT_LEAST = 64


def with_sale(
    kept: tuple[Qualifying, ...], *, receipt: str, sold_at: EpochMs, net: Money, origin: str
) -> tuple[Qualifying, ...]:
    """Add a sale."""
    return (*kept, Qualifying(sold_at, net, origin, (), receipt))


def with_return(
    kept: tuple[Qualifying, ...],
    *,
    receipt: str,
    sold_at: EpochMs,
    origin: str,
    at: EpochMs,
    net: Money,
    zone: str,
) -> tuple[Qualifying, ...]:
    """Note at the sale *receipt*, or at its day, that *net* came back at the instant *at*."""
    place = next((i for i, each in enumerate(kept) if each.receipt == receipt), None)
    if place is None:
        day = local_date(sold_at, zone)
        place = next(
            (
                i
                for i, each in enumerate(kept)
                if not each.receipt
                and each.origin == origin
                and local_date(each.sold_at, zone) == day
            ),
            None,
        )
    if place is None:
        return kept
    sale = kept[place]
    noted = replace(sale, returns=(*sale.returns, QualifyingReturn(at, net)))
    return (*kept[:place], noted, *kept[place + 1 :])


def by_day(account: Account, policy: LedgerPolicy) -> Account:
    """Merge the sales of each past day and origin, once enough of them are long past."""
    if len(account.qualifying) < MERGED_AT_LEAST:
        return account
    oldest = (account.mark or 0) - APART_TIMES * policy.max_late_days * DAY_MS
    past = [each for each in account.qualifying if each.receipt and each.sold_at < oldest]
    if len(past) < MERGED_AT_LEAST:
        return account
    days: dict[tuple[object, str], Qualifying] = {}
    apart = []
    for sale in account.qualifying:
        if sale.sold_at >= oldest:
            apart.append(sale)
            continue
        key = (local_date(sale.sold_at, policy.zone), sale.origin)
        other = days.get(key)
        days[key] = replace(sale, receipt="") if other is None else _merged(other, sale)
    return replace(account, qualifying=(*days.values(), *apart))


def _merged(one: Qualifying, other: Qualifying) -> Qualifying:
    return replace(
        one,
        sold_at=min(one.sold_at, other.sold_at),
        net=one.net + other.net,
        returns=(*one.returns, *other.returns),
    )
