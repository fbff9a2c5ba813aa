"""What the candle strategies share, shown with one whose bars decide what the test says."""

from decimal import Decimal

import pytest

from services.strategy.base import Note, PlaceOrder
from services.strategy.classic_candles import MINUTE_NS
from services.strategy.market_exit import ENTRY, EXIT
from shared.messages.market import Candle
from shared.messages.orders import OrderAccepted, OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SPOT = "binance:BTCUSDT"


@pytest.mark.req("ST-46")
def test_a_bar_enters_at_the_touch_for_its_amount(led, make_stage) -> None:
    stage, one = make_stage(), led.told((1, led.BUY))
    stage.touch(499_999, 500_000)

    (order,) = led.minute(stage, one, 0)

    # 100 at 50 a lot
    assert order == PlaceOrder(ENTRY, Side.BUY, 500_000, 2, reason="test")
    assert (order.order_type, order.tif) == (OrderType.LIMIT, TimeInForce.IOC)


@pytest.mark.req("ST-46")
def test_a_short_is_sized_at_the_ask_and_sold_at_the_bid(led, make_stage) -> None:
    stage, one = make_stage(), led.told((-1, led.SELL))
    stage.touch(499_999, 500_000)

    (order,) = led.minute(stage, one, 0)

    assert (order.side, order.price_ticks, order.qty_lots) == (Side.SELL, 499_999, 2)


@pytest.mark.req("ST-46")
def test_only_closed_minutes_of_the_own_length_decide(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000).at(led.START + MINUTE_NS), led.told((1, led.BUY))
    values = (led.START, 5, 5, 5, 5, 1, 1)

    open_one = Candle(stage.rules.symbol, 60, *values, False, 0, 0)
    longer = Candle(stage.rules.symbol, 300, *values, True, 0, 0)
    assert one.on_candle(stage.ctx, open_one) == ()
    assert one.on_candle(stage.ctx, longer) == ()
    assert one.closes == []


@pytest.mark.req("ST-46")
def test_an_order_that_was_accepted_and_expired_is_no_position_and_is_tried_again(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000), led.told((1, led.BUY))
    led.sent(stage, one, led.minute(stage, one, 0)[0])
    order = stage.orders.by_slot[ENTRY]
    one.on_order_event(
        stage.ctx, order, OrderAccepted(order.client_order_id, "one", stage.rules.symbol, "v", 0)
    )
    before = one.snapshot()

    # under way: nothing more
    assert led.later(stage, one, 5) == []
    led.ended(stage, one, ENTRY)
    assert one.snapshot() == before
    assert [order.slot for order in led.later(stage, one, 1)] == [ENTRY]


@pytest.mark.req("ST-46")
def test_a_wish_ends_with_its_first_fill_or_with_the_next_bar(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000), led.told((1, led.BUY), (1, None), (1, led.BUY))
    led.minute(stage, one, 0)
    assert led.minute(stage, one, 1) == []
    assert led.later(stage, one, 5) == []

    led.sent(stage, one, led.minute(stage, one, 2)[0])
    led.filled(stage, one, ENTRY, Side.BUY, 500_000, 1)
    led.ended(stage, one, ENTRY)
    assert led.later(stage, one, 5) == []


@pytest.mark.req("ST-46")
def test_bars_of_the_past_teach_the_indicators_and_decide_nothing(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000), led.told((1, led.BUY), (-1, led.BUY), (1, led.BUY))
    stage.hold(1, 500_000)
    now_ns = led.START + 3 * MINUTE_NS + NS_PER_S

    said = [led.minute(stage, one, number, at_ns=now_ns) for number in range(3)]

    # the first two ended more than a bar ago: neither their entries nor their exits are wanted any more
    assert [[order.slot for order in orders] for orders in said] == [[], [], [ENTRY]]
    assert len(one.closes) == 3


@pytest.mark.req("ST-46")
def test_when_candles_stay_away_nothing_is_entered_and_only_stop_and_target_leave(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000), led.told((0, led.BUY))
    stage.ctx.can_trade = False
    led.minute(stage, one, 0)
    stage.hold(2, 500_000)
    stage.ctx.can_trade = True

    assert [order.reason for order in led.later(stage, one, 60)] == ["signal: "]
    assert led.later(stage, one, 1) == []
    stage.touch(480_000, 480_001)
    assert [order.reason for order in led.later(stage, one, 1)] == ["stop-loss at -4.00%"]


@pytest.mark.req("ST-46", "I-11")
def test_the_position_never_costs_more_than_its_limit(led, make_stage) -> None:
    stage, one = (
        make_stage().touch(499_999, 500_000),
        led.told(*[(1, led.BUY)] * 9, max_position_notional=Decimal(250)),
    )
    bought = []
    for number in range(5):
        for order in led.minute(stage, one, number):
            bought.append(order.qty_lots)
            led.filled(stage, one, ENTRY, Side.BUY, order.price_ticks, order.qty_lots)

    assert bought == [2, 2, 1]
    assert one.most_lots(stage.ctx, 500_000) == 5


@pytest.mark.req("ST-46", "ST-21")
def test_what_the_limit_leaves_may_be_too_little_for_the_venue(led, make_stage) -> None:
    stage = make_stage(min_notional_atoms=60 * 10**8).touch(499_999, 500_000)
    one = led.told(*[(1, led.BUY)] * 9, max_position_notional=Decimal(150))

    assert led.minute(stage, one, 0)[0].qty_lots == 2
    led.filled(stage, one, ENTRY, Side.BUY, 500_000, 2)
    assert led.minute(stage, one, 1) == []


@pytest.mark.req("ST-46")
def test_nothing_is_asked_for_on_an_untrusted_book_or_while_it_may_not_trade(led, make_stage) -> None:
    stage, one = make_stage().touch(499_999, 500_000), led.told((1, led.BUY))
    stage.ctx.can_trade = False
    assert led.minute(stage, one, 0) == []
    stage.ctx.can_trade = True
    stage.ctx.book.invalidate()
    assert led.later(stage, one, 1) == []

    stage.touch(499_999, 500_000)
    assert len(led.later(stage, one, 1)) == 1


@pytest.mark.req("ST-46")
def test_missing_bars_begin_the_indicators_anew_and_are_told(led, make_stage) -> None:
    stage, one = make_stage(), led.told((1, None), (1, None))
    led.minute(stage, one, 0)
    led.minute(stage, one, 1)
    assert one.stance == 1

    (note,) = led.minute(stage, one, 5, close=7)

    assert isinstance(note, Note)
    assert note.code == "candles_missing"
    assert (one.stance, one.closes) == (None, [7])
    assert "1 bars, waiting" in one.format_status(stage.ctx)


@pytest.mark.req("ST-46")
def test_a_candle_that_makes_no_sense_is_left_out_and_told(led, make_stage) -> None:
    stage, one = make_stage().at(led.START), led.told((1, led.BUY))
    wrong = Candle(stage.rules.symbol, 60, led.START - MINUTE_NS, 5, 4, 6, 5, 1, 1, True, 0, 0)

    (note,) = one.on_candle(stage.ctx, wrong)

    assert note.code == "bad_candle"
    assert "high 4, low 6" in note.text
    assert one.closes == []


def test_a_restored_strategy_decides_as_the_one_it_came_from(led, make_stage) -> None:
    stage, one = led.holding(make_stage, trailing=0.01, candle_minutes=3)
    one.decisions = [(1, led.BUY)] * 3
    for number in range(4):
        led.minute(stage, one, number)
    stage.touch(640_000, 640_001)
    led.sent(stage, one, PlaceOrder(EXIT, Side.SELL, 0, 2, OrderType.MARKET, reason="stop-loss"))
    stage.orders.load([])
    other = led.told(trailing=0.01, candle_minutes=3)

    other.restore(one.snapshot())

    assert other.snapshot() == one.snapshot()
    now_ns = stage.world.now_ns
    mine = led.later(stage, one, 2)
    assert led.later(stage.at(now_ns), other, 2) == mine != []


def test_with_other_bars_the_indicators_begin_anew_and_the_exit_goes_on(led, make_stage) -> None:
    stage, one = led.holding(make_stage)
    one.decisions = [(1, led.BUY)]
    led.minute(stage, one, 0)
    led.sent(stage, one, PlaceOrder(EXIT, Side.SELL, 0, 2, OrderType.MARKET, reason="stop-loss"))
    other = led.told(candle_minutes=5)

    other.restore(one.snapshot())

    assert (other.stance, other.wish) == (None, None)
    assert "0 bars, waiting" in other.format_status(stage.ctx)
    assert "leaving: stop-loss" in other.format_status(stage.ctx)
    stage.orders.load([])
    assert [order.slot for order in led.later(stage, other, 2)] == [EXIT]


def test_an_entry_below_the_least_value_of_the_market_is_refused(led, make_stage) -> None:
    stage = make_stage(min_notional_atoms=101 * 10**8)

    with pytest.raises(ValueError, match=r"an entry of 100 USDT is below the least value .* 101"):
        led.told().on_start(stage.ctx)
    assert led.told(order_notional=Decimal(101)).on_start(stage.ctx) == ()
