"""The plan of the calendar: Sabbath, maintenance and single pauses, as windows that do not overlap."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli import config
from services.cli.calendar_plan import (
    PLAN_DAYS,
    PlanError,
    calendar_problems,
    offsets_of,
    plan_of,
    session_problems,
    with_plan,
)
from services.cli.config_risk import planned
from services.risk.calendar import next_pauses, pause_text
from services.risk.monitor_settings import (
    CalendarSettings,
    PauseSettings,
    Prepared,
    SabbathSettings,
    SessionSettings,
    UtcOffset,
)
from services.risk.settings import RiskSettings
from shared.errors import ConfigError
from shared.settings import pack, unpack
from shared.units import NS_PER_S

PLACES = {
    "Sao Paulo": ("-23.5505", "-46.6333", "America/Sao_Paulo"),
    "Jerusalem": ("31.7780", "35.2354", "Asia/Jerusalem"),
    "London": ("51.5074", "-0.1278", "Europe/London"),
    "Auckland": ("-36.8485", "174.7633", "Pacific/Auckland"),
    "Los Angeles": ("34.0522", "-118.2437", "America/Los_Angeles"),
}


def ns(text, zone="UTC"):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS_PER_S


def sabbath(place, **changes):
    latitude, longitude, zone = PLACES[place]
    own = {"latitude": Decimal(latitude), "longitude": Decimal(longitude), "zone": zone, **changes}
    return CalendarSettings(sabbath=SabbathSettings(enabled=True, **own))


def weekly(*days, start="02:00", end="03:00", zone="UTC", name="maintenance"):
    return CalendarSettings(pauses=(PauseSettings(name=name, days=days, start=start, end=end, zone=zone),))


def window_at(plan, at_ns):
    return next((one for one in plan if one.start_ns <= at_ns < one.end_ns), None)


def local(at_ns, zone):
    return datetime.fromtimestamp(at_ns // NS_PER_S, ZoneInfo(zone))


@pytest.mark.req("RK-25")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("saturday", ["2026-03-28", "2026-06-20", "2026-10-24", "2026-12-19"])
def test_saturday_noon_is_paused_and_friday_and_sunday_noon_are_not(place, saturday):
    zone = PLACES[place][2]
    noon_ns = ns(f"{saturday}T12:00", zone)
    plan = plan_of(sabbath(place), noon_ns)

    window = window_at(plan, noon_ns)

    assert local(window.start_ns, zone).weekday() == 4
    assert local(window.end_ns, zone).weekday() == 5
    for days in (-1, 1, 3):
        other = local(noon_ns, zone) + timedelta(days=days)
        assert window_at(plan, int(other.timestamp()) * NS_PER_S) is None


@pytest.mark.req("RK-25")
@pytest.mark.parametrize(
    ("place", "friday", "begins", "ends"),
    [
        # Published sunsets of the Friday less 18 minutes, and of the Saturday; two minutes of tolerance.
        ("Jerusalem", "2024-06-21", "19:29", "19:47"),
        ("Sao Paulo", "2024-06-21", "17:10", "17:28"),
        ("London", "2024-12-20", "15:35", "15:53"),
        ("Auckland", "2024-12-20", "20:20", "20:39"),
    ],
)
def test_it_begins_18_minutes_before_fridays_sunset_and_ends_with_saturdays(place, friday, begins, ends):
    zone = PLACES[place][2]
    at_ns = ns(f"{friday}T23:30", zone)

    window = window_at(plan_of(sabbath(place), at_ns), at_ns)

    saturday = (datetime.fromisoformat(friday) + timedelta(days=1)).date().isoformat()
    assert abs(window.start_ns - ns(f"{friday}T{begins}", zone)) <= 120 * NS_PER_S
    assert abs(window.end_ns - ns(f"{saturday}T{ends}", zone)) <= 120 * NS_PER_S


@pytest.mark.req("RK-25")
def test_nightfall_ends_it_later_than_sunset():
    at_ns = ns("2026-12-19T12:00", "Asia/Jerusalem")
    sunset = window_at(plan_of(sabbath("Jerusalem"), at_ns), at_ns)
    night = window_at(plan_of(sabbath("Jerusalem", end="nightfall"), at_ns), at_ns)

    assert night.start_ns == sunset.start_ns
    assert 35 * 60 * NS_PER_S < night.end_ns - sunset.end_ns < 45 * 60 * NS_PER_S


@pytest.mark.req("RK-25")
def test_a_sabbath_over_the_change_of_the_clocks_follows_the_sun():
    # New Zealand leaves summer time on Sunday 2026-04-05, Israel begins it on Friday 2026-03-27.
    for place, noon in (("Auckland", "2026-04-04T12:00"), ("Jerusalem", "2026-03-28T12:00")):
        noon_ns = ns(noon, PLACES[place][2])
        window = window_at(plan_of(sabbath(place), noon_ns), noon_ns)
        assert 24 * 3600 < (window.end_ns - window.start_ns) / NS_PER_S < 24.4 * 3600


@pytest.mark.req("RK-25")
def test_every_week_of_the_plan_has_its_sabbath():
    now_ns = ns("2026-11-21T16:00")
    plan = [one for one in plan_of(sabbath("Jerusalem"), now_ns) if one.end_ns > now_ns]

    assert len(plan) == PLAN_DAYS // 7
    assert all(
        abs(b.start_ns - a.start_ns - 7 * 86_400 * NS_PER_S) < 3700 * NS_PER_S for a, b in pairwise(plan)
    )


@pytest.mark.req("RK-25")
@pytest.mark.parametrize(
    ("latitude", "longitude", "zone", "end", "said"),
    [
        ("69.6492", "18.9553", "Europe/Oslo", "sunset", "the sun does not set on Fri 202"),
        ("60.1699", "24.9384", "Europe/Helsinki", "nightfall", "set sabbath.end: sunset, give"),
        ("-36.8485", "174.7633", "America/New_York", "sunset", "not between noon and midnight"),
    ],
)
def test_a_place_without_a_sunset_is_a_clear_error_that_says_what_to_do(latitude, longitude, zone, end, said):
    document = {
        "symbols": ["binance:BTCUSDT"],
        "risk": {
            "calendar": {
                "sabbath": {
                    "enabled": "true",
                    "latitude": latitude,
                    "longitude": longitude,
                    "zone": zone,
                    "end": end,
                }
            }
        },
    }
    with pytest.raises(ConfigError) as refused:
        config.loads("test.yaml", json.dumps(document), {})

    text = str(refused.value)
    assert said in text
    assert "risk.calendar.sabbath" in text
    assert "nearest place" in text
    assert "risk.calendar.pauses" in text


@pytest.mark.req("RK-25")
def test_a_weekly_pause_keeps_its_local_time_over_the_change_of_the_clocks():
    # London leaves summer time on 2026-10-25: 09:00 is 08:00 UTC before and 09:00 UTC after.
    plan = plan_of(
        weekly("sat", "mon", start="09:00", end="10:30", zone="Europe/London"), ns("2026-10-24T00:00")
    )
    starts = {one.start_ns for one in plan}

    assert ns("2026-10-24T08:00") in starts
    assert ns("2026-10-26T09:00") in starts
    assert {one.end_ns - one.start_ns for one in plan} == {5400 * NS_PER_S}


@pytest.mark.req("RK-25")
def test_a_time_that_the_clocks_skip_or_repeat_pauses_the_longer_way():
    # 2026-03-29 01:00 to 02:00 is skipped in London, 2026-10-25 01:00 to 02:00 comes twice.
    spring = plan_of(weekly("sun", start="01:30", end="03:00", zone="Europe/London"), ns("2026-03-29T00:00"))
    autumn = plan_of(weekly("sun", start="00:30", end="01:30", zone="Europe/London"), ns("2026-10-25T00:00"))

    assert window_at(spring, ns("2026-03-29T00:45")) == window_at(spring, ns("2026-03-29T01:59"))
    # 00:30 summer time is 23:30 UTC the day before; 01:30 the second time is 01:30 UTC.
    window = window_at(autumn, ns("2026-10-25T00:00"))
    assert (window.start_ns, window.end_ns) == (ns("2026-10-24T23:30"), ns("2026-10-25T01:30"))


@pytest.mark.req("RK-25")
def test_a_pause_that_ends_before_it_begins_ends_on_the_next_day():
    plan = plan_of(weekly("sun", start="23:00", end="01:00"), ns("2026-11-20T00:00"))

    window = window_at(plan, ns("2026-11-23T00:30"))
    assert (window.start_ns, window.end_ns) == (ns("2026-11-22T23:00"), ns("2026-11-23T01:00"))
    assert window.text == "maintenance until Mon 2026-11-23 01:00:00 UTC"


@pytest.mark.req("RK-25")
def test_a_single_pause_is_at_its_time_in_its_zone():
    pause = PauseSettings(
        name="release", start="2026-12-24T18:00", end="2026-12-26T23:00+00:00", zone="Europe/London"
    )
    plan = plan_of(CalendarSettings(pauses=(pause,)), ns("2026-11-21T00:00"))

    assert [(one.start_ns, one.end_ns) for one in plan] == [(ns("2026-12-24T18:00"), ns("2026-12-26T23:00"))]


@pytest.mark.req("RK-25")
def test_pauses_that_touch_or_overlap_are_one_with_both_names():
    pauses = (
        PauseSettings(name="rest", days=("fri",), start="18:00", end="00:00"),
        PauseSettings(name="rest", days=("sat",), start="00:00", end="20:00"),
        PauseSettings(name="maintenance", days=("sat",), start="19:30", end="21:00"),
    )
    plan = plan_of(CalendarSettings(pauses=pauses), ns("2026-11-21T00:00"))

    window = window_at(plan, ns("2026-11-21T12:00"))
    assert (window.start_ns, window.end_ns) == (ns("2026-11-20T18:00"), ns("2026-11-21T21:00"))
    assert window.name == "rest + maintenance"
    assert window.text == "rest + maintenance until Sat 2026-11-21 21:00:00 UTC"


@pytest.mark.req("RK-25")
@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"zone": "Mars/Olympus"}, ("pauses", "0", "zone"), "'Mars/Olympus' is no time zone"),
        ({"start": "25:00"}, ("pauses", "0", "start"), "'25:00' is no time of day"),
        ({"end": "noon"}, ("pauses", "0", "end"), "'noon' is no time of day"),
        ({"days": (), "start": "tomorrow"}, ("pauses", "0", "start"), "'tomorrow' is no date and time"),
        (
            {"days": (), "start": "2026-12-24T18:00", "end": "2026-12-24T18:00"},
            ("pauses", "0", "end"),
            "is not after the start",
        ),
        ({"zone": "../etc/passwd"}, ("pauses", "0", "zone"), "is no time zone"),
    ],
)
def test_a_mistyped_pause_is_refused_with_its_key(changes, path, said):
    written = {"days": ("mon",), "start": "02:00", "end": "03:00", **changes}

    [problem] = calendar_problems(CalendarSettings(pauses=(PauseSettings(**written),)))

    assert problem.path == ("risk", "calendar", *path)
    assert said in problem.text


def test_a_plan_of_a_place_that_fails_later_is_an_error_too():
    with pytest.raises(PlanError):
        plan_of(sabbath("London", latitude=Decimal(80)), ns("2026-06-01T00:00"))


@pytest.mark.req("RK-26")
def test_the_plan_reaches_risk_with_its_settings_and_says_the_next_pause():
    cfg = config.loads(
        "test.yaml",
        json.dumps({"symbols": ["binance:BTCUSDT"], "risk": {"calendar": {"sabbath": {"enabled": "true"}}}}),
        {},
    )
    now_ns = ns("2026-11-23T12:00")

    risk = unpack(pack(planned(cfg, now_ns).risk), RiskSettings)

    assert risk.prepared.planned_from_ns < now_ns < risk.prepared.planned_until_ns
    assert pause_text(risk, now_ns) == ""
    [pause] = next_pauses(risk, now_ns, 1)
    assert pause.text.startswith("sabbath until Sat 2026-11-28 16:3")
    assert pause_text(risk, pause.start_ns - 61 * NS_PER_S) == ""
    assert pause_text(risk, pause.start_ns - 60 * NS_PER_S) == pause.text
    assert pause_text(risk, pause.end_ns - 1) == pause.text
    assert pause_text(risk, pause.end_ns) == ""


def test_without_a_calendar_nothing_is_planned():
    prepared = Prepared()

    assert with_plan(prepared, CalendarSettings(), ns("2026-11-21T00:00")) is prepared


hours = st.integers(0, 23).map(lambda hour: f"{hour:02d}:30")
days_of_week = st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1)


@given(
    st.lists(st.tuples(days_of_week, hours, hours, st.sampled_from(list(PLACES))), min_size=1, max_size=4),
    st.integers(0, 700),
)
@settings(max_examples=50, deadline=None)
def test_windows_are_in_order_apart_and_hold_each_local_start(pauses, day):
    calendar = CalendarSettings(
        pauses=tuple(
            PauseSettings(days=tuple(days), start=start, end=end, zone=PLACES[place][2])
            for days, start, end, place in pauses
        )
    )
    now = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(days=day)

    plan = plan_of(calendar, int(now.timestamp()) * NS_PER_S)

    assert all(one.start_ns < one.end_ns for one in plan)
    assert all(a.end_ns < b.start_ns for a, b in pairwise(plan))
    for days, start, _, place in pauses:
        at_day = now.date() + timedelta(days=10)
        if ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[at_day.weekday()] in days:
            at_ns = ns(f"{at_day}T{start}", PLACES[place][2])
            assert window_at(plan, at_ns) is not None


def test_no_service_computes_a_calendar_itself():
    root = Path(config.__file__).resolve().parents[1]
    users = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"^\s*(from|import) (astral|zoneinfo)\b", path.read_text(), re.MULTILINE)
    ]

    assert sorted(users) == ["cli/calendar_plan.py", "cli/sunset.py"]


@pytest.mark.req("RK-14")
def test_the_clock_of_a_zone_is_known_to_the_second_it_changes():
    found = offsets_of(ZoneInfo("America/New_York"), ns("2026-01-10T12:00"))

    assert found == (
        UtcOffset(ns("2026-01-08T00:00"), -5 * 3600),
        UtcOffset(ns("2026-03-08T07:00"), -4 * 3600),
        UtcOffset(ns("2026-11-01T06:00"), -5 * 3600),
    )
    assert offsets_of(ZoneInfo("Asia/Kolkata"), ns("2026-01-10T12:00")) == (
        UtcOffset(ns("2026-01-08T00:00"), 19_800),
    )


@pytest.mark.req("RK-14")
@pytest.mark.parametrize("place", sorted(PLACES))
def test_each_hour_of_the_plan_has_the_offset_of_its_zone(place):
    zone, now_ns = ZoneInfo(PLACES[place][2]), ns("2026-06-15T00:00")
    offsets = offsets_of(zone, now_ns)
    for hour in range(0, (PLAN_DAYS - 1) * 24, 7):
        at_ns = now_ns + hour * 3600 * NS_PER_S
        mine = [one.offset_s for one in offsets if one.from_ns <= at_ns][-1]
        assert mine == datetime.fromtimestamp(at_ns // NS_PER_S, zone).utcoffset().total_seconds()


@pytest.mark.req("RK-14")
def test_the_launcher_prepares_the_zone_of_the_day_and_an_unknown_one_is_named():
    def prepared_of(risk):
        text = json.dumps({"symbols": ["binance:BTCUSDT"], "risk": risk})
        return planned(config.loads("test.yaml", text, {}), ns("2026-01-10T12:00")).risk.prepared

    prepared = prepared_of({"session": {"zone": "America/New_York"}})

    assert len(prepared.utc_offsets) == 3
    assert prepared_of({}).utc_offsets == ()
    with pytest.raises(ConfigError, match="the zone says it already"):
        prepared_of({"session": {"zone": "America/New_York"}, "reset_utc_offset_min": -300})
    assert unpack(pack(prepared), Prepared) == prepared
    (problem,) = session_problems(SessionSettings(zone="Mars/Olympus"))
    assert problem.path == ("risk", "session", "zone")
    assert "no time zone that this machine knows" in problem.text
