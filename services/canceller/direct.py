"""Ask a venue through its adapter from any program: no bus, no log, no order desk.

The adapter is the one that the broker trades with, so what works here works there. Nothing is repeated and no
order is ever created: only questions and cancels go this way.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

import httpx2
import websockets
from websockets.asyncio.client import ClientConnection, connect

from shared.errors import QuotemeshError
from shared.execution import commands, reports
from shared.execution.outside import (
    CloseSocket,
    HttpCall,
    OpenSocket,
    OutsideWork,
    Said,
    SendText,
    VenueAdapter,
)
from shared.messages.market import InstrumentRules
from shared.runtime.child import SCHEME, Child

TIME_S = 0.02
OPEN_LIMIT_S = 10.0
CLOSE_LIMIT_S = 1.0
FRAME_BYTES_MAX = 4_000_000

Question = (
    commands.Cancel
    | commands.CancelAll
    | commands.AskOrder
    | commands.AskOpenOrders
    | commands.AskFills
    | commands.AskAccount
    | commands.AskKeyRights
    | commands.Countdown
)


class VenueSilentError(QuotemeshError):
    """The venue does not take us, or did not answer in time; `is_final` when only a person can mend it."""

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


class DirectVenue:
    """One adapter with its sockets; in an `async with` first wait until it is `ready`, then `ask`."""

    def __init__(self, adapter: VenueAdapter, now_ns: Callable[[], int], proxy: str = "") -> None:
        self._adapter = adapter
        self._now_ns = now_ns
        self._proxy = proxy or None
        self._client = httpx2.AsyncClient(proxy=self._proxy, trust_env=False)
        self._sockets: dict[str, ClientConnection] = {}
        self._children: dict[str, Child] = {}
        self._opened: set[ClientConnection] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._answers: dict[int, asyncio.Future[reports.AnyReport]] = {}
        self._is_reachable = False
        self._problem = ""
        self._is_final = False
        self._news = asyncio.Event()
        self._next_id = 0

    async def __aenter__(self) -> "DirectVenue":
        self._take(self._adapter.start(self._now_ns()))
        self._begin(self._pass_time())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take(self._adapter.stop(self._now_ns()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(_close(socket) for socket in self._opened))
        await asyncio.gather(*(child.close() for child in self._children.values()))
        await self._client.aclose()

    def learn(self, rules: InstrumentRules) -> None:
        """Tell the adapter the rules of a market, without which it cannot read its orders."""
        self._take(self._adapter.on_rules(rules, self._now_ns()))

    def usage(self) -> list[tuple[str, int, int, int]]:
        """Return (kind, seconds, used, limit) of each request limit, as far as the adapter knows them.

        The venue counts everybody who uses this address and account, a running broker too.
        """
        ask = getattr(self._adapter, "usage", None)
        return list(ask(self._now_ns())) if ask is not None else []

    async def ready(self, limit_s: float) -> None:
        """Return when the venue takes requests from us; raises `VenueSilentError` with its reason."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not self._is_reachable and not self._is_final:
                    self._news.clear()
                    await self._news.wait()
        if not self._is_reachable:
            text = self._problem or f"no answer in {limit_s:g} s"
            raise VenueSilentError(f"{self._adapter.venue}: {text}", is_final=self._is_final)

    async def ask(self, make: Callable[[int], Question], limit_s: float) -> reports.AnyReport:
        """Return the answer to the command that `make` builds from its number.

        Raises `VenueSilentError` when none came in time.
        """
        self._next_id += 1
        number = self._next_id
        answer: asyncio.Future[reports.AnyReport] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._take(self._adapter.carry_out([make(number)], self._now_ns()))
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError:
            raise VenueSilentError(f"{self._adapter.venue}: no answer in {limit_s:g} s") from None
        finally:
            del self._answers[number]

    # ---- what the adapter says

    def _take(self, said: Said) -> None:
        for one in said:
            if isinstance(one, HttpCall | OpenSocket | CloseSocket | SendText):
                self._work(one)
            else:
                self._hear(one)

    def _hear(self, report: reports.AnyReport) -> None:
        if isinstance(report, reports.Reachable):
            self._is_reachable, self._problem = True, ""
        elif isinstance(report, reports.Unreachable):
            self._is_reachable, self._problem, self._is_final = False, report.reason, report.is_final
        self._news.set()
        waiting = self._answers.get(getattr(report, "request_id", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(report)

    def _work(self, work: OutsideWork) -> None:
        if isinstance(work, HttpCall):
            self._begin(self._call(work))
        elif isinstance(work, OpenSocket):
            is_child = work.url.startswith(SCHEME)
            self._begin(self._open_child(work) if is_child else self._open(work))
        elif isinstance(work, SendText):
            self._begin(self._send(work))
        else:
            socket = self._sockets.pop(work.socket, None)
            if socket is not None:
                self._begin(socket.close())

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        """Let whoever waits know of a task that failed: its request is never answered."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._problem, self._is_final = f"a connection failed here: {type(error).__name__}: {error}", True
        self._news.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(error)

    # ---- sockets

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(TIME_S)
            self._take(self._adapter.on_time(self._now_ns()))

    async def _call(self, call: HttpCall) -> None:
        url = httpx2.URL(call.url + "/").copy_with(raw_path=call.target.encode())
        limit_s = call.timeout_ms / 1000
        try:
            answer = await self._client.request(
                call.method, url, content=call.body, headers=list(call.headers), timeout=limit_s
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            said = self._adapter.on_http_failed(call.call_id, _text(error), False, self._now_ns())
        except httpx2.HTTPError as error:
            said = self._adapter.on_http_failed(call.call_id, _text(error), True, self._now_ns())
        else:
            headers = [(name.lower(), value) for name, value in answer.headers.items()]
            said = self._adapter.on_http(
                call.call_id, answer.status_code, headers, answer.content, self._now_ns()
            )
        self._take(said)

    async def _open(self, work: OpenSocket) -> None:
        await asyncio.sleep(work.after_ms / 1000)
        try:
            socket = await connect(
                work.url, proxy=self._proxy, open_timeout=OPEN_LIMIT_S, max_size=FRAME_BYTES_MAX
            )
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            self._take(self._adapter.on_closed(work.socket, _text(error), self._now_ns()))
            return
        self._sockets[work.socket] = socket
        self._opened.add(socket)
        self._take(self._adapter.on_opened(work.socket, self._now_ns()))
        reason = "closed by the venue"
        try:
            async for frame in socket:
                text = frame.encode() if isinstance(frame, str) else frame
                self._take(self._adapter.on_text(work.socket, text, self._now_ns()))
        except (OSError, websockets.WebSocketException) as error:
            reason = _text(error)
        if self._sockets.get(work.socket) is socket:
            del self._sockets[work.socket]
            self._take(self._adapter.on_closed(work.socket, reason, self._now_ns()))

    async def _open_child(self, work: OpenSocket) -> None:
        """Hold a child process in the place of a socket: a venue through ccxt."""
        await asyncio.sleep(work.after_ms / 1000)
        try:
            child = await Child.start(work.url.removeprefix(SCHEME))
            self._children[work.socket] = child
            self._take(self._adapter.on_opened(work.socket, self._now_ns()))
            while True:
                self._take(self._adapter.on_text(work.socket, await child.recv(), self._now_ns()))
        except OSError as error:
            if self._children.pop(work.socket, None) is not None:
                self._take(self._adapter.on_closed(work.socket, str(error), self._now_ns()))

    async def _send(self, work: SendText) -> None:
        child = self._children.get(work.socket)
        if child is not None:
            child.send(work.text)
            return
        socket = self._sockets.get(work.socket)
        # One that is closed is told by on_closed; what did not leave is then in doubt or refused there.
        with contextlib.suppress(OSError, websockets.WebSocketException):
            if socket is not None:
                await socket.send(work.text.decode())


async def _close(socket: ClientConnection) -> None:
    """Close a connection; one whose other end does not take part is cut."""
    with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await socket.close()
    socket.transport.abort()
    await socket.wait_closed()


def _text(error: BaseException) -> str:
    """Return what failed, without a URL: it may carry a signature or a listen key."""
    return type(error).__name__
