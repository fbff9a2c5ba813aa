from dataclasses import fields
from decimal import Decimal

import pytest

from services.strategy.base import PlaceOrder
from services.strategy.classic_candles import MINUTE_NS
from services.strategy.market_exit import ENTRY, EXIT
from services.strategy.registry import STRATEGIES, settings_of
from shared.messages.market import Candle
from shared.units import Side

SPOT = "binance:BTCUSDT"
START = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
KINDS = ("momentum", "mean_reversion", "trend", "combo", "dca", "martingale")


def played(stage, kind, closes, **params):
    """Close a minute at each price; everything asked for is filled at once. Return (minute, slot, side)."""
    one = STRATEGIES[kind](
        settings_of(kind, {"candle_minutes": 1, "stop_loss": 0.5, "take_profit": 9, **params})
    )
    found = []
    for number, close in enumerate(closes):
        opened = START + number * MINUTE_NS
        stage.at(opened + MINUTE_NS).touch(close, close + 1)
        shape = (close, close, close, close)
        candle = Candle(stage.rules.symbol, 60, opened, *shape, 1, 1, True, opened, opened)
        wanted = one.on_candle(stage.ctx, candle)
        while wanted:
            (order,) = wanted
            assert isinstance(order, PlaceOrder)
            found.append((number, order.slot, order.side))
            price = order.price_ticks or (close if order.side is Side.SELL else close + 1)
            stage.position.apply_fill(order.side, price, order.qty_lots, 0)
            one.on_fill(stage.ctx, order.slot, stage.fill(order.slot, order.side, price, order.qty_lots))
            wanted = one.on_timer(stage.ctx)
    return found


def in_ticks(*prices):
    return [price * 1_000 for price in prices]


@pytest.mark.req("ST-46")
def test_momentum_buys_when_the_rsi_comes_back_and_sells_when_it_falls_back(make_stage) -> None:
    # as in the test of its vote: up through 30 at the fourth close, down through 70 at the seventh
    closes = in_ticks(100, 90, 80, 90, 100, 110, 80, 70, 110)

    assert played(make_stage(), "momentum", closes, rsi_window=2) == [
        (3, ENTRY, Side.BUY),
        (6, EXIT, Side.SELL),
        (8, ENTRY, Side.BUY),
    ]


@pytest.mark.req("ST-46")
def test_with_short_sales_momentum_turns_its_position(make_stage) -> None:
    closes = in_ticks(100, 90, 80, 90, 100, 110, 80)

    assert played(make_stage(), "momentum", closes, rsi_window=2, allow_short=True) == [
        (3, ENTRY, Side.BUY),
        (6, EXIT, Side.SELL),
        (6, ENTRY, Side.SELL),
    ]


@pytest.mark.req("ST-46")
def test_mean_reversion_buys_below_the_band_and_sells_at_the_middle(make_stage) -> None:
    closes = in_ticks(100, 100, 100, 80, 75, 78, 79, 82)
    params = {"bands_window": 4, "bands_deviations": 1.0}

    # the middle of 75 78 79 82 is 78.5; that of 80 75 78 79 is 78, at which 79 is the first above
    assert played(make_stage(SPOT), "mean_reversion", closes, **params) == [
        (3, ENTRY, Side.BUY),
        (6, EXIT, Side.SELL),
    ]


@pytest.mark.req("ST-46")
def test_trend_follows_the_crossing_of_its_averages(make_stage) -> None:
    closes = in_ticks(10, 20, 10, 9, 12, 13, 5)
    params = {"fast_window": 1, "slow_window": 2}

    assert played(make_stage(), "trend", closes, **params) == [
        (4, ENTRY, Side.BUY),
        (6, EXIT, Side.SELL),
    ]


@pytest.mark.req("ST-46")
def test_a_combination_enters_with_the_vote_that_has_the_weight(make_stage) -> None:
    closes = in_ticks(10, 20, 10, 9, 12, 13, 5)
    params = {
        "fast_window": 1,
        "slow_window": 2,
        "weight_momentum": 0,
        "weight_reversion": 0,
        "weight_trend": 1,
    }

    # the trend alone votes; unlike the trend strategy it may join a side that it has not seen begin
    assert played(make_stage(), "combo", closes, **params) == [
        (1, ENTRY, Side.BUY),
        (2, EXIT, Side.SELL),
        (4, ENTRY, Side.BUY),
        (6, EXIT, Side.SELL),
    ]


@pytest.mark.req("ST-46", "ST-14")
@pytest.mark.parametrize("kind", ["momentum", "mean_reversion", "trend", "combo"])
def test_short_sales_on_spot_are_refused_at_the_start(make_stage, kind) -> None:
    one = STRATEGIES[kind](settings_of(kind, {"allow_short": True}))

    with pytest.raises(ValueError, match="allow_short is on, but binance:BTCUSDT is spot"):
        one.on_start(make_stage(SPOT).ctx)
    assert one.on_start(make_stage().ctx) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_other_windows_begin_the_indicators_anew(make_stage, kind) -> None:
    changed = {
        "momentum": {"rsi_window": 3},
        "mean_reversion": {"bands_window": 3},
        "trend": {"fast_window": 3},
        "combo": {"slow_window": 31},
        "dca": {"atr_window": 3},
        "martingale": {"candle_minutes": 2},
    }[kind]
    one = STRATEGIES[kind](settings_of(kind, {}))
    same, other = (STRATEGIES[kind](settings_of(kind, params)) for params in ({}, changed))
    one.stance = 1

    same.restore(one.snapshot())
    other.restore(one.snapshot())

    assert (same.stance, other.stance) == (1, None)


OUTSIDE = {
    "candle_minutes": [0, 1441, 2.5],
    "order_notional": ["0", "-5", "1e13", "Infinity", "NaN", "much"],
    "max_position_notional": ["0", "1e13", "Infinity", "NaN"],
    "stop_loss": [-0.01, 1, "nan"],
    "take_profit": [-0.01, 11, "nan"],
    "trailing": [-0.01, 1, "nan"],
    "cooldown_s": [-1, 604_801],
    "allow_short": ["perhaps"],
    "rsi_window": [1, 501],
    "oversold": [0, 100, "nan"],
    "overbought": [0, 100, "nan"],
    "bands_window": [1, 501],
    "bands_deviations": [0, 11, "nan"],
    "fast_window": [0, 501],
    "slow_window": [1, 1001],
    "weight_momentum": [-1, 101, "nan"],
    "weight_reversion": [-1, 101, "nan"],
    "weight_trend": [-1, 101, "nan"],
    "enter_score": [0, 1.1, "nan"],
    "leave_score": [-0.1, 1, "nan"],
    "safety_notional": ["0", "1e13", "Infinity", "NaN"],
    "safety_orders": [-1, 51],
    "atr_window": [0, 501],
    "atr_multiple": [0, 101, "nan"],
    "step_min": [0, 1, "nan"],
    "step_max": [0, 1, "nan"],
    "step_scale": [0.99, 2.1, "nan"],
    "cascade_drop": [-0.1, 1, "nan"],
    "cascade_s": [59, 86_401],
    "multiplier": [0.9, 3.1, "nan"],
    "levels": [0, 9],
    "step": [0, 1, "nan"],
}
OUTSIDE_OF = [
    (kind, field.name, value)
    for kind in KINDS
    for field in fields(STRATEGIES[kind].Settings)
    for value in OUTSIDE[field.name]
]


@pytest.mark.req("ST-46")
@pytest.mark.parametrize(("kind", "name", "value"), OUTSIDE_OF)
def test_a_setting_outside_its_range_is_refused_by_name(kind, name, value) -> None:
    with pytest.raises(ValueError, match=rf"(^|; ){name}: "):
        settings_of(kind, {name: value})


@pytest.mark.req("ST-46")
@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("trend", {"order_notional": 301}, "order_notional 301 is more than max_position_notional 300"),
        ("trend", {"trailing": 0.05}, "trailing 0.05 is not less than take_profit 0.05"),
        ("trend", {"trailing": 0.01, "take_profit": 0}, "trailing 0.01 is not less than take_profit 0.0"),
        ("trend", {"fast_window": 30}, "fast_window 30 is not below slow_window 30"),
        ("combo", {"slow_window": 10}, "fast_window 10 is not below slow_window 10"),
        ("momentum", {"oversold": 70}, "oversold 70.0 is not below overbought 70.0"),
        ("combo", {"overbought": 20}, "oversold 30.0 is not below overbought 20.0"),
        ("combo", {"leave_score": 0.5}, "leave_score 0.5 is not below enter_score 0.5"),
        (
            "combo",
            {"weight_momentum": 0, "weight_reversion": 0, "weight_trend": 0},
            "every weight is 0: nobody has a vote",
        ),
        ("dca", {"step_min": 0.06}, "step_min 0.06 is more than step_max 0.05"),
        ("dca", {"safety_orders": 11}, "all buys together cost 2300, max_position_notional is 2100"),
        ("martingale", {"levels": 7}, "all buys together cost 12700.* max_position_notional is 6300"),
        ("martingale", {"stop_loss": 0}, "stop_loss: 0.0 is not more than 0"),
        ("martingale", {"take_profit": 0}, "take_profit: 0.0 is not more than 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_what_to_change(kind, params, words) -> None:
    with pytest.raises(ValueError, match=words):
        settings_of(kind, params)


def test_amounts_are_exact() -> None:
    found = settings_of("martingale", {"order_notional": "0.1", "multiplier": "1.1"})

    assert found.level_notional(2) == Decimal("0.121")


def test_a_desk_ends_minutes_for_those_who_hear_them() -> None:
    from services.strategy.conformance import Candidate

    found = {}
    for kind in ("trend", "imbalance"):
        desk = Candidate(kind, {}, SPOT).desk(seed=1, trouble=0)
        desk.start()
        for _ in range(12):
            desk.step()
        found[kind] = [event.message for event in desk.log if isinstance(event.message, Candle)]

    assert found["imbalance"] == []
    first, second, third = found["trend"]
    assert second.open_ns - first.open_ns == third.open_ns - second.open_ns == MINUTE_NS
    assert all(one.is_closed and one.low_ticks <= one.open_ticks <= one.high_ticks for one in found["trend"])
