"""Both venues as clients reach them: calls, WebSocket API and user streams over one exchange. No sockets."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from services.venue_sim.access.limits import Charge, Limits
from services.venue_sim.connection import StreamConnection
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.faulty_wire import FaultyConnection, FaultyWire
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.venue import VENUES, StreamFrame
from services.venue_sim.wire.api_session import PATHS, ApiSession
from services.venue_sim.wire.http import VenueWire
from services.venue_sim.wire.user_streams import UserStreams
from shared.errors import UNDECODABLE


class Opened(NamedTuple):
    """A WebSocket connection: `outer` is what the client gets under faults, `inner` what stands behind.

    `stream` is set for market and user data streams; `first` is to be sent at once.
    """

    outer: FaultyConnection | StreamConnection
    inner: ApiSession | StreamConnection
    stream: StreamConnection | None
    first: list[bytes]


class _Kept(msgspec.Struct, array_like=True):
    """What a restart of the venue keeps beside its markets and accounts."""

    streams: bytes
    limits: dict[str, bytes]


class Wires:
    """The wire of each venue, in front of it the faults of trading."""

    def __init__(self, sim: FaultyVenue, trading: TradingFaults, *, is_strict: bool = True) -> None:
        self._sim = sim
        self._trading = trading
        self.streams = UserStreams(sim.exchange)
        self.limits = {venue: Limits(venue) for venue in VENUES}
        self.plain = {
            venue: VenueWire(venue, sim.exchange, self.streams, self.limits[venue], sim, is_strict=is_strict)
            for venue in VENUES
        }
        self.faulty = {venue: FaultyWire(wire, trading) for venue, wire in self.plain.items()}

    def open(self, venue: str, target: str, now_ns: int, ip: str) -> Opened | Charge | None:
        """Open a WebSocket: None when there is nothing at its path, a refused charge over the limits.

        Under maintenance the charge is a 503.
        """
        if self._trading.is_down(venue):
            return Charge(503, ())
        wire = self.plain[venue]
        if target.partition("?")[0].rstrip("/") == PATHS[venue]:
            session = ApiSession(wire, target, now_ns, ip)
            faulty = FaultyConnection(session, self._trading, venue, clock=wire.clock)
            opened = Opened(faulty, session, None, [])
        else:
            stream = StreamConnection(self._sim, venue, self.streams, now_ns)
            first = stream.open(target)
            if first is None:
                return None
            outer = FaultyConnection(stream, self._trading, venue) if stream.is_private else stream
            opened = Opened(outer, stream, stream, first)
        charge = wire.connect(ip, now_ns)
        return charge if charge.is_refused else opened

    def advance(self, now_ns: int, frames: Iterable[StreamFrame] = ()) -> None:
        """Let time pass, with what the markets played in it."""
        played = tuple(frames)
        for venue, wire in self.plain.items():
            wire.advance(now_ns, played)
            self.faulty[venue].advance(now_ns)

    def due_ns(self) -> int | None:
        """Return when a request that acts late does, None without any."""
        dues = (wire.due_ns() for wire in self.faulty.values())
        return min((due for due in dues if due is not None), default=None)

    def dump(self) -> bytes:
        """Return what a restart keeps: listen keys, request limits and bans."""
        limits = {venue: limits.dump() for venue, limits in self.limits.items()}
        return msgspec.msgpack.encode(_Kept(self.streams.dump(), limits))

    def load(self, state: bytes) -> bool:
        """Take what `dump` returned; False, with nothing taken, when it cannot be read."""
        try:
            kept = msgspec.msgpack.decode(state, type=_Kept)
            self.streams.load(kept.streams)
            for venue, dumped in kept.limits.items():
                self.limits[venue].load(dumped)
        except (*UNDECODABLE, KeyError):
            return False
        return True
