"""Spot orders: what they lock, what they fill, what is refused with which code."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import SpotBalances


def test_a_limit_order_rests_behind_those_before_it_and_locks_its_money(floor):
    placed = floor.place("binance", "BUY", "2", "99.99")

    assert (placed.order.status, placed.fills) == ("NEW", ())
    assert floor.locked("USDT") == Decimal("199.98")
    book = floor.side("binance").book
    assert book.queue(0, 9999) == [(book.queue(0, 9999)[0][0], 1000), (-placed.order.order_id, 2000)]


def test_flow_fills_the_queue_in_its_order_and_the_commission_is_of_what_is_received(floor):
    order = floor.place("binance", "BUY", "2", "99.99").order

    floor.street("binance", "SELL", "99.99", "1.5", is_ioc=True)

    now = floor.order(order)
    assert (now.status, now.executed, now.quote) == ("PARTIALLY_FILLED", Decimal("0.5"), Decimal("49.995"))
    assert floor.free("BTC") == Decimal("10.4995")
    assert floor.locked("USDT") == Decimal("149.985")
    [fill] = floor.exchange.trades("a", "binance", "BTCUSDT")
    assert (fill.is_maker, fill.commission, fill.commission_asset) == (True, Decimal("0.0005"), "BTC")


def test_a_taker_pays_the_price_of_the_book_and_gets_back_what_it_saved(floor):
    placed = floor.place("binance", "BUY", "2", "100.05")

    assert placed.order.status == "FILLED"
    assert [(f.price, f.quantity) for f in placed.fills] == [(Decimal("100.01"), 1), (Decimal("100.02"), 1)]
    assert floor.free("USDT") == Decimal("10000") - Decimal("200.03")
    assert floor.locked("USDT") == 0


def test_a_seller_receives_quote_less_commission(floor):
    floor.place("binance", "SELL", "1", "99.99")

    assert floor.free("BTC") == Decimal(9)
    assert floor.free("USDT") == Decimal("10000") + Decimal("99.99") - Decimal("0.09999")


def test_a_market_order_takes_what_is_there_and_expires_with_the_rest(floor):
    placed = floor.place("binance", "BUY", "5")

    assert (placed.order.status, placed.order.executed) == ("EXPIRED", Decimal(3))
    assert placed.order.expiry_reason == "MARKET"
    assert floor.locked("USDT") == 0


def test_a_market_order_by_quote_amount_buys_what_it_affords(floor):
    placed = floor.place("binance", "BUY", quote_qty="150")

    # 1 at 100.01, then 49.99 / 100.02 = 0.499 on the step.
    assert placed.order.executed == Decimal("1.499")
    assert placed.order.quote_qty == Decimal(150)
    assert placed.order.quote == Decimal("100.01") + Decimal("0.499") * Decimal("100.02")


@pytest.mark.parametrize(
    ("tif", "qty", "status", "executed"),
    [("IOC", "2", "EXPIRED", "1"), ("FOK", "2", "EXPIRED", "0"), ("FOK", "1", "FILLED", "1")],
)
def test_time_in_force_of_an_order_that_takes(floor, tif, qty, status, executed):
    placed = floor.place("binance", "BUY", qty, "100.01", tif=tif)

    assert (placed.order.status, placed.order.executed) == (status, Decimal(executed))
    assert floor.locked("USDT") == 0


def test_a_post_only_order_that_would_take_is_refused(floor):
    code = floor.refused(floor.place, "binance", "BUY", "1", "100.01", type="LIMIT_MAKER")

    assert code == (-2010, "Order would immediately match and take.")
    assert floor.place("binance", "BUY", "1", "100.00", type="LIMIT_MAKER").order.status == "NEW"


def test_an_order_without_the_money_is_refused(floor):
    text = "Account has insufficient balance for requested action."

    assert floor.refused(floor.place, "binance", "BUY", "101", "100.00") == (-2010, text)
    assert floor.refused(floor.place, "binance", "SELL", "10.001", "100.00") == (-2010, text)


def test_an_id_is_refused_while_its_order_is_open_and_free_again_afterwards(floor):
    first = floor.place("binance", "BUY", "1", "99.00", client_order_id="one").order
    twice = floor.refused(floor.place, "binance", "BUY", "1", "99.00", client_order_id="one")
    floor.cancel(first)
    second = floor.place("binance", "BUY", "1", "99.00", client_order_id="one").order

    assert twice == (-2010, "Duplicate order sent.")
    assert second.order_id > first.order_id
    assert floor.exchange.order("a", "binance", "BTCUSDT", 0, "one").order_id == second.order_id
    assert floor.order(first).status == "CANCELED"


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"price": "100.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "100.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"qty": "0.0005"}, -1013, "Filter failure: LOT_SIZE"),
        ({"qty": "9001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"qty": "0.01"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "501"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"price": "19.99"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"symbol": "XYZUSDT"}, -1121, "Invalid symbol."),
        ({"stp": "DECREMENT"}, -1013, "This symbol does not allow the specified self-trade prevention mode."),
        ({"iceberg_qty": "0.05"}, -1013, "Filter failure: ICEBERG_PARTS"),
        ({"account": "nobody"}, -2015, "Invalid API-key, IP, or permissions for action."),
    ],
)
def test_filters_refuse_with_the_code_of_the_venue(floor, change, code, text):
    order = {"qty": "1", "price": "99.00"} | change

    assert floor.refused(floor.place, "binance", "BUY", **order) == (code, text)


def test_the_number_of_open_orders_is_limited(floor):
    floor.exchange.acts.change_filter("binance", "BTCUSDT", "MAX_NUM_ORDERS", {"maxNumOrders": 2}, floor.now)
    for _ in range(2):
        floor.place("binance", "BUY", "1", "90.00")

    refused = floor.refused(floor.place, "binance", "BUY", "1", "90.00")
    assert refused == (-1013, "Filter failure: MAX_NUM_ORDERS")


def test_a_halted_market_takes_no_orders_but_cancels(floor):
    order = floor.place("binance", "BUY", "1", "99.00").order
    floor.exchange.set_status("binance", "BTCUSDT", "HALT", floor.now)

    assert floor.refused(floor.place, "binance", "BUY", "1", "99.00") == (-1013, "Market is closed.")
    assert floor.cancel(order).status == "CANCELED"


def test_unknown_orders_are_refused_apart_for_cancel_and_query(floor):
    done = floor.place("binance", "BUY", "1", "100.01").order

    assert floor.refused(floor.cancel, done) == (-2011, "Unknown order sent.")
    ask = floor.exchange.order
    assert floor.refused(ask, "a", "binance", "BTCUSDT", 77) == (-2013, "Order does not exist.")
    assert floor.refused(ask, "b", "binance", "BTCUSDT", done.order_id) == (-2013, "Order does not exist.")
    nothing = floor.refused(floor.exchange.cancel_all, "b", "binance", "BTCUSDT", floor.now)
    assert nothing == (-2011, "Unknown order sent.")


def test_a_cancel_may_be_limited_to_untouched_orders(floor):
    order = floor.place("binance", "BUY", "2", "100.01").order
    assert order.status == "PARTIALLY_FILLED"

    refused = floor.refused(floor.cancel, order, restrictions="ONLY_NEW")
    assert refused == (-2011, "Order was not canceled due to cancel restrictions.")
    assert floor.cancel(order, restrictions="ONLY_PARTIALLY_FILLED").status == "CANCELED"


def test_amending_lowers_the_quantity_and_keeps_the_place(floor):
    order = floor.place("binance", "BUY", "2", "99.99", client_order_id="one").order
    floor.street("binance", "BUY", "99.99", "1")
    floor.events()

    amended, execution_id = floor.exchange.amend(
        "a", "BTCUSDT", order.order_id, "", Decimal("0.5"), floor.now, new_client_order_id="two"
    )

    assert (amended.quantity, amended.client_order_id) == (Decimal("0.5"), "two")
    queue = floor.side("binance").book.queue(0, 9999)
    assert [(order_id < 0, lots) for order_id, lots in queue] == [(False, 1000), (True, 500), (False, 1000)]
    assert floor.locked("USDT") == Decimal("49.995")
    assert floor.order_events()[0].event_id == execution_id
    up = floor.refused(floor.exchange.amend, "a", "BTCUSDT", order.order_id, "", Decimal(1), floor.now)
    assert up[0] == -2038


def test_an_amend_is_told_as_replaced(floor):
    order = floor.place("binance", "BUY", "2", "99.99").order
    floor.events()

    floor.exchange.amend("a", "BTCUSDT", order.order_id, "", Decimal(1), floor.now)

    told, balances = floor.events()
    assert (told.kind, told.order.quantity, told.order.status) == ("REPLACED", 1, "NEW")
    assert isinstance(balances, SpotBalances)


def test_an_iceberg_shows_a_part_and_its_next_part_queues_again(floor):
    order = floor.place("binance", "BUY", "1", "100.00", iceberg_qty="0.4").order
    assert floor.side("binance").book.queue(0, 10000) == [(-order.order_id, 400)]
    floor.street("binance", "BUY", "100.00", "1")

    floor.street("binance", "SELL", "100.00", "0.4", is_ioc=True)
    floor.advance()

    queue = floor.side("binance").book.queue(0, 10000)
    assert [(order_id < 0, lots) for order_id, lots in queue] == [(False, 1000), (True, 400)]
    assert floor.order(order).status == "PARTIALLY_FILLED"


def test_icebergs_and_amends_are_limited(floor):
    change = floor.exchange.acts.change_filter
    change("binance", "BTCUSDT", "MAX_NUM_ICEBERG_ORDERS", {"maxNumIcebergOrders": 1}, floor.now)
    change("binance", "BTCUSDT", "MAX_NUM_ORDER_AMENDS", {"maxNumOrderAmends": 1}, floor.now)
    order = floor.place("binance", "BUY", "1", "99.00", iceberg_qty="0.4").order
    amend = floor.exchange.amend

    second = floor.refused(floor.place, "binance", "BUY", "1", "99.00", iceberg_qty="0.4")
    amend("a", "BTCUSDT", order.order_id, "", Decimal("0.9"), floor.now)
    again = floor.refused(amend, "a", "BTCUSDT", order.order_id, "", Decimal("0.8"), floor.now)

    assert second == (-1013, "Filter failure: MAX_NUM_ICEBERG_ORDERS")
    assert again[0] == -2038


def test_stops_wait_until_the_price_is_traded_and_hold_their_money(floor):
    stop = floor.place(
        "binance", "SELL", "1", "99.00", type="STOP_LOSS_LIMIT", tif="GTC", stop_price="99.98"
    ).order
    assert (stop.is_working, floor.locked("BTC")) == (False, Decimal(1))
    floor.advance()
    assert not floor.order(stop).is_working

    floor.street("binance", "SELL", "99.98", "1.5", is_ioc=True)
    floor.advance()

    done = floor.order(stop)
    assert (done.status, done.quote) == ("FILLED", Decimal("99.98"))
    kinds = [event.kind for event in floor.order_events()]
    assert kinds == ["NEW", "NEW", "TRADE"]


def test_a_market_stop_buys_what_its_account_affords_when_it_starts(make_floor, make_account):
    from services.venue_sim.settings import BalanceSettings

    floor = make_floor(make_account("a", spot=(BalanceSettings(asset="USDT", amount="101"),)))
    floor.street("binance", "SELL", "100.50", "1")
    stop = floor.place("binance", "BUY", "1", type="STOP_LOSS", stop_price="100.50").order
    floor.street("binance", "BUY", "100.50", "1", is_ioc=True)
    floor.street("binance", "SELL", "102.00", "3")

    floor.advance()

    done = floor.order(stop)
    assert (done.status, done.executed) == ("FILLED", Decimal("0.990"))
    assert floor.free("USDT") == Decimal("101") - Decimal("0.990") * 102
    assert floor.locked("USDT") == 0


def test_a_stop_on_the_wrong_side_of_the_price_is_refused(floor):
    refused = floor.refused(floor.place, "binance", "SELL", "1", type="STOP_LOSS", stop_price="100.00")
    assert refused == (-2010, "Order would trigger immediately.")


def test_commission_in_bnb_is_a_quarter_less(make_floor, make_account):
    from services.venue_sim.exchange.exchange import Exchange
    from services.venue_sim.exchange.plain_side import PlainSide
    from services.venue_sim.settings import BalanceSettings
    from services.venue_sim.venue import Market

    money = (BalanceSettings(asset="USDT", amount="1000"), BalanceSettings(asset="BNB", amount="1"))
    floor = make_floor(make_account("a", spot=money, pays_fees_in_bnb=True))
    bnb = PlainSide(Market("binance", "BNBUSDT", "0.01", "0.001", 2, 3), last_ticks=50_000)
    floor.exchange = Exchange([*floor.sides.values(), bnb], floor.settings, floor.now)
    floor.street("binance", "SELL", "100.00", "1")

    fill = floor.place("binance", "BUY", "1").fills[0]

    assert (fill.commission_asset, fill.commission) == ("BNB", Decimal("0.00015"))
    assert floor.free("BNB") == Decimal("0.99985")
    assert floor.free("BTC") == Decimal(1)
