"""Days, months and midnights: of zones that change their clocks, leap years, month ends."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.accrual import LotTerms
from streams.core.calendar import (
    LATEST,
    CalendarError,
    dates,
    in_year,
    instant,
    iso,
    local_date,
    midnight,
    months_on,
)

MINUTE = 60_000
ZONES = (
    "Europe/Moscow",
    "Asia/Vladivostok",  # +10.
    "Europe/Kaliningrad",  # +2.
    "America/New_York",
    "America/Havana",  # Midnight is doubled in autumn.
    "Africa/Cairo",  # Midnight is skipped in spring.
    "Asia/Kathmandu",  # +5:45.
    "Pacific/Apia",  # Skipped a whole day in 2011.
)
INSTANTS = st.integers(instant("2009-01-01T00:00:00Z"), instant("2031-01-01T00:00:00Z"))


def first_instant(day, zone):
    """Find the first minute of *day*, or after it, by looking at every quarter of an hour."""
    at = instant(f"{day.isoformat()}T00:00:00Z") - 16 * 60 * MINUTE
    while local_date(at, zone) < day:
        at += 15 * MINUTE
    return at


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_midnight_is_the_first_instant_of_its_day(at, zone):
    """Also where the clock skips it or shows it twice."""
    day = local_date(at, zone)
    assert midnight(day, zone) == first_instant(day, zone)


@pytest.mark.parametrize(
    ("day", "zone", "at"),
    [
        ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z"),  # 01:00 follows 23:59.
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00Z"),  # The first of two.
        ("2026-03-01", "Asia/Vladivostok", "2026-02-28T14:00:00Z"),
        ("2026-03-01", "Europe/Kaliningrad", "2026-02-28T22:00:00Z"),
        ("2024-02-29", "Europe/Moscow", "2024-02-28T21:00:00Z"),
    ],
)
def test_a_midnight_that_is_skipped_or_doubled_takes_fold_0(day, zone, at):
    """Offset by the clock before the change."""
    assert iso(midnight(date.fromisoformat(day), zone)) == at


def by_hand(unit, count, day):
    """Count days one by one to the last on which a lot can be used."""
    if unit == "days":
        for _ in range(count):
            day += timedelta(days=1)
        return day
    year, month = day.year, day.month
    for _ in range(count):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    last = 31 if unit == "end_of_month" else day.day
    while True:
        try:
            return date(year, month, last)
        except ValueError:
            last -= 1


@given(
    INSTANTS,
    st.sampled_from(ZONES),
    st.sampled_from(["days", "months", "end_of_month"]),
    st.integers(0, 40),
    st.integers(0, 20),
)
def test_a_lot_is_usable_to_the_end_of_its_last_day(at, zone, unit, count, delay):
    """By a calendar that is walked day by day; never a minute more or less."""
    terms = LotTerms(delay={"days": delay}, valid={unit: count})
    active_from, expires_at = dates(terms, at, zone)
    begins = local_date(at, zone) + timedelta(days=delay)
    assert active_from == (at if delay == 0 else first_instant(begins, zone))
    last = by_hand(unit, count, local_date(active_from, zone))

    assert expires_at == first_instant(last + timedelta(days=1), zone)
    assert local_date(expires_at - 1, zone) <= last


@given(INSTANTS, st.sampled_from(ZONES), st.dates(date(2024, 1, 1), date(2024, 12, 31)),
       st.integers(0, 500))  # fmt: skip
def test_a_yearly_end_is_the_first_such_day_far_enough_on(at, zone, of, at_least):
    """29 February is 1 March in a common year."""
    text = f"{of:%m-%d}"
    _, expires_at = dates(LotTerms(valid={"yearly": text, "at_least": at_least}), at, zone)
    day = local_date(at, zone) + timedelta(days=at_least)
    while day != in_year(day.year, of.month, of.day):
        day += timedelta(days=1)
    assert expires_at == first_instant(day, zone)
    _, next_year = dates(LotTerms(valid={"next_year": text}), at, zone)
    wanted = in_year(local_date(at, zone).year + 1, of.month, of.day)
    assert next_year == first_instant(wanted, zone)


@pytest.mark.parametrize(
    ("day", "months", "on"),
    [
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-01-15", -12, "2025-01-15"),
    ],
)
def test_months_are_clamped_to_their_end(day, months, on):
    """And a later month knows nothing of it."""
    assert months_on(date.fromisoformat(day), months) == date.fromisoformat(on)


@pytest.mark.parametrize(
    ("terms", "active", "ends"),
    [
        ({}, "2026-02-07T09:00:00Z", None),
        ({"delay": {"minutes": 5}}, "2026-02-07T09:05:00Z", None),
        ({"delay": {"hours": 30}}, "2026-02-08T15:00:00Z", None),
        ({"delay": {"days": 0}}, "2026-02-07T09:00:00Z", None),
        ({"valid": {"never": True}}, "2026-02-07T09:00:00Z", None),
        ({"valid": {"until": "2026-03-31"}}, "2026-02-07T09:00:00Z", "2026-03-30T21:00:00Z"),
        (
            {"valid": {"until": "2026-03-31T12:00:00+10:00"}},
            "2026-02-07T09:00:00Z", "2026-03-31T02:00:00Z",
        ),
        (
            {"delay": {"days": 30}, "valid": {"end_of_month": 0, "from": "event"}},
            "2026-03-08T21:00:00Z", "2026-02-28T21:00:00Z",
        ),
    ],
)  # fmt: skip
def test_terms_give(terms, active, ends):
    """Sold at noon of 7 February in Moscow; an end before the start is possible."""
    active_from, expires_at = dates(LotTerms(**terms), instant("2026-02-07T12:00:00+03:00"),
                                    "Europe/Moscow")  # fmt: skip
    assert (iso(active_from), expires_at and iso(expires_at)) == (active, ends)


@pytest.mark.parametrize(
    "terms",
    [
        {"delay": {"days": 36_601}},
        {"delay": {"days": -1}},
        {"delay": {"days": True}},
        {"delay": {"weeks": 1}},
        {"delay": {"days": 1, "hours": 1}},
        {"delay": {"hours": 100_001}},
        {"valid": {"days": 36_601}},
        {"valid": {"months": 1_201}},
        {"valid": {"months": 100_000}},
        {"valid": {"end_of_month": 1_201}},
        {"valid": {"months": "1"}},
        {"valid": {"years": 1}},
        {"valid": {"days": 1, "months": 1}},
        {"valid": {"from": "event"}},
        {"valid": {"days": 1, "from": "birth"}},
        {"valid": {"yearly": "02-30"}},
        {"valid": {"yearly": "03-01", "at_least": 36_601}},
        {"valid": {"until": "tomorrow"}},
        {"valid": {"until": "9999-12-31T23:59:59-12:00"}},
        {"valid": {"until": None}},
    ],
)
def test_terms_that_no_lot_could_have_are_an_error(terms):
    """Whatever a marketer or an importer wrote, it is this error and no other."""
    with pytest.raises(CalendarError):
        dates(LotTerms(**terms), 0, "Europe/Moscow")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [0, LATEST])
def test_the_longest_terms_stay_in_the_calendar_from_any_instant(at, zone):
    """A document's instant is bounded, and so is every term."""
    for valid in ({"months": 1_200}, {"days": 36_600}, {"end_of_month": 1_200},
                  {"yearly": "02-29", "at_least": 36_600}, {"next_year": "12-31"}):  # fmt: skip
        _, expires_at = dates(LotTerms(delay={"days": 36_600}, valid=valid), at, zone)
        assert iso(expires_at) > iso(at)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_an_instant_is_written_and_read_the_same(at):
    """With Z, and milliseconds only where there are any."""
    text = iso(at)
    assert instant(text) == at
    assert text.endswith("Z")
    assert ("." in text) == bool(at % 1_000)


def test_a_local_time_that_is_doubled_is_its_first():
    """Half past midnight comes twice in Havana on 1 November."""
    assert iso(instant("2026-11-01T00:30", "America/Havana")) == "2026-11-01T04:30:00Z"
