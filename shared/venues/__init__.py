"""Venues without I/O: names, targets, frames, rules of sequence. One file each, registered here."""

from shared.venues.base import VenueAdapter
from shared.venues.binance import BinanceSpot, BinanceUsdm

VENUES: dict[str, VenueAdapter] = {adapter.name: adapter for adapter in (BinanceSpot(), BinanceUsdm())}
