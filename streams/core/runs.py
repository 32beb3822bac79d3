"""Time windows of campaigns and instants of documents: promotions.md §2 and §3.

Windows are half-open and read the programme's wall clock.  A date is its
midnight there.  The rule of this file: time comes in as epoch milliseconds and
a zone, and nothing here knows what time it is.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.core import calendar
from streams.core.grammar import WHEN
from streams.core.receipt import EpochMs

DAY_MINUTES = 24 * 60
WEEK_DAYS = 7
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EPOCH = calendar.EPOCH
MILLISECOND = timedelta(milliseconds=1)
FIRST_YEAR, LAST_YEAR = 1900, 9998  # Neighbouring years can be reckoned with as well.

Version = TypeVar("Version")


class Runs(Struct, frozen=True):
    """
    When a campaign runs; None and empty are without limit.

    Attributes:
        from_at: First instant.
        until_at: First instant after.
        weekdays: 0 is Monday.
        hours: Minutes of the local day, from and until.  A window whose end is not after its
            start crosses midnight and belongs to the weekday it began on.
    """

    from_at: EpochMs | None = None
    until_at: EpochMs | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


ALWAYS = Runs()


def local(at: EpochMs, zone: ZoneInfo) -> datetime:
    """Read the wall clock of *zone* at *at*."""
    return (EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def epoch(moment: datetime) -> EpochMs:
    """Turn an aware *moment* into epoch milliseconds, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def midnight(day: date, zone: ZoneInfo) -> EpochMs:
    """Find the start of *day*: the first of two midnights, the end of the gap if there is none."""
    return epoch(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))


def instant(text: str, zone: ZoneInfo) -> EpochMs:
    """
    Read a date or an instant of a document; without offset it is in *zone*.

    Raises:
        ValueError: If it is no such text, or no such day or hour exists.
    """
    if WHEN.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no date and no instant")
    if not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise ValueError(f"the year is not from {FIRST_YEAR} to {LAST_YEAR}")
    return calendar.instant(text, zone.key)


def clock(text: str) -> int:
    """
    Read `HH:MM` as minutes of the day; `24:00` is its end.

    Raises:
        ValueError: If it is no time of day.
    """
    hours, minutes = int(text[:2]), int(text[3:])
    total = hours * 60 + minutes
    if minutes > 59 or total > DAY_MINUTES:  # noqa: PLR2004 - Minutes of an hour.
        raise ValueError(f"{text} is no time of day from 00:00 to 24:00")
    return total


def running(runs: Runs, at: EpochMs, zone: ZoneInfo) -> bool:
    """Tell whether *runs* holds at *at*."""
    if runs.from_at is not None and at < runs.from_at:
        return False
    if runs.until_at is not None and at >= runs.until_at:
        return False
    return open_at(runs.weekdays, runs.hours, local(at, zone))


def open_at(weekdays: Sequence[int], hours: tuple[int, int] | None, moment: datetime) -> bool:
    """Tell whether weekdays and hours admit the wall clock *moment*."""
    weekday = moment.weekday()
    if hours is None:
        return not weekdays or weekday in weekdays
    start, end = hours
    minute = moment.hour * 60 + moment.minute
    if start < end:
        return start <= minute < end and (not weekdays or weekday in weekdays)
    if minute >= start:
        return not weekdays or weekday in weekdays
    return minute < end and (not weekdays or (weekday - 1) % WEEK_DAYS in weekdays)


def runs_until(runs: Runs, at: EpochMs, zone: ZoneInfo) -> EpochMs | None:
    """
    Find when a campaign running at *at* stops: the end of its interval, hours or weekday.

    None is never.  A quote is good no longer than that.
    """
    ends = [] if runs.until_at is None else [runs.until_at]
    now = local(at, zone)
    if runs.hours is not None:
        start, end = runs.hours
        minute = now.hour * 60 + now.minute
        tomorrow = end <= start and minute >= start
        ends.append(_wall(now.date() + timedelta(days=tomorrow), end, zone))
    elif runs.weekdays and (now.weekday() + 1) % WEEK_DAYS not in runs.weekdays:
        ends.append(midnight(now.date() + timedelta(days=1), zone))
    later = [end for end in ends if end > at]
    return min(later, default=None)


def _wall(day: date, minute: int, zone: ZoneInfo) -> EpochMs:
    day += timedelta(days=minute // DAY_MINUTES)
    hour, rest = divmod(minute % DAY_MINUTES, 60)
    return epoch(datetime(day.year, day.month, day.day, hour, rest, tzinfo=zone).astimezone(UTC))


def as_of(
    versions: Sequence[Version], at: EpochMs, valid_from: Callable[[Version], EpochMs | None]
) -> Version | None:
    """
    Choose the version that serves *at*: the last one whose *valid_from* is not after it.

    *versions* ascend by version number.  None of *valid_from* is always.  Of two versions
    valid from the same instant the later one serves.
    """
    serving = None
    for version in versions:
        start = valid_from(version)
        if start is None or start <= at:
            serving = version
    return serving
