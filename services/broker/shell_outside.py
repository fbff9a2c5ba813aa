"""Sockets to venues: carries out the work of adapters as it stands, repeats nothing, decides nothing.

HTTP requests leave byte for byte as the adapter signed them. A text frame is written to its socket in the
same turn of the loop in which it was asked for. Whatever ends a request or a connection is told, once.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from services.broker.execution import Execution, Out
from services.broker.settings import VenueAccess
from shared.execution.outside import CloseSocket, HttpCall, OpenSocket, OutsideWork, SendText
from shared.runtime.child import SCHEME, Child
from shared.runtime.crash import crash_point

FRAME_BYTES_MAX = 4 * 2**20
BODY_BYTES_MAX = 16 * 2**20
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
"""Failures before the first byte of a request."""


class _Place(NamedTuple):
    """One venue's client and how its sockets are reached."""

    client: httpx2.AsyncClient
    proxy: str | None


class Outside:
    """The connections of all adapters of one broker. `take` is given what execution says to each news."""

    def __init__(
        self,
        execution: Execution,
        accesses: Iterable[VenueAccess],
        now_ns: Callable[[], int],
        take: Callable[[Out], None],
    ) -> None:
        self._execution, self._now_ns, self._take = execution, now_ns, take
        self._places = {access.name: _place_of(access) for access in accesses}
        self._sockets: dict[tuple[str, str], ClientConnection | Child] = {}
        self._following: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def carry_out(self, venue: str, work: OutsideWork) -> None:
        """Do one piece of work; nothing here waits."""
        match work:
            case SendText():
                self._send(venue, work)
            case HttpCall():
                self._begin(self._call(venue, work), self._calls)
            case OpenSocket():
                self._close(venue, work.socket)
                self._follow(venue, work)
            case CloseSocket():
                self._close(venue, work.socket)

    async def finish(self, limit_s: float) -> None:
        """Wait until the requests under way are answered, not longer than `limit_s`."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=limit_s)

    async def close(self) -> None:
        """Drop every connection; nothing is told any more."""
        tasks = [*self._calls, *self._following.values()]
        self._following.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for place in self._places.values():
            await place.client.aclose()

    # ---- HTTP

    async def _call(self, venue: str, call: HttpCall) -> None:
        client = self._places[venue].client
        try:
            async with (
                asyncio.timeout(call.timeout_ms / 1000),
                client.stream(
                    call.method, call.url + call.target, content=call.body, headers=list(call.headers)
                ) as answer,
            ):
                body = await _body_of(answer)
        except NOT_SENT as error:
            self._failed(venue, call, error, is_sent=False)
            return
        except (OSError, TimeoutError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            self._failed(venue, call, error, is_sent=True)
            return
        headers = [(name.lower(), value) for name, value in answer.headers.multi_items()]
        now_ns = self._now_ns()
        self._take(self._execution.on_http(venue, call.call_id, answer.status_code, headers, body, now_ns))

    def _failed(self, venue: str, call: HttpCall, error: Exception, *, is_sent: bool) -> None:
        reason = type(error).__name__
        self._take(self._execution.on_http_failed(venue, call.call_id, reason, is_sent, self._now_ns()))

    # ---- WebSocket

    def _send(self, venue: str, work: SendText) -> None:
        """Write a frame now; a socket that is not open is told to be closed by its own end."""
        socket = self._sockets.get((venue, work.socket))
        if isinstance(socket, Child):
            socket.send(work.text)
        elif socket is not None and socket.protocol.state is State.OPEN:
            socket.protocol.send_text(work.text)
            socket.send_data()

    def _follow(self, venue: str, work: OpenSocket) -> None:
        key = (venue, work.socket)
        task = asyncio.get_running_loop().create_task(self._hold(venue, work))
        self._following[key] = task
        task.add_done_callback(self._ended)

    def _close(self, venue: str, socket: str) -> None:
        key = (venue, socket)
        self._sockets.pop(key, None)
        task = self._following.pop(key, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _hold(self, venue: str, work: OpenSocket) -> None:
        """Hold one connection until it ends; its end is told once, unless the adapter closed it."""
        key, me = (venue, work.socket), asyncio.current_task()
        reason = "the venue closed the connection"
        try:
            await asyncio.sleep(work.after_ms / 1000)
            if work.url.startswith(SCHEME):
                await self._hold_child(key, work.url.removeprefix(SCHEME))
            else:
                await self._hold_socket(key, work.url)
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            # The text of an error may show the address, and that may hold a listen key.
            reason = type(error).__name__
        if self._following.get(key) is me:
            del self._following[key]
            self._sockets.pop(key, None)
            self._take(self._execution.on_closed(venue, work.socket, reason, self._now_ns()))

    async def _hold_socket(self, key: tuple[str, str], url: str) -> None:
        async with connect(
            url,
            compression=None,
            max_size=FRAME_BYTES_MAX,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            proxy=self._places[key[0]].proxy,
        ) as socket:
            await self._listen(key, socket, lambda: socket.recv(decode=False))

    async def _hold_child(self, key: tuple[str, str], module: str) -> None:
        child = await Child.start(module)
        try:
            await self._listen(key, child, child.recv)
        finally:
            await child.close()

    async def _listen(
        self, key: tuple[str, str], socket: ClientConnection | Child, read: Callable[[], Awaitable[bytes]]
    ) -> None:
        """Hand every frame on until the connection ends or another has taken its place."""
        venue, name = key
        self._sockets[key] = socket
        self._take(self._execution.on_opened(venue, name, self._now_ns()))
        while self._following.get(key) is asyncio.current_task():
            text = await read()
            crash_point("broker.answer_unread")
            self._take(self._execution.on_text(venue, name, text, self._now_ns()))

    # ---- tasks

    def _begin(self, work: Coroutine[Any, Any, None], kept: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        kept.add(task)
        task.add_done_callback(kept.discard)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the process with a task that failed in a way not foreseen here (I-36)."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)


def _place_of(access: VenueAccess) -> _Place:
    # Plain HTTP: an empty context trusts nobody and spares the certificates.
    verify = True if access.rest_url.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    proxy = access.proxy or None
    client = httpx2.AsyncClient(
        verify=verify,
        proxy=proxy,
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        limits=httpx2.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=20),
    )
    return _Place(client, proxy)


async def _body_of(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise ConnectionError(f"an answer of over {BODY_BYTES_MAX} bytes was refused")
    return bytes(body)
