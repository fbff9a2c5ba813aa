"""Connections of USD-M that listen to user data."""

import json

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
USDM_ORDER = {**ORDER, "quantity": "0.010", "price": "58000.0"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


@pytest.fixture
def key(usdm):
    return usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"]


def kinds(events):
    return [event["e"] for event in events]


@pytest.fixture
def heard(spot):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    return lambda: [each["event"] for each in session.events()]


@pytest.mark.parametrize(
    "target",
    [
        "/private/ws/{key}",
        "/private/ws?listenKey={key}",
        "/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE",
    ],
)
def test_user_data_comes_bare_on_ws_paths(bench, usdm, key, target):
    heard = bench.listen(key, target.format(key=key))

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert kinds(heard()) == ["ORDER_TRADE_UPDATE"]


def test_user_data_comes_wrapped_on_stream_paths(bench, usdm, key):
    by_query = bench.listen(key, f"/private/stream?listenKey={key}")
    by_name = bench.listen(key, f"/private/stream?streams={key}")

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    for heard in (by_query, by_name):
        (event,) = heard()
        assert (event["stream"], event["data"]["e"]) == (key, "ORDER_TRADE_UPDATE")


def test_a_listen_key_is_subscribed_like_a_stream(bench, usdm, key):
    from services.venue_sim.connection import StreamConnection

    connection = StreamConnection(bench.sim, "binance_usdm", bench.streams, bench.now_ns)
    connection.open("/private/stream")
    on = connection.take(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": "u-1"}))
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)
    first = connection.events()
    connection.take(json.dumps({"method": "UNSUBSCRIBE", "params": [key], "id": 2}))
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert json.loads(on[0]) == {"result": None, "id": "u-1"}
    assert len(first) == 1
    assert connection.events() == []


@pytest.mark.parametrize("target", ["/public/ws/{key}", "/market/stream?streams={key}", "/ws/{key}"])
def test_user_data_comes_on_the_private_path_only(bench, usdm, key, target):
    heard = bench.listen(key, target.format(key=key))

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert heard() == []


def test_only_the_events_asked_for_come_and_always_the_end(bench, usdm, key):
    heard = bench.listen(key, f"/private/ws?listenKey={key}&events=TRADE_LITE/ACCOUNT_UPDATE")

    usdm.send("POST", "/fapi/v1/order", **MARKET)
    assert set(kinds(heard())) == {"TRADE_LITE", "ACCOUNT_UPDATE"}
    bench.streams.expire_keys_of("sim", bench.now_ms)
    assert kinds(heard()) == ["listenKeyExpired"]


def test_a_stream_ends_after_a_day_and_spot_says_so_before(bench):
    from services.venue_sim.connection import StreamConnection

    day_ns, minute_ns = 86_400_000_000_000, 60_000_000_000
    spot, usdm = (
        StreamConnection(bench.sim, venue, bench.streams, bench.now_ns)
        for venue in ("binance", "binance_usdm")
    )
    spot.open("/stream?streams=btcusdt@trade")
    usdm.open("/public/ws/btcusdt@trade")

    for stream in (spot, usdm):
        stream.tick(bench.now_ns + day_ns - minute_ns)
        assert not stream.is_cut

    (notice,) = map(json.loads, spot.events())
    assert (notice["stream"], notice["data"]["e"]) == ("!serverShutdown", "serverShutdown")
    assert usdm.events() == []
    for stream in (spot, usdm):
        stream.tick(bench.now_ns + day_ns)
        assert stream.is_cut
