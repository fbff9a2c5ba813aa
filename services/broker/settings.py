"""Settings of the broker: where it trades, the paper venue, the send gate and the withdrawals."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Literal

from services.broker.live_settings import LiveSettings
from shared.settings import Doc, Ge, Gt, Le
from shared.venues.registry import SIMULATED_AS

QueueModel = Literal["pro_rata", "behind", "power", "power2", "power3", "log", "log2"]
BooklessModel = Literal["reject", "simple"]
Mode = Literal["paper", "testnet", "live"]
Network = Literal["sim", "testnet", "demo", "live", "own"]
MarginType = Literal["", "isolated", "crossed"]
_SIMULATED_API = {"binance": "/ws-api/v3", "binance_usdm": "/ws-fapi/v1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccess:
    """One account at one venue: where orders go and which key signs them; never the key itself.

    The URLs of network `sim` are empty: the simulated venue says its ports when it runs (`resolved`).
    """

    name: Annotated[str, Doc("`binance` (spot) or `binance_usdm`")]
    symbols: Annotated[tuple[str, ...], Doc("markets that are traded, as the venue writes them, BTCUSDT")]
    network: Annotated[Network, Doc("which of the venue's networks: its hosts and its kind of money")]
    rest_url: Annotated[str, Doc("base URL of REST calls, without a final slash")] = ""
    stream_url: Annotated[str, Doc("base URL of the user's stream")] = ""
    api_url: Annotated[str, Doc("URL of the WebSocket API, with its path")] = ""
    key: Annotated[str, Doc("name of the API key")] = ""
    proxy: Annotated[str, Doc("proxy of REST and WebSocket; empty goes straight")] = ""
    recv_window_ms: Annotated[int, Gt(0), Le(60_000), Doc("how late a signed request may arrive")] = 2000
    leverage: Annotated[
        int,
        Ge(0),
        Le(125),
        Doc("set at the venue for each derivative at the start; 0 leaves what is there"),
    ] = 0
    margin_type: Annotated[
        MarginType, Doc("`isolated` or `crossed`, set at the venue at the start; empty leaves what is there")
    ] = ""


def resolved(access: VenueAccess, ports: Mapping[str, int]) -> VenueAccess | None:
    """Return `access` with the URLs of the simulated venue filled in; None while it has not said its port."""
    if access.network != "sim":
        return access
    port = ports.get(SIMULATED_AS.get(access.name, access.name))
    if not port:
        return None
    stream = f"ws://127.0.0.1:{port}"
    return replace(
        access,
        rest_url=f"http://127.0.0.1:{port}",
        stream_url=stream,
        api_url=stream + _SIMULATED_API.get(access.name, ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Settings of `services.broker`; money in whole units of the quote asset."""

    mode: Annotated[Mode, Doc("`paper`: no order leaves the host; the file says it as `mode` at its top")] = (
        "paper"
    )
    venues: Annotated[
        tuple[VenueAccess, ...], Doc("where orders go in testnet and live; from `venues` of the file")
    ] = ()
    initial_balance: Annotated[
        Decimal, Gt(0), Doc("paper money of each wallet: one per venue and quote asset (BR-19)")
    ] = Decimal(10_000)
    seed: Annotated[int, Ge(0), Doc("seed of the latency draws (BR-17)")] = 1
    latency_ms: Annotated[int, Ge(0), Doc("mean time from us to the venue's matching")] = 50
    latency_std_ms: Annotated[int, Ge(0), Doc("its standard deviation; 0 makes it constant")] = 20
    latency_min_ms: Annotated[int, Ge(0), Doc("its least value")] = 10
    latency_spike_ppm: Annotated[int, Ge(0), Le(1_000_000), Doc("share of spikes, parts per million")] = (
        10_000
    )
    latency_spike_factor: Annotated[int, Ge(1), Doc("a spike takes this many times as long")] = 10
    queue_model: Annotated[
        QueueModel,
        Doc(
            "where cancels of others happen: `pro_rata` all over the level, `behind` us only (strictest), or "
            "by a probability model of hftbacktest: docs/backtesting.md"
        ),
    ] = "pro_rata"
    queue_power_pct: Annotated[
        int, Ge(10), Le(2000), Doc("n of the power models in hundredths: 300 is a power of 3")
    ] = 300
    queue_ahead_ppm: Annotated[
        int,
        Ge(0),
        Le(1_000_000),
        Doc("pro_rata: this part of our share of the cancels is ahead of us; `fidelity` fits it"),
    ] = 1_000_000
    latency_recorded_us: Annotated[
        tuple[int, ...],
        Doc("latencies to draw from instead, in microseconds; `fidelity --latencies` writes them"),
    ] = ()
    without_book: Annotated[
        BooklessModel,
        Doc("an order that meets no trusted book: `reject`, or `simple`, a fill near the last trade"),
    ] = "reject"
    simple_slippage_bps: Annotated[int, Ge(0), Le(5000), Doc("simple model: fills are worse by so much")] = 5
    simple_impact_e2_bps: Annotated[
        int, Ge(0), Le(1000), Doc("simple model: worse by so many 1/100 bps per percent of recent volume")
    ] = 10
    simple_fill_ppm: Annotated[
        int, Ge(0), Le(1_000_000), Doc("simple model: share of orders that are filled, parts per million")
    ] = 950_000
    approval_ttl_ms: Annotated[int, Gt(0), Doc("an approval on data older than this is not sent")] = 500
    book_stale_ms: Annotated[
        int, Gt(0), Doc("quotes leave a market without a good book for so long (I-28)")
    ] = 2000
    start_grace_ms: Annotated[
        int,
        Ge(0),
        Doc("after a start of the bus, books and services get so long before quotes are withdrawn"),
    ] = 15_000
    strategy_silent_ms: Annotated[int, Gt(0), Doc("quotes leave when strategy is silent for so long")] = 3000
    market_data_silent_ms: Annotated[
        int, Gt(0), Doc("quotes leave when market_data is silent for so long")
    ] = 2000
    risk_silent_ms: Annotated[int, Gt(0), Doc("quotes leave when risk is silent for so long")] = 2000
    latch_poll_ms: Annotated[int, Gt(0), Le(50), Doc("the kill latch file is looked at this often")] = 5
    live: Annotated[LiveSettings, Doc("orders at venues: doubt, reconciliation, the way out")] = field(
        default_factory=LiveSettings
    )
