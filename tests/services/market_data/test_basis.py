"""The basis of a perpetual: exact figures, and no figure from a book that may not be used."""

from collections import deque
from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.basis import BasisFeed, z_e3
from shared.units import NS_PER_S

T0 = 1_700_000_040 * NS_PER_S
MINUTE = 60 * NS_PER_S


class Feed:
    """A book feed with a touch that the test sets."""

    def __init__(self, kit, symbol, tick):
        self.symbol = symbol
        self.is_open = True
        self.rules = type("Rules", (), {"tick_size": tick})
        self.book = kit.Book()
        self._n = 0

    def touch(self, bid_ticks, ask_ticks):
        self._n += 1
        pairs = ((bid_ticks, 5), (ask_ticks, 5))
        levels = b"".join(v.to_bytes(8, "little") for pair in pairs for v in pair)
        self.book.snapshot(levels, 1, self._n)


@pytest.fixture
def pair(kit):
    perpetual, spot = Feed(kit, "binance_usdm:BTCUSDT", "0.10"), Feed(kit, "binance:BTCUSDT", "0.01000000")
    # Middles: 60030.00 and 60000.00 of the quote asset.
    perpetual.touch(600_290, 600_310)
    spot.touch(5_999_999, 6_000_001)
    return perpetual, spot


@pytest.mark.req("MD-19")
def test_the_basis_is_said_once_a_minute_in_parts_per_million_of_spot(pair):
    perpetual, spot = pair
    feed, out = BasisFeed(perpetual, spot), []

    feed.watch(T0, out)
    feed.watch(T0 + NS_PER_S, out)
    perpetual.touch(599_690, 599_710)
    feed.watch(T0 + MINUTE, out)

    assert [(m.symbol, m.spot_symbol) for m in out] == [("binance_usdm:BTCUSDT", "binance:BTCUSDT")] * 2
    # 30 / 60000 = 500 ppm, then -500: two samples, the second one standard deviation below their mean.
    assert [(m.basis_ppm, m.z_e3, m.sample_count) for m in out] == [(500, 0, 1), (-500, -1000, 2)]


@pytest.mark.req("MD-19")
@pytest.mark.parametrize("defect", ["closed", "invalid", "crossed", "one side", "no rules"])
def test_a_book_that_may_not_be_used_gives_no_basis_until_it_may(pair, defect):
    perpetual, spot = pair
    feed, out = BasisFeed(perpetual, spot), []
    rules = spot.rules
    if defect == "closed":
        spot.is_open = False
    elif defect == "invalid":
        spot.book.invalidate()
    elif defect == "crossed":
        spot.touch(6_000_001, 5_999_999)
    elif defect == "no rules":
        spot.rules = None
    else:
        spot.book.snapshot((5_999_999).to_bytes(8, "little") + (5).to_bytes(8, "little"), 1, 9)

    feed.watch(T0, out)
    assert out == []
    spot.is_open, spot.rules = True, rules
    spot.touch(5_999_999, 6_000_001)
    feed.watch(T0 + 30 * NS_PER_S, out)

    assert [m.basis_ppm for m in out] == [500]


@pytest.mark.req("MD-19")
def test_the_score_looks_back_a_hundred_minutes(pair):
    perpetual, spot = pair
    feed, out = BasisFeed(perpetual, spot), []

    for minute in range(130):
        perpetual.touch(600_290 + minute, 600_310 + minute)
        feed.watch(T0 + minute * MINUTE, out)

    assert [m.sample_count for m in out[-31:]] == [100] * 31
    window = [m.basis_ppm for m in out[-100:]]
    mean = sum(window) / 100
    deviation = sqrt(sum((x - mean) ** 2 for x in window) / 100)
    assert out[-1].z_e3 == int((window[-1] - mean) / deviation * 1000)


@pytest.mark.req("MD-19")
@given(st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=100))
@settings(max_examples=100, deadline=None)
def test_the_score_is_the_exact_one_rounded_to_zero(values):
    score = z_e3(deque(values))

    n, mean = len(values), Fraction(sum(values), len(values))
    variance = sum((x - mean) ** 2 for x in values) / n
    distance = abs(values[-1] - mean) * 1000
    if variance == 0:
        assert score == 0
    else:
        assert score * score * variance <= distance**2 < (abs(score) + 1) ** 2 * variance
        assert score == 0 or (score > 0) == (values[-1] > mean)
