"""Virtual time for a fused mesh: the next thing due, one after another, until an end.

The venue, the feed's inlet core and the mesh are the ones of the real processes; only sockets and clocks
are replaced. Connections take `CONNECT_NS`, REST answers `REST_NS`, both constant: a run is a function of
its venue and settings.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import partial

from services.fused.mesh import TICK_NS, FusedMesh
from services.market_data.core import CloseStream, FetchRest, MarketData, OpenStream
from services.venue_sim.connection import StreamConnection
from services.venue_sim.venue import StreamFrame, Venue
from shared.messages import Instruction, Message
from shared.units import NS_PER_MS, NS_PER_S

CONNECT_NS = 1 * NS_PER_MS
REST_NS = 5 * NS_PER_MS
POLL_NS = 50 * NS_PER_MS
FEED = "market_data.io"


class VirtualRun:
    """One mesh, one venue and the feed between them."""

    def __init__(self, mesh: FusedMesh, venue: Venue, feed: MarketData) -> None:
        self.mesh = mesh
        self.venue = venue
        self.feed = feed
        self.frame_count = 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._connections: dict[str, StreamConnection] = {}
        self._next_tick_ns = 0
        self._next_poll_ns = 0

    @property
    def now_ns(self) -> int:
        """Return the virtual mesh time."""
        return self.mesh.now_ns

    def start(self) -> None:
        """Start every service at the venue's origin and open the feed."""
        self.mesh.start(self.venue.origin_ns, others=("market_data",))
        now_ns = self.now_ns
        self._next_tick_ns = now_ns + TICK_NS
        self._next_poll_ns = now_ns + POLL_NS
        self._take(self.feed.start(now_ns))

    def run(self, until_ns: int | None = None, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Go on until `until_ns`, until the venue has no more frames, or until `stop()` says so."""
        while not stop():
            due_ns = self._next_due_ns()
            if due_ns is None or (until_ns is not None and due_ns > until_ns):
                return
            self._advance(max(due_ns, self.now_ns))

    def settle(self, duration_ns: int = 5 * NS_PER_S) -> None:
        """Let time pass without the venue: what is on its way (cancels, late fills) arrives."""
        until_ns = self.now_ns + duration_ns
        while self.now_ns < until_ns:
            due_ns = min(self._next_tick_ns, self._next_poll_ns)
            if self._later:
                due_ns = min(due_ns, self._later[0][0])
            self._advance(max(due_ns, self.now_ns))

    def _next_due_ns(self) -> int | None:
        venue_due_ns = self.venue.due_ns()
        if venue_due_ns is None:
            return None
        due_ns = min(venue_due_ns, self._next_tick_ns, self._next_poll_ns)
        if self._later:
            due_ns = min(due_ns, self._later[0][0])
        return due_ns

    def _advance(self, now_ns: int) -> None:
        self.mesh.now_ns = now_ns
        while self._later and self._later[0][0] <= now_ns:
            heapq.heappop(self._later)[2]()
        for frame in self.venue.advance(now_ns):
            self.frame_count += 1
            self._deliver(frame, now_ns)
        if now_ns >= self._next_poll_ns:
            self._next_poll_ns = now_ns + POLL_NS
            self._take(self.feed.on_time(now_ns))
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns += TICK_NS
            self.mesh.tick(now_ns)

    def _take(self, said: Sequence[Message | Instruction]) -> None:
        for item in said:
            if isinstance(item, Message):
                self.mesh.say(FEED, item)
            elif isinstance(item, OpenStream):
                self._at(item.after_ms * NS_PER_MS + CONNECT_NS, partial(self._open, item))
            elif isinstance(item, CloseStream):
                self._connections.pop(item.connection, None)
            elif isinstance(item, FetchRest):
                self._at(item.after_ms * NS_PER_MS + REST_NS, partial(self._fetch, item))

    def _at(self, delay_ns: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._later, (self.now_ns + delay_ns, self._order, action))

    def _open(self, wanted: OpenStream) -> None:
        connection = StreamConnection(self.venue, wanted.venue)
        route = f"/{wanted.group}" if wanted.group else ""
        at_once = connection.open(f"{route}/stream?streams={'/'.join(wanted.streams)}")
        if at_once is None:
            self._take(self.feed.on_disconnected(wanted.connection, "handshake refused", self.now_ns))
            return
        self._connections[wanted.connection] = connection
        self._take(self.feed.on_connected(wanted.connection, self.now_ns))
        for data in at_once:
            self._take(self.feed.on_frame(wanted.connection, data, self.now_ns))

    def _deliver(self, frame: StreamFrame, now_ns: int) -> None:
        for name, connection in list(self._connections.items()):
            for data in connection.deliver(frame):
                self._take(self.feed.on_frame(name, data, now_ns))
            if connection.is_cut and self._connections.pop(name, None) is not None:
                self._take(self.feed.on_disconnected(name, "cut by the venue", now_ns))

    def _fetch(self, wanted: FetchRest) -> None:
        status, body = self.venue.request(wanted.venue, "GET", wanted.target, self.now_ns)
        self._take(self.feed.on_response(wanted.request_id, status, body, self.now_ns))
