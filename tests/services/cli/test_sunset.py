"""Sunsets agree with published almanacs, in both hemispheres and over changes of the clocks."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.cli.sunset import SunError, nightfall, sunset

SAO_PAULO = (-23.5505, -46.6333, ZoneInfo("America/Sao_Paulo"))
JERUSALEM = (31.7780, 35.2354, ZoneInfo("Asia/Jerusalem"))
LONDON = (51.5074, -0.1278, ZoneInfo("Europe/London"))
AUCKLAND = (-36.8485, 174.7633, ZoneInfo("Pacific/Auckland"))
NEW_YORK = (40.7128, -74.0060, ZoneInfo("America/New_York"))
TROMSO = (69.6492, 18.9553, ZoneInfo("Europe/Oslo"))
HELSINKI = (60.1699, 24.9384, ZoneInfo("Europe/Helsinki"))

ALMANAC = [
    # Noted by hand from published sunset tables, local time to the minute.
    (SAO_PAULO, date(2024, 6, 21), "17:28"),
    (SAO_PAULO, date(2024, 12, 21), "18:52"),
    (JERUSALEM, date(2024, 6, 21), "19:47"),
    (JERUSALEM, date(2024, 12, 21), "16:39"),
    (LONDON, date(2024, 6, 21), "21:21"),
    (LONDON, date(2024, 12, 21), "15:53"),
    (AUCKLAND, date(2024, 6, 21), "17:11"),
    (AUCKLAND, date(2024, 12, 21), "20:39"),
    (NEW_YORK, date(2024, 6, 21), "20:30"),
    (NEW_YORK, date(2024, 12, 21), "16:31"),
]


@pytest.mark.req("RK-25")
@pytest.mark.parametrize(("place", "day", "published"), ALMANAC)
def test_a_sunset_is_within_two_minutes_of_the_almanac(place, day, published):
    found = sunset(*place, day)

    wanted = datetime.combine(day, time.fromisoformat(published), place[2])
    assert abs(found - wanted) <= timedelta(minutes=2)


@pytest.mark.req("RK-25")
def test_the_change_of_the_clocks_moves_the_local_sunset_by_an_hour():
    before, after = sunset(*LONDON, date(2026, 3, 28)), sunset(*LONDON, date(2026, 3, 29))

    assert (before.utcoffset(), after.utcoffset()) == (timedelta(0), timedelta(hours=1))
    assert (
        timedelta(minutes=60)
        < after.replace(tzinfo=None) - before.replace(tzinfo=None) - timedelta(days=1)
        < timedelta(minutes=63)
    )


@pytest.mark.req("RK-25")
def test_night_falls_after_the_sunset_and_later_in_the_north():
    # Jerusalem: 8.5 degrees take 35 to 45 minutes, as tables of three stars say.
    for day in (date(2026, 3, 28), date(2026, 6, 20), date(2026, 12, 19)):
        gap = nightfall(*JERUSALEM, day) - sunset(*JERUSALEM, day)
        assert timedelta(minutes=35) < gap < timedelta(minutes=45)
    assert nightfall(*LONDON, date(2026, 6, 20)) - sunset(*LONDON, date(2026, 6, 20)) > timedelta(minutes=70)


@pytest.mark.req("RK-25")
@pytest.mark.parametrize("day", [date(2026, 6, 19), date(2026, 12, 18)])
def test_a_polar_day_and_a_polar_night_have_no_sunset(day):
    with pytest.raises(SunError, match=r"the sun does not set on Fri 2026-.* at latitude 69\.6492"):
        sunset(*TROMSO, day)


@pytest.mark.req("RK-25")
def test_a_white_night_has_a_sunset_and_no_nightfall():
    assert sunset(*HELSINKI, date(2026, 6, 20)).hour == 22
    with pytest.raises(SunError, match="it does not get dark on Sat 2026-06-20"):
        nightfall(*HELSINKI, date(2026, 6, 20))


@pytest.mark.req("RK-25")
def test_a_zone_of_another_part_of_the_world_is_noticed():
    with pytest.raises(SunError, match="not between noon and midnight"):
        sunset(AUCKLAND[0], AUCKLAND[1], NEW_YORK[2], date(2026, 3, 27))


@given(st.floats(-89, 89), st.floats(-180, 180), st.integers(0, 3000))
@settings(max_examples=100, deadline=None)
def test_what_is_found_is_on_the_day_in_the_evening_and_night_comes_after(latitude, longitude, days):
    zone = ZoneInfo(f"Etc/GMT{-round(longitude / 15):+d}") if round(longitude / 15) else ZoneInfo("UTC")
    assume(abs(longitude) < 172)
    day = date(2024, 1, 1) + timedelta(days=days)
    try:
        found = sunset(latitude, longitude, zone, day)
        dark = nightfall(latitude, longitude, zone, day)
    except SunError:
        assert abs(latitude) > 48  # further south nobody is without sunset and night
        return

    assert found.date() == day
    assert timedelta(minutes=30) < dark - found < timedelta(hours=4)
