"""A day of risk begins once for each date: restarts and jumps of the clock change nothing (I-21)."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk.core import RiskCore
from services.risk.monitor_settings import Prepared, UtcOffset
from services.risk.session import date_of, today_of
from services.risk.settings import RiskSettings
from shared.messages import control, guards
from shared.units import Side

DAY_NS = 86_400 * 10**9
HOUR_NS = 3600 * 10**9
START = 1_700_000_000 * 10**9  # 2023-11-14 22:13:20 UTC


@pytest.mark.req("RK-14")
@pytest.mark.parametrize(
    ("seconds", "offset_min", "date"),
    [
        (0, 0, "1970-01-01"),
        (1_700_000_000, 0, "2023-11-14"),
        (1_700_006_399, 0, "2023-11-14"),
        (1_700_006_400, 0, "2023-11-15"),
        (1_709_164_800, 0, "2024-02-29"),
        (1_700_006_400, -300, "2023-11-14"),  # New York
        (1_699_986_600, 330, "2023-11-15"),  # Kolkata: 18:30 UTC is midnight
        (1_699_986_599, 330, "2023-11-14"),
    ],
)
def test_the_date_is_that_of_the_mesh_clock_in_the_zone_of_the_setting(seconds, offset_min, date):
    assert date_of(seconds * 10**9, offset_min * 60) == date


@pytest.mark.req("RK-14", "I-21")
def test_a_zone_moves_midnight_with_its_summer_time(make_bench):
    # Given New York around 2026-03-08, when its clock goes from UTC-5 to UTC-4 at 7:00 UTC
    change_ns = 1_772_953_200 * 10**9
    offsets = (UtcOffset(change_ns - 30 * DAY_NS, -5 * 3600), UtcOffset(change_ns, -4 * 3600))
    risk = replace(RiskSettings(), prepared=Prepared(utc_offsets=offsets))

    # Then the day before began at 5:00 UTC, the day after at 4:00 UTC
    before_ns, after_ns = change_ns - 26 * HOUR_NS, change_ns + 21 * HOUR_NS
    assert [today_of(risk, ns) for ns in (before_ns - 1, before_ns)] == ["2026-03-06", "2026-03-07"]
    assert [today_of(risk, ns) for ns in (after_ns - 1, after_ns)] == ["2026-03-08", "2026-03-09"]
    # and before and after all that is known the nearest offset goes on.
    assert today_of(risk, 5 * HOUR_NS - 1) == "1969-12-31"
    assert today_of(risk, change_ns + 400 * DAY_NS + 21 * HOUR_NS) == "2027-04-13"

    # When a bench runs on it, the reset comes with that midnight, once
    bench = make_bench(risk).start()
    bench.mesh.tick(after_ns - 1)
    bench.mesh.tick(after_ns)
    bench.mesh.tick(after_ns + 1)
    assert [reset.date for reset in bench.said(guards.SessionReset)] == ["2026-03-09"]


@pytest.mark.req("RK-14", "I-21")
def test_a_day_begins_at_midnight_once(make_bench):
    bench = make_bench().start()
    bench.mesh.tick(START + 6_399_900_000_000)
    assert not bench.said(guards.SessionReset)

    bench.mesh.tick(START + 6_400 * 10**9)
    bench.pass_ms(500)

    assert bench.said(guards.SessionReset) == [guards.SessionReset("2023-11-15", 10_000 * 10**8)]


@pytest.mark.req("RK-14")
def test_a_new_day_leaves_position_cost_and_kill(make_bench):
    bench = make_bench().start()
    bench.fill_position(Side.BUY, 5)
    bench.say("operator", control.KillRequested("me", "test"))
    before = bench.risk.known.ledger.dump()

    bench.mesh.tick(bench.mesh.now_ns + DAY_NS)

    assert bench.said(guards.SessionReset)
    assert bench.risk.known.ledger.dump() == before
    assert bench.risk.known.mood.is_killed
    assert bench.said(control.TradingState)[-1].state == "halted"


@pytest.mark.req("I-21", "RK-14")
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 3 * 24 * 60).map(lambda minutes: minutes * 60 * 10**9),
            st.sampled_from(["tick", "restore", "adopt", "replay"]),
        ),
        max_size=15,
    ),
    offset_min=st.sampled_from([0, -300, 60, 330]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_is_one_reset_for_each_later_date_that_was_seen(make_bench, steps, offset_min):
    # Given any jumps of the clock, and restarts in between
    bench = make_bench(replace(RiskSettings(), reset_utc_offset_min=offset_min)).start()
    bench.mesh.tick(bench.mesh.now_ns)
    seen = {date_of(bench.mesh.now_ns, offset_min * 60)}
    first = next(iter(seen))
    for step_ns, what in steps:
        if what == "restore":
            bench.risk.restore(bench.risk.snapshot())
        elif what in {"adopt", "replay"}:
            core = RiskCore()
            for event in bench.log:
                core.adopt(event) if what == "adopt" else core.apply(event)
            assert core.digest() == bench.risk.digest()
            bench.risk.restore(core.snapshot())
        bench.mesh.tick(bench.mesh.now_ns + step_ns)
        seen.add(date_of(bench.mesh.now_ns, offset_min * 60))

    # Then each date after the first was said once, in order
    assert [reset.date for reset in bench.said(guards.SessionReset)] == sorted(seen - {first})
