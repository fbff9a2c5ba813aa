"""Parameters: where they may stand, how they are typed, and the venue's error for each mistake."""

import json
from decimal import Decimal

import pytest

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.params import Params, rest_params

SPOT_LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "50000",
}
LEFT_OUT = object()


def test_query_and_body_are_mixed_and_the_query_wins():
    params = rest_params("symbol=BTCUSDT&price=1%2E5", "price=2&side=BUY&name=a+b%20c")

    assert params.values == {"symbol": "BTCUSDT", "price": "1.5", "side": "BUY", "name": "a b c"}


@pytest.mark.parametrize("part", [("a=1&a=2", ""), ("", "a=1&a=1")])
def test_a_name_that_comes_twice_in_one_part_is_refused(part):
    with pytest.raises(VenueRefusal, match="-1101 Duplicate values for parameter 'a'"):
        rest_params(*part)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-05", "0.00001"), ("0.10", "0.10"), ("-1", "-1"), ("1E2", "100"), ("00012", "12")],
)
def test_decimals_are_exact(text, value):
    assert Params({"quantity": text}).decimal("quantity") == Decimal(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1,5", "0x1", "٣", "1e999", "1 ", "+1", ".5", "1."])
def test_what_is_no_decimal_is_refused(text):
    with pytest.raises(VenueRefusal, match="-1100 Illegal characters found in parameter 'quantity'"):
        Params({"quantity": text}).decimal("quantity")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": LEFT_OUT}, -1102),
        ({"symbol": ""}, -1105),
        ({"symbol": "NOPE"}, -1121),
        ({"symbol": "btcusdt"}, -1121),
        ({"side": LEFT_OUT}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": LEFT_OUT}, -1102),
        ({"type": "LIMITED"}, -1116),
        ({"timeInForce": LEFT_OUT}, -1102),
        ({"timeInForce": "GTX"}, -1115),
        ({"quantity": LEFT_OUT}, -1102),
        ({"quantity": "abc"}, -1100),
        ({"quantity": "0"}, -1013),
        ({"quantity": "-1"}, -1013),
        ({"quantity": "0.000000001"}, -1111),
        ({"price": LEFT_OUT}, -1102),
        ({"price": "50000.001"}, -1013),
        ({"quoteOrderQty": "10"}, -1106),
        ({"stopPrice": "10"}, -1106),
        ({"type": "LIMIT_MAKER"}, -1106),
        ({"type": "MARKET"}, -1106),
        ({"newClientOrderId": "grid:1"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"newOrderRespType": "SHORT"}, -1130),
        ({"selfTradePreventionMode": "MAYBE"}, -1130),
        ({"strategyType": "999999"}, -1134),
        ({"postOnly": "true"}, -1104),
    ],
)
def test_each_mistake_in_a_spot_order_has_its_code(spot, changes, code):
    params = {name: value for name, value in (SPOT_LIMIT | changes).items() if value is not LEFT_OUT}

    answer = spot.send("POST", "/api/v3/order", **params)

    assert (answer.status, answer.code) == (400, code), answer.json


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": LEFT_OUT}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "LIMITED"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "55000"}, -4120),
        ({"timeInForce": LEFT_OUT}, -1102),
        ({"timeInForce": "NOW"}, -1115),
        ({"timeInForce": "GTD"}, -1102),
        ({"quantity": LEFT_OUT}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"price": LEFT_OUT}, -1102),
        ({"price": "-5"}, -4001),
        ({"price": "58000.05"}, -4014),
        ({"positionSide": "UP"}, -1130),
        ({"positionSide": "LONG"}, -4061),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "yes"}, -1130),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -1100),
        ({"type": "MARKET"}, -1106),
        ({"workingType": "LAST"}, -1130),
    ],
)
def test_each_mistake_in_a_usdm_order_has_its_code(usdm, changes, code):
    base = SPOT_LIMIT | {"price": "58000.0", "quantity": "0.010"}
    params = {name: value for name, value in (base | changes).items() if value is not LEFT_OUT}

    answer = usdm.send("POST", "/fapi/v1/order", **params)

    assert (answer.status, answer.code) == (400, code), answer.json


def test_usdm_ignores_parameters_that_it_does_not_know_and_the_case_of_symbols(usdm):
    base = SPOT_LIMIT | {"price": "58000.0", "quantity": "0.010", "symbol": "btcusdt", "nonsense": "1"}

    assert usdm.send("POST", "/fapi/v1/order", **base).status == 200


@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_an_order_must_be_named(bench, venue):
    path = "/api/v3/order" if venue == "binance" else "/fapi/v1/order"

    answer = bench.client(venue).send("GET", path, symbol="BTCUSDT")

    assert answer.code == -1102
    assert "'origClientOrderId' or 'orderId' must be sent" in answer.json["msg"]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/api/v3/myTrades", {"startTime": "0", "endTime": "86400001"}, -1127),
        ("/api/v3/myTrades", {"startTime": "5", "endTime": "4"}, -1128),
        ("/api/v3/myTrades", {"fromId": "1", "startTime": "5"}, -1128),
        ("/api/v3/allOrders", {"limit": "0"}, -1130),
        ("/api/v3/allOrders", {"limit": "many"}, -1100),
        ("/api/v3/myTrades", {"symbol": "NOPE"}, -1121),
    ],
)
def test_spans_and_limits_of_histories_are_checked(spot, path, params, code):
    assert spot.send("GET", path, **({"symbol": "BTCUSDT"} | params)).code == code


def test_numbers_of_the_websocket_api_may_be_texts_or_numbers(usdm):
    session = usdm.session()
    order = {k: v for k, v in SPOT_LIMIT.items() if k not in {"price", "quantity"}}

    as_text = session.send("order.place", **order, price="58000.0", quantity="0.010")
    as_number = session.send("order.place", **order, price=58000.0, quantity=0.010)

    assert (as_text["status"], as_number["status"]) == (200, 200)
    answer = session.send("order.status", symbol="BTCUSDT", orderId=as_number["result"]["orderId"])
    assert answer["result"]["price"] == "58000.00"


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        ("[]", -4082),
        ("{}", -1130),
        ("[1]", -1130),
        ("nonsense", -1130),
        (json.dumps([{"symbol": "BTCUSDT"}] * 6), -4082),
    ],
)
def test_a_batch_that_is_none_is_refused(usdm, batch, code):
    assert usdm.send("POST", "/fapi/v1/batchOrders", batchOrders=batch).code == code
