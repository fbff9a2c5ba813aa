"""Questions about orders and trades."""


def test_paging_tells_orders_and_trades_from_an_id_or_the_newest(floor):
    orders = [floor.place("binance", "BUY", "1", "99.00").order for _ in range(5)]
    fills = [floor.place("binance", "BUY", "0.1").fills[0] for _ in range(5)]
    ask = floor.exchange

    from_id = ask.all_orders("a", "binance", "BTCUSDT", order_id=orders[1].order_id, limit=2)
    assert [o.order_id for o in from_id] == [o.order_id for o in orders[1:3]]
    assert ask.trades("a", "binance", "BTCUSDT", from_id=fills[3].trade_id) == fills[3:]
    assert ask.trades("a", "binance", "BTCUSDT", limit=2) == fills[3:]
    assert ask.trades("a", "binance", "BTCUSDT", order_id=fills[2].order_id) == [fills[2]]
    assert ask.trades("a", "binance", "BTCUSDT", start_ms=2**61) == []


def test_all_open_orders_of_an_account_are_told_over_its_markets(floor):
    names = ("BTCUSDT", "ETHUSDT")
    wanted = [floor.place("binance", "BUY", "1", "99.00", symbol=name).order for name in names]
    floor.place("binance", "BUY", "1", "99.00", account="b")

    assert floor.exchange.open_orders("a", "binance") == wanted
    assert floor.refused(floor.exchange.open_orders, "a", "binance", "NOPE") == (-1121, "Invalid symbol.")
