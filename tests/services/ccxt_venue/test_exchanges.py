"""ccxt's object as we make it: hosts, keys, and no request that any layer sends twice."""

import asyncio

import aiohttp
import pytest

from services.ccxt_venue.errors import verdict_of
from services.ccxt_venue.exchanges import LEAVE_BY_S, TooLateError, make_exchange
from services.ccxt_venue.follower import close_exchange
from shared.errors import ConfigError
from shared.execution.reports import RefusalKind
from shared.venues.remote_words import Setup


def made(**fields):
    """Return what `look` sees of an exchange that lives in a loop."""

    async def run():
        exchange = make_exchange(Setup(**fields))
        await close_exchange(exchange)
        return exchange

    return asyncio.run(run())


@pytest.mark.req("I-05")
def test_no_layer_repeats_a_request() -> None:
    exchange = made(venue="okx", network="live")

    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.kept_session._retry_connection is False
    assert "_retry_connection" in aiohttp.ClientSession.ATTRS  # aiohttp sends a GET again unless it is off


@pytest.mark.req("I-05")
def test_a_venue_that_drops_a_kept_connection_sees_a_get_once() -> None:
    """On Deribit an order is a GET; aiohttp would send it again on a new connection."""

    async def run() -> list[bytes]:
        seen: list[bytes] = []

        async def serve(reader, writer) -> None:
            for turn in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                seen.append(head.split()[1])
                if turn == 0:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        exchange = make_exchange(Setup(venue="deribit", network="live"))
        exchange.handle_errors = lambda *_: None
        await exchange.fetch(f"http://127.0.0.1:{port}/first")
        with pytest.raises(Exception, match="buy"):
            await exchange.fetch(f"http://127.0.0.1:{port}/private/buy")
        assert exchange.sent_count == 2
        await close_exchange(exchange)
        server.close()
        await server.wait_closed()
        return seen

    assert asyncio.run(run()) == [b"/first", b"/private/buy"]


def test_a_request_that_waited_too_long_does_not_leave() -> None:
    async def run() -> None:
        exchange = make_exchange(Setup(venue="okx", network="live"))
        LEAVE_BY_S.set(asyncio.get_running_loop().time() - 1)
        with pytest.raises(TooLateError, match="not sent") as caught:
            await exchange.fetch("http://127.0.0.1:1/")
        assert exchange.sent_count == 0
        verdict = verdict_of(caught.value, is_sent=False, is_create=True)
        assert verdict.kind is RefusalKind.OVERLOADED
        await close_exchange(exchange)

    asyncio.run(run())


def test_hosts_follow_the_network() -> None:
    assert made(venue="bybit", network="testnet").urls["api"]["public"].startswith("https://api-testnet")
    sim = made(venue="ccxt_binanceusdm", network="sim", rest_url="http://h:1/", stream_url="ws://h:1")
    assert sim.urls["api"]["fapiPublic"] == "http://h:1/fapi/v1"
    assert sim.urls["api"]["ws"]["linear"] == "ws://h:1/ws"


def test_keys_and_the_kind_of_market_reach_the_exchange() -> None:
    exchange = made(
        venue="okx",
        network="live",
        key={"apiKey": "k", "secret": "s", "password": "p"},
        symbols=("BTC/USDT:USDT",),
    )

    assert (exchange.apiKey, exchange.secret, exchange.password) == ("k", "s", "p")
    assert exchange.options["defaultType"] == "swap"


@pytest.mark.req("MD-27")
def test_an_http_proxy_is_used_and_a_socks_proxy_is_refused() -> None:
    exchange = made(venue="okx", network="live", proxy="http://proxy:3128")
    assert (exchange.aiohttp_proxy, exchange.ws_proxy) == ("http://proxy:3128", "http://proxy:3128")

    with pytest.raises(ConfigError, match="http://host:port"):
        made(venue="okx", network="live", proxy="socks5://proxy:1080")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"venue": "kraken", "network": "testnet"}, "no test network"),
        ({"venue": "okx", "network": "sim"}, "cannot be simulated"),
    ],
)
def test_what_a_venue_does_not_have_is_refused_with_what_to_do(fields, text) -> None:
    with pytest.raises(ConfigError, match=text):
        made(**fields)
