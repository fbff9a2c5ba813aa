"""The official clients binance-sdk-spot and binance-sdk-derivatives-trading-usds-futures, with our hosts.

Their models validate each answer, so a field of a wrong type fails here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
common = pytest.importorskip("binance_common.configuration")
spot_sdk = pytest.importorskip("binance_sdk_spot")
usdm_sdk = pytest.importorskip("binance_sdk_derivatives_trading_usds_futures")

LIMIT_S = 30
SYMBOL = "BTCUSDT"
KEY_TYPES = ["hmac", "ed25519", "rsa"]


def secret_of(key: Any) -> dict[str, str]:
    name = "api_secret" if key.key_type == "hmac" else "private_key"
    return {"api_key": key.api_key, name: key.secret}


def make(venue: Any, key: Any, market: str) -> Any:
    """Return a client of the market; only its hosts are set."""
    host = venue.host("binance" if market == "spot" else "binance_usdm")
    # A busy test machine is no reason for a timeout; the default is one second.
    rest = common.ConfigurationRestAPI(**secret_of(key), base_path=f"http://{host}", timeout=20_000)
    path = "ws-api/v3" if market == "spot" else "ws-fapi/v1"
    api = common.ConfigurationWebSocketAPI(**secret_of(key), stream_url=f"ws://{host}/{path}", timeout=20_000)
    # The USD-M client makes /public/stream, /market/stream and /private/stream of it.
    streams = common.ConfigurationWebSocketStreams(stream_url=f"ws://{host}/stream")
    kind = spot_sdk.spot.Spot if market == "spot" else usdm_sdk.derivatives_trading_usds_futures
    if market == "usdm":
        kind = kind.DerivativesTradingUsdsFutures
    return kind(config_rest_api=rest, config_ws_api=api, config_ws_streams=streams)


def low_price(bids: Any, decimals: int) -> float:
    return round(float(bids[0][0]) * 0.97, decimals)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_spot_over_rest(venue: Any, keys: Any, table: Any, key_type: str) -> None:
    cell = ("binance-sdk-spot", "REST", key_type)
    api = make(venue, keys[key_type], "spot").rest_api
    assert api.exchange_info(symbol=SYMBOL).data().symbols[0].symbol == SYMBOL
    low = low_price(api.depth(symbol=SYMBOL, limit=5).data().bids, 2)
    assert api.get_trades(symbol=SYMBOL, limit=5).data()
    table.ran(cell, "exchange_info", "depth", "get_trades")

    def order(type_: str, **more: Any) -> Any:
        return api.new_order(symbol=SYMBOL, side="BUY", type=type_, **more).data()

    placed = order("LIMIT", time_in_force="GTC", quantity=0.01, price=low)
    assert placed.status == "NEW"
    maker = order("LIMIT_MAKER", quantity=0.01, price=low, new_order_resp_type="RESULT")
    assert maker.status == "NEW"
    ioc = order("LIMIT", time_in_force="IOC", quantity=0.01, price=low)
    assert ioc.status == "EXPIRED"
    table.ran(cell, "new_order LIMIT", "new_order LIMIT_MAKER", "new_order IOC")
    assert api.get_order(symbol=SYMBOL, order_id=placed.order_id).data().status == "NEW"
    assert {o.order_id for o in api.get_open_orders(symbol=SYMBOL).data()} >= {
        placed.order_id,
        maker.order_id,
    }
    assert api.delete_order(symbol=SYMBOL, order_id=placed.order_id).data().status == "CANCELED"
    amended = api.order_amend_keep_priority(symbol=SYMBOL, new_qty=0.005, order_id=maker.order_id).data()
    assert amended.amended_order.qty == "0.00500000"
    api.delete_open_orders(symbol=SYMBOL)
    table.ran(cell, "get_order", "get_open_orders", "delete_order", "delete_open_orders")
    table.ran(cell, "order_amend_keep_priority")
    filled = order("MARKET", quote_order_qty=25.5)
    assert filled.status == "FILLED"
    trades = api.my_trades(symbol=SYMBOL, order_id=filled.order_id).data()
    assert sum(float(trade.qty) for trade in trades) == pytest.approx(float(filled.executed_qty))
    assert {b.asset for b in api.get_account(omit_zero_balances=True).data().balances} >= {"BTC", "USDT"}
    table.ran(cell, "new_order MARKET", "my_trades", "get_account")
    replaced = api.order_cancel_replace(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        cancel_replace_mode="STOP_ON_FAILURE",
        time_in_force="GTC",
        quantity=0.01,
        price=low,
        cancel_order_id=order("LIMIT", time_in_force="GTC", quantity=0.02, price=low).order_id,
    ).data()
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS")
    api.delete_open_orders(symbol=SYMBOL)
    table.ran(cell, "order_cancel_replace")


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_usdm_over_rest(venue: Any, keys: Any, table: Any, key_type: str) -> None:
    cell = ("binance-sdk-usds-futures", "REST", key_type)
    api = make(venue, keys[key_type], "usdm").rest_api
    assert SYMBOL in {symbol.symbol for symbol in api.exchange_information().data().symbols}
    low = low_price(api.order_book(symbol=SYMBOL, limit=5).data().bids, 1)
    assert api.recent_trades_list(symbol=SYMBOL, limit=5).data()
    table.ran(cell, "exchange_information", "order_book", "recent_trades_list")

    def order(type_: str, **more: Any) -> Any:
        return api.new_order(symbol=SYMBOL, side="BUY", type=type_, quantity=0.01, **more).data()

    placed = order("LIMIT", time_in_force="GTC", price=low)
    maker = order("LIMIT", time_in_force="GTX", price=low)
    ioc = order("LIMIT", time_in_force="IOC", price=low)
    assert api.query_order(symbol=SYMBOL, order_id=ioc.order_id).data().status == "EXPIRED"
    table.ran(cell, "new_order LIMIT", "new_order GTX", "new_order IOC", "query_order")
    open_ids = {o.order_id for o in api.current_all_open_orders(symbol=SYMBOL).data()}
    assert open_ids >= {placed.order_id, maker.order_id}
    lower = round(low - 10, 1)
    api.modify_order(symbol=SYMBOL, side="BUY", quantity=0.02, price=lower, order_id=maker.order_id)
    assert float(api.query_order(symbol=SYMBOL, order_id=maker.order_id).data().price) == lower
    assert api.cancel_order(symbol=SYMBOL, order_id=placed.order_id).data().status == "CANCELED"
    api.cancel_all_open_orders(symbol=SYMBOL)
    table.ran(cell, "current_all_open_orders", "modify_order", "cancel_order", "cancel_all_open_orders")
    assert api.change_initial_leverage(symbol=SYMBOL, leverage=8).data().leverage == 8
    filled = order("MARKET", new_order_resp_type="RESULT")
    assert filled.status == "FILLED"
    trades = api.account_trade_list(symbol=SYMBOL, order_id=filled.order_id).data()
    assert sum(float(trade.qty) for trade in trades) == pytest.approx(0.01)
    assert float(api.position_information_v3(symbol=SYMBOL).data()[0].position_amt) >= 0.01
    assert {b.asset for b in api.futures_account_balance_v3().data()} >= {"USDT"}
    assert float(api.account_information_v3().data().total_wallet_balance) > 0
    assert (
        api.auto_cancel_all_open_orders(symbol=SYMBOL, countdown_time=60_000).data().countdown_time == "60000"
    )
    api.auto_cancel_all_open_orders(symbol=SYMBOL, countdown_time=0)
    table.ran(cell, "change_initial_leverage", "new_order MARKET", "account_trade_list")
    table.ran(cell, "position_information_v3", "futures_account_balance_v3", "account_information_v3")
    table.ran(cell, "auto_cancel_all_open_orders")


async def collected(events: "asyncio.Queue[Any]", wanted: Callable[[Any], str], until: str) -> list[str]:
    """Return what `wanted` reads of the events, up to a wanted one."""
    seen: list[str] = []
    while until not in seen:
        found = wanted((await events.get()).actual_instance)
        seen += [found] if found else []
    return seen


Story = Callable[[Any], Awaitable[None]]


def play(client: Any, story: Story) -> None:
    """Run a story and close every socket of the client."""

    async def session() -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                await story(client)
        finally:
            for part in (client._websocket_api, client._websocket_streams):
                if part is not None:
                    await part.close_connection()

    asyncio.run(session())


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_market_streams(venue: Any, keys: Any, table: Any, market: str) -> None:
    async def story(client: Any) -> None:
        await client.websocket_streams.create_connection()
        streams = client.websocket_streams
        names = (
            ("diff_book_depth", "agg_trade", "book_ticker")
            if market == "spot"
            else (
                "diff_book_depth_streams",
                "aggregate_trade_streams",
                "individual_symbol_book_ticker_streams",
            )
        )
        for name in names:
            frames: asyncio.Queue[Any] = asyncio.Queue()
            handle = await getattr(streams, name)(symbol="btcusdt")
            handle.on("message", frames.put_nowait)
            assert (await frames.get()).s == SYMBOL
            table.ran((f"binance-sdk {market}", "streams", "public"), name)
            await handle.unsubscribe()

    play(make(venue, keys["hmac"], market), story)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_spot_user_data_and_websocket_api(venue: Any, keys: Any, table: Any, key_type: str) -> None:
    cell = ("binance-sdk-spot", "sockets", key_type)

    async def story(client: Any) -> None:
        await client.websocket_api.create_connection()
        api = client.websocket_api
        if key_type == "ed25519":
            await api.session_logon()
            table.ran(cell, "session_logon")
        subscribed = await api.user_data_stream_subscribe_signature()
        events: asyncio.Queue[Any] = asyncio.Queue()
        subscribed.stream.on("message", events.put_nowait)
        low = low_price((await api.depth(symbol=SYMBOL, limit=5)).data().result.bids, 2)
        order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
        placed = (await api.order_place(**order, quantity=0.01, price=low)).data().result
        told = (await api.order_status(symbol=SYMBOL, order_id=placed.order_id)).data().result
        assert told.status == "NEW"
        assert (await api.open_orders_status(symbol=SYMBOL)).data().result
        await api.order_cancel(symbol=SYMBOL, order_id=placed.order_id)
        table.ran(cell, "depth", "order_place", "order_status", "open_orders_status", "order_cancel")
        filled = await api.order_place(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        assert filled.data().result.status == "FILLED"
        seen = await collected(events, lambda event: getattr(event, "x", ""), "TRADE")
        assert seen == ["NEW", "CANCELED", "NEW", "TRADE"]
        table.ran(cell, "user_data_stream_subscribe_signature")
        assert (await api.account_status(omit_zero_balances=True)).data().result.balances
        assert (await api.my_trades(symbol=SYMBOL)).data().result
        table.ran(cell, "account_status", "my_trades")

    play(make(venue, keys[key_type], "spot"), story)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_usdm_user_data_and_websocket_api(venue: Any, keys: Any, table: Any, key_type: str) -> None:
    cell = ("binance-sdk-usds-futures", "sockets", key_type)

    async def story(client: Any) -> None:
        await client.websocket_api.create_connection()
        await client.websocket_streams.create_connection()
        api = client.websocket_api
        listen_key = client.rest_api.start_user_data_stream().data().listen_key
        stream = await client.websocket_streams.user_data(listen_key)
        events: asyncio.Queue[Any] = asyncio.Queue()
        stream.on("message", events.put_nowait)
        assert (await api.order_book(symbol=SYMBOL, limit=5)).data().result
        low = low_price(client.rest_api.order_book(symbol=SYMBOL, limit=5).data().bids, 1)
        order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
        placed = (await api.new_order(**order, quantity=0.01, price=low)).data().result
        told = (await api.query_order(symbol=SYMBOL, order_id=placed.order_id)).data().result
        assert told.status == "NEW"
        await api.modify_order(
            symbol=SYMBOL, side="BUY", quantity=0.02, price=round(low - 10, 1), order_id=placed.order_id
        )
        await api.cancel_order(symbol=SYMBOL, order_id=placed.order_id)
        table.ran(cell, "start_user_data_stream", "order_book", "new_order", "query_order", "modify_order")
        await api.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        seen = await collected(events, lambda event: getattr(getattr(event, "o", None), "x", ""), "TRADE")
        assert seen == ["NEW", "AMENDMENT", "CANCELED", "NEW", "TRADE"]
        table.ran(cell, "cancel_order", "user_data")
        assert (await api.position_information_v2(symbol=SYMBOL)).data().result
        assert (await api.account_information_v2()).data().result
        table.ran(cell, "position_information_v2", "account_information_v2")

    play(make(venue, keys[key_type], "usdm"), story)


def test_an_id_that_it_signs_encoded_passes_leniently_only(venue: Any, lenient_venue: Any, keys: Any) -> None:
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}

    async def place(client: Any) -> Any:
        await client.websocket_api.create_connection()
        low = low_price(client.rest_api.order_book(symbol=SYMBOL, limit=5).data().bids, 1)
        odd = {**order, "price": low, "new_client_order_id": "grid:1/a_b-c.d"}
        return (await client.websocket_api.new_order(**odd)).data()

    async def refused(client: Any) -> None:
        assert (await place(client))["error"]["code"] == -1022

    async def taken(client: Any) -> None:
        assert (await place(client)).result.client_order_id == "grid:1/a_b-c.d"

    play(make(venue, keys["hmac"], "usdm"), refused)
    play(make(lenient_venue, keys["hmac"], "usdm"), taken)


def test_every_cell_ran(table: Any) -> None:
    print(table.text())
    assert len(table.rows) == 14
