"""Where a venue is found."""

import pytest

from services.market_data.addresses import address_of
from services.market_data.settings import FeedVenue, MarketDataSettings, at_speed


def venue(**fields):
    return FeedVenue(name="binance_usdm", symbols=("BTCUSDT",), **fields)


def test_the_simulated_venue_is_where_its_port_is_and_nowhere_before_it_says_so():
    assert address_of(venue(), {"binance_usdm": 5001}) == ("http://127.0.0.1:5001", "ws://127.0.0.1:5001")
    assert address_of(venue(), {"binance": 5001}) is None


@pytest.mark.req("MD-1")
def test_an_empty_url_is_the_venue_itself_and_a_given_one_wins():
    assert address_of(venue(url=""), {}) == ("https://fapi.binance.com", "wss://fstream.binance.com")
    assert address_of(venue(url="https://host:8443/"), {}) == ("https://host:8443", "wss://host:8443")
    assert address_of(venue(url="http://h", stream_url="ws://s/"), {}) == ("http://h", "ws://s")
    assert address_of(venue(url="", stream_url="wss://s"), {}).stream == "wss://s"


def test_limits_of_silence_grow_with_the_speed_of_the_clock():
    scaled = at_speed(MarketDataSettings(), 10_000)

    assert (scaled.depth_stale_ms, scaled.event_age_ms, scaled.silence_ms) == (50_000, 100_000, 450_000)
    assert scaled.snapshot_interval_ms == MarketDataSettings().snapshot_interval_ms
    assert at_speed(MarketDataSettings(), 1000) == MarketDataSettings()
