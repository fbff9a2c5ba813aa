"""The adapter for an account, from its settings and its key."""

from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.settings import BinanceSettings
from services.broker.keys import VenueKey
from shared.execution.outside import VenueAdapter


def make_adapter(settings: BinanceSettings, key: VenueKey) -> VenueAdapter:
    """Return the adapter of `settings.venue`; nothing is connected before its `start`."""
    return BinanceAdapter(settings, key)
