"""One client connected over WebSocket: what waits for it, and the two ways in which it ends."""

import asyncio
from collections import deque

from services.venue_sim.faulty_wire import FaultyConnection
from services.venue_sim.shell_asgi import AsgiSend
from services.venue_sim.wire.api_session import ApiSession
from services.venue_sim.wires import Opened


class Client:
    """One connected client and what waits for it; too slow, it is dropped rather than kept in memory."""

    def __init__(self, opened: Opened, queue_max: int) -> None:
        self.connection = opened.outer
        self.inner = opened.inner
        self.stream = opened.stream
        self.venue = opened.inner.venue
        self.waiting: deque[bytes] = deque(opened.first)
        self._too_slow = asyncio.Event()
        self._queue_max = queue_max
        self._wake = asyncio.Event()

    @property
    def is_too_slow(self) -> bool:
        """Whether more waits than the limit."""
        return self._too_slow.is_set()

    @property
    def late_ns(self) -> int | None:
        """When something that a fault held back is due, None without anything."""
        return self.connection.due_ns() if isinstance(self.connection, FaultyConnection) else None

    def stream_names(self) -> list[str]:
        """Return what it listens to, for people: of user data not the listen key."""
        if isinstance(self.inner, ApiSession):
            return ["WebSocket API", *["user data"] * self.inner.subscriptions]
        names = list(self.inner.names)
        return ["user data"] * len(names) if self.inner.is_private else names

    def put(self, messages: list[bytes]) -> None:
        """Queue messages; over the limit the client ends as too slow."""
        self.waiting.extend(messages)
        if len(self.waiting) > self._queue_max:
            self._too_slow.set()
        self._wake.set()

    def fetch(self, now_ns: int) -> None:
        """Queue its user data, and end it when its day is over or a fault cuts it."""
        self.inner.tick(now_ns)
        messages = self.connection.events(now_ns)
        if messages:
            self.put(messages)
        if self.connection.is_cut:
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
