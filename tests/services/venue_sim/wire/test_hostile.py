"""Whatever a client sends, the venue answers with one of its own errors or with success, and goes on."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.venue_sim.wire.api_session import CALLS
from services.venue_sim.wire.spot_calls import SPOT_REST
from services.venue_sim.wire.usdm_calls import USDM_REST

RELAXED = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.sampled_from(
    [
        *("symbol", "symbols", "side", "type", "timeInForce", "quantity", "price", "stopPrice", "orderId"),
        *("origClientOrderId", "newClientOrderId", "quoteOrderQty", "icebergQty", "trailingDelta", "limit"),
        *("fromId", "startTime", "endTime", "recvWindow", "cancelReplaceMode", "cancelOrderId", "newQty"),
        *("newOrderRespType", "selfTradePreventionMode", "strategyId", "strategyType", "positionSide"),
        *("reduceOnly", "closePosition", "priceMatch", "goodTillDate", "workingType", "priceProtect"),
        *("batchOrders", "orderIdList", "origClientOrderIdList", "countdownTime", "leverage", "marginType"),
        *("dualSidePosition", "multiAssetsMargin", "algoType", "triggerPrice", "algoId", "callbackRate"),
        *(
            "activatePrice",
            "incomeType",
            "modifyId",
            "subscriptionId",
            "returnRateLimits",
            "omitZeroBalances",
        ),
        *("interval", "listenKey", "nonsense"),
    ]
)
VALUES = st.sampled_from(
    [
        *("BTCUSDT", "btcusdt", "NOPE", "BUY", "SELL", "LIMIT", "MARKET", "STOP_LOSS_LIMIT", "LIMIT_MAKER"),
        *("STOP_MARKET", "TRAILING_STOP_MARKET", "GTC", "GTD", "GTX", "FOK", "IOC", "ACK", "RESULT", "FULL"),
        *("EXPIRE_BOTH", "BOTH", "LONG", "ISOLATED", "CROSSED", "true", "false", "TRUE", "CONDITIONAL"),
        *("STOP_ON_FAILURE", "ALLOW_FAILURE", "OPPONENT", "QUEUE_5", "MARK_PRICE", "1m", "0.001", "60000"),
        *(
            "0",
            "-1",
            "1",
            "1e-05",
            "1E99",
            "1e999999999",
            "NaN",
            "Infinity",
            "-0",
            "٣",
            "99999999999999999999",
        ),
        *(
            "1" * 60,
            "0.0000000001",
            "[]",
            "[1]",
            '["a"]',
            "[[]]",
            "{}",
            '[{"symbol":1}]',
            "null",
            "\x00",
            "é",
        ),
        *(
            "",
            " ",
            "%",
            "a b",
            "x" * 300,
            '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT"}]',
            '["BTCUSDT"]',
        ),
    ]
)
PARAMS = st.dictionaries(NAMES, VALUES | st.text(max_size=20), max_size=12)
REST = sorted([("binance", *key) for key in SPOT_REST] + [("binance_usdm", *key) for key in USDM_REST])
WS = sorted((venue, name) for venue, calls in CALLS.items() for name in calls)


VALID = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "50000",
    "orderId": "1",
    "newQty": "0.001",
    "cancelReplaceMode": "ALLOW_FAILURE",
    "cancelOrderId": "1",
    "countdownTime": "5000",
    "leverage": "5",
    "marginType": "ISOLATED",
    "dualSidePosition": "true",
    "multiAssetsMargin": "true",
    "algoType": "CONDITIONAL",
    "triggerPrice": "70000",
    "algoId": "1",
    "batchOrders": '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1"}]',
    "orderIdList": "[1]",
}


def is_answer(status, told):
    if status == 200:
        return True
    return 400 <= status < 500 and isinstance(told["code"], int) and told["code"] < 0 and bool(told["msg"])


@RELAXED
@given(call=st.sampled_from(REST), params=PARAMS)
def test_rest_never_fails_in_its_own_way(bench, call, params):
    venue, method, path = call
    bench.now_ns += 60_000_000_000
    client = bench.client(venue)

    answer = client.send(method, path, **params)

    assert is_answer(answer.status, answer.json), (call, params, answer.status, answer.raw)


@RELAXED
@given(call=st.sampled_from(REST), params=PARAMS, left_out=st.sets(NAMES, max_size=3))
def test_a_good_call_with_something_wrong_in_it_never_fails_in_its_own_way(bench, call, params, left_out):
    venue, method, path = call
    bench.now_ns += 60_000_000_000
    takes = SPOT_REST[method, path].takes if venue == "binance" else None
    sent = {
        name: value
        for name, value in (VALID | params).items()
        if name not in left_out and (takes is None or name in takes)
    }

    answer = bench.client(venue).send(method, path, **sent)

    assert is_answer(answer.status, answer.json), (call, sent, answer.status, answer.raw)


@RELAXED
@given(
    call=st.sampled_from(WS),
    params=st.dictionaries(
        NAMES,
        VALUES
        | st.integers()
        | st.booleans()
        | st.none()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.lists(VALUES, max_size=3),
        max_size=10,
    ),
)
def test_the_websocket_api_never_fails_in_its_own_way(bench, call, params):
    venue, method = call
    bench.now_ns += 60_000_000_000
    client = bench.client(venue)
    session = client.session()
    frame = {**params, "apiKey": client.key.api_key, "timestamp": bench.now_ms}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in frame.items()
        if value is not None
    }
    frame["signature"] = client.sign("&".join(f"{name}={texts[name]}" for name in sorted(texts)))

    answer = session.take({"id": 1, "method": method, "params": frame})

    assert answer["id"] == 1
    assert is_answer(answer["status"], answer.get("error")), (call, params, answer)


@RELAXED
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_that_are_no_request_are_told_so(bench, data):
    session = bench.client("binance").session()

    (answer,) = session.inner.take(data, bench.now_ns)

    assert json.loads(answer)["status"] == 400


@RELAXED
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", ""]),
    path=st.sampled_from(
        ["/api/v3/order", "/fapi/v1/order", "/api/v3", "/", "", "/sapi/v1/x", "//", "/api/v3/order/"]
    ),
    query=st.text(max_size=60).map(lambda text: quote(text, safe="=&%+")),
    body=st.binary(max_size=100),
    headers=st.dictionaries(
        st.sampled_from(["X-MBX-APIKEY", "Content-Type", "X-MBX-TIME-UNIT"]), st.text(max_size=20)
    ),
)
def test_requests_of_any_form_are_answered(bench, method, path, query, body, headers):
    bench.now_ns += 60_000_000_000
    wire = bench.wires["binance" if "fapi" not in path else "binance_usdm"]

    status, _, told = wire.http(method, f"{path}?{query}", headers.items(), body, bench.now_ns)

    assert status in {200, 400, 401, 404, 405}, told


@pytest.mark.parametrize(
    "nested", ["[" * 5000, '{"a":' * 5000, '{"id":1,"method":"ping","params":' + "[" * 3000]
)
def test_nesting_without_end_is_refused(bench, nested):
    session = bench.client("binance").session()

    (answer,) = session.inner.take(nested, bench.now_ns)

    assert json.loads(answer)["status"] == 400


def test_a_million_parameters_are_refused(bench, spot):
    answer = spot.raw("GET", "/api/v3/account?" + "&".join(f"a{n}=1" for n in range(1000)))

    assert (answer.status, answer.code) == (400, -1101)
