"""The ledger: the truth for tests."""


def test_the_ledger_holds_the_life_of_an_order_with_its_times(floor):
    order = floor.place("binance", "BUY", "2", "100.01").order
    floor.cancel(order)

    life = floor.exchange.ledger.life_of("binance", order.order_id)

    assert [entry.kind for entry in life] == ["NEW", "FILL", "TRADE", "CANCELED"]
    assert [entry.time_ms for entry in life] == [order.created_ms] * 3 + [order.created_ms + 1]
    [fill] = floor.exchange.ledger.fills("binance", "a")
    assert floor.exchange.ledger.filled_lots["binance", "a", "BTCUSDT"] == 1_000
    money = [(e.asset, e.amount_e18) for e in floor.exchange.ledger.entries if e.kind == "MONEY"]
    e18 = 10**18
    assert money == [("USDT", -int(fill.quote * e18)), ("BTC", e18), ("BTC", -e18 // 1000)]


def test_the_ledger_keeps_its_newest_entries_and_all_its_sums(make_floor, make_account):
    floor = make_floor(make_account("a"))
    floor.exchange.ledger.entries = type(floor.exchange.ledger.entries)(maxlen=10)
    for _ in range(20):
        floor.street("binance", "SELL", "100.00", "0.1")
        floor.place("binance", "BUY", "0.1")

    assert len(floor.exchange.ledger.entries) == 10
    assert floor.exchange.ledger.filled_lots["binance", "a", "BTCUSDT"] == 2_000
