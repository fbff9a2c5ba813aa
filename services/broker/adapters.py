"""The adapter for a configured account; the one place that knows which venue takes which."""

from typing import Literal

from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.settings import SPOT, USDM, BinanceSettings, Endpoints
from services.broker.keys import VenueKey
from services.broker.remote import RemoteAccess, RemoteAdapter
from services.broker.settings import VenueAccess
from shared.errors import ConfigError
from shared.execution.outside import VenueAdapter
from shared.venues.registry import ENTRIES

_MARGIN_TYPES: dict[str, Literal["ISOLATED", "CROSSED"]] = {"isolated": "ISOLATED", "crossed": "CROSSED"}
RIGHTS_HOST = "https://api.binance.com"


def adapter_of(access: VenueAccess, key: VenueKey, *, has_user_stream: bool = True) -> VenueAdapter:
    """Return the adapter of an account with its addresses filled in; nothing is connected before its `start`.

    `has_user_stream` False is for tools that ask and cancel beside a running broker. Raises `ConfigError`
    for a venue without an adapter, or a secret that is none.
    """
    if access.name in {SPOT, USDM}:
        return BinanceAdapter(_binance(access, has_user_stream=has_user_stream), key)
    if access.name in ENTRIES:
        return RemoteAdapter(_remote(access, key, has_user_stream=has_user_stream))
    known = ", ".join((SPOT, USDM, *ENTRIES))
    raise ConfigError(f"there is no adapter for venue {access.name!r}; known are {known}")


def _remote(access: VenueAccess, key: VenueKey, *, has_user_stream: bool) -> RemoteAccess:
    parts = {"apiKey": key.api_key, "secret": key.secret, "password": key.password}
    return RemoteAccess(
        venue=access.name,
        network=access.network,
        symbols=access.symbols,
        key={name: part for name, part in parts.items() if part},
        rest_url=access.rest_url,
        stream_url=access.stream_url,
        proxy=access.proxy,
        has_user_stream=has_user_stream,
    )


def _binance(access: VenueAccess, *, has_user_stream: bool) -> BinanceSettings:
    is_trading = has_user_stream and access.name == USDM
    margin_type = _MARGIN_TYPES.get(access.margin_type)
    # /sapi, which tells the rights of the key itself, exists on the live host and at the simulated venue.
    rights = {"live": RIGHTS_HOST, "sim": access.rest_url}.get(access.network, "")
    return BinanceSettings(
        venue=access.name,
        endpoints=Endpoints(access.rest_url, access.api_url, access.stream_url, rights),
        symbols=tuple(f"{access.name}:{symbol}" for symbol in access.symbols),
        has_user_stream=has_user_stream,
        recv_window_ms=access.recv_window_ms,
        # Only who trades changes the account.
        leverage=dict.fromkeys(access.symbols, access.leverage) if access.leverage and is_trading else {},
        margin_type=dict.fromkeys(access.symbols, margin_type) if margin_type and is_trading else {},
    )
