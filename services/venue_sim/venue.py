"""The port of a simulated venue: requests in, stream frames out, time passed in; and its fixed names."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from services.venue_sim.exchange.exchange import Exchange

SPOT = "binance"
USDM = "binance_usdm"
VENUES = (SPOT, USDM)
# Subscribable like any stream: says that a capture has been played to its end.
CAPTURE_STREAM = "!quotemesh@capture"
# Never sent: tells the transport to cut the connections that listen to the stream in `data` (b"" for all).
CUT_STREAM = "!quotemesh@cut"


class StreamFrame(NamedTuple):
    """One payload of one stream.

    `stream` is the *source* name: `btcusdt@depth` whatever interval a client asked for, `btcusdt@trade` also
    for clients of `@aggTrade`. `connection.StreamConnection` turns it into what each client gets.
    """

    venue: str
    stream: str
    data: bytes


class Market(NamedTuple):
    """What a simulated venue knows of one of its markets."""

    venue: str
    name: str
    tick_size: str
    lot_size: str
    price_decimals: int
    lot_decimals: int


class Venue(Protocol):
    """A venue without sockets and without a clock; the same for captures and generated order flow."""

    @property
    def origin_ns(self) -> int:
        """Mesh time at which a fresh mesh should start."""

    @property
    def exchange(self) -> "Exchange":
        """The trading side: accounts, orders, fills."""

    @property
    def finished(self) -> bool:
        """Whether a capture is at its end."""

    @property
    def frames(self) -> int:
        """How many frames were played since the origin."""

    @property
    def notice(self) -> str:
        """What a person should know about the start, empty for nothing."""

    def resume(self, now_ns: int) -> None:
        """Go on at `now_ns` after a restart: what was due before is not sent any more."""

    def request(self, venue: str, method: str, target: str, now_ns: int) -> tuple[int, bytes]:
        """Answer a REST call, `target` being path?query: (HTTP status, body)."""

    def streams_of(self, venue: str, stream: str) -> bool:
        """Return whether a stream, as a client names it, exists."""

    def source(self, venue: str, stream: str) -> str | None:
        """Return the `StreamFrame.stream` that feeds it, None when it does not exist."""

    def due_ns(self) -> int | None:
        """Return the mesh time at which there is something to do next, None when finished."""

    def advance(self, now_ns: int) -> list[StreamFrame]:
        """Return all frames due at or before `now_ns`, in the order of the venue."""

    def state(self, is_clean: bool) -> bytes:
        """Return what to keep over a restart; `is_clean` says that nothing happens after it."""


def finished_payload(frames: int) -> bytes:
    """Return the payload of the capture stream after the last of `frames` frames."""
    return b'{"e":"captureFinished","frames":%d}' % frames
