"""From a signed request to an order in the book, an answer, and the events of the user stream."""

import pytest

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


def test_a_signed_spot_order_rests_is_told_and_can_be_cancelled(bench, spot):
    session = spot.session()
    assert session.send("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}

    placed = spot.send(
        "POST", "/api/v3/order", **LIMIT, quantity="0.001", price="50000.00", newClientOrderId="a-1"
    )

    assert placed.status == 200, placed.json
    assert placed.json["status"] == "NEW"
    assert (placed.json["price"], placed.json["fills"]) == ("50000.00000000", [])
    kinds = [(e["event"]["e"], e["event"].get("x")) for e in session.events()]
    assert kinds == [("executionReport", "NEW"), ("outboundAccountPosition", None)]
    canceled = spot.send("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="a-1")
    assert canceled.json["origClientOrderId"] == "a-1"
    assert canceled.json["clientOrderId"] != "a-1"
    report = session.events()[0]["event"]
    assert (report["x"], report["C"], report["c"]) == ("CANCELED", "a-1", canceled.json["clientOrderId"])


def test_an_order_over_the_websocket_api_of_usdm_fills_and_is_told_on_the_private_stream(bench, usdm):
    key = usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"]
    heard = bench.listen(key)

    answer = usdm.session().send(
        "order.place", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01", newClientOrderId="m-1"
    )

    assert answer["status"] == 200, answer
    assert answer["result"]["clientOrderId"] == "m-1"
    kinds = [(e["e"], e.get("o", {}).get("x")) for e in heard()]
    assert kinds[0] == ("ORDER_TRADE_UPDATE", "NEW")
    assert ("TRADE_LITE", None) in kinds
    assert ("ORDER_TRADE_UPDATE", "TRADE") in kinds
    assert ("ACCOUNT_UPDATE", None) in kinds


@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_a_changed_byte_is_refused(bench, venue):
    client = bench.client(venue)
    path = "/api/v3/order" if venue == "binance" else "/fapi/v1/order"
    query = client.query({**LIMIT, "quantity": "0.001", "price": "50000.00"})

    changed = client.raw("POST", f"{path}?{query.replace('50000.00', '50000.01')}")

    assert (changed.status, changed.code) == (400, -1022)
