"""Filters: what is served is what is enforced."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.rules import MarketRules, default_filters, split_assets
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import Market

SPOT = Market("binance", "BTCUSDT", "0.01", "0.001", 8, 8)
USDM = Market("binance_usdm", "BTCUSDT", "0.1", "0.001", 2, 3)


def code_of(call, *args, **more):
    with pytest.raises(VenueRefusal) as caught:
        call(*args, **more)
    return caught.value.code


def test_prices_and_quantities_become_ticks_and_lots():
    for market, ticks in ((SPOT, 10_050), (USDM, 1_005)):
        rules = MarketRules(market, "BTC", "USDT")
        assert rules.ticks_of(Decimal("100.5")) == ticks
        assert rules.lots_of(Decimal("1E-3"), is_market=False) == 1


def test_usdm_tells_too_fine_from_off_the_step():
    rules = MarketRules(USDM, "BTC", "USDT")

    assert code_of(rules.ticks_of, Decimal("100.05")) == -4014
    assert code_of(rules.ticks_of, Decimal("100.005")) == -1111
    assert code_of(rules.ticks_of, Decimal("1000000.1")) == -4002
    assert code_of(rules.lots_of, Decimal("121"), is_market=True) == -4005
    assert rules.lots_of(Decimal("121"), is_market=False) == 121_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN", "1E+50"])
def test_numbers_that_are_none_are_refused(text):
    for market in (SPOT, USDM):
        rules = MarketRules(market, "BTC", "USDT")
        assert code_of(rules.ticks_of, Decimal(text)) == -1111


def test_filters_of_a_file_are_enforced_and_unknown_ones_served():
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "0", "tickSize": "0.50"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 1},
    ]
    rules = MarketRules(SPOT, "BTC", "USDT", filters)

    assert rules.ticks_of(Decimal("5000000.5")) == 500_000_050
    assert code_of(rules.ticks_of, Decimal("0.5")) == -1013
    assert code_of(rules.ticks_of, Decimal("1.25")) == -1013
    rules.check_counts(5, 0, is_stop=True)
    assert code_of(rules.check_counts, 5, 1, is_stop=True) == -1013
    assert rules.filters == filters
    assert not rules.is_changed


def test_every_default_filter_can_be_read():
    for market in (SPOT, USDM):
        rules = MarketRules(market, "BTC", "USDT")
        assert rules.filters == default_filters(market)
        assert rules.limit("PRICE_FILTER", "tickSize") == rules.units.tick_e18
        assert rules.limit("NOPE", "nothing") == 0


def test_names_split_into_assets():
    assert split_assets("ETHBTC") == ("ETH", "BTC")
    assert split_assets("BTCFDUSD") == ("BTC", "FDUSD")
    assert split_assets("USDT") == ("USDT", "")
