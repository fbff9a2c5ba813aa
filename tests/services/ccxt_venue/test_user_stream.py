"""The private streams of an account: what they tell, what they leave out, and when they break."""

import asyncio
from typing import Any

import ccxt
import pytest

from services.ccxt_venue import user_stream
from services.ccxt_venue.lookup import Lookup
from services.ccxt_venue.mapping import Mapper
from services.ccxt_venue.offline import Offline
from services.ccxt_venue.user_stream import UserStream
from shared.execution.reports import Filled, OrderChanged, UserStreamDown, UserStreamUp
from shared.venues.registry import ENTRIES
from shared.venues.remote_words import Setup

ORDER = {
    "id": "7",
    "clientOrderId": "t0v-maker-b0-1",
    "symbol": "BTC/USDT",
    "side": "buy",
    "price": 100.0,
    "amount": 3.0,
    "filled": 1.0,
    "status": "open",
    "timestamp": 1_000_000,
}
TRADE = {
    "id": "9",
    "order": "7",
    "symbol": "BTC/USDT",
    "side": "buy",
    "price": 100.0,
    "amount": 1.0,
    "timestamp": 5,
}


async def follow(name: str, monkeypatch, **streams: list[Any]) -> list[Any]:
    """Let the streams of a venue say what is given, then end with it."""
    monkeypatch.setattr(user_stream, "CONFIRM_S", 0.0)
    monkeypatch.setattr(user_stream, "RETRY_S", 0.0)
    entry = ENTRIES[name]
    exchange = Offline(entry, "spot").exchange
    told: list[Any] = []
    done = asyncio.Event()
    for call, said in streams.items():

        async def next_of(*_: Any, said: list[Any] = said, call: str = call) -> Any:
            if not said:
                if call == "watch_orders":
                    done.set()
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            one = said.pop(0)
            if isinstance(one, Exception):
                raise one
            return one

        setattr(exchange, call, next_of)
    mapper = Mapper(entry, exchange)
    setup = Setup(name, "live", symbols=("BTC/USDT",), key={"secret": "sesame"})
    stream = UserStream(setup, exchange, mapper, Lookup(entry, exchange, mapper), told.append)
    stream.start()
    await asyncio.wait_for(done.wait(), 5)
    for _ in range(10):
        await asyncio.sleep(0)
    stream.stop()
    return told


@pytest.mark.req("MD-26")
def test_orders_and_executions_are_told_with_our_names(monkeypatch) -> None:
    told = asyncio.run(follow("bybit", monkeypatch, watch_orders=[[ORDER]], watch_my_trades=[[], [TRADE]]))

    assert [type(one) for one in told if not isinstance(one, UserStreamUp)] == [OrderChanged, Filled]
    assert [one.fill.client_order_id for one in told if isinstance(one, Filled)] == ["t0v-maker-b0-1"]


@pytest.mark.req("MD-26")
def test_where_no_executions_are_streamed_they_are_fetched_when_an_order_grows(monkeypatch) -> None:
    told = asyncio.run(
        follow(
            "gemini",
            monkeypatch,
            watch_orders=[[ORDER], [ORDER], [{**ORDER, "filled": 0.0}]],
            fetch_my_trades=[[TRADE, {**TRADE, "id": "8", "order": "6"}], []],
        )
    )

    assert [one.fill.trade_id for one in told if isinstance(one, Filled)] == ["9"]


@pytest.mark.req("MD-26", "I-27")
def test_a_broken_stream_is_said_without_the_key_and_begins_anew(monkeypatch) -> None:
    told = asyncio.run(
        follow(
            "bybit",
            monkeypatch,
            watch_orders=[ccxt.NetworkError("gone sesame"), [ORDER]],
            watch_my_trades=[],
        )
    )

    down = next(one for one in told if isinstance(one, UserStreamDown))
    assert down.reason == "NetworkError: gone ***"
    assert any(isinstance(one, OrderChanged) for one in told)


def test_an_order_of_which_too_little_is_streamed_is_asked_for(monkeypatch) -> None:
    told = asyncio.run(
        follow(
            "bybit",
            monkeypatch,
            watch_orders=[[{**ORDER, "side": None}]],
            watch_my_trades=[],
            fetch_order=[ccxt.OrderNotFound("too late")],
            fetch_open_orders=[[ORDER]],
        )
    )

    assert [one.order.venue_order_id for one in told if isinstance(one, OrderChanged)] == ["7"]
