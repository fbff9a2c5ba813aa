"""Every byte for a venue goes through its configured proxy (MD-27): HTTP and SOCKS5, REST and streams."""

import asyncio
import contextlib
import json
import struct
import threading

import httpx2
import pytest
from annotated_types import Predicate
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from services.broker.settings import VenueAccess
from services.broker.shell_outside import _place_of
from services.market_data.settings import FeedVenue, MarketDataSettings, is_proxy
from services.venue_sim.settings import MarketSettings, VenueSimSettings
from shared.runtime.clock import MeshClock
from tests.services.market_data.test_shell import Processes, states


class Proxy:
    """A small proxy: plain HTTP with absolute addresses, CONNECT, and SOCKS5 without authentication."""

    def __init__(self):
        self.targets = []
        self._server = None

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            if first == b"\x05":
                await self._socks(reader, writer)
            else:
                await self._http(first, reader, writer)
        writer.close()

    async def _socks(self, reader, writer):
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        length = (await reader.readexactly(1))[0] if kind == 3 else 4
        raw = await reader.readexactly(length)
        host = raw.decode() if kind == 3 else ".".join(str(part) for part in raw)
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self._join(f"socks {host}:{port}", host, port, b"", reader, writer)

    async def _http(self, first, reader, writer):
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if method == "CONNECT":
            host, _, port = target.partition(":")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await self._join(f"connect {target}", host, int(port), b"", reader, writer)
            return
        place, _, path = target.removeprefix("http://").partition("/")
        host, _, port = place.partition(":")
        sent = head.replace(target.encode(), b"/" + path.encode(), 1)
        await self._join(f"http {place}/{path}", host, int(port), sent, reader, writer)

    async def _join(self, what, host, port, sent, reader, writer):
        self.targets.append(what)
        there_reader, there_writer = await asyncio.open_connection(host, port)
        there_writer.write(sent)
        back = asyncio.create_task(pump(there_reader, writer))
        await pump(reader, there_writer)
        there_writer.close()
        await back


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@contextlib.asynccontextmanager
async def venue():
    """A venue that answers one line over HTTP, and echoes over WebSocket."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    async def echo(socket):
        async for frame in socket:
            await socket.send(frame)

    http = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with http, serve(echo, "127.0.0.1", 0) as streams:
        yield http.sockets[0].getsockname()[1], streams.sockets[0].getsockname()[1]


@pytest.mark.req("MD-27")
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_the_broker_s_calls_and_sockets_go_through_the_proxy(scheme):
    async def run():
        async with Proxy() as proxy, venue() as (http_port, stream_port):
            url = f"{scheme}://127.0.0.1:{proxy.port}"
            access = VenueAccess(
                name="binance",
                symbols=(),
                network="own",
                rest_url=f"http://127.0.0.1:{http_port}",
                proxy=url,
            )
            place = _place_of(access)
            answer = await place.client.get(f"{access.rest_url}/api/v3/time?a=1")
            await place.client.aclose()
            async with connect(f"ws://127.0.0.1:{stream_port}/x", proxy=place.proxy) as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"
            return answer.text, proxy.targets, http_port, stream_port

    text, targets, http_port, stream_port = asyncio.run(run())
    assert text == "{}"
    assert len(targets) == 2
    assert f"127.0.0.1:{http_port}" in targets[0]
    assert f"127.0.0.1:{stream_port}" in targets[1]
    assert all(target.startswith("socks") == scheme.startswith("socks") for target in targets)


@pytest.mark.req("MD-27")
@pytest.mark.parametrize("text", ["", "http://h:1", "https://u:p@h:1", "socks5://h:1", "socks5h://h:1"])
def test_addresses_that_both_clients_take_are_taken(text):
    assert is_proxy(text)


@pytest.mark.parametrize("text", ["h:1", "socks4://h:1", "ftp://h", "http://", "http://a b"])
def test_other_addresses_are_refused_where_the_file_is_read(text):
    assert not is_proxy(text)


@contextlib.contextmanager
def in_a_thread(proxy):
    """Serve a proxy beside a test that waits for processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10)
    yield proxy
    asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.mark.mesh
@pytest.mark.req("MD-27")
def test_the_real_feed_gets_rules_books_and_streams_through_its_proxy(tmp_path):
    market = MarketSettings(
        symbol="binance:BTCUSDT", tick_size="0.01", lot_size="0.00001", start_price="60000"
    )
    with in_a_thread(Proxy()) as proxy:
        feed = MarketDataSettings(
            venues=(
                FeedVenue(name="binance", symbols=("BTCUSDT",), proxy=f"socks5://127.0.0.1:{proxy.port}"),
            )
        )
        mesh = Processes(tmp_path / "data", VenueSimSettings(markets=(market,)), feed, 1000)
        MeshClock(mesh.data).start()
        mesh.start("bus", "venue_sim", "market_data")
        try:
            mesh.wait(lambda events: "live" in states(events))
            venue_port = json.loads((mesh.data.run / "venue_sim.json").read_bytes())["binance"]["port"]
        finally:
            mesh.stop()

    assert len(proxy.targets) >= 2  # the calls and the stream
    assert set(proxy.targets) == {f"socks 127.0.0.1:{venue_port}"}


def test_a_proxy_that_does_not_answer_is_a_failure_and_no_way_around():
    async def run():
        async with venue() as (http_port, _):
            access = VenueAccess(
                name="binance", symbols=(), network="own", rest_url=f"http://127.0.0.1:{http_port}",
                proxy="http://127.0.0.1:9",
            )  # fmt: skip
            place = _place_of(access)
            with pytest.raises(httpx2.ConnectError):
                await place.client.get(f"{access.rest_url}/x")
            await place.client.aclose()

    asyncio.run(run())


def test_a_feed_venue_has_the_same_check():
    field = FeedVenue.__dataclass_fields__["proxy"]
    assert any(isinstance(one, Predicate) for one in field.type.__metadata__)
