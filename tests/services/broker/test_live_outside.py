"""The broker's sockets: bytes as they stand, each end told once, nothing repeated."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from services.broker.desk.state import Work
from services.broker.settings import VenueAccess
from services.broker.shell_outside import Outside
from shared.execution.outside import CloseSocket, HttpCall, OpenSocket, SendText

VENUE = "binance"
ANSWER = b"HTTP/1.1 200 OK\r\nX-Weight: 7\r\nContent-Length: 2\r\n\r\n{}"


class Heard:
    """Takes the place of execution: notes what it is told."""

    def __init__(self):
        self.news = asyncio.Queue()

    def on_http(self, venue, call_id, status, headers, body, now_ns):
        self.news.put_nowait(("http", venue, call_id, status, dict(headers).get("x-weight"), body, now_ns))
        return []

    def on_http_failed(self, venue, call_id, reason, is_sent, now_ns):
        self.news.put_nowait(("failed", venue, call_id, reason, is_sent, now_ns))
        return []

    def on_opened(self, venue, socket, now_ns):
        self.news.put_nowait(("opened", venue, socket, now_ns))
        return [Work(venue, SendText(socket, b"hello"))]

    def on_closed(self, venue, socket, reason, now_ns):
        self.news.put_nowait(("closed", venue, socket, reason, now_ns))
        return []

    def on_text(self, venue, socket, text, now_ns):
        self.news.put_nowait(("text", venue, socket, text, now_ns))
        return []


class Bench:
    """One `Outside`, and a server that keeps every request and answers as the test says."""

    def __init__(self, answer=ANSWER):
        self.heard, self.answer, self.requests = Heard(), answer, []
        self.done = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        access = VenueAccess(name=VENUE, symbols=(), network="own", rest_url=self.url)
        self.outside = Outside(self.heard, [access], lambda: 5, self._take)
        return self

    async def __aexit__(self, *_):
        await self.outside.close()
        if self.requests:
            await self.done.wait()
        self.server.close()
        await self.server.wait_closed()
        assert not self.outside.failed.done()

    def _take(self, out):
        for one in out:
            self.outside.carry_out(one.venue, one.work)

    async def _serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        self.requests.append(head + await reader.readexactly(length))
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self.done.set()

    def call(self, url="", timeout_ms=2000, target="/api/v3/order?a=1%2B2&signature=f0"):
        headers = (("X-MBX-APIKEY", "k"),)
        work = HttpCall(3, "POST", url or self.url, target, b"b=2", headers, timeout_ms)
        self.outside.carry_out(VENUE, work)

    async def news(self):
        async with asyncio.timeout(10):
            return await self.heard.news.get()


@pytest.mark.req("BR-7")
def test_a_request_leaves_byte_for_byte_as_it_was_signed():
    async def run():
        async with Bench() as bench:
            bench.call()
            assert await bench.news() == ("http", VENUE, 3, 200, "7", b"{}", 5)
            head, _, body = bench.requests[0].partition(b"\r\n\r\n")
            assert head.startswith(b"POST /api/v3/order?a=1%2B2&signature=f0 HTTP/1.1\r\n")
            assert b"X-MBX-APIKEY: k" in head
            assert body == b"b=2"

    asyncio.run(run())


@pytest.mark.req("BR-7")
@pytest.mark.parametrize(
    ("answer", "timeout_ms"),
    [
        (None, 100),
        (b"", 2000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{", 2000),
        (b"nonsense", 2000),
    ],
    ids=["no answer", "cut", "half an answer", "no HTTP"],
)
def test_what_was_sent_and_not_wholly_answered_is_in_doubt_and_sent_once(answer, timeout_ms):
    async def run():
        async with Bench(answer) as bench:
            bench.call(timeout_ms=timeout_ms)
            what, _, call_id, reason, is_sent, _ = await bench.news()
            assert (what, call_id, is_sent) == ("failed", 3, True)
            assert "http" not in reason
            await asyncio.sleep(0.05)
            assert len(bench.requests) == 1

    asyncio.run(run())


def test_a_host_that_cannot_be_reached_got_nothing():
    async def run():
        async with Bench() as bench:
            bench.call(url="http://127.0.0.1:9")
            assert (await bench.news())[:5] == ("failed", VENUE, 3, "ConnectError", False)

    asyncio.run(run())


def test_a_socket_tells_its_frames_and_its_end_once():
    async def run():
        got = []

        async def venue(connection):
            got.append(await connection.recv())
            await connection.send("one")
            await connection.close()

        async with Bench() as bench, serve(venue, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            bench.outside.carry_out(VENUE, OpenSocket("api", f"ws://127.0.0.1:{port}/"))
            assert [(await bench.news())[0] for _ in range(3)] == ["opened", "text", "closed"]
            assert got == ["hello"]
            await asyncio.sleep(0.05)
            assert bench.heard.news.empty()

    asyncio.run(run())


def test_a_socket_that_the_adapter_closes_tells_nothing_more():
    async def run():
        async def venue(connection):
            await connection.wait_closed()

        async with Bench() as bench, serve(venue, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            bench.outside.carry_out(VENUE, OpenSocket("api", f"ws://127.0.0.1:{port}/"))
            await bench.news()
            bench.outside.carry_out(VENUE, CloseSocket("api"))
            bench.outside.carry_out(VENUE, SendText("api", b"late"))
            await asyncio.sleep(0.1)
            assert bench.heard.news.empty()

    asyncio.run(run())


def test_a_socket_that_cannot_be_opened_is_closed_and_its_reason_names_no_address():
    async def run():
        async with Bench() as bench:
            bench.outside.carry_out(VENUE, OpenSocket("user", "ws://127.0.0.1:9/ws?listenKey=secret"))
            news = await bench.news()
            assert news[:3] == ("closed", VENUE, "user")
            assert "secret" not in news[3]

    asyncio.run(run())


def test_a_frame_is_written_in_the_same_turn_of_the_loop():
    source = Path(__file__).resolve().parents[3] / "services" / "broker" / "shell_outside.py"

    sending = source.read_text().partition("def _send(")[2].partition("def ")[0]

    assert "await" not in sending
    assert "create_task" not in sending
