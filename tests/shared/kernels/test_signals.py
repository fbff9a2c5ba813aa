"""Signals are exact by their published formulas, however large the numbers (MD-9, MD-10, ST-10, ST-38)."""

import math
import statistics
from fractions import Fraction
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared.kernels import signals
from shared.kernels.book import Book
from shared.kernels.returns import ReturnWindow
from shared.kernels.signals import TradeFlow

BUY, SELL = 0, 1

prices = st.one_of(st.integers(1, 300), st.integers(1, 10**12))
lots = st.one_of(st.integers(1, 50), st.integers(1, 10**15))
sides = st.lists(st.tuples(prices, lots), max_size=14, unique_by=lambda pair: pair[0])


@pytest.fixture(scope="session")
def book_of(block):
    def build(bids, asks):
        book = Book()
        book.snapshot(*block(bids, asks), 1)
        return book

    return build


def towards_zero(value: Fraction) -> int:
    return math.floor(value) if value >= 0 else math.ceil(value)


@pytest.mark.req("MD-10")
@pytest.mark.parametrize(
    ("bids", "asks", "depth", "centiticks"),
    [
        # (101*5 + 100*3) / 8 = 100.625
        ([(100, 5)], [(101, 3)], 1, 10_062),
        ([(100, 5)], [(101, 3)], 5, 10_062),
        # (5*(101*5 + 100*3) + 4*(103*2 + 99*4)) / (5*8 + 4*6) = 6433 / 64; the third bid has no partner
        ([(100, 5), (99, 2), (98, 1)], [(101, 3), (103, 4)], 5, 10_051),
        # weights 2, 1: (2*(101*5 + 100*3) + (103*2 + 99*4)) / (2*8 + 6) = 2212 / 22
        ([(100, 5), (99, 2), (98, 1)], [(101, 3), (103, 4)], 2, 10_054),
        ([(618_376, 3_788)], [(618_377, 1_212)], 5, 61_837_675),
        ([(100, 5)], [], 5, 0),
        ([], [], 5, 0),
    ],
)
def test_microprice_equals_the_fixtures(book_of, bids, asks, depth, centiticks):
    assert signals.microprice_centiticks(book_of(bids, asks), depth) == centiticks


@pytest.mark.req("MD-10")
@settings(max_examples=100, deadline=None)
@given(sides, sides, st.integers(1, 12))
def test_microprice_equals_the_formula_in_fractions(book_of, bids, asks, depth):
    book = book_of(bids, asks)
    pairs = list(zip(book.levels(BUY, depth), book.levels(SELL, depth), strict=False))
    above = sum((depth - i) * (a * bq + b * aq) for i, ((b, bq), (a, aq)) in enumerate(pairs))
    below = sum((depth - i) * (bq + aq) for i, ((_, bq), (_, aq)) in enumerate(pairs))

    assert signals.microprice_centiticks(book, depth) == (100 * above // below if pairs else 0)


@pytest.mark.req("MD-9")
@settings(max_examples=100, deadline=None)
@given(sides, sides, st.integers(1, 10))
def test_imbalances_equal_their_formulas_in_fractions(book_of, bids, asks, depth):
    book = book_of(bids, asks)

    for decay, found in (
        (Fraction(1), signals.imbalance_ppm(book, depth)),
        (Fraction(9, 10), signals.weighted_imbalance_ppm(book, depth)),
    ):
        bid = sum(count * decay**i for i, (_, count) in enumerate(book.levels(BUY, depth)))
        ask = sum(count * decay**i for i, (_, count) in enumerate(book.levels(SELL, depth)))
        assert found == (towards_zero(Fraction((bid - ask) * 10**6) / (bid + ask)) if bid + ask else 0)


@pytest.mark.req("MD-9")
def test_imbalance_fixtures(book_of):
    book = book_of([(100, 5), (99, 2)], [(101, 3)])

    assert signals.imbalance_ppm(book) == 400_000
    assert signals.imbalance_ppm(book, 1) == 250_000
    # (5 + 1.8 - 3) / 9.8
    assert signals.weighted_imbalance_ppm(book) == 387_755
    assert signals.imbalance_ppm(book_of([(1, 1)], [(2, 2)])) == -333_333
    assert signals.imbalance_ppm(book_of([(1, 7)], [])) == 1_000_000


@pytest.mark.req("MD-9")
def test_mid_and_spread_need_both_sides(book_of):
    assert signals.mid_half_ticks(book_of([(100, 5)], [(103, 3)])) == 203
    assert signals.spread_ticks(book_of([(100, 5)], [(103, 3)])) == 3
    assert signals.spread_ticks(book_of([(103, 5)], [(100, 3)])) == -3
    for book in (book_of([(100, 5)], []), book_of([], [(103, 3)])):
        assert signals.mid_half_ticks(book) == 0
        assert signals.spread_ticks(book) == 0


@pytest.mark.parametrize("depth", [0, -1, 65])
def test_a_depth_out_of_range_is_refused(book_of, depth):
    book = book_of([(100, 5)], [(103, 3)])

    for signal in (signals.microprice_centiticks, signals.imbalance_ppm, signals.weighted_imbalance_ppm):
        with pytest.raises(ValueError, match=f"depth {depth}"):
            signal(book, depth)


@pytest.mark.req("ST-10")
def test_trade_flow_equals_the_fixture():
    flow = TradeFlow(3)
    assert (flow.vpin_ppm, flow.volatility_ema_e4, flow.count) == (0, 0, 0)

    flow.add(BUY, 100, 5)
    assert flow.vpin_ppm == 1_000_000
    flow.add(SELL, 101, 5)
    assert (flow.vpin_ppm, flow.volatility_ema_e4) == (0, 500)
    flow.add(BUY, 105, 1)
    assert (flow.vpin_ppm, flow.volatility_ema_e4) == (90_909, 500 + (40_000 - 500) // 20)
    # the first trade leaves: |3 - 5| / 8
    flow.add(BUY, 100, 2)
    assert (flow.vpin_ppm, flow.volatility_ema_e4, flow.count) == (250_000, 2_475 + (50_000 - 2_475) // 20, 4)
    # no move: (0 - 4851) / 20 towards zero
    flow.add(BUY, 100, 0)
    assert flow.volatility_ema_e4 == 4_851 - 242


trades = st.lists(st.tuples(st.integers(0, 1), prices, st.one_of(st.just(0), lots)), max_size=40)


@pytest.mark.req("ST-10")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), trades, trades)
def test_trade_flow_equals_its_formulas_and_continues_from_a_dump(window, before, after):
    flow, last, ema = TradeFlow(window), 0, 0
    for side, price, count in before:
        flow.add(side, price, count)
    restored = TradeFlow()
    restored.load(list(flow.dump()))
    for side, price, count in after:
        restored.add(side, price, count)

    for _, price, _ in before + after:
        step = Fraction(abs(price - last) * 10_000 - ema, 20) if last else Fraction(0)
        ema, last = ema + towards_zero(step), price
    held = (before + after)[-window:]
    bought = sum(count for side, _, count in held if side == BUY)
    sold = sum(count for side, _, count in held if side == SELL)
    assert restored.vpin_ppm == (abs(bought - sold) * 10**6 // (bought + sold) if bought + sold else 0)
    assert restored.volatility_ema_e4 == ema
    assert restored.count == len(before) + len(after)


def test_equal_trade_flows_have_equal_dumps_wherever_the_ring_stands():
    turned, fresh = TradeFlow(4), TradeFlow(4)
    for price in range(100, 107):
        turned.add(BUY, price, price)

    fresh.load(turned.dump())

    assert fresh.dump() == turned.dump()


@pytest.mark.parametrize(
    "trade", [(2, 100, 1), (BUY, 0, 1), (BUY, 10**12 + 1, 1), (SELL, 5, -1), (SELL, 5, 10**16)]
)
def test_a_trade_out_of_range_is_refused_and_changes_nothing(trade):
    flow = TradeFlow(4)
    flow.add(BUY, 100, 1)
    before = flow.dump()

    with pytest.raises(ValueError, match="trade"):
        flow.add(*trade)

    assert flow.dump() == before


@pytest.mark.parametrize("size", [0, -1, 4097])
def test_a_window_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"trade window {size}"):
        TradeFlow(size)
    with pytest.raises(ValueError, match=f"return window {size}"):
        ReturnWindow(size)


@pytest.mark.req("ST-38")
def test_return_window_fixture():
    window = ReturnWindow(3)
    for mid in (90, 100, 101, 103, 99):
        window.add(mid)

    returns = [math.log(101 / 100), math.log(103 / 101), math.log(99 / 103)]
    assert window.count == 3
    assert window.volatility == pytest.approx(statistics.pstdev(returns), rel=1e-12)
    # over the last three mids
    assert window.momentum == pytest.approx((99 - 101) / 101, rel=1e-12)


@pytest.mark.req("ST-38")
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.lists(st.integers(1, 2 * 10**12), max_size=30), st.integers(0, 30))
def test_a_return_window_continues_from_a_dump_bit_for_bit(size, mids, cut):
    whole, first, restored = ReturnWindow(size), ReturnWindow(size), ReturnWindow(2)
    for mid in mids:
        whole.add(mid)
    for mid in mids[:cut]:
        first.add(mid)
    restored.load(first.dump())
    for mid in mids[cut:]:
        restored.add(mid)

    assert restored.dump() == whole.dump() == (size, mids[-size - 1 :])
    assert (restored.volatility, restored.momentum) == (whole.volatility, whole.momentum)
    if len(mids) > 2:
        held = mids[-size - 1 :]
        returns = [math.log(b / a) for a, b in pairwise(held)]
        assert whole.volatility == pytest.approx(statistics.pstdev(returns), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("mid", [0, -1, 2 * 10**12 + 1])
def test_a_mid_out_of_range_is_refused(mid):
    window = ReturnWindow(3)

    with pytest.raises(ValueError, match="mid of"):
        window.add(mid)

    assert window.dump() == (3, [])
    assert (window.volatility, window.momentum, window.count) == (0.0, 0.0, 0)
