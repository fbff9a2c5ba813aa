"""Exits of the imbalance strategy: stop and target, at every book and timer, until nothing is held."""

import pytest

from services.strategy.base import CancelOrder, PlaceOrder
from services.strategy.imbalance import DAY_NS, Imbalance
from services.strategy.imbalance_signal import ImbalanceSettings
from services.strategy.market_exit import ENTRY, EXIT
from shared.messages.control import TradingState
from shared.messages.orders import Fill, OrderExpired, OrderIntent, OrderType, TimeInForce
from shared.messages.system import Tick
from shared.units import NS_PER_S, Side


def strategy(**changes):
    return Imbalance(ImbalanceSettings(**{"min_momentum": 0.00001, **changes}))


def filled(stage, one, slot, side, price, lots, order_id=""):
    """Let an order fill; the position has it before the strategy hears of it, as in the core."""
    fill = stage.fill(slot, side, price, lots, order_id=order_id)
    stage.position.apply_fill(side, price, lots, 0)
    one.on_fill(stage.ctx, slot, fill)


def sent(stage, one, order):
    """Tell the strategy that its order was sent, and hold it as unfinished."""
    intent = OrderIntent(
        f"e-one-{order.slot}-9",
        "one",
        stage.rules.symbol,
        order.side,
        order.price_ticks,
        order.qty_lots,
        order.order_type,
        order.tif,
        slot=order.slot,
        reason=order.reason,
    )
    one.on_order_event(stage.ctx, stage.orders.intend(intent, stage.world.now_ns), intent)
    return intent


def ended(stage, one, intent):
    """Let an order end without another fill."""
    report = OrderExpired(intent.client_order_id, "one", intent.symbol, 0)
    order, problem = stage.orders.report(report, intent.client_order_id, stage.world.now_ns)
    assert not problem or order
    stage.orders.load([])
    one.on_order_event(stage.ctx, order, report)


def held(make_stage, symbol="binance_usdm:BTCUSDT", side=Side.BUY, **changes):
    """A strategy that holds 16 lots entered at 600,000 ticks with an ATR of 30 ticks: 60 and 90 away."""
    stage, one = make_stage(symbol).at(DAY_NS), strategy(atr_floor_bps=0.5, **changes)
    stage.touch(599_999, 600_001)
    filled(stage, one, ENTRY, side, 600_000, 16)
    return stage, one


@pytest.mark.req("ST-42")
@pytest.mark.parametrize(
    ("side", "stays", "leaves", "word"),
    [
        # 30 ticks of ATR: the stop is 60 below a long entry at 600,000, the target 90 above
        (Side.BUY, 599_941, 599_940, "stop-loss at -60.0 ticks"),
        (Side.BUY, 600_089, 600_090, "take-profit at 90.0 ticks"),
        (Side.SELL, 600_059, 600_060, "stop-loss at -60.0 ticks"),
        (Side.SELL, 599_911, 599_910, "take-profit at 90.0 ticks"),
    ],
)
@pytest.mark.parametrize("callback", ["on_book", "on_timer"])
def test_a_position_is_left_at_its_stop_and_at_its_target(
    make_stage, side, stays, leaves, word, callback
) -> None:
    stage, one = held(make_stage, side=side)
    # a long is left at the bid, a short at the ask
    ask_above = 2 if side is Side.BUY else 0
    shown = getattr(one, callback)

    stage.touch(stays - 2 + ask_above, stays + ask_above)
    assert shown(stage.ctx) == ()
    stage.touch(leaves - 2 + ask_above, leaves + ask_above)
    (leave,) = shown(stage.ctx)

    assert (leave.slot, leave.side, leave.order_type, leave.price_ticks) == (
        EXIT,
        side.opposite,
        OrderType.MARKET,
        0,
    )
    assert (leave.qty_lots, leave.tif, leave.is_reduce_only) == (16, TimeInForce.IOC, True)
    assert leave.reason == word


@pytest.mark.req("ST-42")
def test_nothing_is_left_on_a_book_that_is_not_trusted_or_while_it_may_not_trade(make_stage) -> None:
    stage, one = held(make_stage)
    stage.touch(599_000, 599_002)
    stage.ctx.can_trade = False
    assert one.on_timer(stage.ctx) == ()

    stage.ctx.can_trade = True
    stage.ctx.book.invalidate()
    assert one.on_timer(stage.ctx) == ()

    stage.touch(599_000, 599_002)
    assert one.on_timer(stage.ctx) != ()


@pytest.mark.req("ST-42")
def test_a_stop_that_did_not_fill_is_tried_again_and_never_twice_at_once(make_stage) -> None:
    stage, one = held(make_stage)
    stage.touch(599_900, 599_902)
    intent = sent(stage, one, one.on_book(stage.ctx)[0])

    # under way: neither a book nor a timer asks again, however late
    stage.at(stage.world.now_ns + 90 * NS_PER_S)
    assert one.on_book(stage.ctx) == ()
    assert one.on_timer(stage.ctx) == ()

    ended(stage, one, intent)
    (again,) = one.on_timer(stage.ctx)
    assert (again.slot, again.qty_lots) == (EXIT, 16)

    # tried again, but not at every change of the book
    ended(stage, one, sent(stage, one, again))
    assert one.on_timer(stage.ctx) == ()
    stage.at(stage.world.now_ns + NS_PER_S)
    assert one.on_timer(stage.ctx) != ()


@pytest.mark.req("ST-42")
def test_an_exit_once_sent_goes_on_when_the_price_comes_back(make_stage) -> None:
    stage, one = held(make_stage)
    stage.touch(599_900, 599_902)
    intent = sent(stage, one, one.on_book(stage.ctx)[0])
    filled(stage, one, EXIT, Side.SELL, 599_900, 10)
    ended(stage, one, intent)

    stage.at(stage.world.now_ns + NS_PER_S).touch(600_000, 600_002)
    (rest,) = one.on_timer(stage.ctx)
    assert rest.qty_lots == 6
    assert rest.reason == "stop-loss at -100.0 ticks"
    assert "leaving: stop-loss" in one.format_status(stage.ctx)

    filled(stage, one, EXIT, Side.SELL, 600_000, 6)
    assert one.on_timer(stage.ctx) == ()
    assert "leaving" not in one.format_status(stage.ctx)


@pytest.mark.req("ST-42", "I-12")
def test_an_entry_without_outcome_is_cancelled_before_the_exit(make_stage) -> None:
    stage, one = held(make_stage)
    intent = sent(stage, one, PlaceOrder(ENTRY, Side.BUY, 600_001, 5))
    stage.at(stage.world.now_ns + NS_PER_S).touch(599_900, 599_902)

    assert [type(intent) for intent in one.on_timer(stage.ctx)] == [CancelOrder]

    ended(stage, one, intent)
    assert [order.slot for order in one.on_timer(stage.ctx)] == [EXIT]


@pytest.mark.req("ST-42")
def test_a_position_that_no_entry_made_gets_a_stop_too(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy()
    stage.hold(16, 600_000)

    stage.touch(590_000, 590_002)
    assert one.on_timer(stage.ctx) == ()  # no range is known yet
    for _ in range(15):
        stage.at(stage.world.now_ns + NS_PER_S)
        leave = one.on_book(stage.ctx)

    assert leave[0].reason.startswith("stop-loss")


@pytest.mark.req("ST-42")
def test_a_stop_works_while_risk_only_allows_reducing(opened, of, settle) -> None:
    desk = opened(one=("imbalance", {"atr_floor_bps": 0.5}))
    fill = Fill(
        "e-one-entry-1", "one", desk.rules.symbol, "t1", Side.BUY, 600_000, 16, 16, 0, 0, "USDT", True, 0
    )
    desk.say(fill)
    desk.say(TradingState("reducing", ["test"]), "risk")
    assert of(OrderIntent, desk.move(599_950)) == []

    said = of(OrderIntent, desk.move(599_000))
    assert [(order.slot, order.side, order.qty_lots) for order in said] == [(EXIT, Side.SELL, 16)]
    settle(desk)

    # nothing moves any more, and the market order is gone without a fill: the timer tries again
    report = OrderExpired(said[0].client_order_id, "one", desk.rules.symbol, 0)
    desk.say(report)
    desk.now_ns += 2 * NS_PER_S
    again = of(OrderIntent, desk.say(Tick(2), "bus"))
    assert [(order.slot, order.qty_lots) for order in again] == [(EXIT, 16)]


@pytest.mark.req("ST-6", "ST-42")
def test_the_timer_leaves_at_the_stop_while_warming_up(make_stage) -> None:
    stage, one = held(make_stage)
    stage.ctx.can_trade, stage.ctx.is_warming_up = False, True
    stage.touch(599_800, 599_801)

    assert [order.slot for order in one.on_timer(stage.ctx)] == [EXIT]
    stage.ctx.is_warming_up = False
    assert one.on_timer(stage.ctx) == ()
