"""What the calls of one venue work on."""

from typing import NamedTuple, Protocol

from services.venue_sim.access.limits import Limits
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.venue import USDM
from services.venue_sim.wire.tape import Tape
from services.venue_sim.wire.user_streams import UserStreams


class PublicCalls(Protocol):
    """The public side of a venue, see `venue.Venue`."""

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call, `target` being path?query: (HTTP status, body)."""


class VenueClock:
    """The venue's own clock: `skew_ms` ahead of the mesh; and how late the call acts that is done now."""

    def __init__(self) -> None:
        self.skew_ms = 0
        self.late_ms = 0

    def time_ms(self, now_ms: int) -> int:
        """Return the time that the venue tells."""
        return now_ms + self.skew_ms

    def arrived_ms(self, now_ms: int) -> int:
        """Return when the call came that acts now: its timestamp was checked then."""
        return now_ms + self.skew_ms - self.late_ms


class Backend(NamedTuple):
    """One venue: its exchange, its market data, who listens, and what may be asked."""

    venue: str
    exchange: Exchange
    streams: UserStreams
    limits: Limits
    tape: Tape
    public: PublicCalls | None
    clock: VenueClock

    @property
    def is_usdm(self) -> bool:
        """Whether it is the futures venue."""
        return self.venue == USDM

    @property
    def symbols(self) -> list[str]:
        """Return the names of the markets."""
        return self.exchange.symbols(self.venue)
