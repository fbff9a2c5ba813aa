"""ccxt.pro: streams, user data and orders over the WebSocket API, unchanged but for its hosts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
pro = pytest.importorskip("ccxt.pro")

SYMBOLS = {"spot": "BTC/USDT", "usdm": "BTC/USDT:USDT"}
SIZE = 0.01
LIMIT_S = 30

Story = Callable[[Any, str], Awaitable[None]]


@pytest.fixture
def play(venue: Any, keys: Any, point_ccxt: Any) -> Callable[[str, str, Story], None]:
    """Return a function that runs a story with a client of ccxt.pro and closes the client."""

    def run(market: str, key_type: str, story: Story) -> None:
        async def session() -> None:
            kind = pro.binance if market == "spot" else pro.binanceusdm
            key = keys[key_type]
            config = {"apiKey": key.api_key, "secret": key.secret, "enableRateLimit": False}
            client = point_ccxt(kind(config), venue)
            try:
                async with asyncio.timeout(LIMIT_S):
                    await client.load_markets()
                    await story(client, SYMBOLS[market])
            finally:
                await client.close()

        asyncio.run(session())

    return run


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_books_trades_and_candles_stream(play: Any, table: Any, market: str) -> None:
    cell = ("ccxt.pro", market, "public")

    async def story(client: Any, symbol: str) -> None:
        nonces = []
        for _ in range(5):
            book = await client.watch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
            nonces.append(book["nonce"])
        assert nonces == sorted(nonces)
        table.ran(cell, "watch_order_book")
        assert (await client.watch_trades(symbol))[0]["symbol"] == symbol
        table.ran(cell, "watch_trades")
        tickers = await client.watch_bids_asks([symbol])
        assert tickers[symbol]["bid"] < tickers[symbol]["ask"]
        table.ran(cell, "watch_bids_asks")
        assert (await client.watch_ohlcv(symbol, "1m"))[0][1] > 0
        table.ran(cell, "watch_ohlcv")

    play(market, "hmac", story)


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_a_book_comes_back_after_a_cut_a_lost_frame_and_a_doubled_one(
    play: Any, venue: Any, table: Any, market: str
) -> None:
    async def story(client: Any, symbol: str) -> None:
        last = (await client.watch_order_book(symbol))["nonce"]
        name = "binance" if market == "spot" else "binance_usdm"
        stream = {"venue": name, "stream": "btcusdt@depth@100ms"}
        for fault in ({"kind": "cut"}, {"kind": "drop"}, {"kind": "double"}):
            await asyncio.to_thread(venue.command, "/sim/faults", fault | stream)
            while (await asyncio.to_thread(venue.status))["faults"]["pending"]:
                last = max(last, await next_nonce(client, symbol))
            assert await until_above(client, symbol, last) > last
            table.ran(("ccxt.pro", market, "public"), f"watch_order_book after {fault['kind']}")

    play(market, "hmac", story)


async def next_nonce(client: Any, symbol: str) -> int:
    """Return the number of the next book, 0 when the client says that it lost the connection or a frame."""
    try:
        book = await client.watch_order_book(symbol)
    except (pro.NetworkError, pro.ChecksumError):
        return 0
    return int(book["nonce"] or 0)


async def until_above(client: Any, symbol: str, last: int) -> int:
    while (nonce := await next_nonce(client, symbol)) <= last:
        pass
    return nonce


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_orders_and_user_data_over_sockets(
    play: Any, venue: Any, table: Any, market: str, key_type: str
) -> None:
    cell = ("ccxt.pro", market, key_type)

    async def story(client: Any, symbol: str) -> None:
        best = (await client.fetch_order_book(symbol, 5))["bids"][0][0]
        low = client.price_to_precision(symbol, best * 0.97)
        orders = asyncio.ensure_future(states(client.watch_orders, symbol))
        trades = asyncio.ensure_future(client.watch_my_trades(symbol))
        balance = asyncio.ensure_future(client.watch_balance())
        await subscribed(venue)

        # orders over the WebSocket API
        placed = await client.create_order_ws(symbol, "limit", "buy", SIZE, low)
        table.ran(cell, "create_order_ws limit")
        told = await client.fetch_order_ws(placed["id"], symbol)
        assert told["status"] == "open"
        table.ran(cell, "fetch_order_ws")
        if market == "spot":
            assert any(o["id"] == placed["id"] for o in await client.fetch_open_orders_ws(symbol))
            table.ran(cell, "fetch_open_orders_ws")
        canceled = await client.cancel_order_ws(placed["id"], symbol)
        assert canceled["status"] == "canceled"
        table.ran(cell, "cancel_order_ws")
        # `postOnly` is sent on by this call of ccxt, and spot refuses parameters that it does not know.
        is_spot = market == "spot"
        kind, more = ("LIMIT_MAKER", {}) if is_spot else ("limit", {"timeInForce": "GTX"})
        maker = await client.create_order_ws(symbol, kind, "buy", SIZE, low, more)
        assert (await client.fetch_order_ws(maker["id"], symbol))["status"] == "open"
        table.ran(cell, "create_order_ws postOnly")
        await client.cancel_all_orders(symbol)

        # a fill shows up in orders, trades and balance
        filled = await client.create_order_ws(symbol, "market", "buy", SIZE)
        table.ran(cell, "create_order_ws market")
        seen = await orders
        assert {"open", "canceled", "closed"} <= seen[placed["id"]] | seen[filled["id"]]
        table.ran(cell, "watch_orders")
        assert (await trades)[0]["amount"] > 0
        table.ran(cell, "watch_my_trades")
        assert (await balance)["USDT"]["total"] > 0
        table.ran(cell, "watch_balance")

    play(market, key_type, story)


async def states(watch: Callable[[str], Awaitable[list[dict[str, Any]]]], symbol: str) -> dict[str, set[str]]:
    """Gather the states of all orders until one is closed."""
    seen: dict[str, set[str]] = {}
    while not any("closed" in told for told in seen.values()):
        for order in await watch(symbol):
            seen.setdefault(order["id"], set()).add(order["status"])
    return seen


async def subscribed(venue: Any) -> None:
    """Wait until the user stream is there: the client tells no event for it, the venue does."""
    while True:
        status = await asyncio.to_thread(venue.status)
        if any("user data" in other["streams"] for other in status["clients"]):
            return


def test_every_cell_ran(table: Any) -> None:
    print(table.text())
    assert len(table.rows) == 8
