"""What an adapter is told: where the venue is, what it trades there, and its own limits."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

from shared.settings import Doc, Ge, Gt, Le

SPOT = "binance"
USDM = "binance_usdm"
Environment = Literal["live", "testnet", "demo"]
StpMode = Literal["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"]


class Endpoints(NamedTuple):
    """Base URLs without a final slash: REST, WebSocket API, private streams, and the host of key rights.

    `rights` is empty where the venue has no /sapi: the testnets.
    """

    rest: str
    api: str
    stream: str
    rights: str = ""


ENDPOINTS: dict[tuple[str, str], Endpoints] = {
    (SPOT, "live"): Endpoints(
        "https://api.binance.com",
        "wss://ws-api.binance.com:443/ws-api/v3",
        "wss://stream.binance.com:443",
        "https://api.binance.com",
    ),
    (SPOT, "testnet"): Endpoints(
        "https://testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
        "wss://stream.testnet.binance.vision",
    ),
    (SPOT, "demo"): Endpoints(
        "https://demo-api.binance.com",
        "wss://demo-ws-api.binance.com/ws-api/v3",
        "wss://demo-stream.binance.com",
    ),
    (USDM, "live"): Endpoints(
        "https://fapi.binance.com",
        "wss://ws-fapi.binance.com/ws-fapi/v1",
        "wss://fstream.binance.com",
        "https://api.binance.com",
    ),
    (USDM, "testnet"): Endpoints(
        "https://testnet.binancefuture.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
        "wss://fstream.binancefuture.com",
    ),
    (USDM, "demo"): Endpoints(
        "https://demo-fapi.binance.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
        "wss://fstream.binancefuture.com",
    ),
}
"""The venue's own hosts; the testnets of USD-M have moved twice, so every one can be set."""

API_PATHS = {SPOT: "/ws-api/v3", USDM: "/ws-fapi/v1"}


def endpoints_at(venue: str, base_url: str, *, has_rights: bool = True) -> Endpoints:
    """Return the endpoints of a venue that serves everything at one address, as the simulated one does."""
    rest = base_url.rstrip("/")
    stream = rest.replace("http", "ws", 1)
    return Endpoints(rest, stream + API_PATHS[venue], stream, rest if has_rights else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceSettings:
    """One account at one venue, `binance` (spot) or `binance_usdm`."""

    venue: str
    endpoints: Endpoints
    symbols: tuple[str, ...] = ()
    has_user_stream: Annotated[
        bool, Doc("follow the private stream; false for tools that ask and cancel beside a broker")
    ] = True
    recv_window_ms: Annotated[int, Gt(0), Le(60_000), Doc("a request older than this is refused there")] = (
        2000
    )
    timeout_ms: Annotated[int, Gt(0), Doc("no answer for so long is a doubt")] = 10_000
    skew_max_ms: Annotated[int, Gt(0), Doc("no orders while the clocks differ by more (I-27)")] = 500
    clock_interval_ms: Annotated[int, Gt(0), Doc("the venue's clock is read in this interval")] = 30_000
    stream_stale_ms: Annotated[
        int, Gt(0), Doc("a private stream that does not answer for so long is down (I-27)")
    ] = 5000
    listen_key_ms: Annotated[int, Gt(0), Doc("the key of the private stream is renewed (BR-12)")] = 1_800_000
    socket_life_ms: Annotated[int, Gt(0), Doc("a connection is made anew before the venue ends it")] = (
        82_800_000
    )
    info_interval_ms: Annotated[int, Gt(0), Doc("filters are read in this interval (X-14)")] = 600_000
    price_interval_ms: Annotated[
        int, Gt(0), Doc("the reference price of PERCENT_PRICE is read in this interval")
    ] = 30_000
    use_ppm: Annotated[int, Gt(0), Le(800_000), Doc("share of each published limit that is used (I-10)")] = (
        800_000
    )
    cancel_reserve_ppm: Annotated[int, Ge(0), Le(900_000), Doc("share of that kept for cancels")] = 200_000
    cancel_reserve_min: Annotated[int, Ge(0), Doc("requests kept for cancels at least")] = 10
    creates_per_s: Annotated[int, Gt(0), Doc("new orders per second (BR-6)")] = 25
    creates_burst: Annotated[int, Gt(0), Doc("new orders at once (BR-6)")] = 30
    stp_mode: Annotated[StpMode, Doc("what happens when our orders meet (I-12)")] = "EXPIRE_MAKER"
    leverage: dict[str, int] = field(default_factory=dict)
    margin_type: dict[str, Literal["ISOLATED", "CROSSED"]] = field(default_factory=dict)
