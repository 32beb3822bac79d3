from zoneinfo import ZoneInfo

import pytest

from streams.core.runs import ALWAYS, Runs, as_of, clock, instant, running, runs_until

MOSCOW = ZoneInfo("Europe/Moscow")
NEW_YORK = ZoneInfo("America/New_York")


def at(text, zone=MOSCOW):
    """Read an instant in *zone*."""
    return instant(text, zone)


def test_a_window_is_half_open():
    """The first instant is in, the last is out."""
    runs = Runs(at("2026-03-02"), at("2026-03-09"))

    assert not running(runs, at("2026-03-01T23:59:59.999"), MOSCOW)
    assert running(runs, at("2026-03-02T00:00"), MOSCOW)
    assert running(runs, at("2026-03-08T23:59:59.999"), MOSCOW)
    assert not running(runs, at("2026-03-09"), MOSCOW)
    assert running(ALWAYS, 0, MOSCOW)


# 2026-03-06 is a Friday; Friday night reaches into Saturday.
NIGHT = [
    ("2026-03-06T21:59", False),
    ("2026-03-06T22:00", True),
    ("2026-03-07T01:59", True),
    ("2026-03-07T02:00", False),
    ("2026-03-06T01:00", False),
    ("2026-03-07T22:00", False),
]


@pytest.mark.parametrize(("moment", "open_then"), NIGHT)
def test_hours_across_midnight_belong_to_the_weekday_they_began_on(moment, open_then):
    """Friday 22:00 to 02:00 runs on Saturday morning and not on Friday morning."""
    runs = Runs(weekdays=(4,), hours=(clock("22:00"), clock("02:00")))

    assert running(runs, at(moment), MOSCOW) == open_then


def test_a_bare_date_is_midnight_of_the_programme():
    """An offset wins over the zone."""
    assert at("2026-03-02") == at("2026-03-01T21:00Z")
    assert at("2026-03-02T12:00+03:00") == at("2026-03-02T09:00:00Z")
    assert at("1970-01-01T00:00:00.25Z") == 250


def test_a_midnight_that_is_skipped_or_doubled_is_its_first():
    """Havana skips and repeats the hour at midnight."""
    havana = ZoneInfo("America/Havana")

    assert instant("2026-03-08", havana) == instant("2026-03-08T05:00Z", havana)
    assert instant("2026-11-01", havana) == instant("2026-11-01T04:00Z", havana)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-03-02T25:00", "0001-01-01", "20260302", ""])
def test_days_that_do_not_exist_are_refused(text):
    """Nothing is rounded to the next day."""
    with pytest.raises(ValueError, match=r"."):
        at(text)


def test_years_have_bounds_within_which_calendars_work():
    """A day before the first and after the last is refused."""
    assert at("1900-01-01") < at("9998-12-31T23:59:59.999")
    for text in ("1899-12-31", "9999-01-01"):
        with pytest.raises(ValueError, match="from 1900 to 9998"):
            at(text)


ENDS = [
    (Runs(None, at("2026-03-09")), "2026-03-06T12:00", "2026-03-09"),
    (Runs(hours=(600, 1320)), "2026-03-06T12:00", "2026-03-06T22:00"),
    (Runs(hours=(1320, 120)), "2026-03-06T23:00", "2026-03-07T02:00"),
    (Runs(hours=(1320, 120)), "2026-03-06T22:00", "2026-03-07T02:00"),
    (Runs(hours=(1320, 120)), "2026-03-07T01:00", "2026-03-07T02:00"),
    (Runs(hours=(600, 1440)), "2026-03-06T12:00", "2026-03-07"),
    (Runs(weekdays=(4,)), "2026-03-06T12:00", "2026-03-07"),
    (Runs(weekdays=(4, 5)), "2026-03-06T12:00", None),
    (ALWAYS, "2026-03-06T12:00", None),
]


@pytest.mark.parametrize(("runs", "moment", "end"), ENDS)
def test_a_quote_is_good_until_the_campaign_stops(runs, moment, end):
    """The end of its interval, of its hours or of its weekday, whichever comes first."""
    assert running(runs, at(moment), MOSCOW)
    assert runs_until(runs, at(moment), MOSCOW) == (None if end is None else at(end))


def test_hours_follow_the_wall_clock_over_a_change_of_time():
    """On the spring Sunday of New York 10:00 comes an hour sooner."""
    runs = Runs(hours=(600, 660))

    assert running(runs, at("2017-03-11T15:00Z"), NEW_YORK)
    assert running(runs, at("2017-03-12T14:00Z"), NEW_YORK)
    assert not running(runs, at("2017-03-12T15:00Z"), NEW_YORK)


def test_the_last_version_valid_from_then_serves():
    """Without valid_from a version serves always; the later of two equal starts wins."""
    versions = [(1, None), (2, 100), (3, 100), (4, 200)]

    def serving(moment):
        return as_of(versions, moment, lambda version: version[1])

    assert [serving(t)[0] for t in (0, 99, 100, 199, 200)] == [1, 1, 3, 3, 4]
    assert as_of([(1, 5)], 4, lambda version: version[1]) is None
