"""Where a venue is: the simulated one, its own hosts, or what the settings say."""

from collections.abc import Mapping
from typing import NamedTuple

from services.market_data.settings import SIMULATED, FeedVenue
from shared.venues.binance import REST_HOSTS, STREAM_HOSTS
from shared.venues.registry import SIMULATED_AS


class Address(NamedTuple):
    """Base URLs of one venue, without a final slash."""

    rest: str
    stream: str


def address_of(venue: FeedVenue, simulated_ports: Mapping[str, int]) -> Address | None:
    """Return where `venue` is now; None while the simulated venue has not said its port."""
    if venue.url == SIMULATED:
        port = simulated_ports.get(SIMULATED_AS.get(venue.name, venue.name))
        return Address(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}") if port else None
    if not venue.url:
        return Address(REST_HOSTS[venue.name], venue.stream_url.rstrip("/") or STREAM_HOSTS[venue.name])
    rest = venue.url.rstrip("/")
    return Address(rest, venue.stream_url.rstrip("/") or rest.replace("http", "ws", 1))
