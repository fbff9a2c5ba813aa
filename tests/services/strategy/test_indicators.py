import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.indicators import Atr, Bands, Bollinger, Ema, Rsi, Sma, WilderAverage


def fed(indicator, values):
    """The indicator's value after each of the values."""
    found = []
    for value in values:
        indicator.add(*value) if isinstance(value, tuple) else indicator.add(value)
        found.append(indicator.value)
    return found


@pytest.mark.req("ST-46")
def test_a_simple_average_is_of_the_last_window() -> None:
    assert fed(Sma(3), [1, 2, 6, 10, 2]) == [None, None, 3.0, 6.0, 6.0]
    assert fed(Sma(1), [7, 8]) == [7.0, 8.0]


@pytest.mark.req("ST-46")
def test_an_exponential_average_begins_with_a_simple_one() -> None:
    # window 3: weight 1/2. (1 + 2 + 6) / 3 = 3; 3 + (9 - 3)/2 = 6; 6 + (2 - 6)/2 = 4; 4 + 0 = 4
    assert fed(Ema(3), [1, 2, 6, 9, 2, 4]) == [None, None, 3.0, 6.0, 4.0, 4.0]


@pytest.mark.req("ST-46")
def test_wilders_average_has_the_weight_of_one_over_its_window() -> None:
    # window 4: weight 1/4. (1 + 2 + 3 + 6) / 4 = 3; 3 + (7 - 3)/4 = 4; 4 + (0 - 4)/4 = 3
    assert fed(WilderAverage(4), [1, 2, 3, 6, 7, 0]) == [None, None, None, 3.0, 4.0, 3.0]


@pytest.mark.req("ST-46")
def test_the_rsi_by_hand() -> None:
    # window 2, closes 10 13 12 12 18: changes +3 -1 0 +6
    # gains 3 0 -> 1.5; then (1.5 + 0)/2 = 0.75; then (0.75 + 6)/2 = 3.375
    # losses 0 1 -> 0.5; then 0.25; then 0.125
    # 100 - 100/(1 + 3) = 75; the same ratio after no change; 100 - 100/(1 + 27)
    found = fed(Rsi(2), [10, 13, 12, 12, 18])

    assert found[:4] == [None, None, 75.0, 75.0]
    assert found[4] == pytest.approx(100 - 100 / 28)


@pytest.mark.req("ST-46")
def test_the_rsi_of_fourteen_needs_fifteen_closes() -> None:
    # seven gains of 2 and seven losses of 1: 100 - 100/(1 + 2)
    closes = [100.0]
    for step in range(14):
        closes.append(closes[-1] + (2 if step % 2 else -1))
    found = fed(Rsi(14), closes)

    assert found[:14] == [None] * 14
    assert found[14] == pytest.approx(200 / 3)
    # one more loss of 7: gain (1 * 13)/14, loss (0.5 * 13 + 7)/14, so 13 / (13 + 13.5)
    rsi = Rsi(14)
    assert fed(rsi, [*closes, closes[-1] - 7])[-1] == pytest.approx(100 * 13 / 26.5)


@pytest.mark.req("ST-46")
def test_the_rsi_has_an_answer_where_the_formula_divides_by_zero() -> None:
    assert fed(Rsi(2), [1, 2, 3])[-1] == 100.0
    assert fed(Rsi(2), [3, 2, 1])[-1] == 0.0
    assert fed(Rsi(2), [5, 5, 5])[-1] == 50.0


@pytest.mark.req("ST-46")
def test_bollinger_bands_by_hand() -> None:
    # 2 4 4 4 5 5 7 9: the mean is 5 and the population deviation 2
    found = fed(Bollinger(8, 2.0), [2, 4, 4, 4, 5, 5, 7, 9])

    assert found[:7] == [None] * 7
    assert found[7] == Bands(1.0, 5.0, 9.0)
    assert fed(Bollinger(8, 1.5), [2, 4, 4, 4, 5, 5, 7, 9])[7] == Bands(2.0, 5.0, 8.0)
    assert fed(Bollinger(2), [3, 3])[1] == Bands(3.0, 3.0, 3.0)
    # the oldest leaves
    assert fed(Bollinger(2, 1.0), [100, 3, 5])[2] == Bands(3.0, 4.0, 5.0)


@pytest.mark.req("ST-46")
def test_the_true_range_reaches_to_the_close_before() -> None:
    # (high, low, close): 4; then a gap up, 20 - 11 = 9; then a gap down, 18 - 10 = 8; then inside, 2
    candles = [(14, 10, 11), (20, 16, 18), (12, 10, 11), (12, 10, 11)]

    # window 2: (4 + 9)/2 = 6.5; (6.5 + 8)/2 = 7.25; (7.25 + 2)/2 = 4.625
    assert fed(Atr(2), candles) == [None, 6.5, 7.25, 4.625]


@pytest.mark.parametrize("make", [Sma, Ema, WilderAverage, Rsi, Atr])
def test_a_window_below_one_is_refused(make) -> None:
    with pytest.raises(ValueError, match="window 0: must be at least 1"):
        make(0)


def test_bands_need_two_values() -> None:
    with pytest.raises(ValueError, match="window 1: must be at least 2"):
        Bollinger(1)


PRICES = st.lists(st.integers(1, 10**9), min_size=1, max_size=60)


@given(prices=PRICES, window=st.integers(2, 12))
@settings(max_examples=100, deadline=None)
@pytest.mark.req("ST-46")
def test_averages_lie_between_the_prices_and_the_rsi_within_0_and_100(prices, window) -> None:
    sma, ema = fed(Sma(window), prices)[-1], fed(Ema(window), prices)[-1]
    rsi, bands = fed(Rsi(window), prices)[-1], fed(Bollinger(window), prices)[-1]

    assert (sma is None) == (ema is None) == (bands is None) == (len(prices) < window)
    assert (rsi is None) == (len(prices) <= window)
    if sma is not None:
        slack = max(prices) * 1e-12
        for average in (sma, ema):
            assert min(prices) - slack <= average <= max(prices) + slack
        assert bands.lower <= bands.middle <= bands.upper
        assert math.isclose(bands.middle, sma)
    if rsi is not None:
        assert 0 <= rsi <= 100


@given(prices=PRICES, more=PRICES, window=st.integers(2, 12))
@settings(max_examples=50, deadline=None)
def test_an_indicator_loaded_from_its_dump_goes_on_as_the_saved_one(prices, more, window) -> None:
    for make in (Sma, Ema, WilderAverage, Rsi, Bollinger):
        one, other = make(window), make(window)
        fed(one, prices)
        other.load(msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump())))
        assert fed(one, more) == fed(other, more)
        assert one.dump() == other.dump()


def test_a_range_loaded_from_its_dump_goes_on_as_the_saved_one() -> None:
    candles = [(14, 10, 11), (20, 16, 18), (12, 10, 11)]
    for cut in range(3):
        one, other = Atr(2), Atr(2)
        fed(one, candles[:cut])
        other.load(msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump())))
        assert fed(one, candles) == fed(other, candles)
