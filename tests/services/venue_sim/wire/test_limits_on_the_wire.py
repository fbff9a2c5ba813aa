"""What calls cost, what headers and answers tell of it, and how a caller over the limit is refused."""

import json

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}
USDM_ORDER = {**ORDER, "quantity": "0.010", "price": "58000.0"}
WEIGHT = "X-MBX-USED-WEIGHT-1M"


def cost(client, method, path, *, signed=True, **params):
    """Return what a call adds to the used weight."""
    time = "/api/v3/time" if client.venue == "binance" else "/fapi/v1/time"
    before = int(client.raw("GET", time).headers[WEIGHT])
    if signed:
        answer = client.send(method, path, **params)
    else:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        answer = client.raw(method, f"{path}?{query}" if query else path)
    return int(answer.headers[WEIGHT]) - before


@pytest.mark.parametrize(
    ("method", "path", "params", "weight"),
    [
        ("POST", "/api/v3/order", SPOT_ORDER, 0),
        ("POST", "/api/v3/order", {"symbol": "NOPE"}, 1),
        ("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}, 1),
        ("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}, 4),
        ("PUT", "/api/v3/order/amend/keepPriority", {"symbol": "BTCUSDT", "orderId": "1", "newQty": "1"}, 4),
        ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET", "/api/v3/openOrders", {}, 80),
        ("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": "1"}, 5),
        ("GET", "/api/v3/account", {}, 20),
        ("GET", "/api/v3/rateLimit/order", {}, 40),
        ("POST", "/api/v3/order/test", SPOT_ORDER, 1),
    ],
)
def test_spot_calls_weigh_what_the_documents_say(spot, method, path, params, weight):
    assert cost(spot, method, path, **params) == weight


@pytest.mark.parametrize(
    ("method", "path", "params", "weight"),
    [
        ("POST", "/fapi/v1/order", USDM_ORDER, 0),
        ("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "1"}, 1),
        ("GET", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "1"}, 1),
        ("GET", "/fapi/v1/openOrders", {"symbol": "BTCUSDT"}, 1),
        ("GET", "/fapi/v1/openOrders", {}, 40),
        ("GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT"}, 5),
        ("GET", "/fapi/v3/account", {}, 5),
        ("GET", "/fapi/v3/balance", {}, 5),
        ("GET", "/fapi/v3/positionRisk", {}, 5),
        ("POST", "/fapi/v1/countdownCancelAll", {"symbol": "BTCUSDT", "countdownTime": "0"}, 10),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([USDM_ORDER])}, 5),
    ],
)
def test_usdm_calls_weigh_what_the_documents_say(usdm, method, path, params, weight):
    assert cost(usdm, method, path, **params) == weight


def test_a_first_fill_gives_a_spot_order_back(spot):
    taker = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    spot.send("POST", "/api/v3/order", **SPOT_ORDER)

    spot.send("POST", "/api/v3/order", **taker)

    assert spot.send("GET", "/api/v3/rateLimit/order").json[0]["count"] == 1


def test_a_batch_counts_each_of_its_orders(usdm):
    answer = usdm.send("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps([USDM_ORDER] * 3))

    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "3"
    assert answer.headers["X-MBX-ORDER-COUNT-1M"] == "3"


def test_over_the_weight_everything_is_refused_until_the_minute_is_over_then_banned(bench, spot):
    bench.limits["binance"].exhaust("127.0.0.1", bench.now_ms)

    refused = spot.send("GET", "/api/v3/account")

    assert (refused.status, refused.code) == (429, -1003)
    assert int(refused.headers["Retry-After"]) <= 60
    for _ in range(20):
        banned = spot.send("GET", "/api/v3/account")
    assert (banned.status, banned.code) == (418, -1003)
    bench.now_ns += int(banned.headers["Retry-After"]) * 1_000_000_000
    assert spot.send("GET", "/api/v3/account").status == 200


def test_over_the_order_count_only_new_orders_are_refused(bench, usdm):
    usdm.wire.backend.limits.charge("10.0.0.1", "sim", 0, 299, bench.now_ms)
    placed = usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    refused = usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert placed.status == 200
    assert (refused.status, refused.code) == (429, -1015)
    assert usdm.send("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT").status == 200


def test_the_websocket_api_tells_the_limits_and_when_to_come_back(bench, spot):
    session = spot.session()

    placed = session.send("order.place", **SPOT_ORDER)
    time = session.ask("time")
    silent = session.ask("time", returnRateLimits=False)
    bench.limits["binance"].exhaust("127.0.0.1", bench.now_ms)
    refused = session.ask("time")

    kinds = [(each["rateLimitType"], each["count"]) for each in placed["rateLimits"]]
    assert kinds == [("REQUEST_WEIGHT", 0), ("ORDERS", 1), ("ORDERS", 1)]
    assert [each["rateLimitType"] for each in time["rateLimits"]] == ["REQUEST_WEIGHT"]
    assert "rateLimits" not in silent
    assert (refused["status"], refused["error"]["code"]) == (429, -1003)
    assert bench.now_ms < refused["error"]["data"]["retryAfter"] <= bench.now_ms + 60_000


def test_a_connection_can_be_told_once_to_leave_the_limits_out(spot):
    session = spot.session("/ws-api/v3?returnRateLimits=false")

    assert "rateLimits" not in session.ask("ping")
    assert "rateLimits" in session.ask("ping", returnRateLimits=True)
