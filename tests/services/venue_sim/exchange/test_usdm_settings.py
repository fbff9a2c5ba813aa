"""Leverage, modes and the dead-man's switch of USD-M."""

USDM = "binance_usdm"


def test_modes_change_only_without_orders_and_positions(floor):
    exchange, now = floor.exchange, floor.now
    same = floor.refused(exchange.set_margin_type, "a", "BTCUSDT", False, now)
    assert same == (-4046, "No need to change margin type.")
    assert floor.refused(exchange.set_position_mode, "a", False, now)[0] == -4059
    order = floor.place(USDM, "BUY", "1", "99.00").order
    assert floor.refused(exchange.set_margin_type, "a", "BTCUSDT", True, now)[0] == -4047
    assert floor.refused(exchange.set_position_mode, "a", True, now)[0] == -4067
    floor.cancel(order)
    floor.place(USDM, "BUY", "1")
    assert floor.refused(exchange.set_margin_type, "a", "BTCUSDT", True, now)[0] == -4048
    assert floor.refused(exchange.set_position_mode, "a", True, now)[0] == -4068
    assert floor.refused(exchange.set_leverage, "a", "BTCUSDT", 126, now)[0] == -4028
    assert exchange.set_leverage("a", "BTCUSDT", 50, now).max_notional == 12_000_000
    exchange.set_multi_assets("a", True, now)
    assert floor.refused(exchange.set_multi_assets, "a", True, now)[0] == -4171
    assert floor.refused(exchange.set_margin_type, "a", "ETHUSDT", True, now)[0] == -4168


def test_the_dead_man_s_switch_cancels_unless_it_is_renewed(floor):
    orders = [floor.place(USDM, "BUY", "1", "99.00", symbol=s).order for s in ("BTCUSDT", "ETHUSDT")]
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.advance(900)
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.advance(900)
    assert floor.order(orders[0]).status == "NEW"

    floor.advance(100)

    assert [floor.order(order).status for order in orders] == ["CANCELED", "NEW"]


def test_a_switch_at_zero_is_off(floor):
    order = floor.place(USDM, "BUY", "1", "99.00").order
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.exchange.countdown("a", "BTCUSDT", 0, floor.now)

    floor.advance(5_000)

    assert floor.order(order).status == "NEW"
