"""ccxt, blocking: REST of spot and USD-M with each key type, unchanged but for its hosts."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.filterwarnings("ignore:::ccxt")]
ccxt = pytest.importorskip("ccxt")

SYMBOLS = {"spot": "BTC/USDT", "usdm": "BTC/USDT:USDT"}
SIZE = 0.01


@pytest.fixture
def exchange(venue: Any, keys: Any, point_ccxt: Any) -> Callable[[str, str], Any]:
    def make(market: str, key_type: str) -> Any:
        kind = ccxt.binance if market == "spot" else ccxt.binanceusdm
        key = keys[key_type]
        config = {"apiKey": key.api_key, "secret": key.secret, "enableRateLimit": False}
        return point_ccxt(kind(config), venue)

    return make


def price_below(exchange: Any, symbol: str, share: str) -> str:
    """Return a price at which a buy order rests: a share of the best bid, on the tick."""
    best = Decimal(str(exchange.fetch_order_book(symbol, 5)["bids"][0][0]))
    return str(exchange.price_to_precision(symbol, float(best * Decimal(share))))


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_markets_books_and_trades_are_read(exchange: Any, table: Any, market: str) -> None:
    client, symbol = exchange(market, "hmac"), SYMBOLS[market]
    cell = ("ccxt", market, "public")
    markets = client.load_markets()
    assert markets[symbol]["active"]
    assert markets[symbol]["precision"]["price"] > 0
    table.ran(cell, "load_markets")
    assert client.fetch_time() > 0
    table.ran(cell, "fetch_time")
    book = client.fetch_order_book(symbol, 100)
    assert book["bids"][0][0] < book["asks"][0][0]
    table.ran(cell, "fetch_order_book")
    # A market that has just begun may have no trade yet.
    trades = next(found for found in iter(lambda: client.fetch_trades(symbol, limit=10), None) if found)
    assert all(trade["price"] > 0 and trade["symbol"] == symbol for trade in trades)
    table.ran(cell, "fetch_trades")
    ticker = client.fetch_ticker(symbol)
    assert ticker["last"] > 0
    candles = client.fetch_ohlcv(symbol, "1m", limit=3)
    assert candles
    table.ran(cell, "fetch_ticker", "fetch_ohlcv")


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_orders_are_placed_asked_for_cancelled_and_filled(
    exchange: Any, table: Any, market: str, key_type: str
) -> None:
    client, symbol = exchange(market, key_type), SYMBOLS[market]
    cell = ("ccxt", market, key_type)
    client.load_markets()
    low = price_below(client, symbol, "0.97")

    # when orders rest
    limit = client.create_order(symbol, "limit", "buy", SIZE, low)
    assert limit["status"] == "open"
    table.ran(cell, "create_order limit")
    maker = client.create_order(symbol, "limit", "buy", SIZE, low, {"postOnly": True})
    assert maker["status"] == "open"
    table.ran(cell, "create_order postOnly")

    # then they are told and can be cancelled
    assert client.fetch_order(limit["id"], symbol)["price"] == float(low)
    table.ran(cell, "fetch_order")
    assert {order["id"] for order in client.fetch_open_orders(symbol)} >= {limit["id"], maker["id"]}
    table.ran(cell, "fetch_open_orders")
    assert client.cancel_order(limit["id"], symbol)["status"] == "canceled"
    table.ran(cell, "cancel_order")
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(limit["id"], symbol)
    client.cancel_all_orders(symbol)
    assert client.fetch_open_orders(symbol) == []
    table.ran(cell, "cancel_all_orders")

    # an immediate order below the market fills nothing and ends
    ioc = client.create_order(symbol, "limit", "buy", SIZE, low, {"timeInForce": "IOC"})
    assert client.fetch_order(ioc["id"], symbol)["status"] in {"expired", "canceled"}
    table.ran(cell, "create_order IOC")

    # a market order fills, and its trades and the money show it
    before = money(client, market)
    done = client.create_order(symbol, "market", "buy", SIZE)
    done = client.fetch_order(done["id"], symbol)
    assert (done["status"], done["filled"]) == ("closed", SIZE)
    table.ran(cell, "create_order market")
    mine = [trade for trade in client.fetch_my_trades(symbol) if trade["order"] == done["id"]]
    assert sum(trade["amount"] for trade in mine) == pytest.approx(SIZE)
    assert all(trade["fee"]["cost"] > 0 for trade in mine)
    table.ran(cell, "fetch_my_trades")
    assert money(client, market) != before
    table.ran(cell, "fetch_balance")
    assert {order["id"] for order in client.fetch_orders(symbol)} >= {done["id"]}
    table.ran(cell, "fetch_orders")

    if market == "usdm":
        position = client.fetch_positions([symbol])[0]
        assert position["contracts"] == pytest.approx(SIZE)
        table.ran(cell, "fetch_positions")
        assert client.set_leverage(7, symbol)["leverage"] == 7
        table.ran(cell, "set_leverage")
        closed = client.create_order(symbol, "market", "sell", SIZE, None, {"reduceOnly": True})
        assert client.fetch_order(closed["id"], symbol)["status"] == "closed"
        table.ran(cell, "create_order reduceOnly")


def money(client: Any, market: str) -> tuple[float, float]:
    balance = client.fetch_balance()
    return balance["USDT"]["total"], (balance["BTC"]["total"] if market == "spot" else 0.0)


def test_post_only_that_would_take_is_refused(exchange: Any) -> None:
    for market, symbol in SYMBOLS.items():
        client = exchange(market, "hmac")
        client.load_markets()
        high = price_below(client, symbol, "1.02")
        with pytest.raises(ccxt.InvalidOrder, match=r"immediately match|Post Only"):
            client.create_order(symbol, "limit", "buy", SIZE, high, {"postOnly": True})


def test_every_cell_ran(table: Any) -> None:
    print(table.text())
    assert len(table.rows) == 8
