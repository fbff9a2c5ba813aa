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


class Backend(NamedTuple):
    """One venue: its exchange, its market data, who listens, and what may be asked."""

    venue: str
    exchange: Exchange
    streams: UserStreams
    limits: Limits
    tape: Tape
    public: PublicCalls | None

    @property
    def is_usdm(self) -> bool:
        """Whether it is the futures venue."""
        return self.venue == USDM

    @property
    def symbols(self) -> list[str]:
        """Return the names of the markets."""
        return self.exchange.symbols(self.venue)
