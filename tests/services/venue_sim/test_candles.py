"""Candles of generated markets: what the trades of each minute were, and believable ones before the start."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.candles import KEPT, MINUTE_MS, CandleSeries, MinuteCandle, flat, with_trade

T0 = 1_700_000_040_000
TRADES = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(1, 500), st.booleans()), min_size=1, max_size=60
)


@pytest.mark.req("MD-16", "BT-7")
@given(TRADES)
@settings(max_examples=100, deadline=None)
def test_a_candle_is_what_its_trades_were(trades):
    candle = flat(T0, 77)
    for n, (ticks, lots, is_buy) in enumerate(trades):
        candle = with_trade(candle, ticks, lots, n, is_buy=is_buy)

    prices = [ticks for ticks, _, _ in trades]
    assert candle[:5] == (T0, prices[0], max(prices), min(prices), prices[-1])
    assert candle.low_ticks <= min(candle.open_ticks, candle.close_ticks)
    assert candle.high_ticks >= max(candle.open_ticks, candle.close_ticks)
    assert candle.lots == sum(lots for _, lots, _ in trades)
    assert candle.value == sum(ticks * lots for ticks, lots, _ in trades)
    assert candle.taker_lots == sum(lots for _, lots, is_buy in trades if is_buy)
    assert candle.taker_value == sum(ticks * lots for ticks, lots, is_buy in trades if is_buy)
    assert (candle.trade_count, candle.first_id, candle.last_id) == (len(trades), 0, len(trades) - 1)


def test_minutes_end_in_order_and_one_without_trades_is_flat_at_the_last_price():
    series = CandleSeries()
    assert series.roll(T0 + 5, 100) == []
    series.take(105, 2, 1, is_buy=True)

    ended = series.roll(T0 + 3 * MINUTE_MS, 999)

    assert [c.open_ms for c in ended] == [T0, T0 + MINUTE_MS, T0 + 2 * MINUTE_MS]
    assert ended[0][1:5] == (105, 105, 105, 105)
    assert ended[1] == MinuteCandle(T0 + MINUTE_MS, 105, 105, 105, 105, 0, 0, 0, 0, 0, -1, -1)
    assert series.open == flat(T0 + 3 * MINUTE_MS, 105)


def test_the_open_candle_is_sent_once_a_second_when_it_has_changed():
    series = CandleSeries()
    series.roll(T0, 100)
    assert series.due(T0) is None, "a minute without trades has nothing to say"

    sent = []
    for ms in range(0, 5000, 50):
        if ms < 3000:
            series.take(100 + ms, 1, ms, is_buy=False)
        if series.due(T0 + ms) is not None:
            sent.append(ms)

    assert sent == [0, 1000, 2000, 3000]


@pytest.mark.req("MD-16")
def test_a_fresh_market_has_a_history_that_ends_at_its_price():
    series = CandleSeries()

    series.fill_before(T0 + 12_345, 600_000, 400, (7, 1))

    closed = list(series.closed)
    assert [c.open_ms for c in closed] == [T0 - n * MINUTE_MS for n in range(KEPT, 0, -1)]
    assert closed[-1].close_ticks == 600_000
    assert series.open == flat(T0, 600_000)
    for before, candle in pairwise(closed):
        assert candle.open_ticks == before.close_ticks
        assert 0 < candle.low_ticks <= min(candle.open_ticks, candle.close_ticks)
        assert candle.high_ticks >= max(candle.open_ticks, candle.close_ticks)
        assert 0 < candle.taker_lots < candle.lots
        assert abs(candle.close_ticks - 600_000) < 600_000 // 100
    mean = sum(c.lots for c in closed) // KEPT
    assert max(c.lots for c in closed) < 3 * mean, "a start is no volume anomaly"


def test_the_same_minutes_are_imagined_alike_and_other_seeds_differently():
    one, same, other = CandleSeries(), CandleSeries(), CandleSeries()

    one.fill_before(T0, 5_000, 10, (7, 1))
    same.fill_before(T0, 5_000, 10, (7, 1))
    other.fill_before(T0, 5_000, 10, (8, 1))

    assert one.dump() == same.dump()
    assert one.dump() != other.dump()


@pytest.mark.req("BT-7")
def test_a_restart_keeps_the_minutes_played_and_imagines_those_it_slept_through():
    series = CandleSeries()
    series.fill_before(T0, 5_000, 10, (7, 1))
    series.roll(T0, 5_000)
    series.take(5_010, 3, 1, is_buy=True)
    again = CandleSeries()
    again.load([[list(c) for c in series.dump()[0]], list(series.dump()[1]), *series.dump()[2:]])
    assert again.dump() == series.dump()

    again.fill_before(T0 + 30_000, 5_020, 10, (7, 1))
    assert again.dump() == series.dump(), "within the minute nothing is to be filled"
    again.fill_before(T0 + 5 * MINUTE_MS + 1, 5_020, 10, (7, 1))

    newest = list(again.closed)[-5:]
    assert [c.open_ms for c in newest] == [T0 + n * MINUTE_MS for n in range(5)]
    assert (newest[0].lots, newest[0].close_ticks) == (3, 5_010)
    assert newest[1].open_ticks == 5_010
    assert newest[-1].close_ticks == 5_020


def test_a_clock_that_went_back_has_no_candles_of_its_future():
    series = CandleSeries()
    series.fill_before(T0, 5_000, 10, (7, 1))

    series.fill_before(T0 - 60 * MINUTE_MS, 5_000, 10, (7, 1))

    assert series.closed[-1].open_ms == T0 - 61 * MINUTE_MS
    assert series.open == flat(T0 - 60 * MINUTE_MS, 5_000)


def test_rest_gives_the_newest_without_a_start_and_else_the_first():
    series = CandleSeries()
    series.fill_before(T0, 5_000, 10, (7, 1))

    newest = series.between(0, 2**60, 3)
    first = series.between(T0 - 10 * MINUTE_MS, 2**60, 3)
    until = series.between(T0 - 10 * MINUTE_MS, T0 - 9 * MINUTE_MS, 50)

    assert [c.open_ms for c in newest] == [T0 - 2 * MINUTE_MS, T0 - MINUTE_MS, T0]
    assert [c.open_ms for c in first] == [T0 - n * MINUTE_MS for n in (10, 9, 8)]
    assert [c.open_ms for c in until] == [T0 - n * MINUTE_MS for n in (10, 9)]
