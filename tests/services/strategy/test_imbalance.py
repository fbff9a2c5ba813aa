from decimal import Decimal

import pytest

from services.strategy.base import PlaceOrder
from services.strategy.imbalance import DAY_NS, Imbalance
from services.strategy.imbalance_signal import ImbalanceSettings
from services.strategy.market_exit import ENTRY, EXIT
from services.strategy.own_orders import OwnOrder
from shared.messages.orders import OrderIntent, OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SPOT = "binance:BTCUSDT"


def lean(stage, one, count=30, start=600_000, lots=(3000, 100), step=10):
    """Let a market rise (or fall) with a book that leans; return every order wanted."""
    wanted = []
    for turn in range(count):
        stage.at(stage.world.now_ns + NS_PER_S)
        mid = start + turn * step
        grow = (turn, 0) if lots[0] > lots[1] else (0, turn)
        stage.book([(mid - 1, lots[0] + grow[0])], [(mid + 1, lots[1] + grow[1])])
        wanted += [order for order in one.on_book(stage.ctx) if isinstance(order, PlaceOrder)]
    return wanted


def strategy(**changes):
    return Imbalance(ImbalanceSettings(**{"min_momentum": 0.00001, **changes}))


def filled(stage, one, slot, side, price, lots, order_id=""):
    """Let an order fill; the position has it before the strategy hears of it, as in the core."""
    fill = stage.fill(slot, side, price, lots, order_id=order_id)
    stage.position.apply_fill(side, price, lots, 0)
    one.on_fill(stage.ctx, slot, fill)


def entered(stage, one, order):
    """Let an entry fill."""
    filled(stage, one, ENTRY, order.side, order.price_ticks, order.qty_lots)


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


@pytest.mark.req("ST-39", "ST-41")
def test_a_leaning_rising_book_is_bought_at_the_ask(make_stage) -> None:
    stage = make_stage().at(DAY_NS)

    orders = lean(stage, strategy())

    first = orders[0]
    assert (first.slot, first.side, first.order_type, first.tif) == (
        ENTRY,
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.IOC,
    )
    # 10 % of 10,000 at 60 a lot
    assert first.qty_lots == 16
    assert "confidence" in first.reason


@pytest.mark.req("ST-39", "ST-14")
def test_a_falling_book_is_sold_short_on_derivatives_only(make_stage) -> None:
    derivative = lean(make_stage().at(DAY_NS), strategy(), lots=(100, 3000), step=-10)
    spot = lean(make_stage(SPOT).at(DAY_NS), strategy(), lots=(100, 3000), step=-10)

    assert spot == []
    assert {order.side for order in derivative} == {Side.SELL}


@pytest.mark.req("ST-42")
def test_the_range_of_the_entry_is_the_one_that_counts(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy()
    # every step moves the mid by 10 ticks: ATR is 10 ticks, the stop 20 below the entry
    order = lean(stage, one)[0]
    entered(stage, one, order)

    stage.touch(order.price_ticks - 19, order.price_ticks - 17)
    assert one.on_timer(stage.ctx) == ()
    stage.touch(order.price_ticks - 20, order.price_ticks - 18)
    assert one.on_timer(stage.ctx)[0].reason == "stop-loss at -20.0 ticks"


@pytest.mark.req("ST-42", "ST-21")
def test_a_rest_too_small_to_be_sold_waits_for_the_next_entry(make_stage) -> None:
    stage, one = make_stage(SPOT, min_notional_atoms=200 * 10**8).at(DAY_NS), strategy()
    stage.hold(3, 600_000)
    stage.touch(100_000, 100_002)

    assert one.on_timer(stage.ctx) == ()
    # the lots are worth 180 of the 200 needed: not an addition, so the entry has its whole size
    order = lean(stage, one)[0]
    assert order.slot == ENTRY
    assert order.qty_lots == int(1000 / (order.price_ticks / 10_000))


@pytest.mark.req("ST-42", "ST-14")
def test_on_spot_an_exit_sells_what_is_held_and_nothing_is_sold_short(make_stage) -> None:
    stage, one = make_stage(SPOT).at(DAY_NS), strategy(atr_floor_bps=0.5)
    stage.touch(599_999, 600_001)
    filled(stage, one, ENTRY, Side.BUY, 600_000, 16)
    stage.touch(599_900, 599_902)
    (leave,) = one.on_book(stage.ctx)
    assert (leave.side, leave.qty_lots, leave.is_reduce_only) == (Side.SELL, 16, False)

    sent(stage, one, leave)
    filled(stage, one, EXIT, Side.SELL, 599_900, 16)
    stage.orders.load([])
    orders = lean(stage, one, start=599_000, lots=(100, 9000), step=-10)

    assert orders == []


@pytest.mark.req("ST-42")
def test_a_reversed_signal_leaves_the_position(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(stop_atr=1e6, target_atr=1e6)
    entered(stage, one, lean(stage, one)[0])

    orders = lean(stage, one, start=600_000, lots=(100, 9000), step=-30)

    assert {order.slot for order in orders if order.side is Side.SELL} == {EXIT}


@pytest.mark.req("ST-41", "I-11")
def test_adding_takes_half_and_never_passes_the_largest_position(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(stop_atr=1e6, target_atr=1e6, entry_gap_s=0)
    sizes = []
    for turn in range(12):
        orders = [o for o in lean(stage, one, start=600_000 + turn * 300) if o.slot == ENTRY]
        if orders:
            sizes.append(orders[0].qty_lots)
            entered(stage, one, orders[0])

    assert sizes[0] >= 16
    assert sizes[1] < sizes[0]
    # 20 % of an equity of a little more than 10,000 is 33 lots of 60
    assert stage.position.position_lots <= 33


@pytest.mark.req("ST-41")
def test_the_size_is_a_part_of_what_the_instance_has_now(make_stage) -> None:
    stage = make_stage().at(DAY_NS)
    # half of the capital is gone: 4,000 in a round trip of 100 lots from 600,000 to 200,000, 1,000 in fees
    stage.position.apply_fill(Side.BUY, 600_000, 100, 400 * 10**8)
    stage.position.apply_fill(Side.SELL, 200_000, 100, 600 * 10**8)
    assert (stage.position.realized_atoms, stage.position.fees_atoms) == (-4_000 * 10**8, 1_000 * 10**8)

    # 10 % of 5,000 at 60 a lot
    assert lean(stage, strategy())[0].qty_lots == 8

    stage.position.apply_fill(Side.BUY, 600_000, 100, 0)
    stage.position.apply_fill(Side.SELL, 90_000, 100, 0)
    assert lean(stage.at(2 * DAY_NS), strategy()) == []


@pytest.mark.req("ST-41", "ST-21")
def test_a_size_below_the_least_value_of_the_market_is_refused_at_the_start(make_stage) -> None:
    stage = make_stage(min_notional_atoms=5 * 10**8)

    assert strategy(equity_quote=Decimal(50)).on_start(stage.ctx) == ()
    with pytest.raises(
        ValueError, match=r"an entry of 4\.9 USDT .* below the least value .* 5\.0+: raise one"
    ):
        strategy(equity_quote=Decimal(49)).on_start(stage.ctx)


@pytest.mark.req("ST-43")
def test_a_day_has_so_many_entries_and_the_next_one_begins_anew(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(max_daily_trades=1, entry_gap_s=0)
    order = lean(stage, one)[0]
    stage.fill(ENTRY, Side.BUY, 1, 1)
    one.on_fill(stage.ctx, ENTRY, stage.fill(ENTRY, Side.BUY, order.price_ticks, 1, leaves=1))
    one.on_fill(stage.ctx, ENTRY, stage.fill(ENTRY, Side.BUY, order.price_ticks, 1))

    assert lean(stage, one) == []
    assert "1 entries today" in one.format_status(stage.ctx)

    # the last second of the day, and the first of the next
    stage.at(2 * DAY_NS - 31 * NS_PER_S)
    assert lean(stage, one) == []
    stage.at(2 * DAY_NS)
    assert lean(stage, one) != []


@pytest.mark.req("ST-43")
def test_a_late_fill_counts_for_the_day_it_comes_on(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(entry_gap_s=0)
    for turn in range(3):
        filled(stage, one, ENTRY, Side.BUY, 600_000, 1, order_id=f"e-one-entry-{turn}")
    assert "3 entries today" in one.format_status(stage.ctx)

    stage.at(2 * DAY_NS)
    filled(stage, one, ENTRY, Side.BUY, 600_000, 1, order_id="e-one-entry-4")
    assert "1 entries today" in one.format_status(stage.ctx)


@pytest.mark.req("ST-43")
def test_fifty_entries_are_allowed_by_default_and_no_more(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(entry_gap_s=0)
    for turn in range(49):
        filled(stage, one, ENTRY, Side.BUY, 600_000, 1, order_id=f"e-one-entry-{turn}")
        filled(stage, one, EXIT, Side.SELL, 600_000, 1)
    assert lean(stage, one) != []

    filled(stage, one, ENTRY, Side.BUY, 600_000, 1, order_id="e-one-entry-z")
    filled(stage, one, EXIT, Side.SELL, 600_000, 1)
    assert lean(stage, one, start=601_000) == []


def test_entries_keep_a_distance_in_time(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(entry_gap_s=5)
    order = OwnOrder("id", ENTRY, Side.BUY, 1, 1, 1, OrderType.LIMIT, TimeInForce.IOC, False, False, 0)
    first = lean(stage, one, count=16)
    assert first

    one.on_order_event(stage.ctx, order, OrderIntent("id", "one", stage.rules.symbol, Side.BUY, 1, 1))

    assert lean(stage, one, count=4, start=600_200) == []
    assert lean(stage, one, count=12, start=600_240) != []


def test_nothing_is_entered_while_an_order_has_no_outcome(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy()
    stage.orders.intend(
        OrderIntent("e-one-entry-1", "one", stage.rules.symbol, Side.BUY, 1, 1, slot=ENTRY), 0
    )

    assert lean(stage, one) == []


def test_samples_are_taken_in_their_interval(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(sample_ms=10_000)

    lean(stage, one, count=30)

    assert "streak 3" in one.format_status(stage.ctx)


@pytest.mark.req("ST-38")
def test_after_a_lost_book_or_a_long_pause_nothing_is_entered_before_fifteen_samples(make_stage) -> None:
    for how in ("book lost", "pause"):
        stage, one = make_stage().at(DAY_NS), strategy()
        assert lean(stage, one) != []

        if how == "book lost":
            one.on_disconnect(stage.ctx, "gap")
        else:
            stage.at(stage.world.now_ns + 61 * NS_PER_S)

        assert lean(stage, one, count=14, start=600_300) == []
        assert lean(stage, one, count=2, start=600_440) != []


def test_a_snapshot_of_the_first_builds_is_taken(make_stage) -> None:
    import msgspec

    stage, one, other = make_stage().at(DAY_NS), strategy(), strategy()
    entered(stage, one, lean(stage, one)[0])

    other.restore(msgspec.msgpack.encode(msgspec.msgpack.decode(one.snapshot())[:7]))

    assert other.snapshot() == one.snapshot()


def test_a_restored_strategy_decides_as_the_one_it_came_from(make_stage) -> None:
    stage, one, other = make_stage().at(DAY_NS), strategy(), strategy()
    entered(stage, one, lean(stage, one)[0])
    sent(stage, one, PlaceOrder(EXIT, Side.SELL, 0, 1, OrderType.MARKET, reason="stop-loss"))
    stage.orders.load([])

    other.restore(one.snapshot())

    assert other.snapshot() == one.snapshot()
    before = stage.world.now_ns
    mine = lean(stage, one, start=600_300)
    assert lean(stage.at(before), other, start=600_300) == mine
