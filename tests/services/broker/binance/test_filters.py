"""Filters are checked before an order leaves: the refusal names filter, value and limit."""

import json
from decimal import Decimal

import pytest

from services.broker.binance.filters import filters_of, info_of
from services.broker.binance.markets import Market
from services.broker.binance.settings import SPOT, USDM
from shared.execution import commands
from shared.messages.orders import OrderType
from shared.units import Side
from tests.services.broker.binance.venue_words import exchange_info, rules_of


def breach(
    venue, price, lots, *, kind="limit", side=Side.BUY, reference=None, open_count=0, reduce=False, **changes
):
    status = changes.pop("status", "TRADING")
    body = json.dumps(exchange_info(venue, status, **changes)).encode()
    filters = filters_of(info_of(body).symbols[0], is_derivative=venue == USDM)
    place = commands.Place(
        1, "c", f"{venue}:BTCUSDT", side, price, lots, OrderType(kind), is_reduce_only=reduce
    )
    found = filters.breach(place, Market(rules_of(venue)), reference and Decimal(reference), open_count)
    return found and (found.filter, found.reason)


@pytest.mark.req("BR-26")
@pytest.mark.parametrize(
    ("case", "name", "reason"),
    [
        ({"price": 0, "lots": 1000}, "PRICE_FILTER", "price 0.00 is below 0.01"),
        ({"price": 100_000_001, "lots": 1000}, "PRICE_FILTER", "price 1000000.01 is above 1000000"),
        ({"price": 6_000_001, "lots": 1000, "PRICE_FILTER": {"tickSize": "0.05"}}, "PRICE_FILTER",
         "price 60000.01 is no multiple of 0.05"),
        ({"price": 6_000_000, "lots": 0}, "LOT_SIZE", "quantity 0.00000 is below 0.00001"),
        ({"price": 6_000_000, "lots": 10_000_001}, "LOT_SIZE", "quantity 100.00001 is above 100"),
        ({"price": 6_000_000, "lots": 7, "LOT_SIZE": {"stepSize": "0.00002"}}, "LOT_SIZE",
         "quantity 0.00007 is no multiple of 0.00002"),
        ({"price": 0, "lots": 5_000_001, "kind": "market"}, "MARKET_LOT_SIZE",
         "quantity 50.00001 is above 50"),
        ({"price": 6_000_000, "lots": 8}, "NOTIONAL", "value 4.8000000 is below 5"),
        ({"price": 0, "lots": 8, "kind": "market", "reference": "60000"}, "NOTIONAL",
         "value 4.80000 is below 5"),
        ({"price": 6_700_000, "lots": 1000, "reference": "60000"}, "PERCENT_PRICE",
         "price 67000.00 is above 66000.0"),
        ({"price": 5_300_000, "lots": 1000, "reference": "60000"}, "PERCENT_PRICE",
         "price 53000.00 is below 54000.0"),
        ({"price": 6_000_000, "lots": 1000, "open_count": 200}, "MAX_NUM_ORDERS",
         "200 orders are open, the venue allows 200"),
        ({"price": 6_000_000, "lots": 1000, "status": "HALT"}, "STATUS",
         "the venue says HALT of BTCUSDT: no new orders"),
    ],
)  # fmt: skip
def test_spot_refuses_by_name_value_and_limit(case, name, reason):
    assert breach(SPOT, **case) == (name, reason)


@pytest.mark.req("BR-26")
@pytest.mark.parametrize(
    ("case", "name"),
    [
        ({"price": 600_001, "lots": 10, "PRICE_FILTER": {"minPrice": "0.1", "tickSize": "0.2"}}, None),
        (
            {"price": 600_000, "lots": 10, "PRICE_FILTER": {"minPrice": "0.1", "tickSize": "0.2"}},
            "PRICE_FILTER",
        ),
        ({"price": 10_000, "lots": 1}, "MIN_NOTIONAL"),
        ({"price": 10_000, "lots": 1, "reduce": True}, None),
        ({"price": 670_000, "lots": 10, "reference": "60000"}, "PERCENT_PRICE"),
        ({"price": 670_000, "lots": 10, "reference": "60000", "side": Side.SELL}, None),
        ({"price": 530_000, "lots": 10, "reference": "60000", "side": Side.SELL}, "PERCENT_PRICE"),
        ({"price": 530_000, "lots": 10, "reference": "60000"}, None),
        ({"price": 600_000, "lots": 10, "open_count": 200}, "MAX_NUM_ORDERS"),
        ({"price": 600_000, "lots": 10, "status": "PENDING_TRADING"}, "STATUS"),
    ],
)
def test_usdm_counts_steps_from_the_least_and_bands_by_side(case, name):
    found = breach(USDM, **case)
    assert (found and found[0]) == name


def test_bands_by_side_are_those_of_the_side():
    band = {
        "bidMultiplierUp": "1.1",
        "bidMultiplierDown": "0.5",
        "askMultiplierUp": "2",
        "askMultiplierDown": "0.9",
    }
    changes = {"PERCENT_PRICE": None, "PERCENT_PRICE_BY_SIDE": band, "reference": "60000", "lots": 1000}
    assert breach(SPOT, 6_700_000, **changes)[0] == "PERCENT_PRICE_BY_SIDE"
    assert breach(SPOT, 6_700_000, side=Side.SELL, **changes) is None
    assert breach(SPOT, 5_300_000, **changes) is None
    assert breach(SPOT, 5_300_000, side=Side.SELL, **changes)[0] == "PERCENT_PRICE_BY_SIDE"


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("PRICE_FILTER", {"tickSize": "x"}),
        ("LOT_SIZE", {"minQty": "NaN"}),
        ("LOT_SIZE", {"maxQty": "-1"}),
        ("MAX_NUM_ORDERS", {"maxNumOrders": "x"}),
    ],
)
def test_filters_that_cannot_be_read_are_an_error_and_no_market(name, bad):
    body = json.dumps(exchange_info(SPOT, **{name: bad})).encode()
    with pytest.raises((ValueError, ArithmeticError)):
        filters_of(info_of(body).symbols[0], is_derivative=False)


def test_rules_of_the_log_that_differ_are_told_with_both_values():
    body = json.dumps(exchange_info(SPOT)).encode()
    filters = filters_of(info_of(body).symbols[0], is_derivative=False)
    assert filters.difference(Market(rules_of(SPOT))) == ""
    assert filters.difference(Market(rules_of(SPOT, tick="0.1"))) == (
        "the log says tick 0.1, the venue's exchangeInfo 0.01"
    )
