"""Counting calls and orders, also of those that are refused."""

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}


def test_orders_are_counted_in_the_headers_and_what_is_refused_is_not(bench, spot):
    first = spot.send("POST", "/api/v3/order", **SPOT_ORDER)
    refused = spot.send("POST", "/api/v3/order", **SPOT_ORDER | {"price": "0.001"})
    second = spot.send("POST", "/api/v3/order", **SPOT_ORDER)

    counts = [answer.headers["X-MBX-ORDER-COUNT-10S"] for answer in (first, refused, second)]
    assert counts == ["1", "1", "2"]
    assert second.headers["X-MBX-ORDER-COUNT-1D"] == "2"
    told = spot.send("GET", "/api/v3/rateLimit/order").json
    assert [(each["interval"], each["count"]) for each in told] == [("SECOND", 2), ("DAY", 2)]


def test_a_replacement_that_was_not_attempted_still_counts(spot):
    params = {**SPOT_ORDER, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": "1"}

    answer = spot.send("POST", "/api/v3/order/cancelReplace", **params)

    assert (answer.status, answer.code) == (400, -2022)
    assert answer.json["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_a_refused_caller_is_charged_too(spot):
    before = int(spot.raw("GET", "/api/v3/time").headers["X-MBX-USED-WEIGHT-1M"])

    refused = spot.raw("GET", "/api/v3/account?timestamp=1&signature=00")

    assert refused.code == -1022
    assert int(refused.headers["X-MBX-USED-WEIGHT-1M"]) == before + 20
