"""Generated order flow: a seed is a feed, the book is coherent, each regime does what its name says."""

import hashlib
from array import array
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

import pytest

from shared.columns import CLEAR, FIELDS, KIND_MASK, LAST, LEVEL, TRADE
from shared.kernels.flow_rows import REGIMES, FlowRows
from shared.units import NS_PER_MS

ROOT = Path(__file__).resolve().parents[3]
BUY = 0


def feed(regime, count=40_000, seed=7, levels=40, start_ticks=20_000, gap_ns=1_000_000):
    columns = [array(code, bytes(count * width)) for _, code, width in FIELDS]
    used = FlowRows(seed, regime, start_ticks, levels, gap_ns, 1_000_000_000).fill(*columns)
    assert count - 32 <= used <= count
    return [column[:used] for column in columns]


def digest_of(columns):
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


class TouchedBook:
    """Levels by side and the touch, followed row by row."""

    def __init__(self):
        self.sides = ({}, {})
        self.bid, self.ask = 0, 2**31

    def level(self, side, price, lots):
        if lots:
            self.sides[side][price] = lots
        else:
            del self.sides[side][price]
        if side == BUY and (price >= self.bid):
            self.bid = max(self.sides[0], default=0)
        elif side != BUY and price <= self.ask:
            self.ask = min(self.sides[1], default=2**31)


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("regime", REGIMES)
def test_the_book_never_crosses_and_trades_are_at_the_touch(regime):
    ts_exch, ts_local, price, lots, kind, side = feed(regime, count=20_000)
    book = TouchedBook()

    assert kind[0] & KIND_MASK == CLEAR
    assert kind[-1] & LAST
    assert all(before <= after for column in (ts_exch, ts_local) for before, after in pairwise(column))
    assert min(map(int.__sub__, ts_local, ts_exch)) >= 400_000
    for at in range(len(kind)):
        what = kind[at] & KIND_MASK
        if what == LEVEL:
            assert lots[at] >= 0
            book.level(side[at], price[at], lots[at])
        elif what == TRADE:
            best = book.ask if side[at] == BUY else book.bid
            assert price[at] == best
            assert 0 < lots[at] <= book.sides[1 - side[at]][best]
        if kind[at] & LAST:
            assert book.bid < book.ask
            # About 40 levels and an edge of 20 ticks; a move leaves some behind for a moment.
            assert max(len(levels) for levels in book.sides) < 100


@pytest.mark.req("BT-7")
def test_a_seed_gives_one_feed_and_another_seed_another():
    assert digest_of(feed("mixed")) == digest_of(feed("mixed"))
    assert digest_of(feed("mixed")) != digest_of(feed("mixed", seed=8))


def test_the_feed_goes_on_over_blocks():
    whole = feed("jump", count=5_000)
    source = FlowRows(7, "jump", 20_000, 40, 1_000_000, 1_000_000_000)
    parts = [array(code) for _, code, _ in FIELDS]
    while len(parts[0]) < len(whole[0]):
        block = [array(code, bytes(600 * width)) for _, code, width in FIELDS]
        used = source.fill(*block)
        for column, more in zip(parts, block, strict=True):
            column.extend(more[:used])

    assert [column[: len(whole[0])] for column in parts] == whole


def signed_moves(columns, after_ns):
    """Return the mean move of the mid after each trade, in half ticks, in the direction of its aggressor."""
    ts_exch, _, price, lots, kind, side = columns
    book, times, mids, trades = TouchedBook(), [], [], []
    for at in range(len(kind)):
        if kind[at] & KIND_MASK == LEVEL:
            book.level(side[at], price[at], lots[at])
            if kind[at] & LAST:
                times.append(ts_exch[at])
                mids.append(book.bid + book.ask)
        elif kind[at] & KIND_MASK == TRADE:
            trades.append((len(mids) - 1, 1 - 2 * side[at]))
    moves = []
    for at, sign in trades:
        later = bisect_left(times, times[at] + after_ns)
        if later < len(times):
            moves.append(sign * (mids[later] - mids[at]))
    return sum(moves) / len(moves)


@pytest.mark.req("BT-7")
def test_in_the_adverse_regime_the_price_goes_on_against_whoever_filled_the_taker():
    quiet = signed_moves(feed("quiet", count=30_000), 1_000_000_000)
    adverse = signed_moves(feed("adverse", count=30_000), 1_000_000_000)

    # Half ticks a second after a trade: many times what a quiet market does.
    assert adverse > 20
    assert adverse > 4 * abs(quiet)


def trades_of(regime, count):
    ts_exch, _, price, _, kind, _ = feed(regime, count=count)
    return [(ts, px) for ts, px, what in zip(ts_exch, price, kind, strict=True) if what & KIND_MASK == TRADE]


@pytest.mark.req("BT-7")
def test_a_trend_goes_one_way():
    trend, quiet = trades_of("trend", 24_000), trades_of("quiet", 24_000)

    assert abs(trend[-1][1] - trend[0][1]) > 3 * abs(quiet[-1][1] - quiet[0][1])


@pytest.mark.req("BT-7")
def test_a_jump_covers_tens_of_ticks_within_a_millisecond():
    def greatest_move(trades):
        close = (
            pair for pair in zip(trades, trades[12:], strict=False) if pair[1][0] - pair[0][0] < NS_PER_MS
        )
        return max((abs(after[1] - before[1]) for before, after in close), default=0)

    assert greatest_move(trades_of("jump", 60_000)) >= 12
    assert greatest_move(trades_of("quiet", 60_000)) == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": -1}, "seed -1: must be 0.."),
        ({"levels": 0}, "levels 0: must be 1..4000"),
        ({"start_ticks": 10}, "start_ticks 10: must be"),
        ({"mean_gap_ns": 0}, "mean_gap_ns 0: must be 1.."),
        ({"regime": "wild"}, "regime 'wild': must be one of quiet, trend, jump, adverse, mixed"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limits(change, text):
    values = {"seed": 1, "regime": "quiet", "start_ticks": 20_000, "levels": 40}
    values |= {"mean_gap_ns": 10, "origin_ns": 0}
    with pytest.raises(ValueError, match=text):
        FlowRows(**values | change)


def test_columns_that_are_too_short_or_uneven_are_refused():
    source = FlowRows(1, "quiet", 20_000, 40, 1000, 0)
    short = [array(code, bytes(20 * width)) for _, code, width in FIELDS]
    with pytest.raises(ValueError, match="20 rows: must be at least 113"):
        source.fill(*short)
    with pytest.raises(ValueError, match="columns of 200 and 20 rows"):
        source.fill(array("q", bytes(1600)), *short[1:])


SCRIPT = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("flow", sys.argv[2])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from shared.kernels import is_compiled
print(is_compiled(), *[module.digest_of(module.feed(regime, count=6_000)) for regime in module.REGIMES])
"""


def test_compiled_and_uncompiled_write_the_same_rows(both_kinds):
    compiled, uncompiled = both_kinds(SCRIPT, str(ROOT), __file__)

    assert len(compiled) == len(REGIMES)
    assert uncompiled == compiled
