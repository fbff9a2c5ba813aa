"""Sockets of the feed: carries out what the core asks for, publishes what it says, decides nothing."""

import asyncio
import ssl
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from services.market_data.addresses import Address, address_of
from services.market_data.book_feed import Said
from services.market_data.core import MarketData
from services.market_data.instructions import CloseStream, FetchRest, OpenStream
from services.market_data.settings import SIMULATED, FeedVenue, MarketDataSettings, at_speed
from services.market_data.shell_recorder import Recorder, answer_line
from services.market_data.shell_remote import Listener, RemoteLink
from shared.errors import ConfigError, VenueError
from shared.messages import Event, Instruction, Message
from shared.messages.system import SourceGap
from shared.runtime.port import Port
from shared.settings import unpack
from shared.venues import VENUES
from shared.venues.remote import REMOTE

SOURCE = "market_data.io"
POLL_S = 0.05
FLUSH_S = 1.0
REST_TIMEOUT_S = 10.0
# A child loads ccxt and the list of all markets of its venue before it can follow one.
REMOTE_PRICE_S = 60
# Larger than any frame of the venue; a REST answer may list all its markets.
FRAME_BYTES_MAX = 4 * 2**20
BODY_BYTES_MAX = 64 * 2**20


class FeedShell:
    """The shell of `market_data`: tasks for connections, requests, time and the recorder.

    A task that fails in a way not foreseen here ends the process (I-36).
    """

    def __init__(self) -> None:
        self.core = MarketData(MarketDataSettings(venues=()))
        self._settings = self.core.settings
        self._venues: dict[str, FeedVenue] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._clients: dict[str, httpx2.AsyncClient] = {}
        self._remotes: dict[str, RemoteLink] = {}
        self._remote_of: dict[str, RemoteLink] = {}
        self._recorders: dict[str, Recorder] = {}
        self._port: Port
        self._tasks: asyncio.TaskGroup | None = None
        self._writer = ThreadPoolExecutor(1)
        self._has_gap = False
        self._first_price_by_s = 0.0

    # ---- what the runtime calls

    def opened(self, port: Port) -> None:
        """Take settings; nothing is connected yet."""
        self._port = port
        self._settings = at_speed(unpack(port.settings, MarketDataSettings), port.clock.speed_milli)
        unknown = [venue.name for venue in self._settings.venues if venue.name not in VENUES]
        if unknown:
            raise ConfigError(
                f"market_data follows {', '.join(unknown)}; known venues are {', '.join(VENUES)}"
            )
        followed = {f"{v.name}:{symbol}" for v in self._settings.venues for symbol in v.symbols}
        strangers = [name for name in self._settings.candle_symbols if name not in followed]
        if strangers:
            raise ConfigError(
                f"market_data.candle_symbols names {', '.join(strangers)}, which is not followed; "
                f"followed are {', '.join(sorted(followed))}"
            )
        self.core = MarketData(self._settings)
        self._venues = {venue.name: venue for venue in self._settings.venues}
        port.on_epoch(self._on_epoch)

    async def live(self, port: Port) -> None:
        """Follow the venues until the process ends."""
        listener = Listener(self._on_remote_up, self._on_remote_down, self._on_remote_frame)
        for name, venue in self._venues.items():
            if name in REMOTE:
                self._remotes[name] = RemoteLink(venue, self._address, listener)
                continue
            is_local = venue.url == SIMULATED
            # Plain HTTP: an empty context trusts nobody and spares 2 MB of certificates.
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local else True
            self._clients[name] = httpx2.AsyncClient(
                timeout=REST_TIMEOUT_S,
                trust_env=not is_local and not venue.proxy,
                verify=verify,
                proxy=venue.proxy or None,
            )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                now_ns = port.clock.now_ns()
                # A replay stands until everybody is there, and its markets begin when they were recorded.
                if self._settings.first_price_s and not port.clock.is_held:
                    loop = asyncio.get_running_loop()
                    limit_s = max(self._settings.first_price_s, REMOTE_PRICE_S if self._remotes else 0)
                    self._first_price_by_s = loop.time() + limit_s
                self._take(self.core.start(now_ns), now_ns)
                tasks.create_task(self._pass_time())
                tasks.create_task(self._keep_recording())
        except ExceptionGroup as group:
            # The first failure ended the others; alone it tells the runtime the exit code.
            raise group.exceptions[0] from None

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Nothing: this service has no log core; its inlet core is served by `_take`."""

    def seen(self, event: Event) -> None:
        """Notice that some of our events did not reach the log."""
        message = event.message
        if type(message) is SourceGap and message.source == SOURCE:
            self._has_gap = True

    async def close(self) -> None:
        """Drop connections and finish the recording."""
        for task in self._streams.values():
            task.cancel()
        for client in self._clients.values():
            await client.aclose()
        for remote in self._remotes.values():
            await remote.close()
        self._writer.shutdown()
        for recorder in self._recorders.values():
            recorder.flush()
            recorder.close()

    def _on_epoch(self, *_: object) -> None:
        if self._tasks is not None:
            now_ns = self._port.clock.now_ns()
            self._take(self.core.on_new_epoch(now_ns), now_ns)

    # ---- what the core says

    def _take(self, said: Said, now_ns: int) -> None:
        for item in said:
            if isinstance(item, Message):
                self._port.publish(item, origin_ns=now_ns)
            elif isinstance(item, OpenStream):
                remote = self._remotes.get(item.venue)
                work = self._follow(item) if remote is None else remote.follow(item)
                if remote is not None:
                    self._remote_of[item.connection] = remote
                self._streams[item.connection] = self._start(work)
            elif isinstance(item, CloseStream):
                self._streams.pop(item.connection).cancel()
                if item.connection in self._remote_of:
                    self._remote_of[item.connection].unfollow(item.connection)
            elif isinstance(item, FetchRest):
                self._start(self._fetch(item))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._tasks is not None, "the feed speaks only when it is live"
        return self._tasks.create_task(work)

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            now_ns = self._port.clock.now_ns()
            self._take(self.core.on_backlog(self._port.backlog, now_ns), now_ns)
            if self._has_gap:
                self._has_gap = False
                self._take(self.core.on_source_gap(now_ns), now_ns)
            self._take(self.core.on_time(now_ns), now_ns)
            failure = self.core.failure or next((r.failure for r in self._remotes.values() if r.failure), "")
            if failure:
                # One more turn of the loop lets the status leave before the process does.
                await asyncio.sleep(POLL_S)
                raise ConfigError(failure)
            self._check_first_price(now_ns)

    def _check_first_price(self, now_ns: int) -> None:
        """Fail a start that got no price in time (MD-15); once all markets had one this is over."""
        if not self._first_price_by_s:
            return
        missing = self.core.priceless(now_ns)
        if not missing:
            self._first_price_by_s = 0.0
        elif asyncio.get_running_loop().time() >= self._first_price_by_s:
            raise VenueError(
                f"no first price within {self._settings.first_price_s} s of {missing}; check the network, "
                "the venue's `url`, that it trades the market, or raise market_data.first_price_s (0 waits)"
            )

    # ---- connections

    def _address(self, venue: str) -> Address:
        """Return where a venue is; read at each attempt, since the simulated one may have moved."""
        try:
            kept = msgspec.json.decode((self._port.data.run / "venue_sim.json").read_bytes())
            ports = {name: int(entry["port"]) for name, entry in kept.items()}
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            ports = {}
        address = address_of(self._venues[venue], ports)
        if address is None:
            raise ConnectionError("the simulated venue has not said its port yet")
        return address

    async def _follow(self, wanted: OpenStream) -> None:
        """Hold one connection until it ends; its end is said once, unless the core itself closed it."""
        await asyncio.sleep(wanted.after_ms / 1000)
        reason = "the venue closed the connection"
        venue = self._venues[wanted.venue]
        try:
            base = self._address(wanted.venue).stream
            path = VENUES[wanted.venue].stream_path(wanted.group, wanted.streams)
            async with connect(
                base + path,
                compression=None,
                max_size=FRAME_BYTES_MAX,
                close_timeout=1,
                proxy=venue.proxy or (None if venue.url == SIMULATED else True),
            ) as socket:
                now_ns = self._port.clock.now_ns()
                self._take(self.core.on_connected(wanted.connection, now_ns), now_ns)
                while True:
                    frame = await socket.recv(decode=False)
                    now_ns = self._port.clock.now_ns()
                    self._record(wanted.venue, now_ns, frame)
                    self._take(self.core.on_frame(wanted.connection, frame, now_ns), now_ns)
        except (OSError, TimeoutError, WebSocketException) as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self._streams.get(wanted.connection) is asyncio.current_task():
            now_ns = self._port.clock.now_ns()
            self._take(self.core.on_disconnected(wanted.connection, reason, now_ns), now_ns)

    def _on_remote_up(self, connection: str) -> None:
        now_ns = self._port.clock.now_ns()
        self._take(self.core.on_connected(connection, now_ns), now_ns)

    def _on_remote_down(self, connection: str, reason: str) -> None:
        now_ns = self._port.clock.now_ns()
        self._take(self.core.on_disconnected(connection, reason, now_ns), now_ns)

    def _on_remote_frame(self, venue: str, connection: str, frame: bytes) -> None:
        now_ns = self._port.clock.now_ns()
        self._record(venue, now_ns, frame)
        self._take(self.core.on_frame(connection, frame, now_ns), now_ns)

    async def _fetch_remote(self, remote: RemoteLink, wanted: FetchRest) -> None:
        status, body = await remote.ask(wanted)
        now_ns = self._port.clock.now_ns()
        line = answer_line(VENUES[wanted.venue], wanted.target, body) if status == 200 else None
        if line is not None:
            self._record(wanted.venue, now_ns, line)
        self._take(self.core.on_response(wanted.request_id, status, body, now_ns), now_ns)

    async def _fetch(self, wanted: FetchRest) -> None:
        """Ask once and answer the core, whatever happens."""
        if wanted.venue in self._remotes:
            await self._fetch_remote(self._remotes[wanted.venue], wanted)
            return
        await asyncio.sleep(wanted.after_ms / 1000)
        status, retry_after_ms = 0, 0
        try:
            url = self._address(wanted.venue).rest + wanted.target
            async with self._clients[wanted.venue].stream("GET", url) as response:
                body = await _body_of(response)
            status = response.status_code
            text = response.headers.get("retry-after", "")
            retry_after_ms = int(text) * 1000 if text.isdigit() and len(text) < 7 else 0
        except (OSError, TimeoutError, httpx2.HTTPError, httpx2.StreamError) as error:
            body = f"{type(error).__name__}: {error}".encode()
        now_ns = self._port.clock.now_ns()
        line = answer_line(VENUES[wanted.venue], wanted.target, body) if status == 200 else None
        if line is not None:
            self._record(wanted.venue, now_ns, line)
        self._take(self.core.on_response(wanted.request_id, status, body, now_ns, retry_after_ms), now_ns)

    # ---- recording

    def _record(self, venue: str, recv_ns: int, frame: bytes) -> None:
        recorder = self._recorders.get(venue)
        # Streams named `!...` are the venue's own notices: no market data, and no capture holds them.
        if recorder is not None and b'"stream":"!' not in frame[:20]:
            recorder.take(recv_ns, frame)

    async def _keep_recording(self) -> None:
        """Record while the settings or the file `run/record` say so."""
        switch = self._port.data.run / "record"
        loop = asyncio.get_running_loop()
        while True:
            if self._settings.record or switch.exists():
                for name in self._venues:
                    if name not in self._recorders:
                        limit = self._settings.record_file_mb * 2**20
                        self._recorders[name] = Recorder(self._port.data.market, name, limit)
                stopped: list[Recorder] = []
            else:
                stopped = list(self._recorders.values())
                self._recorders = {}
            for recorder in [*self._recorders.values(), *stopped]:
                await loop.run_in_executor(self._writer, recorder.flush)
            for recorder in stopped:
                recorder.close()
            await asyncio.sleep(FLUSH_S)


async def _body_of(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise ConnectionError(f"an answer of over {BODY_BYTES_MAX} bytes was refused")
    return bytes(body)
