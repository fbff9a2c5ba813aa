"""Listen keys: how long they live, and what their end tells."""

import json

import pytest

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.user_streams import UserStreams

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
USDM_ORDER = {**ORDER, "quantity": "0.010", "price": "58000.0"}
HOUR_MS = 3_600_000


@pytest.fixture
def key(usdm):
    return usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"]


@pytest.fixture
def heard(spot):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    return lambda: [each["event"] for each in session.events()]


def test_a_listen_key_lives_an_hour_and_is_kept_alive(bench, usdm, key):
    assert usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"] == key
    bench.now_ns += (HOUR_MS - 1) * 1_000_000
    assert usdm.raw("PUT", "/fapi/v1/listenKey").json == {"listenKey": key}
    bench.now_ns += (HOUR_MS - 1) * 1_000_000
    assert usdm.session().ask("userDataStream.ping", apiKey=usdm.key.api_key)["result"] == {"listenKey": key}
    bench.now_ns += HOUR_MS * 1_000_000

    answer = usdm.raw("PUT", "/fapi/v1/listenKey")

    assert (answer.status, answer.code) == (400, -1125)
    assert usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"] != key


def test_an_expired_listen_key_tells_its_connections_and_then_nothing(bench, usdm, key):
    heard = bench.listen(key)
    bench.now_ns += HOUR_MS * 1_000_000
    bench.wires["binance_usdm"].advance(bench.now_ns)

    assert heard() == [{"e": "listenKeyExpired", "E": bench.now_ms, "listenKey": key}]
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)
    assert heard() == []


def test_a_closed_listen_key_tells_nothing_more(bench, usdm, key):
    heard = bench.listen(key)

    assert usdm.raw("DELETE", "/fapi/v1/listenKey").json == {}
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert heard() == []
    assert usdm.raw("DELETE", "/fapi/v1/listenKey").code == -1125


def test_a_listen_key_needs_an_api_key(bench):
    status, _, body = bench.wires["binance_usdm"].http("POST", "/fapi/v1/listenKey", (), b"", bench.now_ns)

    assert (status, json.loads(body)["code"]) == (401, -2014)


def test_listen_keys_outlive_a_restart(bench, usdm, key):
    again = UserStreams(bench.sim.exchange)
    again.load(bench.streams.dump())

    assert again.keep_key("sim", bench.now_ms) == key
    with pytest.raises(VenueRefusal, match="-1125"):
        again.keep_key("nobody", bench.now_ms)
