"""Exits of the candle strategies: stop, target, trail and signal, judged by the timer."""

from decimal import Decimal

import pytest

from services.strategy.base import CancelOrder, PlaceOrder
from services.strategy.classic import Wish
from services.strategy.market_exit import ENTRY, EXIT
from shared.messages.control import TradingState
from shared.messages.orders import Fill, OrderExpired, OrderIntent, OrderType, TimeInForce
from shared.messages.system import Tick
from shared.units import NS_PER_S, Side

SPOT = "binance:BTCUSDT"


@pytest.mark.req("ST-46")
@pytest.mark.parametrize(
    ("side", "stays", "leaves", "reason"),
    [
        (Side.BUY, 588_001, 588_000, "stop-loss at -2.00%"),
        (Side.BUY, 629_999, 630_000, "take-profit at +5.00%"),
        (Side.SELL, 611_999, 612_000, "stop-loss at -2.00%"),
        (Side.SELL, 570_001, 570_000, "take-profit at +5.00%"),
    ],
)
def test_a_position_is_left_at_its_stop_and_its_target_by_the_timer(
    led, make_stage, side, stays, leaves, reason
) -> None:
    stage, one = led.holding(make_stage, side=side)
    # a long is left at the bid, a short at the ask
    below = 1 if side is Side.SELL else 0

    stage.touch(stays - below, stays - below + 1)
    assert led.later(stage, one, 1) == []
    stage.touch(leaves - below, leaves - below + 1)
    (leave,) = led.later(stage, one, 1)

    assert leave == PlaceOrder(
        EXIT, side.opposite, 0, 2, OrderType.MARKET, TimeInForce.IOC, is_reduce_only=True, reason=reason
    )


@pytest.mark.req("ST-46")
def test_stop_and_target_can_be_off(led, make_stage) -> None:
    stage, one = led.holding(make_stage, stop_loss=0.0, take_profit=0.0)
    for price in (1_000, 60_000_000):
        stage.touch(price, price + 1)
        assert led.later(stage, one, 1) == []


@pytest.mark.req("ST-46")
def test_a_target_can_trail_the_best_price(led, make_stage) -> None:
    stage, one = led.holding(make_stage, trailing=0.01)

    # before the target a fall is a fall; then 1 % below the best of 650,000 is 643,500
    for price in (620_000, 610_000, 630_000, 650_000, 643_501):
        stage.touch(price, price + 1)
        assert led.later(stage, one, 1) == []
    stage.touch(643_500, 643_501)
    assert led.later(stage, one, 1)[0].reason == "take-profit at +7.25%"


@pytest.mark.req("ST-46")
def test_a_trail_once_begun_leaves_also_below_the_target(led, make_stage) -> None:
    stage, one = led.holding(make_stage, trailing=0.04)
    stage.touch(630_000, 630_001)
    assert led.later(stage, one, 1) == []

    stage.touch(604_000, 604_001)
    assert led.later(stage, one, 1)[0].reason == "take-profit at +0.67%"


@pytest.mark.req("ST-46")
def test_an_exit_is_sent_again_until_the_position_is_gone_and_never_twice_at_once(led, make_stage) -> None:
    stage, one = led.holding(make_stage)
    stage.touch(580_000, 580_001)
    led.sent(stage, one, led.later(stage, one, 1)[0])
    assert led.later(stage, one, 30) == []

    led.filled(stage, one, EXIT, Side.SELL, 580_000, 1)
    led.ended(stage, one, EXIT)
    # the price is back: the rest goes all the same
    stage.touch(600_000, 600_001)
    (rest,) = led.later(stage, one, 1)
    assert (rest.qty_lots, rest.reason[:9]) == (1, "stop-loss")
    assert "leaving: stop-loss" in one.format_status(stage.ctx)

    led.sent(stage, one, rest)
    led.ended(stage, one, EXIT)
    assert led.later(stage, one, 0) == []
    assert len(led.later(stage, one, 1)) == 1
    led.filled(stage, one, EXIT, Side.SELL, 600_000, 1)
    assert one.left == 1
    assert led.later(stage, one, 5) == []


@pytest.mark.req("ST-46", "I-12")
def test_an_entry_without_outcome_is_cancelled_before_the_exit(led, make_stage) -> None:
    stage, one = led.holding(make_stage)
    led.sent(stage, one, PlaceOrder(ENTRY, Side.BUY, 600_000, 1))
    stage.touch(580_000, 580_001)

    assert led.later(stage, one, 1) == [CancelOrder(ENTRY, "stop-loss at -3.33%")]


@pytest.mark.req("ST-46")
@pytest.mark.parametrize(("stance", "is_left"), [(1, False), (0, True), (-1, True), (None, False)])
def test_a_position_is_held_while_the_stance_agrees_or_is_not_known(led, make_stage, stance, is_left) -> None:
    stage, one = led.holding(make_stage)
    one.decisions = [(stance, None)]

    assert [order.reason[:6] for order in led.minute(stage, one, 0)] == (["signal"] if is_left else [])


@pytest.mark.req("ST-46")
def test_a_late_fill_against_the_stance_is_left_at_once(led, make_stage) -> None:
    stage, one = make_stage().touch(600_000, 600_001), led.told((1, led.BUY), (-1, None))
    led.minute(stage, one, 0)
    led.minute(stage, one, 1)

    led.filled(stage, one, ENTRY, Side.BUY, 600_001, 1)

    assert [order.slot for order in led.later(stage, one, 1)] == [EXIT]


@pytest.mark.req("ST-46", "ST-14")
def test_a_reversal_leaves_first_and_enters_after_it(led, make_stage) -> None:
    stage, one = led.holding(make_stage)
    one.decisions = [(-1, led.SELL)]
    (leave,) = led.minute(stage, one, 0)
    assert leave.slot == EXIT
    led.sent(stage, one, leave)
    assert led.later(stage, one, 1) == []
    stage.orders.load([])
    led.filled(stage, one, EXIT, Side.SELL, 600_000, 2)

    assert [(order.slot, order.side) for order in led.later(stage, one, 1)] == [(ENTRY, Side.SELL)]


@pytest.mark.req("ST-46", "ST-14")
def test_nothing_is_entered_against_a_position_while_no_stance_is_known(led, make_stage) -> None:
    stage, one = led.holding(make_stage, side=Side.SELL)
    one.decisions = [(None, led.BUY)]

    assert led.minute(stage, one, 0) == []


@pytest.mark.req("ST-46")
def test_after_a_stop_it_cools_down_and_after_a_target_it_does_not(led, make_stage) -> None:
    for price, waits in ((580_000, True), (640_000, False)):
        stage, one = led.holding(make_stage, cooldown_s=90)
        stage.touch(price, price + 1)
        led.sent(stage, one, led.later(stage, one, 1)[0])
        stage.orders.load([])
        led.filled(stage, one, EXIT, Side.SELL, price, 2)
        one.decisions = [(1, led.BUY)]

        # the stop filled a second after the start
        assert (led.minute(stage, one, 0) == []) == waits
        assert (led.later(stage, one, 30) == []) == waits
        assert led.later(stage, one, 1) != []


@pytest.mark.req("ST-46", "ST-21")
def test_a_rest_too_small_to_be_sold_joins_the_next_entry(led, make_stage) -> None:
    stage = make_stage(min_notional_atoms=100 * 10**8).hold(1, 600_000).touch(400_000, 400_001)
    one = led.told((None, None), (1, Wish(1, Decimal(200), "test")))

    assert led.minute(stage, one, 0) == []  # a loss of a third, but 40 is no order
    assert led.minute(stage, one, 1)[0].slot == ENTRY


@pytest.mark.req("ST-46")
def test_a_stop_works_while_risk_only_allows_reducing_and_when_nothing_moves(opened, of, settle) -> None:
    desk = opened(one=("trend", {"candle_minutes": 1}))
    desk.say(
        Fill("e-one-entry-1", "one", desk.rules.symbol, "t1", Side.BUY, 620_000, 2, 2, 0, 0, "USDT", True, 0)
    )
    desk.say(TradingState("reducing", ["test"]), "risk")
    said = of(OrderIntent, desk.say(Tick(1), "bus"))
    # 600,000 is 3.2 % below 620,000
    assert [(order.slot, order.side, order.qty_lots) for order in said] == [(EXIT, Side.SELL, 2)]

    settle(desk)
    desk.say(OrderExpired(said[0].client_order_id, "one", desk.rules.symbol, 0))
    desk.now_ns += 2 * NS_PER_S
    again = of(OrderIntent, desk.say(Tick(2), "bus"))
    assert [(order.slot, order.qty_lots) for order in again] == [(EXIT, 2)]


@pytest.mark.req("ST-6", "ST-46")
def test_a_stop_leaves_while_warming_up_and_an_entry_waits(led, make_stage) -> None:
    stage, one = led.holding(make_stage)
    stage.ctx.can_trade, stage.ctx.is_warming_up = False, True

    one.wish = led.BUY
    stage.touch(600_000, 600_001)
    assert led.later(stage, one, 1) == []
    stage.touch(580_000, 580_001)
    (leave,) = led.later(stage, one, 1)

    assert (leave.slot, leave.reason) == (EXIT, "stop-loss at -3.33%")
