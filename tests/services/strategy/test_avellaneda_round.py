"""ST-48: with gating by position both sides of a round trip refer to the same fair value.

BTC at 60,000: a lot is worth 60 USDT, 300 USDT are 5 lots, and a half spread of 1 bp is 60 ticks.
"""

from decimal import Decimal

import pytest

from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.units import Side

SPOT = "binance:BTCUSDT"


def strategy(**changes):
    values = {
        "warmup_books": 0,
        "order_notional": Decimal(300),
        "gate_by_position": True,
        "vpin_window": 10,
        **changes,
    }
    return AvellanedaStoikov(AvellanedaStoikovSettings(**values))


def filled(one, stage, slot, price, lots, leaves=0):
    """Fill a quote: the position has it before the strategy hears of it."""
    side = Side.BUY if slot == "bid" else Side.SELL
    stage.position.apply_fill(side, price, lots, 0)
    one.on_fill(stage.ctx, slot, stage.fill(slot, side, price, lots, leaves))


@pytest.mark.req("ST-48")
def test_after_a_partial_fill_both_quotes_stay_though_the_market_moved(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    assert targets(one.on_book(stage.ctx)) == {"bid": (Side.BUY, 599_940, 5), "ask": (Side.SELL, 600_060, 5)}

    filled(one, stage, "bid", 599_940, 2, leaves=3)

    # then: what is left of the bid, and the ask as it was; later books move nothing
    moved = stage.touch(599_969, 599_971)
    assert targets(one.on_book(moved.ctx)) == {"bid": (Side.BUY, 599_940, 3), "ask": (Side.SELL, 600_060, 5)}
    assert [targets(one.on_book(stage.touch(599_900, 599_980).ctx)) for _ in range(10)] == [None] * 10


@pytest.mark.req("ST-48")
def test_without_gating_a_fill_brings_quotes_around_the_new_fair_value(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(gate_by_position=False)
    one.on_book(stage.ctx)

    filled(one, stage, "bid", 599_940, 2, leaves=3)

    moved = targets(one.on_book(stage.touch(599_899, 599_901).ctx))
    # 2 of 16 lots at gamma 0.1 skew 59.99 ticks by 0.74 down
    assert moved == {"bid": (Side.BUY, 599_839, 5), "ask": (Side.SELL, 599_960, 5)}


@pytest.mark.req("ST-48")
def test_a_filled_entry_is_not_entered_again_before_the_round_trip_is_over(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)

    filled(one, stage, "bid", 599_940, 5)
    assert targets(one.on_book(stage.ctx)) == {"ask": (Side.SELL, 600_060, 5)}

    filled(one, stage, "ask", 600_060, 5)
    again = targets(one.on_book(stage.touch(600_099, 600_101).ctx))
    # 300 USDT are no 5 lots of 60.01 any more; the half spread is 60.01 ticks
    assert again == {"bid": (Side.BUY, 600_039, 4), "ask": (Side.SELL, 600_161, 4)}


@pytest.mark.req("ST-48", "ST-14")
def test_on_spot_the_exit_of_what_was_bought_is_quoted_at_the_same_fair_value(make_stage, targets) -> None:
    stage = make_stage(SPOT).touch(599_999, 600_001)
    one = strategy()
    assert set(targets(one.on_book(stage.ctx))) == {"bid"}

    filled(one, stage, "bid", 599_940, 2, leaves=3)

    quoted = targets(one.on_book(stage.touch(599_949, 599_951).ctx))
    assert quoted == {"bid": (Side.BUY, 599_940, 3), "ask": (Side.SELL, 600_060, 2)}


@pytest.mark.req("ST-48")
def test_a_short_round_trip_is_closed_by_its_bid(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)

    filled(one, stage, "ask", 600_060, 5)

    assert targets(one.on_book(stage.touch(600_049, 600_051).ctx)) == {"bid": (Side.BUY, 599_940, 5)}


@pytest.mark.req("ST-48", "ST-9")
def test_a_kept_price_never_reaches_the_opposite_touch(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)
    filled(one, stage, "bid", 599_940, 2, leaves=3)

    # the market has gone through the exit while it was not resting
    assert targets(one.on_book(stage.touch(600_099, 600_101).ctx))["ask"] == (Side.SELL, 600_100, 5)


@pytest.mark.req("ST-48")
def test_a_rest_that_the_venue_does_not_take_ends_the_round_trip(make_stage, targets) -> None:
    # given: the venue takes 3 lots at least, and 2 are held by a bid that was cancelled
    stage = make_stage(min_qty_lots=3).touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)
    filled(one, stage, "bid", 599_940, 2)

    assert targets(one.on_book(stage.touch(599_899, 599_901).ctx))["bid"] == (Side.BUY, 599_839, 5)


@pytest.mark.req("ST-48", "ST-12")
def test_a_pulled_round_trip_comes_back_at_its_prices(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    for turn in range(10):
        one.on_trade(stage.ctx, stage.trade(Side(turn % 2), 600_000, 10))
    one.on_book(stage.ctx)
    filled(one, stage, "bid", 599_940, 5)
    one.on_book(stage.ctx)

    pulled = [targets(one.on_trade(stage.ctx, stage.trade(Side.SELL, 600_000, 10))) for _ in range(8)]
    assert {} in pulled
    assert targets(one.on_book(stage.ctx)) is None
    for turn in range(12):
        one.on_trade(stage.ctx, stage.trade(Side(turn % 2), 600_000, 10))

    assert targets(one.on_book(stage.touch(599_949, 599_951).ctx)) == {"ask": (Side.SELL, 600_060, 5)}


@pytest.mark.req("ST-48", "ST-9")
def test_a_pulled_round_trip_takes_the_better_price_of_a_market_that_went_through_it(
    make_stage, targets
) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)
    filled(one, stage, "bid", 599_940, 5)
    one.on_book(stage.ctx)

    # when: risk halts, the market passes the exit at 600,060, and risk lets it quote again
    one.on_state(stage.ctx, "pulled")
    one.on_state(stage.touch(600_199, 600_201).ctx, "quoting")

    assert targets(one.on_book(stage.ctx)) == {"ask": (Side.SELL, 600_200, 5)}


@pytest.mark.req("ST-48", "ST-14")
def test_the_limits_hold_in_a_round_trip(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy(max_inventory_notional=Decimal(360))  # 6 lots
    one.on_book(stage.ctx)
    # given: a late fill of an order of before, so that more is held than this round trip bought
    filled(one, stage, "bid", 599_940, 1, leaves=4)
    stage.position.apply_fill(Side.BUY, 599_940, 4, 0)

    # then: 5 held leave room for 1, and the whole position is offered
    quoted = targets(one.on_book(stage.ctx))
    assert quoted == {"bid": (Side.BUY, 599_940, 1), "ask": (Side.SELL, 600_060, 5)}


@pytest.mark.req("ST-48", "I-39")
def test_a_round_trip_survives_a_restart_and_ends_when_gating_is_switched_off(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one = strategy()
    one.on_book(stage.ctx)
    filled(one, stage, "bid", 599_940, 2, leaves=3)
    kept, free = strategy(), strategy(gate_by_position=False)

    kept.restore(one.snapshot())
    free.restore(one.snapshot())

    stage.touch(599_899, 599_901)
    assert targets(kept.on_book(stage.ctx)) == targets(one.on_book(stage.ctx))
    assert targets(free.on_book(stage.ctx))["bid"] == (Side.BUY, 599_839, 5)
