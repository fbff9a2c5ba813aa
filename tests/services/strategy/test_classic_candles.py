import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.classic_candles import MINUTE_NS, Bar, Bars, problem_of
from shared.messages.market import Candle

START = 1_700_000_000 * 10**9 // (60 * MINUTE_NS) * (60 * MINUTE_NS)


def minute(number, open_=100, high=110, low=90, close=105, **changes):
    """The closed candle of a minute, counted from a whole hour."""
    opened = START + number * MINUTE_NS
    values = {
        "symbol": "binance:BTCUSDT",
        "interval_s": 60,
        "open_ns": opened,
        "open_ticks": open_,
        "high_ticks": high,
        "low_ticks": low,
        "close_ticks": close,
        "volume_lots": 1,
        "trade_count": 1,
        "is_closed": True,
        "ts_venue_ns": opened + MINUTE_NS,
        "ts_recv_ns": opened + MINUTE_NS,
    }
    return Candle(**{**values, **changes})


def ended(bars, *numbers, **changes):
    """The bars that these minutes end."""
    return [bar for number in numbers for bar in bars.add(minute(number, **changes))]


@pytest.mark.req("ST-46")
def test_a_bar_of_one_minute_is_the_candle() -> None:
    assert ended(Bars(1), 7) == [Bar(START + 7 * MINUTE_NS, 100, 110, 90, 105, 1, False)]


@pytest.mark.req("ST-46")
def test_a_bar_takes_first_open_highest_high_lowest_low_and_last_close() -> None:
    bars = Bars(3)

    assert bars.add(minute(0, 100, 110, 95, 105)) == []
    assert bars.add(minute(1, 105, 130, 100, 120)) == []
    assert bars.add(minute(2, 120, 121, 80, 85)) == [Bar(START, 100, 130, 80, 85, 3, False)]


@pytest.mark.req("ST-46")
def test_bars_are_aligned_and_the_first_needs_half_of_its_minutes() -> None:
    # from minute 3 on two of five are left: too few
    assert [bar.open_ns for bar in ended(Bars(5), 3, 4, 5, 6, 7, 8, 9)] == [START + 5 * MINUTE_NS]
    # of four minutes, two are half
    assert [bar.minutes for bar in ended(Bars(4), 2, 3)] == [2]


@pytest.mark.req("ST-46")
def test_a_bar_whose_last_minute_is_missing_ends_with_the_next_one() -> None:
    bars = Bars(3)

    assert ended(bars, 0, 1) == []
    late = ended(bars, 3)
    assert [(bar.open_ns, bar.minutes, bar.is_after_hole) for bar in late] == [(START, 2, False)]
    # a single minute can end two bars: the one before it and its own
    assert len(ended(Bars(1), 0, 1, 2)) == 3
    two = Bars(2)
    assert [bar.open_ns for bar in ended(two, 0, 3)] == [START, START + 2 * MINUTE_NS]


@pytest.mark.req("ST-46")
def test_a_missing_bar_is_told_by_the_one_after_it() -> None:
    assert [bar.is_after_hole for bar in ended(Bars(1), 0, 1, 3, 4)] == [False, False, True, False]
    # a bar with too few minutes is a hole too
    assert [bar.is_after_hole for bar in ended(Bars(3), 0, 1, 2, 3, 6, 7, 8)] == [False, True]
    # one missing minute inside a bar is none
    assert [bar.is_after_hole for bar in ended(Bars(3), 0, 1, 2, 3, 5, 6, 7, 8)] == [False] * 3


@pytest.mark.req("ST-46")
def test_a_minute_counts_once_and_never_backwards() -> None:
    bars = Bars(2)
    assert ended(bars, 1) != []
    before = bars.dump()

    assert ended(bars, 1, 0) == []

    assert bars.dump() == before


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"low": 0}, "low must be positive"),
        ({"low": -5}, "low must be positive"),
        ({"low": 101}, "lowest"),
        ({"high": 104}, "highest"),
        ({"high": 80, "low": 90}, "highest"),
        ({"open_ns": START + 1}, "no whole minute"),
        ({"open_ns": 0}, "no whole minute"),
        ({"open_ns": START + 100 * MINUTE_NS}, "closes 6000 s after now; clocks may differ by 60 s"),
    ],
)
def test_a_candle_that_makes_no_sense_is_named(changes, word) -> None:
    now_ns = START + MINUTE_NS

    assert problem_of(minute(0), now_ns) == ""
    assert problem_of(minute(1), now_ns) == ""
    assert word in problem_of(minute(0, **changes), now_ns)


@given(
    numbers=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    minutes=st.integers(1, 7),
    cut=st.integers(0, 60),
)
@settings(max_examples=100, deadline=None)
def test_bars_come_in_order_once_each_and_loaded_ones_go_on(numbers, minutes, cut) -> None:
    one, other = Bars(minutes), Bars(minutes)
    first = ended(one, *numbers[:cut])
    other.load(msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump())))
    rest = ended(one, *numbers[cut:])

    assert ended(other, *numbers[cut:]) == rest
    opens = [bar.open_ns for bar in first + rest]
    assert opens == sorted(set(opens))
    for bar, after in zip(first + rest, (first + rest)[1:], strict=False):
        assert after.is_after_hole == (after.open_ns != bar.open_ns + minutes * MINUTE_NS)
        assert 2 * after.minutes >= minutes
