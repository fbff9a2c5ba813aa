"""The WebSocket API: envelope, logon, subscriptions, and the end of a connection."""

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}
DAY_NS = 86_400_000_000_000


class Signer:
    """An Ed25519 key of the account."""

    def __init__(self, bench):
        self.private = Ed25519PrivateKey.generate()
        public = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        kept = bench.client().key
        self.key = msgspec.structs.replace(kept, api_key="ed", key_type="ed25519", secret=public.decode())
        bench.sim.exchange.add_key(self.key)
        self.bench = bench

    def log_on(self, session):
        params = {"apiKey": "ed", "timestamp": self.bench.now_ms}
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        params["signature"] = base64.b64encode(self.private.sign(payload.encode())).decode()
        return session.take({"id": "on", "method": "session.logon", "params": params})


@pytest.fixture
def signer(bench):
    return Signer(bench)


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


def test_a_logon_stands_for_later_requests(bench, spot, signer):
    session = spot.session()

    on = signer.log_on(session)["result"]
    placed = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)
    off = session.ask("session.logout")["result"]
    later = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)

    assert (on["apiKey"], on["authorizedSince"], on["userDataStream"]) == ("ed", bench.now_ms, False)
    assert placed["status"] == 200
    assert (off["apiKey"], off["authorizedSince"]) == (None, None)
    assert later["error"]["code"] == -1102


def test_only_ed25519_keys_log_on(spot):
    answer = spot.session().send("session.logon")

    assert (answer["status"], answer["error"]["code"]) == (400, -4056)


def test_a_logon_needs_its_time_with_every_request(bench, spot, signer):
    session = spot.session()
    signer.log_on(session)

    assert session.ask("order.place", **SPOT_ORDER)["error"]["code"] == -1102
    assert session.ask("order.place", **SPOT_ORDER, timestamp=1)["error"]["code"] == -1021


def test_a_key_revoked_meanwhile_ends_the_logon(bench, spot, signer):
    session = spot.session()
    signer.log_on(session)
    session.ask("userDataStream.subscribe")
    signer.key.is_revoked = True

    answer = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)

    assert (answer["status"], answer["error"]["code"]) == (401, -2015)
    assert session.ask("session.status")["result"]["apiKey"] is None
    assert session.events()[-1]["event"]["e"] == "eventStreamTerminated"


def test_usdm_sessions_have_no_user_data(bench, signer):
    session = bench.client("binance_usdm").session()

    on = signer.log_on(session)["result"]

    assert "userDataStream" not in on
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -1020


def test_a_subscription_of_the_logon_ends_with_it_and_says_so(bench, spot, signer):
    session = spot.session()
    assert session.ask("userDataStream.subscribe")["status"] == 401
    signer.log_on(session)

    assert session.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -2035
    assert session.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    assert session.ask("session.status")["result"]["userDataStream"] is True
    session.ask("session.logout")

    assert [each["event"]["e"] for each in session.events()] == ["eventStreamTerminated"]
    assert session.ask("session.subscriptions")["result"] == []


def test_a_signed_subscription_outlives_a_logout(bench, spot, signer):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    signer.log_on(session)
    session.ask("session.logout")

    spot.send("POST", "/api/v3/order", **SPOT_ORDER)

    assert session.events()[0]["event"]["x"] == "NEW"


def test_unsubscribing_ends_one_or_all(spot):
    session = spot.session()
    assert session.ask("userDataStream.unsubscribe")["error"]["code"] == -2036
    session.send("userDataStream.subscribe.signature")

    assert session.ask("userDataStream.unsubscribe", subscriptionId=7)["error"]["code"] == -2036
    assert session.ask("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    assert session.send("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}
    assert session.ask("userDataStream.unsubscribe")["result"] == {}
    session.events()

    spot.send("POST", "/api/v3/order", **SPOT_ORDER)
    assert session.events() == []


def test_each_account_hears_only_of_itself(make_bench):
    from services.venue_sim.settings import AccountSettings

    bench = make_bench(accounts=(AccountSettings(), AccountSettings(name="other")))
    first, second = bench.client(), bench.client(account=1)
    heard = [client.session() for client in (first, second)]
    for session in heard:
        session.send("userDataStream.subscribe.signature")

    second.send("POST", "/api/v3/order", **SPOT_ORDER)

    assert heard[0].events() == []
    assert len(heard[1].events()) == 2
    assert first.send("GET", "/api/v3/openOrders").json == []


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
