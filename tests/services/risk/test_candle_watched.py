"""One market of the candle monitor: exact averages, and what an anomaly is (RK-18)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.risk.candle_monitor import Watched
from services.risk.monitor_settings import CandleMonitorSettings
from shared.messages.market import Candle
from shared.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
SETTINGS = CandleMonitorSettings()


def candle(symbol, open_ns, volume, close=1000, *, is_closed=True, interval_s=60):
    return Candle(symbol, interval_s, open_ns, close, close, close, close, volume, 1, is_closed, 0, 0)


def full(volume=100, close=1000, count=20):
    """Return a market with a full average, whose last candle ended at minute `count`."""
    watched = Watched()
    for n in range(count):
        watched.take(candle("x", n * MINUTE_NS, volume, close), n * MINUTE_NS, SETTINGS)
    return watched


@pytest.mark.req("RK-18")
@pytest.mark.parametrize(
    ("volume", "close", "is_anomalous"),
    [(301, 999, True), (300, 999, False), (301, 1000, False), (10_000, 1001, False)],
)
def test_an_anomaly_is_more_than_three_averages_at_a_price_below_the_average(volume, close, is_anomalous):
    watched = full()

    watched.take(candle("x", 20 * MINUTE_NS, volume, close, is_closed=False), 20 * MINUTE_NS, SETTINGS)

    assert watched.is_anomalous(20 * MINUTE_NS, 120 * NS_PER_S) is is_anomalous


@pytest.mark.req("RK-18")
def test_the_averages_are_exact_over_the_last_twenty_closed_candles_before_it():
    watched = full(volume=1_000_000, count=5)
    # Volumes 1 to 20 (sum 210, mean 10.5) replace those; three times the mean is 31.5.
    for n in range(20):
        watched.take(candle("x", (5 + n) * MINUTE_NS, n + 1), 0, SETTINGS)
    now_ns = 25 * MINUTE_NS

    watched.take(candle("x", now_ns, 31, 999, is_closed=False), now_ns, SETTINGS)
    assert not watched.is_anomalous(now_ns, 0)

    watched.take(candle("x", now_ns, 32, 999, is_closed=False), now_ns, SETTINGS)
    assert watched.is_anomalous(now_ns, 0)

    # Once closed it is still judged by the twenty before it, not by an average that it is part of.
    watched.take(candle("x", now_ns, 32, 999), now_ns + MINUTE_NS, SETTINGS)
    assert watched.is_anomalous(now_ns + MINUTE_NS, 0)
    assert watched.volumes_lots == [*range(2, 21), 32]


@pytest.mark.req("RK-18")
def test_without_the_price_condition_volume_alone_is_an_anomaly():
    settings = CandleMonitorSettings(needs_price_drop=False, volume_multiplier=Decimal("2.5"))
    watched = full()

    watched.take(candle("x", 20 * MINUTE_NS, 250, 5000, is_closed=False), 0, settings)
    assert not watched.is_anomalous(0, 0)

    watched.take(candle("x", 20 * MINUTE_NS, 251, 5000, is_closed=False), 0, settings)
    assert watched.is_anomalous(0, 0)


def test_repeated_late_and_other_candles_change_nothing():
    watched = full()
    before = list(watched.volumes_lots)

    watched.take(candle("x", 19 * MINUTE_NS, 9999), 0, SETTINGS)
    watched.take(candle("x", 3 * MINUTE_NS, 9999), 0, SETTINGS)

    assert watched.volumes_lots == before
    assert not watched.is_anomalous(20 * MINUTE_NS, 120 * NS_PER_S)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10**6), st.booleans()), max_size=60))
@hypothesis_settings(max_examples=100, deadline=None)
def test_whatever_comes_the_average_holds_closed_candles_in_order_and_no_more_than_its_window(candles):
    settings = CandleMonitorSettings(average_window=5)
    watched = Watched()
    ends = []
    for minute, volume, is_closed in candles:
        before = watched.closed_ns
        watched.take(candle("x", minute * MINUTE_NS, volume, is_closed=is_closed), 0, settings)
        if watched.closed_ns != before:
            ends.append(watched.closed_ns)

    assert ends == sorted(set(ends))
    assert len(watched.volumes_lots) == len(watched.closes_ticks) == min(len(ends), 5)
