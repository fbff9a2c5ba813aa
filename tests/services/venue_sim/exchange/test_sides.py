"""Ticks and lots as prices and quantities."""

import pytest

from services.venue_sim.exchange.sides import Units
from services.venue_sim.venue import Market
from shared.errors import ConfigError


def test_prices_have_the_decimals_of_the_venue():
    units = Units(Market("binance", "X", "0.05", "0.1", 8, 8))

    assert format(units.price(3), "f") == "0.15000000"
    assert format(units.quantity(0), "f") == "0.00000000"
    assert units.value_e18(3, 2) == 3 * 10**16


def test_a_market_finer_than_the_venue_counts_is_a_clear_error():
    with pytest.raises(ConfigError, match=r"^X: tick .* is below 1e-18"):
        Units(Market("binance", "X", "0.0000000001", "0.000000001", 10, 9))
