"""Figures worked out by hand; prices in 1/100 tick unless they say ticks."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.base import Note, TargetQuotes
from services.strategy.maker_models import quote_prices, skew_centiticks, spread_multiplier_ppm
from services.strategy.maker_settings import AvellanedaStoikovSettings
from services.strategy.own_orders import OwnOrder
from shared.messages.orders import OrderRejected, OrderType, TimeInForce
from shared.orders import OrderState
from shared.units import PPM, Side

SPOT = "binance:BTCUSDT"


def strategy(**changes):
    values = {"warmup_books": 0, "vpin_window": 10, "half_spread_bps": 1.0, **changes}
    return AvellanedaStoikov(AvellanedaStoikovSettings(**values))


def calm(one, stage):
    for turn in range(20):
        one.on_trade(stage.ctx, stage.trade(Side(turn % 2), 600_000, 10))


@pytest.mark.req("ST-11")
@pytest.mark.parametrize(
    ("vpin_ppm", "ema_e4", "fair", "wanted"),
    [
        (0, 0, 60_000_000, 1_000_000),
        (250_000, 0, 60_000_000, 1_250_000),
        # 1 tick of 600,000 is 16.67 units of 1e-7: * 50 / 1e4 = 0.0833
        (0, 10_000, 60_000_000, 1_083_333),
        # 200 units, 0.2 bps, double the spread: 12 ticks
        (0, 120_000, 60_000_000, 2_000_000),
        (0, 10_000_000, 60_000_000, 2_000_000),
        (PPM, 10_000_000, 60_000_000, 3_000_000),
    ],
)
def test_the_spread_multiplier_is_one_plus_vpin_plus_volatility_within_one_and_three(
    vpin_ppm, ema_e4, fair, wanted
) -> None:
    assert spread_multiplier_ppm(vpin_ppm, ema_e4, fair, 50) == wanted


def test_the_multiplier_of_two_markets_is_the_same_for_the_same_relative_moves() -> None:
    # given: BTC at 60,000 with ticks of 0.1, ETH at 3,000 with ticks of 0.01; both move 0.1 bps
    btc, eth = (60_000_000, 60_000), (30_000_000, 30_000)

    assert spread_multiplier_ppm(0, btc[1], btc[0], 50) == spread_multiplier_ppm(0, eth[1], eth[0], 50)


@pytest.mark.req("ST-8")
def test_the_skew_is_gamma_times_inventory_times_half_spread_with_the_sign_of_the_position() -> None:
    assert skew_centiticks(0, 100, 1000, 6000) == 0
    assert skew_centiticks(100, 100, 1000, 6000) == 600
    assert skew_centiticks(-100, 100, 1000, 6000) == -600
    assert skew_centiticks(33, 100, 1000, 6001) == 198  # 198.03
    assert skew_centiticks(-33, 100, 1000, 6001) == -198


@pytest.mark.req("ST-9")
def test_prices_are_rounded_outward_and_never_reach_the_opposite_touch() -> None:
    assert quote_prices(10_050, 100, PPM, 0, (90, 110)) == (99, 102)
    assert quote_prices(10_000, 100, PPM, 0, (90, 110)) == (99, 101)
    # fair far above the touch: the bid stops a tick below the best ask
    assert quote_prices(20_000, 100, PPM, 0, (99, 100)) == (99, 201)
    assert quote_prices(5_000, 100, PPM, 0, (99, 100)) == (49, 100)
    # half a spread of nothing still leaves a tick between both
    assert quote_prices(10_000, 0, PPM, 0, (99, 101)) == (100, 101)


@pytest.mark.req("ST-9")
def test_a_multiplied_half_spread_is_rounded_once_and_outward() -> None:
    # half 3 ct x 1.5 = 4.5 ct: 100.04 - 0.045 = 99.995, where a half of 4 ct would have given 100
    assert quote_prices(10_004, 3, 1_500_000, 0, (90, 110)) == (99, 101)
    # half 100 ct x 1.000001 is more than a tick: 99 and 101 would lie inside it
    assert quote_prices(10_000, 100, 1_000_001, 0, (90, 110)) == (98, 102)
    # skew 40 ct down: 100 - 1.2 - 0.4 = 98.4, 100 + 1.2 - 0.4 = 100.8
    assert quote_prices(10_000, 100, 1_200_000, 40, (90, 110)) == (98, 101)


@pytest.mark.req("ST-7", "ST-9")
def test_both_sides_of_a_flat_market_lie_half_a_spread_from_the_microprice(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()

    quotes = targets(one.on_book(stage.ctx))

    # fair 600,000 ticks, half spread 1 bp = 60 ticks, 100 USDT = 1 lot of 60 USDT
    assert quotes == {"bid": (Side.BUY, 599_940, 1), "ask": (Side.SELL, 600_060, 1)}


@pytest.mark.req("ST-7")
def test_the_fair_value_weighs_levels_five_four_by_the_crossed_volumes(make_stage, targets) -> None:
    stage = make_stage().book([(599_999, 3), (599_998, 1)], [(600_001, 1), (600_003, 2)])

    quotes = targets(strategy().on_book(stage.ctx))

    # from 599,999: (5 (2 * 3 + 0 * 1) + 4 (4 * 1 - 1 * 2)) / (5 * 4 + 4 * 3) = 38 / 32 = 1.1875 ticks
    # fair 600,000.18, half spread 60: 599,940.18 and 600,060.18
    assert quotes == {"bid": (Side.BUY, 599_940, 1), "ask": (Side.SELL, 600_061, 1)}


@pytest.mark.req("ST-10", "ST-11")
def test_the_spread_follows_the_last_window_of_trades_and_the_size_of_their_moves(
    make_stage, targets
) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    # given: 10 trades in the window, 30 lots bought and 20 sold: VPIN 0.2; nine moves of 20 ticks, whose
    # EMA is 20 (1 - 0.95^9) = 7.395 ticks, 123.2 units of 1e-7: * 50 / 1e4 = 0.616
    for turn in range(10):
        side = Side.BUY if turn < 6 else Side.SELL
        one.on_trade(stage.ctx, stage.trade(side, 600_000 + 20 * (turn % 2), 5))

    quotes = targets(one.on_book(stage.ctx))

    # half spread 60 * 1.816 = 108.97 ticks
    assert quotes == {"bid": (Side.BUY, 599_891, 1), "ask": (Side.SELL, 600_109, 1)}


@pytest.mark.req("ST-9")
@given(
    st.integers(1_000, 10**9),
    st.integers(0, 10**6),
    st.integers(PPM, 3 * PPM),
    st.integers(-(10**6), 10**6),
    st.integers(1, 10**7),
    st.integers(1, 100),
)
@settings(max_examples=100, deadline=None)
def test_no_price_lies_inside_what_was_asked_for_or_takes(
    fair, half, multiplier, skew, bid_best, spread
) -> None:
    ask_best = bid_best + spread

    bid, ask = quote_prices(fair, half, multiplier, skew, (bid_best, ask_best))

    centre, width = Fraction(fair - skew, 100), Fraction(half * multiplier, 100 * PPM)
    assert bid < ask_best
    assert ask > bid_best
    assert bid < ask
    assert bid <= centre - width
    assert ask >= centre + width
    assert bid > centre - width - 1 or bid == ask_best - 1
    assert ask < centre + width + 1 or ask in (bid_best + 1, bid + 1)


@pytest.mark.req("ST-8")
def test_a_long_position_moves_both_quotes_down(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001).hold(8)
    one = strategy(gamma_e4=10_000)

    quotes = targets(one.on_book(stage.ctx))

    # 1000 USDT = 16 lots: skew = 8 / 16 * 60 = 30 ticks
    assert quotes == {"bid": (Side.BUY, 599_910, 1), "ask": (Side.SELL, 600_030, 1)}


@pytest.mark.req("ST-13")
def test_nothing_is_quoted_before_enough_books_and_again_after_the_book_was_lost(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(warmup_books=3)
    assert [targets(one.on_book(stage.ctx)) for _ in range(3)] == [None] * 3
    assert targets(one.on_book(stage.ctx)) is not None

    # then: what was wanted before the loss is not wanted during the new warm-up either
    assert targets(one.on_disconnect(stage.ctx, "gap")) == {}

    assert [targets(one.on_book(stage.ctx)) for _ in range(3)] == [None] * 3
    assert targets(one.on_book(stage.ctx)) is not None


@pytest.mark.req("ST-13")
def test_a_requote_needs_a_moved_fair_value_and_the_cooldown(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(cooldown_books=2, requote_threshold_bps=0.1)  # 6 ticks
    one.on_book(stage.ctx)

    assert targets(one.on_book(stage.touch(600_009, 600_011).ctx)) is None  # moved, cooling down
    assert targets(one.on_book(stage.touch(600_004, 600_006).ctx)) is None  # cooled down, moved too little
    assert targets(one.on_book(stage.touch(600_005, 600_007).ctx)) is not None


@pytest.mark.req("ST-13")
def test_the_threshold_is_five_ticks_where_that_is_more_than_its_bps(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(cooldown_books=0, requote_threshold_bps=0.0)
    one.on_book(stage.ctx)

    assert targets(one.on_book(stage.touch(600_003, 600_005).ctx)) is None
    assert targets(one.on_book(stage.touch(600_004, 600_006).ctx)) is not None


@pytest.mark.req("ST-13")
def test_the_threshold_in_ticks_can_be_set(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(cooldown_books=0, requote_threshold_bps=0.0, requote_threshold_ticks=1)
    one.on_book(stage.ctx)

    assert targets(one.on_book(stage.ctx)) is None
    assert targets(one.on_book(stage.touch(600_000, 600_002).ctx)) is not None


@pytest.mark.req("ST-13")
def test_a_fill_clears_the_cooldown(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(cooldown_books=50)
    one.on_book(stage.ctx)
    assert targets(one.on_book(stage.ctx)) is None

    one.on_fill(stage.ctx, "bid", stage.fill("bid", Side.BUY, 599_940, 1))

    assert targets(one.on_book(stage.ctx)) is not None


@pytest.mark.req("ST-17")
def test_an_order_that_the_venue_ended_is_quoted_anew_at_the_next_book(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)
    order = OwnOrder("id", "bid", Side.BUY, 1, 1, 1, OrderType.LIMIT, TimeInForce.GTC, True, False, 0)
    order.state = OrderState.REJECTED

    one.on_order_event(stage.ctx, order, OrderRejected("id", "one", "x:y", "-2010", ""))

    assert targets(one.on_book(stage.ctx)) is not None


@pytest.mark.req("ST-10", "ST-12")
def test_toxic_flow_pulls_at_once_and_quotes_come_back_below_the_release(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    calm(one, stage)
    one.on_book(stage.ctx)

    # when: buyers alone, until 9 of 10 trades are theirs
    pulled = [targets(one.on_trade(stage.ctx, stage.trade(Side.BUY, 600_000, 10))) for _ in range(8)]

    # then: pulled at 80 % (4 sells are left at the 6th, 3 at 7th): once, and nothing until 50 %
    assert [one for one in pulled if one is not None] == [{}]
    assert targets(one.on_book(stage.ctx)) is None
    one.on_trade(stage.ctx, stage.trade(Side.SELL, 600_000, 10))
    assert targets(one.on_book(stage.ctx)) is None
    calm(one, stage)
    assert targets(one.on_book(stage.ctx)) is not None


@pytest.mark.req("ST-10", "ST-12")
def test_vpin_counts_only_over_a_full_window_and_can_be_switched_off(make_stage, targets) -> None:
    for one in (strategy(), strategy(vpin_enabled=False)):
        stage = make_stage().touch(599_999, 600_001)
        for _ in range(9 if one.settings.vpin_enabled else 40):
            assert targets(one.on_trade(stage.ctx, stage.trade(Side.BUY, 600_000, 10))) is None
        assert targets(one.on_book(stage.ctx)) is not None


@pytest.mark.req("ST-14")
def test_the_bid_is_off_at_full_inventory_and_the_ask_at_full_short(make_stage, targets) -> None:
    long, short = (
        make_stage().touch(599_999, 600_001).hold(16),
        make_stage().touch(599_999, 600_001).hold(-16),
    )

    assert set(targets(strategy().on_book(long.ctx))) == {"ask"}
    assert set(targets(strategy().on_book(short.ctx))) == {"bid"}


@pytest.mark.req("ST-14")
def test_spot_offers_what_it_holds_and_never_more(make_stage, targets) -> None:
    flat, holding = make_stage(SPOT).touch(599_999, 600_001), make_stage(SPOT).touch(599_999, 600_001).hold(2)

    assert set(targets(strategy(order_notional=Decimal(300)).on_book(flat.ctx))) == {"bid"}
    assert targets(strategy(order_notional=Decimal(300)).on_book(holding.ctx))["ask"][2] == 2


def test_the_last_room_is_used_in_part(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001).hold(14)

    assert targets(strategy(order_notional=Decimal(300)).on_book(stage.ctx))["bid"][2] == 2


@pytest.mark.req("ST-21")
def test_an_order_below_the_venues_minimum_is_named_and_not_raised(make_stage) -> None:
    stage = make_stage(min_notional_atoms=200 * 10**8).touch(599_999, 600_001)

    said = strategy().on_book(stage.ctx)

    assert said[0] == TargetQuotes()
    assert isinstance(said[1], Note)
    assert "order_notional 100 is 1 lots" in said[1].text


def test_a_restored_strategy_quotes_as_the_one_it_came_from(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one, other = strategy(), strategy()
    calm(one, stage)
    one.on_book(stage.ctx)

    other.restore(one.snapshot())

    assert other.snapshot() == one.snapshot()
    stage.touch(600_500, 600_502)
    assert [one.on_book(stage.ctx) for _ in range(3)] == [other.on_book(stage.ctx) for _ in range(3)]


def test_flow_over_another_window_is_not_taken_over(make_stage) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one, other = strategy(), strategy(vpin_window=20)
    calm(one, stage)

    other.restore(one.snapshot())

    assert "VPIN 0.00" in other.format_status(stage.ctx)
