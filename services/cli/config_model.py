"""What a configuration means once it is checked, and the names of markets that people may write."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.broker.settings import BrokerSettings, Mode
from services.bus.settings import BusSettings
from services.canceller.settings import CancellerSettings
from services.cli.config_remote import normal_market
from services.gateway.settings import GatewaySettings
from services.market_data.settings import MarketDataSettings
from services.risk.settings import RiskSettings
from services.strategy.settings import StrategySettings
from services.venue_sim.settings import VenueSimSettings
from shared.venues.registry import ENTRIES

VENUES = ("binance_usdm", "binance", *ENTRIES)
"""Venues with an adapter, as configuration names them: the native ones, then those through ccxt."""

_VENUE_ALIASES = {
    "binance": "binance",
    "binance_spot": "binance",
    "spot": "binance",
    "binance_usdm": "binance_usdm",
    "binanceusdm": "binance_usdm",
    "binance_futures": "binance_usdm",
    "binance_perpetual": "binance_usdm",
    "binance_perp": "binance_usdm",
    "usdm": "binance_usdm",
}
_MARKET = re.compile(r"[A-Z0-9]{2,24}(_[0-9]{6})?\Z")


class Seed(NamedTuple):
    """What a testnet account is to hold of an asset at least (BR-25)."""

    venue: str
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One checked configuration: the settings of every service.

    `origins` says where a value was written (`line 12`, `environment X`) by its dotted key; a key that is
    not there has its default.
    """

    mode: Mode
    market_data: MarketDataSettings
    strategy: StrategySettings
    risk: RiskSettings
    broker: BrokerSettings
    canceller: CancellerSettings
    gateway: GatewaySettings
    venue_sim: VenueSimSettings
    bus: BusSettings
    origins: tuple[tuple[str, str], ...] = ()
    seeds: tuple[Seed, ...] = ()

    @property
    def symbols(self) -> list[str]:
        """Return the markets that are followed, as `venue:SYMBOL`."""
        return [f"{venue.name}:{symbol}" for venue in self.market_data.venues for symbol in venue.symbols]


def normal_symbol(text: str) -> str | None:
    """Return `binance_usdm:BTCUSDT` of any accepted form, None when it is none.

    Accepted: `venue:SYMBOL` and `SYMBOL@venue`, any case, `BTC/USDT` and `BTC-USDT` for `BTCUSDT`, and the
    usual names of the venues (`spot`, `usdm`, `binance-usdm`). Markets of venues through ccxt keep the form
    that ccxt gives them: `okx:BTC/USDT`, `bybit:BTC/USDT:USDT`.
    """
    word = text.strip()
    if ":" in word:
        venue, _, market = word.partition(":")
    elif "@" in word:
        market, _, venue = word.partition("@")
    else:
        return None
    word = venue.strip().lower().replace("-", "_")
    if word in ENTRIES:
        kept = normal_market(market)
        return None if kept is None else f"{word}:{kept}"
    name = _VENUE_ALIASES.get(word)
    market = market.strip().upper().replace("/", "").replace("-", "")
    if name is None or not _MARKET.match(market):
        return None
    return f"{name}:{market}"
