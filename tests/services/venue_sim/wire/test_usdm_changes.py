"""Changing USD-M orders, batches and the countdown."""

import json

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.010", "price": "58000.0"}
BY_ID = {"symbol": "BTCUSDT", "origClientOrderId": "a"}


@pytest.fixture
def placed(usdm):
    """Return the answer to an order `a` that rests."""
    return usdm.send("POST", "/fapi/v1/order", **RESTING, newClientOrderId="a").json


def test_an_order_is_modified_over_both_ways(usdm, placed):
    change = {**BY_ID, "side": "BUY", "quantity": "0.020", "price": "58001.0"}

    told = usdm.send("PUT", "/fapi/v1/order", **change).json
    again = usdm.session().send("order.modify", **change | {"price": "58002.0"})

    assert (told["orderId"], told["price"], told["origQty"]) == (placed["orderId"], "58001.00", "0.020")
    assert again["result"]["price"] == "58002.00"
    assert usdm.send("PUT", "/fapi/v1/order", **change | {"price": "58002.0"}).code == -5027
    assert usdm.send("PUT", "/fapi/v1/order", **{**change, "side": "SELL"}).code == -1117


def test_a_batch_answers_each_part_in_the_order_of_the_request(usdm):
    batch = [RESTING | {"newClientOrderId": "b1"}, RESTING | {"price": "0"}, RESTING | {"quantity": 0.01}]

    told = usdm.send("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch)).json

    assert [each.get("clientOrderId", each.get("code")) for each in told][:2] == ["b1", -4001]
    assert told[2]["status"] == "NEW"
    changes = [{"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.030", "price": "58001", "orderId": 1}]
    changes.append(changes[0] | {"orderId": told[0]["orderId"]})
    modified = usdm.send("PUT", "/fapi/v1/batchOrders", batchOrders=json.dumps(changes)).json
    assert [each.get("origQty", each.get("code")) for each in modified] == [-2013, "0.030"]
    ids = json.dumps([told[0]["orderId"], 5])
    canceled = usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList=ids).json
    assert [each.get("status", each.get("code")) for each in canceled] == ["CANCELED", -2011]
    names = json.dumps([told[2]["clientOrderId"]])
    last = usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList=names).json
    assert last[0]["status"] == "CANCELED"
    assert usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT").code == -1102


def test_the_countdown_cancels_unless_it_is_renewed(usdm, placed, bench):
    armed = {"symbol": "BTCUSDT", "countdownTime": "1000"}
    assert usdm.send("POST", "/fapi/v1/countdownCancelAll", **armed).json == armed
    bench.step(900)
    usdm.send("POST", "/fapi/v1/countdownCancelAll", **armed)
    bench.step(900)
    assert len(usdm.send("GET", "/fapi/v1/openOrders").json) == 1

    bench.step(150)

    assert usdm.send("GET", "/fapi/v1/openOrders").json == []
