"""Who may call: keys, signatures, the time window, rights; and what an answer tells about time."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.venue_sim.exchange.keys import AccountKey

ACCOUNT = {"binance": "/api/v3/account", "binance_usdm": "/fapi/v3/account"}
BOTH = pytest.mark.parametrize("venue", ["binance", "binance_usdm"])


def with_key(bench, **changes):
    """Register a second key of the account."""
    key = bench.client().key
    other = msgspec.structs.replace(key, api_key="second", **changes)
    bench.sim.exchange.add_key(other)
    return other


@BOTH
def test_without_a_key_nothing_signed_is_answered(bench, venue):
    client = bench.client(venue)
    target = f"{ACCOUNT[venue]}?{client.query({})}"

    missing = client.wire.http("GET", target, (), b"", bench.now_ns)
    unknown = client.wire.http("GET", target, (("X-MBX-APIKEY", "nobody"),), b"", bench.now_ns)

    assert (missing[0], b"-2014" in missing[2]) == (401, True)
    assert (unknown[0], b"-2015" in unknown[2]) == (401, True)


@BOTH
def test_a_revoked_key_and_one_of_another_address_are_refused(bench, venue):
    client = bench.client(venue)
    client.key = with_key(bench, allowed_addresses=("10.0.0.1",))

    assert client.send("GET", ACCOUNT[venue]).code == -2015
    assert client.send("GET", ACCOUNT[venue], ip="10.0.0.1").status == 200
    client.key.is_revoked = True
    assert client.send("GET", ACCOUNT[venue], ip="10.0.0.1").code == -2015


@BOTH
def test_a_key_that_only_reads_may_not_trade(bench, venue):
    client = bench.client(venue)
    client.key = with_key(bench, can_trade=False)
    path = "/api/v3/openOrders" if venue == "binance" else "/fapi/v1/allOpenOrders"

    assert client.send("GET", ACCOUNT[venue]).status == 200
    assert (client.send("DELETE", path, symbol="BTCUSDT").code) == -2015
    client.key.can_read = False
    assert client.send("GET", ACCOUNT[venue]).code == -2015


def test_the_rights_of_a_key_are_told(bench, spot):
    assert spot.send("GET", "/sapi/v1/account/apiRestrictions").json["enableWithdrawals"] is False

    spot.key = with_key(bench, can_withdraw=True)

    assert spot.send("GET", "/sapi/v1/account/apiRestrictions").json["enableWithdrawals"] is True
    assert spot.send("GET", "/api/v3/account").json["canWithdraw"] is True


@BOTH
def test_signature_and_timestamp_are_mandatory(bench, venue):
    client, path = bench.client(venue), ACCOUNT[venue]

    assert client.raw("GET", path).code == -1102
    assert client.raw("GET", f"{path}?timestamp={bench.now_ms}").code == -1102
    assert client.raw("GET", f"{path}?timestamp={bench.now_ms}&signature=00").code == -1022
    assert client.raw("GET", f"{path}?timestamp=soon&signature={client.sign('timestamp=soon')}").code == -1100


def stamped(client, timestamp, **params):
    query = "&".join(f"{name}={value}" for name, value in {**params, "timestamp": timestamp}.items())
    return client.raw("GET", f"{ACCOUNT[client.venue]}?{query}&signature={client.sign(query)}")


@BOTH
def test_the_time_window_has_exact_edges(bench, venue):
    client, now_ms = bench.client(venue), bench.now_ms

    assert stamped(client, now_ms + 999).status == 200
    assert stamped(client, now_ms + 1000).code == -1021
    assert stamped(client, now_ms - 5000).status == 200
    assert stamped(client, now_ms - 5001).code == -1021
    assert stamped(client, now_ms - 5001, recvWindow=5001).status == 200
    assert stamped(client, now_ms - 60_000, recvWindow=60000).status == 200
    assert stamped(client, now_ms, recvWindow=60001).code == -1131
    assert stamped(client, now_ms, recvWindow="1E99").code == -1131


def test_spot_takes_microseconds_and_parts_of_milliseconds(bench, spot):
    assert stamped(spot, bench.now_ms * 1000).status == 200
    assert stamped(spot, bench.now_ms, recvWindow="100.125").status == 200
    assert stamped(spot, bench.now_ms, recvWindow="100.1234").code == -1100
    assert stamped(bench.client("binance_usdm"), bench.now_ms, recvWindow="100.5").code == -1100


def test_body_and_query_are_signed_together(spot, bench):
    query = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timestamp={bench.now_ms}"
    body = "timeInForce=GTC&quantity=0.001&price=50000"
    form = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)

    def place(signed):
        target = f"/api/v3/order?{query}&signature={spot.sign(signed)}"
        return spot.raw("POST", target, body.encode(), form)

    assert place(query + body).status == 200
    assert place(query).code == -1022


def test_a_signature_may_stand_in_the_body(spot, bench):
    body = f"symbol=BTCUSDT&timestamp={bench.now_ms}"

    answer = spot.raw("DELETE", "/api/v3/openOrders", f"{body}&signature={spot.sign(body)}".encode())

    assert answer.code == -2011, "the book is empty: the request was understood"


def test_a_body_that_is_no_form_has_no_parameters(spot):
    answer = spot.raw(
        "POST", "/api/v3/order", b'{"symbol":"BTCUSDT"}', (("Content-Type", "application/json"),)
    )

    assert answer.code == -1102


def test_ed25519_signs_rest_calls_too(bench, spot):
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    spot.key = with_key(bench, key_type="ed25519", secret=pem)
    query = f"timestamp={bench.now_ms}"
    signature = base64.b64encode(private.sign(query.encode())).decode()

    from urllib.parse import quote

    answer = spot.raw("GET", f"/api/v3/account?{query}&signature={quote(signature, safe='')}")

    assert answer.status == 200
    assert isinstance(bench.sim.exchange.account_of_key("second"), AccountKey)


def test_times_come_in_the_unit_asked_for(bench, spot):
    micro = (("X-MBX-TIME-UNIT", "microsecond"),)

    assert spot.raw("GET", "/api/v3/time", headers=micro).json == {"serverTime": bench.now_ms * 1000}
    assert spot.raw("GET", "/api/v3/time").json == {"serverTime": bench.now_ms}
    placed = spot.send(
        *("POST", "/api/v3/order"),
        headers=micro,
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.001",
        price="50000",
    )
    assert placed.json["transactTime"] == placed.json["workingTime"] == bench.now_ms * 1000
    assert spot.raw("GET", "/api/v3/time", headers=(("X-MBX-TIME-UNIT", "HOUR"),)).code == -1194
    usdm = bench.client("binance_usdm")
    assert usdm.raw("GET", "/fapi/v1/time", headers=micro).json == {"serverTime": bench.now_ms}


def test_paths_and_methods_that_do_not_exist_are_told_so(bench, spot):
    assert spot.raw("GET", "/api/v3/nothing").status == 404
    assert spot.raw("GET", "/fapi/v1/time").status == 404
    assert spot.raw("PATCH", "/api/v3/order").status == 405
    assert spot.raw("POST", "/api/v3/depth?symbol=BTCUSDT").status == 405
    assert spot.send("GET", "/sapi/v1/capital/config/getall").status == 404
