"""Member limits: how often, and for how many points, a rule pays in a period (ledger.md §7).

Counters live in the account and count in log order: the first document in the
log wins.  Periods are calendar periods in the programme's zone.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account, Counter
from streams.core.accrual import Headroom, Limit
from streams.core.calendar import DAY_MS, CalendarError, local_date, midnight, months_on
from streams.core.policy import LedgerPolicy
from streams.core.receipt import EpochMs, Points, Receipt

CounterKey = tuple[str, str, str, str]
# A counter outlives its period by this many times the lateness of a receipt: a sale of
# the period may still arrive, and its return after it.
KEPT_TIMES = 4


class Period(Struct, frozen=True):
    """One period of a limit: how it is counted, its name, and when it is over."""

    per: str
    key: str
    ends_at: EpochMs | None = None


def period_of(per: str, at: EpochMs, zone: str, *, birthday_key: int | None = None) -> Period:
    """
    Find the period of the kind *per* that holds *at*.

    Raises:
        CalendarError: If *per* is no kind of period.
    """
    if per == "ever":
        return Period(per, "")
    if per == "birthday":
        return Period(per, "" if birthday_key is None else str(birthday_key))
    day = local_date(at, zone)
    if per == "day":
        return Period(per, day.isoformat(), midnight(day + timedelta(days=1), zone))
    if per == "week":
        year, week, weekday = day.isocalendar()
        return Period(per, f"{year}-W{week:02d}", midnight(day + timedelta(days=8 - weekday), zone))
    if per == "month":
        first = date(day.year, day.month, 1)
        return Period(per, f"{first:%Y-%m}", midnight(months_on(first, 1), zone))
    raise CalendarError(f"limit per {per!r}: write day, week, month, birthday or ever")


def headroom(
    counters: Sequence[Counter],
    rule: str,
    limits: Sequence[Limit],
    at: EpochMs,
    *,
    zone: str,
    birthday_key: int | None,
    free: Callable[[Limit], tuple[int, Points]] | None = None,
) -> Headroom:
    """
    Give what the counters leave to *rule* at *at*; the smallest remainder binds.

    *free* says of a limit which uses and points are to be left out of account.
    """
    uses: int | None = None
    points: Points | None = None
    for limit in limits:
        used, given = counted(counters, rule, limit, at, zone=zone, birthday_key=birthday_key)
        spared_uses, spared_points = (0, 0) if free is None else free(limit)
        if limit.uses is not None:
            left = max(0, limit.uses + spared_uses - used)
            uses = left if uses is None else min(uses, left)
        if limit.points is not None:
            left = max(0, limit.points + spared_points - given)
            points = left if points is None else min(points, left)
    return Headroom(uses, points)


def counted(
    counters: Sequence[Counter],
    rule: str,
    limit: Limit,
    at: EpochMs,
    *,
    zone: str,
    birthday_key: int | None,
) -> tuple[int, Points]:
    """Sum the uses and points of *rule*, over all origins, in the period of *limit* at *at*."""
    key = birthday_key if limit.key is None else limit.key
    period = period_of(limit.per, at, zone, birthday_key=key)
    own = [
        each
        for each in counters
        if each.rule == rule and each.per == period.per and each.key == period.key
    ]
    return sum(each.uses for each in own), sum(each.points for each in own)


def count(
    changed: dict[CounterKey, Counter],
    counters: Sequence[Counter],
    rule: str,
    limits: Sequence[Limit],
    at: EpochMs,
    *,
    zone: str,
    origin: str,
    uses: int,
    points: Points,
    birthday_key: int | None,
) -> None:
    """
    Count *uses* and *points*, below 0 when released, in every period of *limits*.

    A counter never falls below 0: what was pruned can't be released.
    """
    periods = {
        period_of(each.per, at, zone, birthday_key=each.key or birthday_key) for each in limits
    }
    for period in sorted(periods, key=lambda each: (each.per, each.key)):
        key = (rule, period.per, period.key, origin)
        counter = changed.get(key) or next(
            (each for each in counters if counter_key(each) == key),
            Counter(rule, period.per, period.key, origin, ends_at=period.ends_at),
        )
        changed[key] = replace(
            counter,
            uses=max(0, counter.uses + uses),
            points=max(0, counter.points + points),
        )


def counter_key(counter: Counter) -> CounterKey:
    """Give the identity of a counter."""
    return counter.rule, counter.per, counter.key, counter.origin


def current(
    counters: Sequence[Counter],
    changed: Mapping[CounterKey, Counter],
    mark: EpochMs,
    policy: LedgerPolicy,
) -> tuple[Counter, ...]:
    """Merge *changed* into *counters*, in order; drop those long over."""
    if not changed:
        return tuple(counters)
    oldest = mark - KEPT_TIMES * policy.max_late_days * DAY_MS
    merged = {counter_key(each): each for each in counters} | dict(changed)
    return tuple(
        merged[key]
        for key in sorted(merged)
        if merged[key].ends_at is None or (merged[key].ends_at or 0) >= oldest
    )


def rivals_of(receipt: Receipt, account: Account, policy: LedgerPolicy) -> tuple[str, ...]:
    """
    List the documents that may have used limits which *receipt* comes before.

    There are none where the log decides, or where no event is later.
    """
    late = account.mark is not None and receipt.sold_at < account.mark
    if policy.limit_first == "log" or not late or not receipt.sales:
        return ()
    rules = {
        each.rule
        for each in account.counters
        if each.per == "birthday"
        or each.key == period_of(each.per, receipt.sold_at, policy.zone).key
    }
    found = {lot.document: None for lot in account.lots if lot.rule in rules}
    return tuple(each for each in found if each != receipt.id)
