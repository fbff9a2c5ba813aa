"""Which markets are followed where, and the limits of the feed."""

from dataclasses import dataclass, replace
from typing import Annotated

from shared.settings import Doc, Ge, Gt, Le, Predicate

SIMULATED = "sim"
PROXY_SCHEMES = ("http://", "https://", "socks5://", "socks5h://")


def is_proxy(text: str) -> bool:
    """Return whether a setting is empty or an address that REST and WebSocket clients can both go through."""
    scheme = next((scheme for scheme in PROXY_SCHEMES if text.startswith(scheme)), "")
    return not text or (bool(scheme) and len(text) > len(scheme) and " " not in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedVenue:
    """One venue and the markets followed there."""

    name: Annotated[str, Doc("`binance` (spot), `binance_usdm`, or one of docs/venues.md")]
    symbols: Annotated[tuple[str, ...], Doc("markets as the venue writes them: BTCUSDT, BTC/USDT")]
    url: Annotated[
        str, Doc("`sim` for the simulated venue, empty for the venue's own hosts, else the REST base URL")
    ] = SIMULATED
    stream_url: Annotated[str, Doc("WebSocket base URL; empty derives it from `url`")] = ""
    maker_fee_ppm: Annotated[int, Ge(-10_000), Le(100_000), Doc("maker fee, parts per million")] = 1000
    taker_fee_ppm: Annotated[int, Ge(-10_000), Le(100_000), Doc("taker fee, parts per million")] = 1000
    depth_channel: Annotated[
        str, Doc("depth@100ms for diffs; depth20@100ms for whole books of 20 levels (MD-5)")
    ] = "depth@100ms"
    depth_levels: Annotated[int, Ge(5), Le(5000), Doc("levels per side of a REST book")] = 1000
    proxy: Annotated[
        str,
        Predicate(is_proxy),
        Doc("proxy of this venue: http://host:port, socks5:// or socks5h://; empty: as the environment says"),
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataSettings:
    """Settings of `services.market_data`."""

    venues: Annotated[tuple[FeedVenue, ...], Doc("venues and their markets")] = (
        FeedVenue(name="binance_usdm", symbols=("BTCUSDT", "ETHUSDT"), maker_fee_ppm=200, taker_fee_ppm=500),
        FeedVenue(name="binance", symbols=("BTCUSDT",)),
    )
    price_interval_ms: Annotated[int, Ge(10), Doc("at most one price per market in this time (MD-13)")] = 50
    price_refresh_ms: Annotated[int, Gt(0), Doc("an unchanged price is said again after this (MD-14)")] = 1000
    depth_stale_ms: Annotated[int, Gt(0), Doc("a book without depth for so long is stale (MD-3)")] = 5000
    event_age_ms: Annotated[
        int, Gt(0), Doc("a depth event further than this from our clock is not fresh (I-33)")
    ] = 10_000
    silence_ms: Annotated[int, Gt(0), Doc("a connection silent for so long is made anew (MD-3)")] = 45_000
    snapshot_interval_ms: Annotated[int, Gt(0), Doc("every book is said whole in this interval")] = 60_000
    snapshot_levels: Annotated[int, Ge(20), Doc("levels per side kept and said whole (MD-7)")] = 5000
    status_interval_ms: Annotated[int, Gt(0), Doc("state and counters are said in this interval")] = 5000
    rules_interval_ms: Annotated[int, Gt(0), Doc("rules of markets are read in this interval")] = 86_400_000
    resync_spacing_ms: Annotated[int, Ge(0), Doc("least time between two books asked for one market")] = 1000
    buffered_diffs_max: Annotated[int, Gt(0), Doc("diffs kept while a book is fetched")] = 1000
    backlog_max: Annotated[
        int, Gt(0), Doc("events not yet on the stream beyond which books are conflated (MD-28)")
    ] = 2000
    first_price_s: Annotated[
        int,
        Ge(0),
        Le(3600),
        Doc("a start without a first price of every market by then fails; 0 waits (MD-15)"),
    ] = 10
    candles: Annotated[bool, Doc("follow one-minute candles (MD-16)")] = True
    candle_symbols: Annotated[
        tuple[str, ...], Doc("markets with candles, as binance_usdm:BTCUSDT; empty for all that are followed")
    ] = ()
    candle_history: Annotated[int, Ge(25), Le(1000), Doc("closed candles said at the start")] = 60
    candle_age_ms: Annotated[int, Gt(0), Doc("a candle older than this is not fresh (MD-16)")] = 120_000
    facts: Annotated[
        bool, Doc("follow funding, open interest, liquidations, basis and regime of perpetuals (MD-17)")
    ] = True
    funding_say_ms: Annotated[int, Ge(1000), Doc("a funding rate that changes little is said this often")] = (
        60_000
    )
    funding_poll_ms: Annotated[
        int, Ge(1000), Doc("funding is asked for when its stream was silent for so long")
    ] = 300_000
    open_interest_poll_ms: Annotated[int, Ge(1000), Doc("open interest is asked for in this interval")] = (
        60_000
    )
    record: Annotated[bool, Doc("write every raw frame to the data directory (MD-24)")] = False
    record_file_mb: Annotated[int, Gt(0), Doc("beyond this size a recording goes on in a new file")] = 256


def at_speed(settings: MarketDataSettings, speed_milli: int) -> MarketDataSettings:
    """Return `settings` for a mesh clock of another speed.

    Silence and lateness are judged on the mesh clock, but come from sockets and processes that live in real
    time: at tenfold speed a stall of ours looks ten times as long, so these limits grow with it.
    """
    return replace(
        settings,
        depth_stale_ms=settings.depth_stale_ms * speed_milli // 1000,
        event_age_ms=settings.event_age_ms * speed_milli // 1000,
        silence_ms=settings.silence_ms * speed_milli // 1000,
        candle_age_ms=settings.candle_age_ms * speed_milli // 1000,
        resync_spacing_ms=settings.resync_spacing_ms * speed_milli // 1000,
    )
