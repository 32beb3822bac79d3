"""What is remembered of days and terms is what the clock says."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.accrual import LotTerms
from streams.core.calendar import (
    DAY_MS,
    EPOCH,
    HOUR_MS,
    MINUTE_MS,
    dates,
    iso,
    iso_millis,
    local_date,
    midnight,
    zone_of,
)

ZONES = (
    "Europe/Moscow",
    "America/New_York",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Monrovia",
)
INSTANTS = st.integers(-60 * 365 * DAY_MS, 60 * 365 * DAY_MS)


@settings(max_examples=500, deadline=None)
@given(INSTANTS, st.sampled_from(ZONES))
def test_a_date_is_what_the_clock_of_the_zone_shows(at, zone):
    """Whatever was asked before."""
    moment = EPOCH + timedelta(milliseconds=at - at % 1000)
    assert local_date(at, zone) == moment.astimezone(zone_of(zone)).date()


# Clocks that change at midnight, a minute after it, by half an hour, and a skipped day.
CHANGES = [
    ("America/St_Johns", datetime(2009, 11, 1, 2, 31, tzinfo=UTC)),
    ("America/St_Johns", datetime(2009, 3, 8, 3, 31, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2020, 4, 4, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("America/New_York", datetime(2017, 3, 12, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2017, 11, 5, 6, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_date_is_right_to_the_minute_where_clocks_change(zone, change):
    """Two days around the change, each minute of the hours next to it, each hour else."""
    at = int(change.timestamp()) * 1000
    near = range(at - 3 * HOUR_MS, at + 3 * HOUR_MS, MINUTE_MS)
    for each in (*range(at - 2 * DAY_MS, at + 2 * DAY_MS, HOUR_MS), *near):
        moment = datetime.fromtimestamp(each / 1000, zone_of(zone))
        assert local_date(each, zone) == moment.date()


@pytest.mark.parametrize("at", [0, 1, 999, 1000, -1, 86_399_999, 1_488_380_400_000, -(2**43)])
def test_an_instant_is_written_to_the_second_or_the_millisecond(at):
    """As the library writes it."""
    moment = EPOCH + timedelta(milliseconds=at)
    millis = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert iso_millis(at) == millis
    assert iso(at) == (millis if at % 1000 else millis.replace(".000Z", "Z"))


@pytest.mark.parametrize("write", [iso, iso_millis])
@pytest.mark.parametrize("at", [2**62, -(2**62), 253_402_300_800_000])
def test_an_instant_beyond_the_calendar_is_refused(write, at):
    """Year 10,000 begins it."""
    with pytest.raises(OverflowError):
        write(at)


TERMS = [
    LotTerms(valid={"months": 12}),
    LotTerms(valid={"days": 30}, delay={"days": 14}),
    LotTerms(valid={"days": 30, "from": "event"}, delay={"days": 14}),
    LotTerms(valid={"days": 30}, delay={"hours": 30}),
    LotTerms(valid={"end_of_month": 2}, delay={"days": 0}),
    LotTerms(valid={"until": "2030-01-01"}),
    LotTerms(valid={"never": True}, delay={"days": 2}),
    LotTerms(delay={"days": 2}),
    LotTerms(),
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_terms_give_the_same_dates_however_often_they_are_asked(data):
    """A value of the same content that was never asked says what they say."""
    terms = data.draw(st.sampled_from(TERMS))
    day = data.draw(st.dates(date(2017, 1, 1), date(2017, 12, 31)))
    at = midnight(day, "America/New_York") + data.draw(st.integers(0, DAY_MS - 1))
    fresh = LotTerms(terms.class_, terms.spendable_on, terms.delay, terms.valid)
    assert dates(terms, at, "America/New_York") == dates(fresh, at, "America/New_York")
