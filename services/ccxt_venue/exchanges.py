"""Make ccxt's object of one venue as we need it: where it goes, with which key, and never a request twice."""

import asyncio
import math
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt.pro

from services.ccxt_venue.dialect import dialect_of
from shared.errors import ConfigError
from shared.venues.registry import ENTRIES, LINEAR, Entry, kind_of
from shared.venues.remote_words import Setup

# ccxt tells spot streams of Binance by this word in the address, and appends /public, /market before /ws.
_SIM_STREAM_PATHS = {"spot": "/stream.local/ws", "linear": "/ws"}
_SIM_API_PATHS = {"spot": "/ws-api/v3", "linear": "/ws-fapi/v1"}

LEAVE_BY_S: ContextVar[float] = ContextVar("LEAVE_BY_S", default=math.inf)
"""Until when (time of the loop) a request of this task may leave: ccxt lets requests wait for its rate limit,
and an order that was approved on old prices must not go out later."""


class TooLateError(Exception):
    """A request waited too long and was not sent."""


def make_exchange(setup: Setup) -> Any:
    """Return a new exchange object; raises `ConfigError` on what this venue cannot do.

    It has a session of its own: aiohttp sends a GET again when a kept connection turns out closed, and on
    some venues an order is a GET (I-05).
    """
    entry = ENTRIES[setup.venue]
    words = dialect_of(entry.name)
    exchange = getattr(ccxt.pro, entry.ccxt_id)(
        {
            "enableRateLimit": True,
            "timeout": setup.timeout_ms,
            "aiohttp_trust_env": False,
            **setup.key,
        }
    )
    exchange.options.update(words.options)
    exchange.options |= {
        "maxRetriesOnFailure": 0,
        "adjustForTimeDifference": True,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    }
    if setup.symbols and all(kind_of(symbol) == LINEAR for symbol in setup.symbols):
        exchange.options["defaultType"] = "swap"
    _direct(exchange, entry, setup)
    _count_requests(exchange)
    session = aiohttp.ClientSession(trust_env=False)
    session._retry_connection = False
    exchange.session, exchange.own_session = session, False
    exchange.kept_session = session  # ccxt forgets a session of others when it closes
    return exchange


def _count_requests(exchange: Any) -> None:
    """Let `sent_count` tell how many requests were handed to the network; none leaves after `LEAVE_BY_S`."""
    exchange.sent_count = 0
    fetch = exchange.fetch

    async def counted(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        late_s = asyncio.get_running_loop().time() - LEAVE_BY_S.get()
        if late_s > 0:
            raise TooLateError(f"it waited for ccxt's rate limit, {late_s:.1f} s too long: not sent")
        exchange.sent_count += 1
        return await fetch(url, method, headers, body)

    exchange.fetch = counted


def _direct(exchange: Any, entry: Entry, setup: Setup) -> None:
    """Let the exchange go where the setup says."""
    if setup.network == "testnet":
        if not exchange.urls.get("test"):
            raise ConfigError(f"{entry.name} has no test network that ccxt knows; use mode paper or live")
        exchange.set_sandbox_mode(True)
    elif setup.network == "sim":
        if not entry.is_simulated:
            raise ConfigError(
                f"{entry.name} cannot be simulated: write `venues: {{{entry.name}: {{url: ''}}}}` for its "
                "own hosts, or follow ccxt_binance on the simulated venue"
            )
        _simulate(exchange, setup)
    if setup.proxy:
        scheme = urlsplit(setup.proxy).scheme
        if scheme not in {"http", "https"}:
            raise ConfigError(
                f"proxy of {entry.name}: {scheme} proxies are not served here; use http://host:port"
            )
        exchange.aiohttp_proxy = setup.proxy
        exchange.ws_proxy = setup.proxy


def _simulate(exchange: Any, setup: Setup) -> None:
    rest, stream = setup.rest_url.rstrip("/"), setup.stream_url.rstrip("/")
    api = exchange.urls["api"]
    for name, url in api.items():
        if isinstance(url, str):
            api[name] = rest + urlsplit(url).path
    sockets = api["ws"]
    for kind, path in _SIM_STREAM_PATHS.items():
        sockets[kind] = stream + path
        sockets["ws-api"][kind] = stream + _SIM_API_PATHS[kind]
    is_spot = exchange.id == "binance"
    exchange.options |= {
        "fetchMarkets": {"types": ["spot" if is_spot else "linear"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    exchange.has["fetchCurrencies"] = False
