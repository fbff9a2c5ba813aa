"""Unusual volume in k of n markets holds new risk back, and only fresh, closed, normal candles end it."""

import pytest

from services.risk.candle_monitor import CandleMonitor
from services.risk.core import RiskCore
from services.risk.monitor_settings import CandleMonitorSettings, Prepared
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.messages.market import Candle
from shared.units import NS_PER_S, Side

FIVE = tuple(f"binance:{name}USDT" for name in ("BTC", "ETH", "SOL", "XRP", "DOGE"))
MINUTE_NS = 60 * NS_PER_S


def candle(symbol, open_ns, volume, close=1000, *, is_closed=True, interval_s=60):
    return Candle(symbol, interval_s, open_ns, close, close, close, close, volume, 1, is_closed, 0, 0)


class Minutes:
    """A bench on which candles of five markets come."""

    def __init__(self, make_bench, names=FIVE, **changes):
        monitor = CandleMonitorSettings(**changes)
        risk = RiskSettings(candle_monitor=monitor, prepared=Prepared(symbols=names))
        self.bench = make_bench(risk).start()
        self.names = names
        self.minute = self.bench.mesh.now_ns // MINUTE_NS + 1
        self.bench.mesh.tick(self.minute * MINUTE_NS)

    def say(self, symbol, volume=100, close=1000, *, is_closed=True, minute=None):
        open_ns = (self.minute if minute is None else minute) * MINUTE_NS
        self.bench.say("market_data.io", candle(symbol, open_ns, volume, close, is_closed=is_closed))

    def history(self, names=None, count=20):
        for symbol in names or self.names:
            for n in range(count, 0, -1):
                self.say(symbol, minute=self.minute - n)
        return self

    def next_minute(self):
        self.minute += 1
        self.bench.mesh.tick(self.minute * MINUTE_NS)

    def panic(self, *names):
        """Open candles of `names` show 301 lots at a price of 999: 3 averages of 100 are 300."""
        for symbol in names:
            self.say(symbol, 301, 999, is_closed=False)

    @property
    def state(self):
        last = self.bench.said(control.TradingState)[-1]
        return last.state, "; ".join(last.reasons)

    def verdict(self, *args, **kw):
        self.bench.update()
        return self.bench.verdict(*args, **kw)


@pytest.fixture
def minutes(make_bench):
    return Minutes(make_bench).history()


@pytest.mark.req("RK-18", "RK-10")
def test_three_of_five_markets_stop_new_risk_and_let_exits_go_on(minutes):
    minutes.bench.update()
    minutes.bench.fill_position(Side.BUY, 5)
    minutes.panic(*FIVE[:2])
    assert minutes.state[0] == "active"

    minutes.panic(FIVE[2])

    assert minutes.state[0] == "reducing"
    assert "volume_anomaly: 3 of 5 markets show a volume above 3 times the average" in minutes.state[1]
    raised = minutes.bench.said(guards.GuardRaised)[-1]
    assert (raised.code, raised.value, raised.limit, raised.is_tripped) == ("volume_anomaly", 3, 3, True)
    buy = minutes.verdict(Side.BUY)
    assert (type(buy), buy.code, buy.value, buy.limit) == (orders.OrderRefused, "volume_anomaly", 3, 3)
    assert isinstance(minutes.verdict(Side.SELL, 600_010, 5), orders.OrderApproved)


@pytest.mark.req("RK-18")
@pytest.mark.parametrize(("watched", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_k_is_three_fifths_of_the_watched_markets_unless_it_is_set(make_bench, watched, needed):
    minutes = Minutes(make_bench, FIVE[:watched]).history()
    minutes.panic(*FIVE[: needed - 1])
    assert minutes.state[0] == "active"

    minutes.panic(FIVE[needed - 1])

    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-18")
def test_a_k_of_ones_own_is_at_most_all(make_bench):
    minutes = Minutes(make_bench, FIVE[:3], symbols_min=9).history()
    minutes.panic(*FIVE[:2])
    assert minutes.state[0] == "active"

    minutes.panic(FIVE[2])

    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-19")
def test_two_of_three_normal_markets_end_it(make_bench):
    minutes = Minutes(make_bench, FIVE[:3]).history()
    minutes.panic(*FIVE[:2])
    minutes.next_minute()
    minutes.say(FIVE[2], minute=minutes.minute - 1)
    assert minutes.state[0] == "reducing"
    minutes.say(FIVE[0], minute=minutes.minute - 1)
    assert minutes.state[0] == "active"


@pytest.mark.req("RK-19")
def test_it_recovers_only_on_candles_that_closed_normal_after_the_trip(minutes):
    minutes.panic(*FIVE[:3])
    minutes.next_minute()
    # The candles of the panic close as what they are, the other two normal.
    for symbol in FIVE[:3]:
        minutes.say(symbol, 301, 999, minute=minutes.minute - 1)
    for symbol in FIVE[3:]:
        minutes.say(symbol, minute=minutes.minute - 1)
    assert minutes.state[0] == "reducing"

    # Two are normal; the third is one of the panic, a minute later.
    minutes.next_minute()
    assert minutes.state[0] == "reducing"
    minutes.say(FIVE[0], close=1001, minute=minutes.minute - 1)

    assert minutes.state[0] == "active"
    released = minutes.bench.said(guards.GuardReleased)[-1]
    assert released.reason == "closed candles of 3 of 5 markets are normal"


@pytest.mark.req("RK-19")
def test_a_low_price_is_not_normal_even_when_the_volume_is(minutes):
    minutes.panic(*FIVE[:3])
    minutes.next_minute()
    minutes.next_minute()
    for symbol in FIVE:
        minutes.say(symbol, 100, 999, minute=minutes.minute - 2)
        minutes.say(symbol, 100, 999, minute=minutes.minute - 1)

    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-19")
def test_missing_candles_are_not_normal_and_end_nothing(minutes):
    minutes.panic(*FIVE[:3])
    for _ in range(30):
        minutes.next_minute()

    assert minutes.state[0] == "reducing"
    stale = [one for one in minutes.bench.said(guards.GuardRaised) if one.code == "candle_stale"]
    assert sorted(one.symbol for one in stale) == sorted(FIVE)  # each is said once
    assert not any(one.is_tripped for one in stale)


@pytest.mark.req("RK-19")
def test_a_candle_after_a_hole_is_not_normal_and_the_next_one_is(minutes):
    minutes.panic(*FIVE[:3])
    for _ in range(3):
        minutes.next_minute()
    for symbol in FIVE:
        minutes.say(symbol, close=1001, minute=minutes.minute - 1)
    assert minutes.state[0] == "reducing"

    minutes.next_minute()
    for symbol in FIVE:
        minutes.say(symbol, close=1001, minute=minutes.minute - 1)

    assert minutes.state[0] == "active"


@pytest.mark.req("RK-19")
def test_a_normal_candle_that_is_older_than_two_minutes_ends_nothing(make_bench):
    minutes = Minutes(make_bench, stale_s=30).history()
    minutes.panic(*FIVE[:3])
    minutes.next_minute()
    minutes.bench.mesh.tick(minutes.bench.mesh.now_ns + 31 * NS_PER_S)
    for symbol in FIVE:
        minutes.say(symbol, close=1001, minute=minutes.minute - 1)

    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-18")
def test_an_anomaly_of_a_candle_that_went_stale_trips_nothing(minutes):
    minutes.panic(*FIVE[:2])
    minutes.bench.mesh.tick(minutes.bench.mesh.now_ns + 121 * NS_PER_S)

    minutes.panic(FIVE[2])

    assert minutes.state[0] == "active"


@pytest.mark.req("RK-18")
def test_nothing_is_held_before_the_averages_are_full_or_without_any_candle(make_bench):
    minutes = Minutes(make_bench).history(count=19)
    minutes.panic(*FIVE)
    assert minutes.state[0] == "active"

    idle = Minutes(make_bench)
    for _ in range(10):
        idle.next_minute()
    assert idle.state[0] == "active"


def test_a_candle_of_the_future_does_not_make_the_true_ones_old(minutes):
    for symbol in FIVE:
        minutes.say(symbol, 9999, 1, minute=minutes.minute + 500)
    assert minutes.state[0] == "active"

    minutes.panic(*FIVE[:3])
    assert minutes.state[0] == "reducing"


def test_candles_of_another_length_and_of_markets_not_named_do_not_count(make_bench):
    minutes = Minutes(make_bench, symbols=FIVE[:1]).history()
    minutes.panic(*FIVE[1:])
    open_ns = minutes.minute * MINUTE_NS
    minutes.bench.say("market_data.io", candle(FIVE[0], open_ns, 9999, 1, is_closed=False, interval_s=300))
    assert minutes.state[0] == "active"

    minutes.panic(FIVE[0])
    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-18")
def test_the_hold_outlives_a_restart_and_the_settings_end_it(minutes):
    minutes.panic(*FIVE[:3])
    risk = minutes.bench.risk
    restored = RiskCore()
    restored.restore(risk.snapshot())
    assert restored.snapshot() == risk.snapshot()
    assert [hold.code for hold in restored.known.guards.holds(restored.known)] == ["volume_anomaly"]

    restored.known.settings = RiskSettings(candle_monitor=CandleMonitorSettings(enabled=False))
    assert restored.known.guards.holds(restored.known) == []


def test_the_same_log_gives_the_same_bytes(minutes):
    minutes.panic(*FIVE[:3])
    minutes.next_minute()

    assert minutes.bench.replayed(RiskCore()).snapshot() == minutes.bench.risk.snapshot()


def test_a_guard_without_state_loads_its_own_dump():
    guard = CandleMonitor()
    guard.load(CandleMonitor().dump())

    assert guard.dump() == CandleMonitor().dump()


def test_adopting_the_log_gives_the_same_state(minutes):
    minutes.panic(*FIVE[:3])
    minutes.next_minute()
    for symbol in FIVE:
        minutes.say(symbol, close=1001, minute=minutes.minute - 1)
    adopted = RiskCore()
    for event in minutes.bench.log:
        adopted.adopt(event)

    def state(core):
        return next(one.dump() for one in core.known.guards.all if one.name == "candle_monitor")

    assert state(adopted) == state(minutes.bench.risk)


def resume(minutes, reason="the feed is down, the market is calm", strategy=""):
    minutes.bench.say("operator", control.ResumeRequested(strategy, "me", reason))


@pytest.mark.req("RK-19")
def test_a_person_ends_a_hold_that_only_missing_candles_keep_up(minutes):
    # Given a hold, and no candle for half an hour
    minutes.panic(*FIVE[:3])
    for _ in range(30):
        minutes.next_minute()

    # When one strategy, or everything without a reason is resumed, it goes on
    resume(minutes, strategy="mm")
    resume(minutes, reason=" ")
    assert minutes.state[0] == "reducing"
    assert minutes.bench.said(guards.GuardRaised)[-1].code == "resume_needs_reason"

    # and with a reason it ends
    resume(minutes)
    assert minutes.state[0] == "active"
    assert minutes.bench.said(guards.GuardReleased)[-1].by == "me"

    # Then it stays so until candles show something new
    for _ in range(3):
        minutes.next_minute()
    assert minutes.state[0] == "active"
    minutes.history()
    minutes.panic(*FIVE[:3])
    assert minutes.state[0] == "reducing"


@pytest.mark.req("RK-19")
def test_no_resume_ends_a_hold_that_candles_still_show(minutes):
    # Given a hold, and candles that closed low after it in all but two markets
    minutes.panic(*FIVE[:3])
    minutes.next_minute()
    minutes.next_minute()
    for symbol in FIVE[:3]:
        minutes.say(symbol, 100, 999, minute=minutes.minute - 2)
        minutes.say(symbol, 100, 999, minute=minutes.minute - 1)

    resume(minutes)

    assert minutes.state[0] == "reducing"
    raised = minutes.bench.said(guards.GuardRaised)[-1]
    assert (raised.code, raised.is_tripped) == ("resume_refused", False)
    # Nor one of now.
    minutes.panic(*FIVE[:3])
    resume(minutes)
    assert minutes.state[0] == "reducing"
