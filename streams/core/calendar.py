"""Days, months and instants of the programme's zone: ledger.md §1 and §4.

Instants are epoch milliseconds UTC.  Calendar work is done in the zone of the
programme; a local midnight that is skipped or doubled takes fold 0.
"""

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streams.core.accrual import LotTerms
from streams.core.receipt import EpochMs

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTHS = 12
COUNT_MOST = 100_000  # Of minutes and hours.
DAYS_MOST = 36_600  # A hundred years: a term from any instant in bounds stays in the calendar.
MONTHS_MOST = 1_200
LATEST = 221_845_392_000_000  # 9000-01-01: documents carry no later instant, and none before 1970.
LEAP_DAY = (2, 29)


class CalendarError(ValueError):
    """A date, an instant or a term that cannot be read; says what would be right."""


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """
    Find a zone by its IANA name.

    Raises:
        CalendarError: If there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise CalendarError(f"{name!r} is no IANA zone, such as Europe/Moscow") from error


def iso(at: EpochMs) -> str:
    """
    Write an instant as ISO 8601 UTC with Z; milliseconds only where there are any.

    Raises:
        OverflowError: If the calendar has no such day.
    """
    day, millis = divmod(at, DAY_MS)
    seconds, millis = divmod(millis, SECOND_MS)
    text = f"{_iso_day(day)}T{_clock(seconds)}"
    return f"{text}.{millis:03d}Z" if millis else f"{text}Z"


def iso_millis(at: EpochMs) -> str:
    """
    Write an instant as ISO 8601 UTC with Z, always to the millisecond.

    Raises:
        OverflowError: If the calendar has no such day.
    """
    day, millis = divmod(at, DAY_MS)
    seconds, millis = divmod(millis, SECOND_MS)
    return f"{_iso_day(day)}T{_clock(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=16_384)
def _iso_day(day: int) -> str:
    """Write the date of a day counted from the epoch."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def instant(text: str, zone: str | None = None) -> EpochMs:
    """
    Read ISO 8601.

    Args:
        text: An instant with an offset or Z; with *zone*, also a bare date (its start
            there) or a local time.
        zone: The programme's zone.

    Raises:
        CalendarError: If *text* is none of these.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise CalendarError(f"{text!r} is no ISO 8601 instant") from error
    if moment.tzinfo is None:
        if zone is None:
            raise CalendarError(f"{text!r} lacks an offset or Z")
        moment = moment.replace(tzinfo=zone_of(zone), fold=0)
    try:
        return _millis(moment)
    except OverflowError as error:
        raise CalendarError(f"{text!r} is beyond the calendar") from error


def local_date(at: EpochMs, zone: str) -> date:
    """Give the date of *at* in *zone*."""
    for start, end, day in _days_of(at // DAY_MS, zone):
        if start <= at < end:
            return day
    return _local_date(at, zone)


def _local_date(at: EpochMs, zone: str) -> date:
    return datetime.fromtimestamp(at // SECOND_MS, zone_of(zone)).date()


@lru_cache(maxsize=65_536)
def _days_of(utc_day: int, zone: str) -> tuple[tuple[EpochMs, EpochMs, date], ...]:
    """
    Give the local days that meet a day of UTC, each from its start to the next one's.

    Days on which the clocks change are left out: there the clock alone can tell.
    """
    first = utc_day * DAY_MS
    try:
        days = sorted({_local_date(first, zone), _local_date(first + DAY_MS - 1, zone)})
        spans = [
            (midnight(day, zone), midnight(day + timedelta(days=1), zone), day) for day in days
        ]
    except (ValueError, OverflowError):
        return ()  # At an end of the calendar.
    return tuple(span for span in spans if _is_even(span[0], span[1], zone))


def _is_even(start: EpochMs, end: EpochMs, zone: str) -> bool:
    """Tell whether the clocks of *zone* go evenly from *start* to *end*."""
    hours = range(start, end, HOUR_MS)
    offsets = {_offset(at, zone) for at in (*hours, end - SECOND_MS)}
    return end - start == DAY_MS and len(offsets) == 1


def _offset(at: EpochMs, zone: str) -> timedelta | None:
    return datetime.fromtimestamp(at // SECOND_MS, zone_of(zone)).utcoffset()


@lru_cache(maxsize=65_536)
def midnight(day: date, zone: str) -> EpochMs:
    """Give the start of *day* in *zone*."""
    return _millis(datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)))


def months_on(day: date, months: int) -> date:
    """Give the same day *months* on (or back, below 0), clamped to the month's end."""
    year, month = divmod(day.year * MONTHS + day.month - 1 + months, MONTHS)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def yearly(text: str) -> tuple[int, int]:
    """
    Read `MM-DD`.

    Raises:
        CalendarError: If it names no day of a leap year.
    """
    try:
        day = date.fromisoformat(f"2024-{text}")
    except ValueError as error:
        raise CalendarError(f"{text!r} is no day such as 03-01") from error
    return day.month, day.day


def in_year(year: int, month: int, day: int) -> date:
    """Give that day of *year*; 29 February is 1 March in a common year."""
    if (month, day) == LEAP_DAY and not calendar.isleap(year):
        return date(year, 3, 1)
    return date(year, month, day)


def dates(terms: LotTerms, event_at: EpochMs, zone: str) -> tuple[EpochMs, EpochMs | None]:
    """
    Give the instants at which a lot's points become and stop being usable.

    Args:
        terms: The lot's terms.
        event_at: When the points were earned.
        zone: The programme's zone.

    Returns:
        `active_from`, and `expires_at` or None for never.  The end may come before the
        start (a month's end before a delay is over): such a lot is never usable.

    Raises:
        CalendarError: If the terms cannot be read.
    """
    delay, valid = terms.delay, terms.valid
    if not delay and not valid:
        return event_at, None
    if (delay and "days" not in delay) or (valid and ("never" in valid or "until" in valid)):
        return _dates(terms, event_at, zone)
    # The date alone decides then, and a campaign pays many receipts a day.
    day = local_date(event_at, zone)
    key = (id(terms), day, zone)
    known = _known.get(key)
    if known is None or known[0] is not terms:
        active_from, expires_at = _dates(terms, event_at, zone)
        if len(_known) >= KNOWN_MOST:
            _known.clear()
        known = terms, None if active_from == event_at else active_from, expires_at
        if not delay or active_from != event_at:
            _known[key] = known
    return event_at if known[1] is None else known[1], known[2]


# Terms and what they give on a date; None is the event itself.  The terms are kept with it,
# so that no others can have their identity.
_known: dict[tuple[int, date, str], tuple[LotTerms, EpochMs | None, EpochMs | None]] = {}
KNOWN_MOST = 16_384


def _dates(terms: LotTerms, event_at: EpochMs, zone: str) -> tuple[EpochMs, EpochMs | None]:
    active_from = _activation(terms.delay or {}, event_at, zone)
    valid = terms.valid
    if not valid:
        return active_from, None
    start = valid.get("from", "activation")
    if start not in ("activation", "event"):
        raise CalendarError(f"valid from {start!r}: write activation or event")
    return active_from, _end(valid, active_from if start == "activation" else event_at, zone)


def _activation(delay: Mapping[str, int], event_at: EpochMs, zone: str) -> EpochMs:
    if not delay:
        return event_at
    ((unit, count),) = delay.items() if len(delay) == 1 else (("", 0),)
    _whole(count, f"delay {unit}", DAYS_MOST if unit == "days" else COUNT_MOST)
    if unit == "minutes":
        return event_at + count * MINUTE_MS
    if unit == "hours":
        return event_at + count * HOUR_MS
    if unit != "days":
        raise CalendarError(f"delay {dict(delay)!r}: write one of minutes, hours, days")
    if count == 0:
        return event_at
    return midnight(local_date(event_at, zone) + timedelta(days=count), zone)


def _end(valid: Mapping[str, object], base: EpochMs, zone: str) -> EpochMs | None:
    units = [each for each in valid if each not in ("from", "at_least")]
    if len(units) != 1:
        raise CalendarError(
            f"valid {dict(valid)!r}: write one of days, months, end_of_month, yearly, "
            "next_year, until, never"
        )
    unit = units[0]
    value = valid[unit]
    if unit == "never":
        return None
    if unit == "until":
        return instant(str(value), zone)
    try:
        last_plus_one = _day_after(unit, value, valid.get("at_least", 1), local_date(base, zone))
        return midnight(last_plus_one, zone)
    except CalendarError:
        raise
    except (OverflowError, ValueError) as error:
        raise CalendarError(f"valid {dict(valid)!r} ends beyond the calendar") from error


def _day_after(unit: str, value: object, at_least: object, day: date) -> date:
    """Give the day at whose start the lot stops being usable."""
    if unit == "yearly":
        month, of_month = yearly(str(value))
        earliest = day + timedelta(days=_whole(at_least, "at_least", DAYS_MOST))
        first = in_year(earliest.year, month, of_month)
        return first if first >= earliest else in_year(earliest.year + 1, month, of_month)
    if unit == "next_year":
        return in_year(day.year + 1, *yearly(str(value)))
    count = _whole(value, f"valid {unit}", DAYS_MOST if unit == "days" else MONTHS_MOST)
    if unit == "days":
        return day + timedelta(days=count + 1)
    if unit == "months":
        return months_on(day, count) + timedelta(days=1)
    if unit == "end_of_month":
        return months_on(day.replace(day=1), count + 1)
    raise CalendarError(
        f"valid {unit!r}: write one of days, months, end_of_month, yearly, next_year, until"
    )


def _whole(value: object, what: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise CalendarError(f"{what} is {value!r}: write a whole number from 0 to {most}")
    return value


def _millis(moment: datetime) -> EpochMs:
    # Arithmetic of aware datetimes of one zone ignores offsets, so both sides are UTC.
    since = moment.astimezone(UTC) - EPOCH
    return since.days * DAY_MS + since.seconds * SECOND_MS + since.microseconds // 1_000
