"""The WebSocket API: envelope, ids, units, and the end of a connection."""

import json

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}
DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize("request_id", [1, -5, 2**40, "a-B_9", "x" * 36, None])
def test_an_id_comes_back_with_its_type(spot, request_id):
    assert spot.session().ask("ping", request_id)["id"] == request_id


def test_a_request_without_an_id_is_answered_with_null(spot):
    assert spot.session().take({"method": "ping"}) | {"rateLimits": []} == {
        "id": None,
        "status": 200,
        "result": {},
        "rateLimits": [],
    }


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"id": "x" * 37, "method": "ping"}, -1100),
        ({"id": [1], "method": "ping"}, -1135),
        ({"id": 1}, -1135),
        ({"id": 1, "method": 5}, -1135),
        ({"id": 1, "method": "ping", "params": []}, -1135),
        ({"id": 1, "method": "order.explode"}, -1020),
        ([], -1135),
    ],
)
def test_requests_that_are_none_are_refused(spot, frame, code):
    answer = spot.session().take(frame)

    assert (answer["status"], answer["error"]["code"]) == (400, code)


def test_a_version_may_stand_before_a_method(bench):
    assert bench.client("binance").session().ask("v3/time")["status"] == 200
    usdm = bench.client("binance_usdm").session()
    assert usdm.ask("v1/time")["status"] == 200
    assert usdm.send("account.position")["result"][0]["leverage"] == "20"
    assert usdm.send("v2/account.position")["result"] == []


def test_times_come_in_microseconds_when_the_connection_asks(bench, spot):
    session = spot.session("/ws-api/v3?timeUnit=MICROSECOND")
    session.send("userDataStream.subscribe.signature")

    placed = session.send("order.place", **SPOT_ORDER)["result"]

    assert placed["transactTime"] == bench.now_ms * 1000
    event = session.events()[0]["event"]
    assert (event["E"], event["T"], event["g"]) == (bench.now_ms * 1000, bench.now_ms * 1000, -1)


def test_a_connection_ends_after_a_day_and_spot_says_so_before(bench):
    spot, usdm = bench.client("binance").session(), bench.client("binance_usdm").session()
    spot.send("userDataStream.subscribe.signature")
    for session in (spot, usdm):
        session.inner.tick(bench.now_ns + DAY_NS - 60_000_000_000)

    assert spot.events() == [{"event": {"e": "serverShutdown", "E": bench.now_ms + 86_340_000}}]
    assert usdm.events() == []
    for session in (spot, usdm):
        session.inner.tick(bench.now_ns + DAY_NS - 1_000_000)
        assert not session.inner.is_cut
        session.inner.tick(bench.now_ns + DAY_NS)
        assert session.inner.is_cut
    bench.client("binance").send("POST", "/api/v3/order", **SPOT_ORDER)
    assert spot.events() == []


def test_market_calls_are_answered_without_a_key(bench):
    for venue in ("binance", "binance_usdm"):
        session = bench.client(venue).session()
        assert session.ask("depth", symbol="BTCUSDT", limit=5)["result"]["bids"]
        assert session.ask("depth", symbol="NOPE")["error"]["code"] == -1121
        assert session.ask("ticker.price", symbol="BTCUSDT")["result"]["symbol"] == "BTCUSDT"
        assert session.ask("ticker.book", symbol="BTCUSDT")["result"]["bidPrice"]
    spot = bench.client("binance").session()
    assert spot.ask("klines", symbol="BTCUSDT", interval="1m", limit=2)["result"]
    assert spot.ask("exchangeInfo", symbol="BTCUSDT")["result"]["symbols"][0]["symbol"] == "BTCUSDT"
    assert len(spot.ask("trades.recent", symbol="BTCUSDT", limit=1)["result"]) <= 1


def test_the_payload_signed_is_sorted_and_as_sent(bench, spot):
    session = spot.session()
    params = {"timestamp": bench.now_ms, "symbol": "BTCUSDT", "apiKey": spot.key.api_key, "limit": 5}
    payload = f"apiKey={spot.key.api_key}&limit=5&symbol=BTCUSDT&timestamp={bench.now_ms}"

    good = session.take(
        {"id": 1, "method": "myTrades", "params": {**params, "signature": spot.sign(payload)}}
    )
    other = spot.sign(payload.replace("limit=5", "limit=6"))
    bad = session.take({"id": 1, "method": "myTrades", "params": {**params, "signature": other}})

    assert good["status"] == 200
    assert (bad["status"], bad["error"]["code"]) == (400, -1022)
    assert json.dumps(bad)
