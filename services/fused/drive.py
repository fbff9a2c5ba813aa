"""Virtual time for a fused mesh: the next thing due, one after another, until an end.

The venue, the feed's inlet core and the mesh are the ones of the real processes; only sockets and clocks
are replaced. Connections take `CONNECT_NS`, REST answers `REST_NS`, both constant: a run is a function of
its venue and settings.
"""

import heapq
from collections.abc import Callable, Sequence

from services.fused.mesh import TICK_NS, FusedMesh
from services.market_data.core import CloseStream, FetchRest, MarketData, OpenStream
from services.venue_sim.venue import Venue
from shared.messages import Instruction, Message
from shared.units import NS_PER_MS

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
        self._streams: dict[tuple[str, str], list[str]] = {}
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
            for connection in self._streams.get((frame.venue, frame.stream), ()):
                wrapped = b'{"stream":"%s","data":%s}' % (frame.stream.encode(), frame.data)
                self._take(self.feed.on_frame(connection, wrapped, now_ns))
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
                self._at(item.after_ms * NS_PER_MS + CONNECT_NS, lambda i=item: self._open(i))
            elif isinstance(item, CloseStream):
                self._close(item.connection)
            elif isinstance(item, FetchRest):
                self._at(item.after_ms * NS_PER_MS + REST_NS, lambda i=item: self._fetch(i))

    def _at(self, delay_ns: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._later, (self.now_ns + delay_ns, self._order, action))

    def _open(self, wanted: OpenStream) -> None:
        for stream in wanted.streams:
            self._streams.setdefault((wanted.venue, stream), []).append(wanted.connection)
        self._take(self.feed.on_connected(wanted.connection, self.now_ns))

    def _close(self, connection: str) -> None:
        for connections in self._streams.values():
            if connection in connections:
                connections.remove(connection)

    def _fetch(self, wanted: FetchRest) -> None:
        status, body = self.venue.request(wanted.venue, "GET", wanted.target, self.now_ns)
        self._take(self.feed.on_response(wanted.request_id, status, body, self.now_ns))
