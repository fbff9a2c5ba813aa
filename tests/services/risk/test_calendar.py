"""Calendar pauses halt everything from a minute before they begin to their end; so does what is unplanned."""

from dataclasses import replace

import pytest

from services.risk.calendar import UNPLANNED, next_pauses, pause_text
from services.risk.core import RiskCore
from services.risk.monitor_settings import CalendarSettings, PauseSettings, PauseWindow, Prepared
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.units import NS_PER_S, Side

START_NS = 1_700_000_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
PAUSES = CalendarSettings(pauses=(PauseSettings(days=("sat",), start="00:00", end="23:00"),))


def with_pauses(*pauses, calendar=PAUSES, until_ns=START_NS + 400 * DAY_NS):
    windows = tuple(
        PauseWindow(START_NS + a * NS_PER_S, START_NS + b * NS_PER_S, "rest", f"rest until {b} s")
        for a, b in pauses
    )
    prepared = Prepared(pauses=windows, planned_from_ns=START_NS - 2 * DAY_NS, planned_until_ns=until_ns)
    return RiskSettings(calendar=calendar, prepared=prepared)


class Clock:
    """A bench whose time is set by hand, in seconds after the start."""

    def __init__(self, make_bench, settings):
        self.bench = make_bench(settings).start()

    def at(self, seconds):
        self.bench.mesh.tick(START_NS + round(seconds * NS_PER_S))
        self.bench.update()
        return self

    @property
    def state(self):
        last = self.bench.said(control.TradingState)[-1]
        return last.state, last.reasons


@pytest.mark.req("RK-25", "RK-26")
def test_it_is_halted_from_the_lead_to_the_end_of_a_pause_with_its_name_and_end(make_bench):
    clock = Clock(make_bench, with_pauses((600, 900)))

    assert clock.at(539.9).state == ("active", [])
    assert clock.at(540).state == ("halted", ["calendar: rest until 900 s"])
    assert clock.at(899.9).state == ("halted", ["calendar: rest until 900 s"])
    assert clock.at(900).state == ("active", [])
    assert [type(one).__name__ for one in clock.bench.said(guards.GuardRaised, guards.GuardReleased)] == [
        "GuardRaised",
        "GuardReleased",
    ]


@pytest.mark.req("RK-26")
def test_every_order_is_refused_during_a_pause_reducing_ones_too(make_bench):
    clock = Clock(make_bench, with_pauses((600, 900))).at(1)
    clock.bench.fill_position(Side.BUY, 5)
    clock.at(600)

    buy, sell = clock.bench.verdict(Side.BUY), clock.bench.verdict(Side.SELL, 600_010, 5)

    assert (buy.code, sell.code) == ("calendar", "calendar")
    assert buy.reason == "rest until 900 s"
    assert isinstance(clock.at(900).bench.verdict(Side.SELL, 600_010, 5), orders.OrderApproved)


@pytest.mark.req("RK-26")
def test_two_pauses_closer_than_the_lead_leave_no_gap(make_bench):
    clock = Clock(make_bench, with_pauses((600, 900), (930, 1000)))

    assert clock.at(899).state[1] == ["calendar: rest until 900 s"]
    assert clock.at(900).state[1] == ["calendar: rest until 1000 s"]
    assert clock.at(1000).state[0] == "active"


@pytest.mark.req("RK-25")
def test_without_a_pause_in_the_settings_nothing_is_ever_halted(make_bench):
    clock = Clock(make_bench, RiskSettings())

    assert clock.at(400 * 86_400).state[0] == "active"


@pytest.mark.req("RK-25", "RK-26")
@pytest.mark.parametrize("settings", [RiskSettings(calendar=PAUSES), with_pauses(until_ns=START_NS)])
def test_beyond_the_plan_everything_is_halted(make_bench, settings):
    clock = Clock(make_bench, settings)

    assert clock.at(1).state == ("halted", [f"calendar: {UNPLANNED}"])
    assert clock.bench.verdict().code == "calendar"


@pytest.mark.req("RK-25")
def test_a_plan_that_ends_within_30_days_is_warned_of_once_a_day(make_bench):
    clock = Clock(make_bench, with_pauses(until_ns=START_NS + 31 * DAY_NS))
    for half_day in range(1, 6):
        clock.at(half_day * 43_200)

    warned = [one for one in clock.bench.said(guards.GuardRaised) if one.code == "calendar_ends"]
    assert [(one.value, one.limit, one.is_tripped) for one in warned] == [(29, 30, False), (28, 30, False)]
    assert clock.state[0] == "active"


@pytest.mark.req("RK-26")
def test_the_next_pauses_begin_with_the_one_of_now():
    settings = with_pauses((600, 900), (1000, 1100), (2000, 2100))
    at = [START_NS + seconds * NS_PER_S for seconds in (0, 899, 900, 2100)]

    assert [len(next_pauses(settings, now_ns, 9)) for now_ns in at] == [3, 3, 2, 0]
    assert len(next_pauses(settings, at[0], 2)) == 2
    assert next_pauses(settings, at[1], 1)[0].text == "rest until 900 s"
    assert pause_text(settings, at[1]) == "rest until 900 s"


@pytest.mark.req("RK-26")
def test_no_lead_halts_at_the_very_start(make_bench):
    calendar = replace(PAUSES, lead_s=0)
    clock = Clock(make_bench, with_pauses((600, 900), calendar=calendar))

    assert clock.at(599.9).state[0] == "active"
    assert clock.at(600).state[0] == "halted"


@pytest.mark.req("RK-26")
def test_a_pause_outlives_a_restart_and_a_replay_says_the_same(make_bench):
    clock = Clock(make_bench, with_pauses((600, 900))).at(700)
    risk = clock.bench.risk
    restored = RiskCore()
    restored.restore(risk.snapshot())

    assert restored.snapshot() == risk.snapshot() == clock.bench.replayed(RiskCore()).snapshot()
    assert [hold.reason for hold in restored.known.guards.holds(restored.known)] == ["rest until 900 s"]
