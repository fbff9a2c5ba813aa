"""python-binance: REST blocking and async, sockets and the WebSocket API, unchanged but for its hosts.

It signs the decoded text, and percent-encodes signatures inside the JSON of `ws-fapi`: with RSA and Ed25519
keys the WebSocket API of USD-M takes them only where signatures are checked leniently.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

pytestmark = [
    pytest.mark.mesh,
    # The client still imports the legacy module of websockets and makes its own event loop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

LIMIT_S = 30
SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def binance() -> Any:
    """Return the package; importing it warns."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("binance")


def pointed(client: Any, venue: Any) -> Any:
    """Let a client talk to the simulated venue."""
    spot, usdm = venue.host("binance"), venue.host("binance_usdm")
    client.API_URL, client.FUTURES_URL = f"http://{spot}/api", f"http://{usdm}/fapi"
    client.MARGIN_API_URL = f"http://{spot}/sapi"
    client.ws_api._url, client.ws_future._url = f"ws://{spot}/ws-api/v3", f"ws://{usdm}/ws-fapi/v1"
    return client


def credentials(key: Any) -> dict[str, str]:
    if key.key_type == "hmac":
        return {"api_key": key.api_key, "api_secret": key.secret}
    return {"api_key": key.api_key, "private_key": key.secret}


@pytest.fixture
def client(binance: Any, venue: Any, keys: Any) -> Iterator[Callable[[str], Any]]:
    """Return a function that makes a blocking client; it would else leave an event loop open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made: list[Any] = []

    def make(key_type: str) -> Any:
        made.append(pointed(binance.Client(**credentials(keys[key_type]), ping=False), venue))
        return made[-1]

    yield make
    for each in made:
        each.close_connection()
    asyncio.set_event_loop(None)
    loop.close()


def below(best: str, decimals: int) -> str:
    return f"{float(best) * 0.97:.{decimals}f}"


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_spot_over_rest(client: Any, table: Any, key_type: str) -> None:
    cell, api = ("python-binance", "spot REST", key_type), client(key_type)
    info = api.get_exchange_info()
    assert any(symbol["symbol"] == SYMBOL for symbol in info["symbols"])
    book = api.get_order_book(symbol=SYMBOL, limit=5)
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    assert api.get_recent_trades(symbol=SYMBOL, limit=5)
    table.ran(cell, "get_exchange_info", "get_order_book", "get_recent_trades")
    low = below(book["bids"][0][0], 2)

    placed = api.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=low)
    assert placed["status"] == "NEW"
    maker = api.create_order(symbol=SYMBOL, side="BUY", type="LIMIT_MAKER", quantity="0.01", price=low)
    table.ran(cell, "order_limit_buy", "create_order LIMIT_MAKER")
    assert api.get_order(symbol=SYMBOL, orderId=placed["orderId"])["status"] == "NEW"
    assert {o["orderId"] for o in api.get_open_orders(symbol=SYMBOL)} >= {placed["orderId"], maker["orderId"]}
    assert api.cancel_order(symbol=SYMBOL, orderId=placed["orderId"])["status"] == "CANCELED"
    api.cancel_order(symbol=SYMBOL, origClientOrderId=maker["clientOrderId"])
    table.ran(cell, "get_order", "get_open_orders", "cancel_order")
    ioc = api.create_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="IOC", quantity="0.01", price=low
    )
    assert ioc["status"] == "EXPIRED"
    table.ran(cell, "create_order IOC")

    before = api.get_asset_balance(asset="BTC")
    filled = api.order_market_buy(symbol=SYMBOL, quantity="0.01")
    assert filled["status"] == "FILLED"
    trades = api.get_my_trades(symbol=SYMBOL, orderId=filled["orderId"])
    assert sum(float(trade["qty"]) for trade in trades) == pytest.approx(0.01)
    assert float(api.get_asset_balance(asset="BTC")["free"]) > float(before["free"])
    assert api.get_account()["canTrade"]
    table.ran(cell, "order_market_buy", "get_my_trades", "get_asset_balance", "get_account")
    assert len(api.get_all_orders(symbol=SYMBOL)) >= 4
    table.ran(cell, "get_all_orders")


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_usdm_over_rest(client: Any, table: Any, key_type: str) -> None:
    cell, api = ("python-binance", "usdm REST", key_type), client(key_type)
    assert any(symbol["symbol"] == SYMBOL for symbol in api.futures_exchange_info()["symbols"])
    book = api.futures_order_book(symbol=SYMBOL, limit=5)
    assert api.futures_recent_trades(symbol=SYMBOL, limit=5)
    table.ran(cell, "futures_exchange_info", "futures_order_book", "futures_recent_trades")
    low = below(book["bids"][0][0], 1)
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": low}

    placed = api.futures_create_order(**order, timeInForce="GTC")
    assert placed["status"] == "NEW"
    maker = api.futures_create_order(**order, timeInForce="GTX")
    table.ran(cell, "futures_create_order LIMIT", "futures_create_order GTX")
    assert api.futures_get_order(symbol=SYMBOL, orderId=placed["orderId"])["status"] == "NEW"
    open_ids = {o["orderId"] for o in api.futures_get_open_orders(symbol=SYMBOL)}
    assert open_ids >= {placed["orderId"], maker["orderId"]}
    assert api.futures_cancel_order(symbol=SYMBOL, orderId=placed["orderId"])["status"] == "CANCELED"
    assert api.futures_cancel_all_open_orders(symbol=SYMBOL)["code"] == 200
    table.ran(cell, "futures_get_order", "futures_get_open_orders", "futures_cancel_order", "..._all")
    ioc = api.futures_create_order(**order, timeInForce="IOC")
    assert api.futures_get_order(symbol=SYMBOL, orderId=ioc["orderId"])["status"] == "EXPIRED"
    table.ran(cell, "futures_create_order IOC")

    assert api.futures_change_leverage(symbol=SYMBOL, leverage=9)["leverage"] == 9
    filled = api.futures_create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
    trades = api.futures_account_trades(symbol=SYMBOL, orderId=filled["orderId"])
    assert sum(float(trade["qty"]) for trade in trades) == pytest.approx(0.01)
    assert float(api.futures_position_information(symbol=SYMBOL)[0]["positionAmt"]) >= 0.01
    usdt = next(item for item in api.futures_account_balance() if item["asset"] == "USDT")
    assert float(usdt["balance"]) > 0
    table.ran(cell, "futures_change_leverage", "futures_create_order MARKET", "futures_account_trades")
    table.ran(cell, "futures_position_information", "futures_account_balance")


def test_an_id_that_it_signs_decoded_passes_leniently_only(
    binance: Any, client: Any, lenient_venue: Any
) -> None:
    api = client("hmac")
    low = below(api.futures_order_book(symbol=SYMBOL, limit=5)["bids"][0][0], 1)
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    odd = {**order, "price": low, "newClientOrderId": "grid:1/a_b-c.d"}
    with pytest.raises(binance.exceptions.BinanceAPIException) as refused:
        api.futures_create_order(**odd)
    assert refused.value.code == -1022

    placed = pointed(api, lenient_venue).futures_create_order(**odd)

    assert placed["clientOrderId"] == "grid:1/a_b-c.d"


async def closed(socket: Any) -> None:
    """Close a socket of the client; its own close waits until it has heard nothing for ten seconds."""
    if socket.ws is not None:
        socket._handle_read_loop.cancel()
        await socket.ws.close()
        socket.ws = socket._handle_read_loop = None


Story = Callable[[Any, Any], Awaitable[None]]


def play(binance: Any, venue: Any, key: Any, story: Story) -> None:
    """Run a story with an async client and its socket manager."""

    async def session() -> None:
        from binance.ws.streams import BinanceSocketManager

        api = pointed(binance.AsyncClient(**credentials(key)), venue)
        sockets = BinanceSocketManager(api)
        sockets.STREAM_URL = f"ws://{venue.host('binance')}/"
        sockets.FSTREAM_URL = f"ws://{venue.host('binance_usdm')}/"
        try:
            async with asyncio.timeout(LIMIT_S):
                await story(api, sockets)
        finally:
            for socket in (api.ws_api, api.ws_future):
                await closed(socket)
            await api.close_connection()

    asyncio.run(session())


def test_market_streams(binance: Any, venue: Any, keys: Any, table: Any) -> None:
    async def story(_: Any, sockets: Any) -> None:
        for name, socket in {
            "depth_socket": sockets.depth_socket(SYMBOL),
            "trade_socket": sockets.trade_socket(SYMBOL),
            "multiplex_socket": sockets.multiplex_socket(["btcusdt@bookTicker", "btcusdt@aggTrade"]),
            "futures_multiplex_socket": sockets.futures_multiplex_socket(["btcusdt@aggTrade"]),
        }.items():
            async with socket as stream:
                frame = await stream.recv()
                assert frame.get("s", frame.get("data", {}).get("s")) == SYMBOL
            table.ran(("python-binance", "streams", "public"), name)

    play(binance, venue, keys["hmac"], story)


async def events_of(stream: Any, kind: str, until: str) -> list[str]:
    """Return the execution types of orders up to a wanted one."""
    seen: list[str] = []
    while until not in seen:
        event = await stream.recv()
        assert event.get("e") != "error", event
        if event["e"] == kind:
            seen.append(event.get("x") or event["o"]["x"])
    return seen


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_spot_user_data_and_websocket_api(
    binance: Any, venue: Any, keys: Any, table: Any, key_type: str
) -> None:
    cell = ("python-binance", "spot sockets", key_type)

    async def story(api: Any, sockets: Any) -> None:
        low = below((await api.get_order_book(symbol=SYMBOL, limit=5))["bids"][0][0], 2)
        async with sockets.user_socket() as stream:
            order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            placed = await api.ws_create_order(**order, quantity="0.01", price=low)
            assert placed["status"] == "NEW"
            told = await api.ws_get_order(symbol=SYMBOL, orderId=placed["orderId"])
            assert told["status"] == "NEW"
            await api.ws_cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
            table.ran(cell, "ws_create_order", "ws_get_order", "ws_cancel_order")
            await api.order_market_buy(symbol=SYMBOL, quantity="0.01")
            assert await events_of(stream, "executionReport", "TRADE") == ["NEW", "CANCELED", "NEW", "TRADE"]
            table.ran(cell, "user_socket")
            assert (await api.ws_get_account())["balances"]
            table.ran(cell, "ws_get_account")

    play(binance, venue, keys[key_type], story)


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_usdm_user_data_and_websocket_api(
    binance: Any, venue: Any, lenient_venue: Any, keys: Any, table: Any, key_type: str
) -> None:
    is_strict = key_type == "hmac"
    cell = ("python-binance", f"usdm sockets{'' if is_strict else ', lenient'}", key_type)

    async def story(api: Any, sockets: Any) -> None:
        low = below((await api.futures_order_book(symbol=SYMBOL, limit=5))["bids"][0][0], 1)
        async with sockets.futures_user_socket() as stream:
            order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            placed = await api.ws_futures_create_order(**order, quantity="0.01", price=low)
            told = await api.ws_futures_get_order(symbol=SYMBOL, orderId=placed["orderId"])
            assert told["status"] == "NEW"
            await api.ws_futures_cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
            table.ran(cell, "ws_futures_create_order", "ws_futures_get_order", "ws_futures_cancel_order")
            await api.futures_create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
            seen = await events_of(stream, "ORDER_TRADE_UPDATE", "TRADE")
            assert seen == ["NEW", "CANCELED", "NEW", "TRADE"]
            table.ran(cell, "futures_user_socket")
            await closed(stream)

    play(binance, venue if is_strict else lenient_venue, keys[key_type], story)


def test_every_cell_ran(table: Any) -> None:
    print(table.text())
    assert len(table.rows) == 13
