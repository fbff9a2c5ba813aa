"""What USD-M positions and orders hold of the wallet."""

from decimal import Decimal

from services.venue_sim.settings import BalanceSettings

USDM = "binance_usdm"


def test_margin_holds_value_over_leverage_of_positions_and_orders(floor):
    floor.exchange.set_leverage("a", "BTCUSDT", 10, floor.now)
    floor.side(USDM).mark_price_e18 = 100 * 10**18
    floor.place(USDM, "BUY", "1")
    floor.place(USDM, "BUY", "2", "99.00")
    floor.place(USDM, "SELL", "1", "101.00")

    [wallet] = floor.exchange.wallets("a")

    assert (wallet.position_margin, wallet.order_margin) == (Decimal(10), Decimal("19.8"))
    assert wallet.unrealized == Decimal("-0.01")
    assert wallet.available == floor.wallet() - Decimal("0.01") - Decimal("29.8")
    # 10000 x 10 of value at most.
    assert floor.refused(floor.place, USDM, "BUY", "1000", "100.00")[0] == -2019


def test_an_order_that_shrinks_the_position_needs_no_margin(make_floor, make_account):
    floor = make_floor(make_account("a", usdm=(BalanceSettings(asset="USDT", amount="10"),)))
    floor.street(USDM, "SELL", "100.00", "1.9")
    floor.street(USDM, "BUY", "99.99", "5")
    floor.place(USDM, "BUY", "1.9")

    assert floor.refused(floor.place, USDM, "BUY", "1", "99.99")[0] == -2019
    assert floor.place(USDM, "SELL", "1.9", "99.99").order.status == "FILLED"


def test_leverage_bounds_the_size_of_a_position(make_floor, make_account):
    floor = make_floor(make_account("a", usdm=(BalanceSettings(asset="USDT", amount="10000000"),)))
    floor.exchange.set_leverage("a", "BTCUSDT", 125, floor.now)

    assert floor.place(USDM, "BUY", "500", "99.00").order.status == "NEW"
    assert floor.refused(floor.place, USDM, "BUY", "10", "99.00")[0] == -2027
