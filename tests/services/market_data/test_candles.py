"""Candles of one market: in order, each closed one once, holes refilled, nothing old taken for fresh."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.candles import CandleFeed
from services.market_data.counters import Counters
from shared.kernels.levels import LevelParser
from shared.units import NS_PER_S
from shared.venues.base import CandlePrint

SYMBOL = "binance_usdm:BTCUSDT"
MINUTE = 60 * NS_PER_S
T0 = 1_700_000_040 * NS_PER_S
PARSER = LevelParser("0.10", "0.001")


def at(minute):
    return T0 + minute * MINUTE


def candle(minute, *, closed=True, close="100.0", volume="1.000", ts=None, **changes):
    ts_ns = ts if ts is not None else at(minute + 1) if closed else at(minute) + NS_PER_S
    texts = {
        "open_price": "100.0",
        "high_price": "110.0",
        "low_price": "90.0",
        "close_price": close,
    } | changes
    return CandlePrint("BTCUSDT", 60, at(minute), *texts.values(), volume, 3, closed, ts_ns)


class Rig:
    """A feed whose REST answers are given by hand."""

    def __init__(self, age_s=120, kept=60):
        self.counters = Counters()
        self.feed = CandleFeed(SYMBOL, self.counters, kept, age_s * NS_PER_S)
        self.out = []
        self.now_ns = at(0)

    def stream(self, print_, now_ns=None):
        self.now_ns = now_ns or max(self.now_ns, print_.ts_venue_ns)
        self.feed.take(print_, PARSER, self.now_ns, self.out)

    def answer(self, *prints, now_ns=None):
        self.now_ns = now_ns or self.now_ns
        self.feed.take_history(list(prints), PARSER, self.now_ns, self.out)

    def started(self):
        """Begin with the minutes -2 and -1 as history and minute 0 open."""
        self.feed.begin(self.now_ns)
        self.answer(candle(-2), candle(-1), candle(0, closed=False, ts=0))
        return self

    def closed(self):
        return [(m.open_ns - T0) // MINUTE for m in self.out if m.is_closed]

    def opened(self):
        return [(m.open_ns - T0) // MINUTE for m in self.out if not m.is_closed]


@pytest.mark.req("MD-16")
def test_the_history_is_said_oldest_first_and_the_open_candle_after_it():
    rig = Rig()
    rig.feed.begin(at(0))
    rig.stream(candle(0, closed=False), at(0) + NS_PER_S)
    assert rig.out == []
    assert (rig.feed.is_wanting, rig.feed.from_ns) == (True, 0)

    rig.answer(candle(-3), candle(-2), candle(-1), candle(0, closed=False, ts=0))

    assert rig.closed() == [-3, -2, -1]
    assert rig.opened() == [0]
    first = rig.out[0]
    assert (first.open_ticks, first.high_ticks, first.low_ticks, first.close_ticks) == (1000, 1100, 900, 1000)
    assert (first.volume_lots, first.trade_count, first.interval_s) == (1000, 3, 60)
    assert (first.ts_venue_ns, first.ts_recv_ns) == (at(-2), at(0) + NS_PER_S)
    assert not rig.feed.is_wanting


@pytest.mark.req("MD-16")
def test_an_open_candle_is_said_when_it_changed_and_once_a_second_at_most():
    rig = Rig().started()
    rig.out.clear()
    later_ns = at(0) + 10 * NS_PER_S

    rig.stream(candle(0, closed=False, volume="2", ts=later_ns))
    rig.stream(candle(0, closed=False, volume="3", ts=later_ns + NS_PER_S // 4))
    rig.feed.watch(later_ns + NS_PER_S - 1, rig.out)
    assert [m.volume_lots for m in rig.out] == [2000]
    rig.feed.watch(later_ns + NS_PER_S, rig.out)
    assert [m.volume_lots for m in rig.out] == [2000, 3000]
    # The same content in a later frame is no news.
    rig.stream(candle(0, closed=False, volume="3", ts=later_ns + 5 * NS_PER_S))

    assert [m.volume_lots for m in rig.out] == [2000, 3000]


@pytest.mark.req("MD-16")
def test_each_closed_candle_is_said_once_and_what_comes_twice_or_late_is_dropped():
    rig = Rig().started()
    rig.out.clear()

    rig.stream(candle(0))
    rig.stream(candle(0))
    rig.stream(candle(-1), at(1))
    rig.stream(candle(0, closed=False), at(1))

    assert [(m.open_ns, m.is_closed) for m in rig.out] == [(at(0), True)]
    assert rig.counters.dropped_count == 3


@pytest.mark.req("MD-16")
def test_after_a_reconnect_the_minutes_missed_are_refilled_in_order():
    rig = Rig().started()
    rig.out.clear()

    rig.feed.begin(at(4))
    assert rig.feed.from_ns == at(0)
    rig.stream(candle(4, closed=False))
    rig.stream(candle(4))
    rig.stream(candle(5, closed=False))
    assert rig.out == []
    rig.answer(*(candle(n) for n in range(5)), candle(5, closed=False, ts=0))

    assert rig.closed() == [0, 1, 2, 3, 4]
    assert rig.opened() == [5]
    assert rig.feed.missing_count == 0
    assert not rig.feed.is_wanting


@pytest.mark.req("MD-16")
@pytest.mark.parametrize("is_closed", [True, False])
def test_a_hole_in_the_stream_asks_for_what_is_missing_and_says_nothing_beyond_it(is_closed):
    rig = Rig().started()
    rig.out.clear()

    rig.stream(candle(2, closed=is_closed))

    assert (rig.feed.is_wanting, rig.feed.from_ns, rig.out) == (True, at(0), [])
    rig.answer(candle(0), candle(1), candle(2, closed=False, ts=0))
    assert rig.closed() == ([0, 1, 2] if is_closed else [0, 1])


@pytest.mark.req("MD-16")
def test_a_minute_that_the_venue_does_not_have_is_passed_over_after_three_questions_and_counted():
    rig = Rig().started()
    rig.out.clear()
    rig.stream(candle(0))
    rig.stream(candle(2))
    rig.stream(candle(3, closed=False))

    for _ in range(2):
        rig.answer(candle(3, closed=False, ts=0))
        assert (rig.feed.is_wanting, rig.closed()) == (True, [0])
    rig.answer(candle(3, closed=False, ts=0))

    assert not rig.feed.is_wanting
    assert rig.closed() == [0, 2]
    assert rig.opened() == [3]
    assert rig.feed.missing_count == 1


def test_an_open_candle_goes_on_when_the_venue_lacks_the_one_before():
    rig = Rig().started()
    rig.stream(candle(0))
    rig.out.clear()
    rig.stream(candle(2, closed=False))

    for _ in range(3):
        assert rig.feed.is_wanting
        rig.answer(candle(2, closed=False, ts=0))

    assert not rig.feed.is_wanting
    assert (rig.closed(), rig.opened(), rig.feed.missing_count) == ([], [2], 1)


def test_a_venue_without_history_starts_with_what_the_stream_closes():
    rig = Rig()
    rig.feed.begin(at(0))
    rig.answer()

    rig.stream(candle(0, closed=False))
    rig.stream(candle(0))
    rig.stream(candle(1))

    assert (rig.opened(), rig.closed()) == ([0], [0, 1])


@pytest.mark.req("MD-16")
@pytest.mark.parametrize(("age_ns", "is_stale"), [(120 * NS_PER_S, False), (120 * NS_PER_S + 1, True)])
def test_without_a_newer_candle_for_two_minutes_the_feed_is_stale(age_ns, is_stale):
    rig = Rig().started()
    rig.stream(candle(0, closed=False, ts=at(0) + 5 * NS_PER_S))

    assert rig.feed.is_stale(at(0) + 5 * NS_PER_S + age_ns) is is_stale


def test_an_open_candle_from_two_minutes_ago_is_not_said_and_leaves_the_feed_stale():
    rig = Rig().started()
    rig.out.clear()

    rig.stream(candle(0, closed=False, volume="9"), now_ns=at(3))

    assert rig.out == []
    assert rig.feed.is_stale(at(3))
    assert rig.counters.dropped_count == 1


def test_a_candle_stamped_in_the_future_does_not_hide_a_silence():
    rig = Rig().started()

    rig.stream(candle(0, closed=False, ts=at(100)), now_ns=at(0) + NS_PER_S)

    assert rig.feed.is_stale(at(3))
    with pytest.raises(ValueError, match="begins in the future"):
        rig.stream(candle(50), now_ns=at(1))


@pytest.mark.parametrize(
    "changes",
    [
        {"high_price": "99.0"},
        {"low_price": "101.0"},
        {"close": "120.0"},
        {"close": "80.0"},
        {"volume": "-1"},
        {"volume": "NaN"},
        {"open_price": "100.05"},
        {"open_price": "0"},
        {"close": "1e2"},
    ],
)
def test_a_candle_that_cannot_be_is_refused_and_changes_nothing(changes):
    rig = Rig().started()
    before = list(rig.out)

    with pytest.raises(ValueError, match=r"\S"):
        rig.stream(candle(0, **changes))
    with pytest.raises(ValueError, match=r"\S"):
        rig.answer(candle(0, **changes), candle(1, closed=False))

    assert rig.out == before
    assert rig.feed.from_ns == at(0)


def test_what_is_kept_can_be_said_again():
    rig = Rig(kept=3).started()
    for minute in range(5):
        rig.stream(candle(minute))
    rig.stream(candle(5, closed=False))
    rig.out.clear()

    rig.feed.say_again(rig.out)
    rig.feed.watch(at(6), rig.out)

    assert (rig.closed(), rig.opened()) == ([2, 3, 4], [5])


@pytest.mark.req("MD-16")
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from(["closed", "open", "answer", "begin"])), max_size=40
    )
)
@settings(max_examples=100, deadline=None)
def test_whatever_comes_closed_candles_rise_and_none_is_said_twice(steps):
    rig = Rig().started()
    now_minute = 0
    for minute, what in steps:
        now_minute = max(now_minute, minute)
        now_ns = at(now_minute) + 30 * NS_PER_S
        if what == "begin":
            rig.feed.begin(now_ns)
        elif what == "answer":
            rows = [candle(n) for n in range(-2, now_minute) if n != 3]
            rig.answer(*rows, candle(now_minute, closed=False, ts=0), now_ns=now_ns)
        else:
            rig.stream(candle(minute, closed=what == "closed", ts=now_ns), now_ns=now_ns)

    closed = rig.closed()
    assert closed == sorted(set(closed))
    times = [m.open_ns for m in rig.out]
    assert times == sorted(times), "an open candle never comes before an older closed one"


@pytest.mark.req("MD-16", "MD-22")
def test_candles_that_are_held_back_because_the_history_does_not_come_grow_old():
    # Given a feed that ran and was connected anew, whose REST answers fail for good
    rig = Rig(age_s=120).started()
    rig.feed.begin(at(1))

    # When the stream goes on for half an hour, connected anew each minute
    said = len(rig.out)
    for minute in range(1, 31):
        rig.stream(candle(minute, closed=False), at(minute) + NS_PER_S)
        rig.stream(candle(minute), at(minute + 1))
        rig.feed.begin(at(minute + 1))

    # Then nothing was said, and it is seen that nothing is
    assert len(rig.out) == said
    assert rig.feed.is_stale(at(31))
    # until the history comes
    rig.answer(*[candle(minute) for minute in range(31)], now_ns=at(31))
    assert not rig.feed.is_stale(at(31))
    assert rig.closed() == [-2, -1, *range(31)]


@pytest.mark.req("MD-16")
def test_a_first_history_that_does_not_come_is_warned_of():
    rig = Rig(age_s=120)
    rig.feed.begin(at(0))
    rig.stream(candle(0, closed=False))
    rig.stream(candle(0))

    assert not rig.feed.is_stale(at(2))
    assert rig.feed.is_stale(at(2) + 1)
