"""Sockets of the simulated venue: HTTP and WebSocket per venue, a control port, and the pump of frames."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Protocol

from services.venue_sim.faults import FaultyVenue
from services.venue_sim.shell_asgi import (
    App,
    AsgiReceive,
    AsgiSend,
    Scope,
    answer,
    cut,
    ip_of,
    read_body,
    target_of,
    until_gone,
)
from services.venue_sim.shell_client import Client
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.venue import StreamFrame
from services.venue_sim.wires import Opened, Wires
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


class VenueServer:
    """Everything the simulator serves, over ASGI; `pump` moves the venue along the mesh clock.

    Generated order flow that is `skip_after_ns` behind, because the host slept, goes on from now; a capture
    (None) leaves nothing out.
    """

    def __init__(
        self,
        sim: FaultyVenue,
        clock: Clock,
        queue_max: int,
        skip_after_ns: int | None = None,
        *,
        is_strict: bool = True,
    ) -> None:
        self.sim = sim
        self.clock = clock
        self.trading = TradingFaults()
        self.wires = Wires(sim, self.trading, is_strict=is_strict)
        self.clients: set[Client] = set()
        self.counts: Counter[str] = Counter()
        self._queue_max = queue_max
        self._skip_after_ns = skip_after_ns
        self._is_playing = False

    async def pump(self) -> None:
        """Send each frame when it is due; of a replay nothing before the clock runs and a client listens."""
        is_replay = self.clock.is_held
        self.sim.resume(self.clock.now_ns())
        if is_replay:
            await self._until_started()
        self._is_playing = True
        while True:
            now_ns = self.clock.now_ns()
            due_ns = self.sim.due_ns()
            if due_ns is None:
                self._settle(now_ns)
                await asyncio.sleep(IDLE_S)
                continue
            if self._skip_after_ns is not None and now_ns - due_ns > self._skip_after_ns:
                self.counts["pauses skipped"] += 1
                self.sim.resume(now_ns)
                continue
            if due_ns <= now_ns and self._play(min(now_ns, due_ns + SLICE_NS)) < now_ns:
                # Behind the clock: let the clients be served between slices.
                await asyncio.sleep(0)
                continue
            self._settle(now_ns)
            await asyncio.sleep(self._pause_s(now_ns))

    def _pause_s(self, now_ns: int) -> float:
        """Return how long nothing is due, in real seconds."""
        late = (client.late_ns for client in self.clients)
        dues = [due for due in (self.sim.due_ns(), self.wires.due_ns(), *late) if due is not None]
        wait_s = self.clock.real_s(min(dues) - now_ns) if dues else IDLE_S
        return min(IDLE_S, max(PUMP_PAUSE_S, wait_s))

    def _play(self, until_ns: int) -> int:
        """Play the markets up to a time and send what they say; returns that time."""
        frames = self.sim.advance(until_ns)
        for frame in frames:
            self._send(frame)
        self._settle(until_ns, frames)
        return until_ns

    def _settle(self, now_ns: int, frames: Iterable[StreamFrame] = ()) -> None:
        """Let the exchange act on the time, and queue the user data of all clients."""
        self.wires.advance(now_ns, frames)
        self._fetch(now_ns)

    def _fetch(self, now_ns: int) -> None:
        for client in self.clients:
            client.fetch(now_ns)

    def _after_call(self) -> None:
        """Show at once what a call did: user data, and trades and books on the market streams."""
        now_ns = self.clock.now_ns()
        due_ns = self.sim.due_ns()
        is_due = due_ns is not None and now_ns - SLICE_NS < due_ns <= now_ns
        if self._is_playing and is_due:
            self._play(now_ns)
        else:
            self._fetch(now_ns)

    async def _until_started(self) -> None:
        while True:
            if not self.clock.is_held and any(c.stream and c.stream.names for c in self.clients):
                return
            await asyncio.sleep(IDLE_S)

    def _send(self, frame: StreamFrame) -> None:
        for client in self.clients:
            if client.stream is None:
                continue
            messages = client.stream.deliver(frame)
            if messages and not client.connection.is_cut:
                client.put(messages)
            elif client.connection.is_cut:
                client.end()

    def venue_app(self, venue: str) -> App:
        """Return the ASGI application of one venue."""

        async def app(scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
            if scope["type"] == "websocket":
                await self._connect(venue, scope, receive, send)
            elif scope["type"] == "http":
                await self._call(venue, scope, receive, send)

        return app

    async def _call(self, venue: str, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer one HTTP request, or let its fault fall on it."""
        body = await read_body(receive)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        wire, now_ns = self.wires.faulty[venue], self.clock.now_ns()
        outcome = wire.http(scope["method"], target_of(scope), headers, body, now_ns, ip_of(scope))
        self.counts[f"{venue} {outcome.status or outcome.fate}"] += 1
        self._after_call()
        if outcome.fate == "answered":
            if outcome.delay_ns:
                await asyncio.sleep(self.clock.real_s(outcome.delay_ns))
            await answer(send, outcome.status, outcome.body, outcome.headers)
            return
        if outcome.fate == "cut":
            cut(send)
        await until_gone(receive)

    async def _connect(self, venue: str, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve one WebSocket until it leaves, is cut, floods, or is too slow."""
        opened = self.wires.open(venue, target_of(scope), self.clock.now_ns(), ip_of(scope))
        await receive()
        if not isinstance(opened, Opened):
            status, told = (opened.status, opened.headers) if opened is not None else (404, ())
            headers = [(name.lower().encode(), value.encode()) for name, value in told]
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        client = Client(opened, self._queue_max)
        self.clients.add(client)
        tasks = [
            asyncio.ensure_future(work)
            for work in (client.write(send), client.watch(), self._listen(client, receive))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.clients.discard(client)
            was_cut = client.connection.is_cut
            client.inner.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.counts["too slow"] += client.is_too_slow
        self.counts["cut"] += was_cut

    async def _listen(self, client: Client, receive: AsgiReceive) -> None:
        """Answer the client's messages until it leaves or sends more than a stream allows."""
        loop = asyncio.get_running_loop()
        limit = MESSAGES_PER_S[client.venue]
        recent: deque[float] = deque(maxlen=limit)
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            now_s = loop.time()
            if client.stream is not None and len(recent) == limit and now_s - recent[0] < 1.0:
                self.counts["flooding"] += 1
                return
            recent.append(now_s)
            text = message.get("text") or message.get("bytes") or b""
            client.put(client.connection.take(text, self.clock.now_ns()))
            if client.stream is None:
                self._after_call()

    def cut(self, venue: str) -> None:
        """Drop every connection of a venue."""
        for client in self.clients:
            if client.venue == venue:
                client.inner.close()
                client.end()

    def status(self) -> dict[str, Any]:
        """Return what the simulator does, for people and tests."""
        clients = [
            {
                "venue": client.venue,
                "streams": client.stream_names(),
                "unknown": dict(client.stream.unknown) if client.stream is not None else {},
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
