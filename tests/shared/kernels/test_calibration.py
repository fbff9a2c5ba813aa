"""Figures worked out by hand, and a simulated Poisson flow around a Brownian mid found again."""

import importlib.util
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels import SOURCES
from shared.kernels.calibration import Calibration

BUY, SELL = 0, 1
S = 10**9
START = 1_700_000_000 * S
BID, ASK = 1000, 1002
FOR_EVER_S = 10_000_000.0


def uncompiled():
    """Return the class as plain Python, whatever the package's path says."""
    spec = importlib.util.spec_from_file_location("calibration_in_python", SOURCES / "calibration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Calibration


@pytest.fixture(params=[Calibration, uncompiled()], ids=["as imported", "uncompiled"])
def kind(request):
    return request.param


def watched(one, mids, bid=BID, period_ns=S):
    """Show `one` a mid each second, from `bid` up; return when the last was."""
    for second, offset in enumerate(mids):
        one.watch(START + second * period_ns, bid + offset, bid + offset + 2)
    return START + (len(mids) - 1) * period_ns


@pytest.mark.req("ST-16")
def test_sigma_is_the_root_of_squares_and_twice_the_cross_terms_over_time(kind) -> None:
    one = kind(FOR_EVER_S, 1000)

    # moves +3, +1, -1, +4; the first has none before it
    watched(one, [0, 3, 4, 3, 7])

    # squares 1 + 1 + 16 = 18, cross terms 3 - 1 - 4 = -2: (18 - 4) / 3 s
    assert one.sigma_ticks == pytest.approx(math.sqrt(14 / 3), rel=1e-5)
    assert one.moving_s == pytest.approx(3, rel=1e-5)


@pytest.mark.req("ST-16")
def test_a_mid_that_only_bounces_has_no_volatility(kind) -> None:
    one = kind(FOR_EVER_S, 1000)

    watched(one, [0, 1] * 500)

    # what bounces is worth less than nothing here: it is not known, and never a square root of a negative
    assert one.sigma_ticks == 0.0


@pytest.mark.req("ST-16")
def test_kappa_is_the_estimate_for_geometric_depths_and_arrivals_count_the_time_at_each_spread(kind) -> None:
    one = kind(FOR_EVER_S, 1000)
    # given: 10 s at a spread of 2 ticks, so that the touch is 1 tick from the mid
    watched(one, [0] * 11)

    # when: 6 orders, 0, 0, 1, 0, 3 and 2 ticks beyond the touch
    for depth, side in ((0, BUY), (0, SELL), (1, BUY), (0, BUY), (3, SELL), (2, BUY)):
        one.add_trade(side, ASK + depth if side == BUY else BID - depth, 0, BID, ASK)

    # then: mean 1, kappa = ln 2; A = 6 / (2 sides * 10 s * exp(-ln 2 * 1 tick)) = 6 / 10
    assert one.kappa_per_tick == pytest.approx(math.log(2))
    assert one.arrivals_per_s == pytest.approx(0.6)
    assert one.orders == 6


def test_prints_of_one_order_count_once_with_the_deepest(kind) -> None:
    one = kind(FOR_EVER_S, 1000)
    watched(one, [0] * 2)

    for price in (ASK, ASK + 2, ASK + 1):
        one.add_trade(BUY, price, 77, BID, ASK)
    one.add_trade(SELL, BID, 77, BID, ASK)
    one.add_trade(BUY, ASK, 78, BID, ASK)

    assert one.orders == 3
    assert one.kappa_per_tick == pytest.approx(math.log1p(3 / 2))


def test_the_touch_of_a_sweep_is_that_before_its_first_print(kind) -> None:
    one = kind(FOR_EVER_S, 1000)
    watched(one, [0] * 2)

    # the book has moved up by the time the second print comes
    one.add_trade(BUY, ASK, 77, BID, ASK)
    one.add_trade(BUY, ASK + 4, 77, BID + 4, ASK + 4)

    assert one.kappa_per_tick == pytest.approx(math.log1p(1 / 4))


def test_a_price_inside_the_spread_counts_as_at_the_touch(kind) -> None:
    one = kind(FOR_EVER_S, 1000)
    watched(one, [0] * 2)

    one.add_trade(BUY, ASK - 1, 0, BID, ASK)
    one.add_trade(BUY, ASK + 1, 0, BID, ASK)

    assert one.kappa_per_tick == pytest.approx(math.log1p(2 / 1))


def test_half_of_everything_is_forgotten_in_a_half_life(kind) -> None:
    one = kind(10.0, 1000)
    one.watch(START, BID, ASK)
    for _ in range(8):
        one.add_trade(BUY, ASK + 1, 0, BID, ASK)

    for second in range(1, 11):
        one.watch(START + second * S, BID, ASK)

    assert one.orders == pytest.approx(4)
    assert one.kappa_per_tick == pytest.approx(math.log(2))


def test_an_hour_that_nobody_watched_forgets_and_teaches_nothing(kind) -> None:
    one = kind(600.0, 1000)
    last_ns = watched(one, [0, 1, 0, 2, 1])
    one.add_trade(BUY, ASK, 0, BID, ASK)
    moving_s = one.moving_s

    later_ns = last_ns + 3600 * S
    assert not one.watch(later_ns, 5000, 5002)

    # then: 6 half-lives are gone, and the jump of 4000 ticks is no move
    assert one.moving_s == pytest.approx(moving_s / 64)
    assert one.orders == pytest.approx(1 / 64)
    sigma = one.sigma_ticks
    one.watch(later_ns + S, 5000, 5002)
    one.watch(later_ns + 2 * S, 5000, 5002)
    assert one.sigma_ticks <= sigma


def test_nothing_counts_before_the_market_is_watched_and_after_a_hold(kind) -> None:
    one = kind(600.0, 1000)
    one.add_trade(BUY, ASK, 0, BID, ASK)
    one.watch(START, BID, ASK)
    one.hold()
    one.add_trade(BUY, ASK, 0, BID, ASK)

    assert one.orders == 0
    assert (one.sigma_ticks, one.kappa_per_tick, one.arrivals_per_s) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("bid", "ask"), [(0, 5), (5, 0), (5, 5), (6, 5), (-2, -1), (1, 10**13)])
def test_a_touch_that_is_none_breaks_the_chain(kind, bid, ask) -> None:
    one = kind(600.0, 1000)
    one.watch(START, BID, ASK)

    assert not one.watch(START + S, bid, ask)
    one.add_trade(BUY, ASK, 0, bid, ask)

    assert one.orders == 0
    assert not one.watch(START + 2 * S, BID, ASK)


def test_time_that_falls_breaks_the_chain(kind) -> None:
    one = kind(600.0, 1000)
    watched(one, [0, 1, 0])
    before = one.moving_s

    assert not one.watch(START - S, BID, ASK)
    assert one.moving_s == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((2, 5, 0, BID, ASK), "side 2"),
        ((BUY, 0, 0, BID, ASK), "at 0 ticks"),
        ((SELL, 10**13, 0, BID, ASK), "at 10000000000000 ticks"),
    ],
)
def test_a_trade_out_of_range_is_refused_and_changes_nothing(kind, arguments, text) -> None:
    one = kind(600.0, 1000)
    one.watch(START, BID, ASK)
    before = one.dump()

    with pytest.raises(ValueError, match=text):
        one.add_trade(*arguments)
    assert one.dump() == before


@pytest.mark.parametrize("arguments", [(0.5, 1000), (math.nan, 1000), (math.inf, 1000), (600.0, 0)])
def test_settings_out_of_range_are_refused(kind, arguments) -> None:
    with pytest.raises(ValueError, match="must be 1"):
        kind(*arguments)


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: (*s[:10], math.nan, *s[11:]), lambda s: (*s[:15], b"")]
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(kind, change) -> None:
    one = kind(600.0, 1000)
    watched(one, [0, 1, 0])
    before = one.dump()

    with pytest.raises(ValueError, match="calibration state"):
        one.load(change(before))
    assert one.dump() == before


# ---- a market whose parameters are known


class Flow:
    """Buyers and sellers come at A per second and side; each reaches an exponential depth from the mid.

    The mid is a Brownian motion, seen in whole ticks with a spread, and wrong by `bounce` ticks at most.
    """

    def __init__(self, seed, arrivals_per_s, kappa, sigma, spread=1, bounce=0):
        self._draws = random.Random(seed)
        self._arrivals_per_s, self._kappa, self._sigma = arrivals_per_s, kappa, sigma
        self._spread, self._bounce = spread, bounce
        self._centre = 1_000_000.0
        self._next_s = [self._draws.expovariate(arrivals_per_s) for _ in (BUY, SELL)]
        self._elapsed_s = 0.0
        self.now_ns = START

    def step(self, say_trade, say_time):
        """Let 100 ms pass; return how many traded."""
        draws, trades = self._draws, 0
        self._elapsed_s += 0.1
        self.now_ns += S // 10
        bounce = draws.randint(-self._bounce, self._bounce)
        bid = math.floor(self._centre - (self._spread - 1) / 2) + bounce
        ask = bid + self._spread
        for side in (BUY, SELL):
            while self._next_s[side] <= self._elapsed_s:
                depth = draws.expovariate(self._kappa)
                mid = (bid + ask) / 2
                price = math.floor(mid + depth) if side == BUY else math.ceil(mid - depth)
                if price >= ask if side == BUY else price <= bid:
                    say_trade(side, price, START + round(self._next_s[side] * S), bid, ask)
                    trades += 1
                self._next_s[side] += draws.expovariate(self._arrivals_per_s)
        say_time(self.now_ns, bid, ask)
        self._centre += draws.gauss(0, self._sigma * math.sqrt(0.1))
        return trades


MARKETS = [
    # A per s and side, kappa per tick, sigma ticks per root s, spread, bounce
    (2.0, 0.3, 1.5, 1, 0),
    (0.5, 0.1, 0.8, 2, 0),
    (5.0, 1.0, 3.0, 1, 0),
    (1.5, 0.05, 5.0, 7, 1),
    (3.0, 0.5, 2.0, 2, 2),
]


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("market", MARKETS)
def test_the_parameters_of_a_flow_of_twenty_thousand_trades_are_found_within_a_tenth(market, seed) -> None:
    arrivals_per_s, kappa, sigma, _, _ = market
    one, flow, trades = Calibration(7200.0, 1000), Flow(seed, *market), 0

    while trades < 20_000:
        trades += flow.step(one.add_trade, one.watch)

    assert one.arrivals_per_s == pytest.approx(arrivals_per_s, rel=0.1)
    assert one.kappa_per_tick == pytest.approx(kappa, rel=0.1)
    assert one.sigma_ticks == pytest.approx(sigma, rel=0.1)


@pytest.mark.req("ST-16")
def test_the_bounce_that_would_raise_a_plain_estimate_of_sigma_by_a_third_is_taken_out() -> None:
    one, flow, trades = Calibration(7200.0, 1000), Flow(1, *MARKETS[4]), 0
    while trades < 20_000:
        trades += flow.step(one.add_trade, one.watch)

    squares, moving_s = one.dump()[10], one.moving_s
    assert math.sqrt(squares / moving_s) > 2.0 * 1.33
    assert one.sigma_ticks == pytest.approx(2.0, rel=0.1)


@pytest.mark.req("ST-16", "I-39")
@pytest.mark.parametrize("cut", [1, 777, 2500])
def test_a_restart_in_the_middle_changes_no_bit(kind, cut) -> None:
    whole, first, second = (kind(60.0, 1000) for _ in range(3))
    flow, again = Flow(5, *MARKETS[0]), Flow(5, *MARKETS[0])
    for _ in range(3000):
        flow.step(whole.add_trade, whole.watch)

    for _ in range(cut):
        again.step(first.add_trade, first.watch)
    second.load(list(first.dump()))
    assert second.dump() == first.dump()
    for _ in range(3000 - cut):
        again.step(second.add_trade, second.watch)

    assert second.dump() == whole.dump()


@given(st.integers(0, 2**32), st.sampled_from(MARKETS))
@settings(max_examples=20, deadline=None)
def test_compiled_and_uncompiled_agree_to_the_last_bit(seed, market) -> None:
    one, other = Calibration(30.0, 500), uncompiled()(30.0, 500)
    for each in (one, other):
        flow = Flow(seed, *market)
        for _ in range(300):
            flow.step(each.add_trade, each.watch)

    assert one.dump() == other.dump()
    assert (one.sigma_ticks, one.kappa_per_tick) == (other.sigma_ticks, other.kappa_per_tick)
    assert one.arrivals_per_s == other.arrivals_per_s
