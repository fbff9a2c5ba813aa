"""Fields that only some spot orders have."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import VenueOrder
from services.venue_sim.wire import spot_json


@pytest.fixture
def make():
    """Return a function that makes an order."""

    def order(**changes):
        plain = {
            "venue": "binance",
            "symbol": "BTCUSDT",
            "account": "sim",
            "order_id": 7,
            "client_order_id": "a",
            "side": "BUY",
            "type": "LIMIT",
            "time_in_force": "GTC",
            "status": "NEW",
            "price": Decimal("1.5"),
            "quantity": Decimal(2),
            "executed": Decimal(0),
            "quote": Decimal(0),
            "created_ms": 1,
            "updated_ms": 2,
        }
        return VenueOrder(**plain | changes)

    return order


SPECIAL = {
    "stop_price": Decimal(3),
    "iceberg_qty": Decimal("0.5"),
    "trailing_delta": 100,
    "strategy_id": 5,
    "strategy_type": 1_000_001,
    "prevented": Decimal(1),
    "prevented_match_id": 9,
}


def test_an_ordinary_order_has_none_of_them(make):
    names = {"strategyId", "strategyType", "trailingDelta", "preventedMatchId", "preventedQuantity"}

    for told in (spot_json.order(make()), spot_json.result(make()), spot_json.canceled(make(), "c")):
        assert not names & set(told)
    assert not {"stopPrice", "icebergQty"} & set(spot_json.result(make()))


def test_a_special_order_tells_them_in_every_answer(make):
    expected = {
        "stopPrice": "3.00000000",
        "icebergQty": "0.50000000",
        "trailingDelta": 100,
        "strategyId": 5,
        "strategyType": 1_000_001,
        "preventedMatchId": 9,
        "preventedQuantity": "1.00000000",
    }
    order = make(**SPECIAL)

    for told in (
        spot_json.order(order),
        spot_json.result(order),
        spot_json.full(order, ()),
        spot_json.canceled(order, "c"),
        spot_json.amended(order, "b"),
    ):
        assert {name: told[name] for name in expected} == expected


def test_an_order_that_waits_for_its_trigger_has_no_working_time(make):
    assert spot_json.order(make(is_working=False))["workingTime"] == -1
    assert spot_json.order(make(is_working=False))["isWorking"] is False
