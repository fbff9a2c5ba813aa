"""Sockets of the simulated venue: HTTP and WebSocket per venue, a control port, and the pump of frames."""

import asyncio
from collections import Counter, deque
from typing import Any, Protocol

from services.venue_sim.connection import StreamConnection
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.shell_asgi import App, AsgiReceive, AsgiSend, Scope, answer, target_of
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.venue import StreamFrame
from shared.units import NS_PER_MS

# A held clock, a paused venue and new faults are looked at this often.
IDLE_S = 0.05
PUMP_PAUSE_S = 0.001
SLICE_NS = 100 * NS_PER_MS
MESSAGES_PER_S = {"binance": 5, "binance_usdm": 10}


class Clock(Protocol):
    """What the pump needs of the mesh clock."""

    @property
    def is_held(self) -> bool:
        """Whether the clock stands."""

    def now_ns(self) -> int:
        """Return the mesh time."""

    def real_s(self, mesh_ns: int) -> float:
        """Return the real seconds in which `mesh_ns` pass."""


class Client:
    """One connected client and what waits for it; too slow, it is dropped rather than kept in memory."""

    def __init__(self, connection: StreamConnection, queue_max: int) -> None:
        self.connection = connection
        self.waiting: deque[bytes] = deque()
        self._too_slow = asyncio.Event()
        self._queue_max = queue_max
        self._wake = asyncio.Event()

    @property
    def is_too_slow(self) -> bool:
        """Whether more waits than the limit."""
        return self._too_slow.is_set()

    def put(self, messages: list[bytes]) -> None:
        """Queue messages; over the limit the client ends as too slow."""
        self.waiting.extend(messages)
        if len(self.waiting) > self._queue_max:
            self._too_slow.set()
        self._wake.set()

    def end(self) -> None:
        """Wake the writer of a connection that is to be cut."""
        self._wake.set()

    async def write(self, send: AsgiSend) -> None:
        """Send what waits until the connection is cut; the transport's back-pressure fills the queue."""
        while not self.connection.is_cut:
            if not self.waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await send({"type": "websocket.send", "text": self.waiting.popleft().decode()})

    async def watch(self) -> None:
        """Return when the client has fallen too far behind."""
        await self._too_slow.wait()


class VenueServer:
    """Everything the simulator serves, over ASGI; `pump` moves the venue along the mesh clock.

    Generated order flow that is `skip_after_ns` behind, because the host slept, goes on from now; a capture
    (None) leaves nothing out.
    """

    def __init__(
        self, sim: FaultyVenue, clock: Clock, queue_max: int, skip_after_ns: int | None = None
    ) -> None:
        self.sim = sim
        self.clock = clock
        self.trading = TradingFaults()
        self.clients: set[Client] = set()
        self.counts: Counter[str] = Counter()
        self._queue_max = queue_max
        self._skip_after_ns = skip_after_ns

    async def pump(self) -> None:
        """Send each frame when it is due; of a replay nothing before the clock runs and a client listens."""
        is_replay = self.clock.is_held
        self.sim.resume(self.clock.now_ns())
        if is_replay:
            await self._until_started()
        while True:
            now_ns = self.clock.now_ns()
            due_ns = self.sim.due_ns()
            if due_ns is None:
                await asyncio.sleep(IDLE_S)
                continue
            if self._skip_after_ns is not None and now_ns - due_ns > self._skip_after_ns:
                self.counts["pauses skipped"] += 1
                self.sim.resume(now_ns)
                continue
            if due_ns <= now_ns:
                until_ns = min(now_ns, due_ns + SLICE_NS)
                for frame in self.sim.advance(until_ns):
                    self._send(frame)
                if until_ns < now_ns:
                    # Behind the clock: let the clients be served between slices.
                    await asyncio.sleep(0)
                    continue
                due_ns = now_ns
            await asyncio.sleep(min(IDLE_S, max(PUMP_PAUSE_S, self.clock.real_s(due_ns - now_ns))))

    async def _until_started(self) -> None:
        while True:
            if not self.clock.is_held and any(client.connection.names for client in self.clients):
                return
            await asyncio.sleep(IDLE_S)

    def _send(self, frame: StreamFrame) -> None:
        for client in self.clients:
            messages = client.connection.deliver(frame)
            if messages and not client.connection.is_cut:
                client.put(messages)
            elif client.connection.is_cut:
                client.end()

    def venue_app(self, venue: str) -> App:
        """Return the ASGI application of one venue."""

        async def app(scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
            if scope["type"] == "websocket":
                await self._stream(venue, scope, receive, send)
            elif scope["type"] == "http":
                status, body = self.sim.request(venue, scope["method"], target_of(scope), self.clock.now_ns())
                self.counts[f"{venue} {status}"] += 1
                await answer(send, status, body)

        return app

    async def _stream(self, venue: str, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        connection = StreamConnection(self.sim, venue)
        first = connection.open(target_of(scope))
        await receive()
        if first is None:
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        client = Client(connection, self._queue_max)
        client.put(first)
        self.clients.add(client)
        tasks = [
            asyncio.ensure_future(work)
            for work in (client.write(send), client.watch(), self._listen(client, receive))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.clients.discard(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.counts["too slow"] += client.is_too_slow
        self.counts["cut"] += connection.is_cut

    async def _listen(self, client: Client, receive: AsgiReceive) -> None:
        """Answer the client's messages until it leaves or sends more than the venue allows."""
        loop = asyncio.get_running_loop()
        limit = MESSAGES_PER_S[client.connection.venue]
        recent: deque[float] = deque(maxlen=limit)
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            now_s = loop.time()
            if len(recent) == limit and now_s - recent[0] < 1.0:
                self.counts["flooding"] += 1
                return
            recent.append(now_s)
            client.put(client.connection.take(message.get("text") or message.get("bytes") or b""))

    def status(self) -> dict[str, Any]:
        """Return what the simulator does, for people and tests."""
        clients = [
            {
                "venue": client.connection.venue,
                "streams": list(client.connection.names),
                "unknown": dict(client.connection.unknown),
                "waiting": len(client.waiting),
            }
            for client in self.clients
        ]
        return {
            "finished": self.sim.finished,
            "frames": self.sim.frames,
            "now_ns": str(self.clock.now_ns()),
            "is_held": self.clock.is_held,
            "clients": clients,
            "counts": dict(self.counts),
            "faults": {
                "pending": self.sim.pending + self.trading.pending,
                "injected": dict(self.sim.counts + self.trading.counts),
                "last": [{**item._asdict(), "at_ns": str(item.at_ns)} for item in self.sim.injected],
                "trading": [{**item._asdict(), "at_ns": str(item.at_ns)} for item in self.trading.injected],
            },
        }
