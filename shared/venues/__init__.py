"""Venues without I/O: names, targets, frames, rules of sequence. One file each, registered here."""

from shared.venues.base import VenueAdapter
from shared.venues.binance import BinanceSpot, BinanceUsdm
from shared.venues.remote import REMOTE

_ALL: list[VenueAdapter] = [BinanceSpot(), BinanceUsdm(), *REMOTE.values()]
VENUES: dict[str, VenueAdapter] = {adapter.name: adapter for adapter in _ALL}
