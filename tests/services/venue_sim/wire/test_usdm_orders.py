"""Order calls of USD-M with the answers of the venue."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.010", "price": "58000.0"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
BY_ID = {"symbol": "BTCUSDT", "origClientOrderId": "a"}


@pytest.fixture
def placed(usdm):
    """Return the answer to an order `a` that rests."""
    return usdm.send("POST", "/fapi/v1/order", **RESTING, newClientOrderId="a").json


def test_an_order_is_answered_without_average_price_and_queried_with_it(usdm, placed):
    names = "orderId symbol status clientOrderId price origQty executedQty cumQty timeInForce type reduceOnly"
    names += " closePosition side positionSide stopPrice workingType priceProtect origType priceMatch"
    names += " selfTradePreventionMode goodTillDate updateTime"
    assert " ".join(placed) == names
    told = usdm.send("GET", "/fapi/v1/order", **BY_ID).json
    assert {"avgPrice", "cumQuote", "time"} <= set(told)
    assert usdm.send("GET", "/fapi/v1/openOrder", **BY_ID).json == told
    assert usdm.send("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").json == [told]
    assert usdm.send("GET", "/fapi/v1/openOrders").json == [told]
    assert usdm.send("GET", "/fapi/v1/allOrders").json == [told]
    assert usdm.session().send("order.status", **BY_ID)["result"] == told


def test_ack_tells_nothing_of_fills_and_result_does(usdm):
    ack = usdm.send("POST", "/fapi/v1/order", **MARKET).json
    result = usdm.send("POST", "/fapi/v1/order", **MARKET, newOrderRespType="RESULT").json

    assert (ack["status"], ack["executedQty"]) == ("NEW", "0.000")
    assert (result["status"], result["executedQty"]) == ("FILLED", "0.010")


def test_a_closed_order_is_not_open(usdm, placed):
    canceled = usdm.send("DELETE", "/fapi/v1/order", **BY_ID).json

    assert (canceled["status"], canceled["clientOrderId"]) == ("CANCELED", "a")
    assert usdm.send("GET", "/fapi/v1/openOrder", **BY_ID).code == -2013
    assert usdm.send("GET", "/fapi/v1/order", **BY_ID).json["status"] == "CANCELED"
    assert usdm.send("DELETE", "/fapi/v1/order", **BY_ID).code == -2011


def test_cancel_all_says_200_even_for_an_empty_book(usdm, placed):
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}

    for _ in range(2):
        assert usdm.send("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT").json == done
    assert usdm.send("GET", "/fapi/v1/openOrders").json == []


def test_post_only_and_fill_or_kill_are_refused_where_they_must(usdm, bench):
    crossing = {**RESTING, "price": bench.best("binance_usdm")[1]}

    assert usdm.send("POST", "/fapi/v1/order", **crossing | {"timeInForce": "GTX"}).code == -5022
    away = {**RESTING, "timeInForce": "FOK"}
    assert usdm.send("POST", "/fapi/v1/order", **away).code == -5021
