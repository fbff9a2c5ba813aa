"""Order, account and market calls of spot with the answers of the venue."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.001", "price": "50000"}
BY_ID = {"symbol": "BTCUSDT", "origClientOrderId": "a"}


def words(text):
    return text.split()


@pytest.fixture
def placed(spot):
    """Return the answer to an order `a` that rests."""
    return spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="a").json


ACK = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
RESULT = [
    *ACK,
    *("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce"),
    *("type", "side", "workingTime", "selfTradePreventionMode"),
]


@pytest.mark.parametrize(("kind", "names"), [("ACK", ACK), ("RESULT", RESULT), ("FULL", [*RESULT, "fills"])])
def test_a_new_order_is_answered_in_the_form_asked_for(spot, kind, names):
    assert list(spot.send("POST", "/api/v3/order", **RESTING, newOrderRespType=kind).json) == names


def test_the_form_of_the_answer_depends_on_the_type(spot, bench):
    maker = {k: v for k, v in RESTING.items() if k != "timeInForce"} | {"type": "LIMIT_MAKER"}

    assert "fills" in spot.send("POST", "/api/v3/order", **RESTING).json
    assert list(spot.send("POST", "/api/v3/order", **maker).json) == ACK


def test_a_market_order_for_an_amount_is_filled_at_once(spot):
    told = spot.send(
        "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100"
    ).json

    assert (told["status"], told["origQuoteOrderQty"]) == ("FILLED", "100.00000000")
    assert 99 < float(told["cummulativeQuoteQty"]) <= 100
    assert sum(float(fill["qty"]) for fill in told["fills"]) == pytest.approx(float(told["executedQty"]))


def test_an_order_is_queried_by_either_id(spot, placed):
    by_client = spot.send("GET", "/api/v3/order", **BY_ID).json
    by_id = spot.send("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json

    assert by_client == by_id
    names = "symbol orderId orderListId clientOrderId price origQty executedQty cummulativeQuoteQty status"
    names += " timeInForce type side stopPrice icebergQty time updateTime isWorking workingTime"
    names += " origQuoteOrderQty selfTradePreventionMode"
    assert list(by_id) == words(names)
    assert spot.send("GET", "/api/v3/order", symbol="BTCUSDT", orderId="1").code == -2013
    assert spot.send("GET", "/api/v3/openOrders").json == [by_id]
    assert spot.send("GET", "/api/v3/openOrders", symbol="BTCUSDT").json == [by_id]
    assert spot.send("GET", "/api/v3/allOrders", symbol="BTCUSDT").json == [by_id]


def test_a_cancel_has_an_id_of_its_own(spot, placed):
    told = spot.send("DELETE", "/api/v3/order", **BY_ID, newClientOrderId="c-1").json

    assert (told["origClientOrderId"], told["clientOrderId"]) == ("a", "c-1")
    assert (told["orderId"], told["status"]) == (placed["orderId"], "CANCELED")
    again = spot.send("DELETE", "/api/v3/order", **BY_ID)
    assert (again.status, again.json) == (400, {"code": -2011, "msg": "Unknown order sent."})


def test_a_cancel_may_be_restricted_to_orders_in_a_state(spot, placed):
    refused = spot.send("DELETE", "/api/v3/order", **BY_ID, cancelRestrictions="ONLY_PARTIALLY_FILLED")

    assert refused.code == -2011
    assert spot.send("DELETE", "/api/v3/order", **BY_ID, cancelRestrictions="SOMETIMES").code == -1145
    assert spot.send("DELETE", "/api/v3/order", **BY_ID, cancelRestrictions="ONLY_NEW").status == 200


def test_cancel_all_reports_each_order_and_refuses_an_empty_book(spot, placed):
    spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="b")

    told = spot.send("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").json

    assert [each["origClientOrderId"] for each in told] == ["a", "b"]
    assert spot.send("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").code == -2011


REPLACE = {**RESTING, "newClientOrderId": "new", "cancelOrigClientOrderId": "a"}
BAD_NEW = {**REPLACE, "quantity": "0.00001"}


def parts(answer):
    data = answer.json.get("data", answer.json)
    return data["cancelResult"], data["newOrderResult"]


def test_replacing_cancels_and_places(spot, placed):
    answer = spot.send("POST", "/api/v3/order/cancelReplace", **REPLACE, cancelReplaceMode="STOP_ON_FAILURE")

    assert (answer.status, parts(answer)) == (200, ("SUCCESS", "SUCCESS"))
    assert answer.json["newOrderResponse"]["clientOrderId"] == "new"


@pytest.mark.parametrize(
    ("order", "mode", "exists", "status", "code", "results"),
    [
        (REPLACE, "STOP_ON_FAILURE", False, 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        (REPLACE, "ALLOW_FAILURE", False, 409, -2021, ("FAILURE", "SUCCESS")),
        (BAD_NEW, "ALLOW_FAILURE", False, 400, -2022, ("FAILURE", "FAILURE")),
        (BAD_NEW, "STOP_ON_FAILURE", True, 409, -2021, ("SUCCESS", "FAILURE")),
    ],
)
def test_replacing_tells_which_half_failed(spot, order, mode, exists, status, code, results):
    if exists:
        spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="a")

    answer = spot.send("POST", "/api/v3/order/cancelReplace", **order, cancelReplaceMode=mode)

    assert (answer.status, answer.code, parts(answer)) == (status, code, results)


def test_replacing_over_the_websocket_api_tells_the_same(spot):
    params = {**REPLACE, "cancelReplaceMode": "STOP_ON_FAILURE"}

    answer = spot.session().send("order.cancelReplace", **params)

    assert (answer["status"], answer["error"]["code"]) == (400, -2022)
    assert answer["error"]["data"]["cancelResult"] == "FAILURE"


def test_a_test_order_leaves_nothing(spot):
    assert spot.send("POST", "/api/v3/order/test", **RESTING).json == {}
    rates = spot.send("POST", "/api/v3/order/test", **RESTING, computeCommissionRates="true").json
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert spot.send("POST", "/api/v3/order/test", **RESTING | {"quantity": "0"}).code == -1013
    assert spot.send("GET", "/api/v3/openOrders").json == []


def test_post_only_that_would_take_is_refused(spot, bench):
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001"}

    answer = spot.send("POST", "/api/v3/order", **order, price=bench.best()[1])

    assert answer.json == {"code": -2010, "msg": "Order would immediately match and take."}


def test_a_client_id_that_is_open_already_is_refused(spot, placed):
    answer = spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="a")

    assert answer.json == {"code": -2010, "msg": "Duplicate order sent."}


def test_fills_are_told_by_order_and_from_an_id(spot):
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    first, second = (spot.send("POST", "/api/v3/order", **market).json for _ in range(2))
    ids = [fill["tradeId"] for each in (first, second) for fill in each["fills"]]

    def told(**params):
        return [t["id"] for t in spot.send("GET", "/api/v3/myTrades", symbol="BTCUSDT", **params).json]

    assert told() == ids
    assert told(limit="1") == ids[-1:]
    assert told(fromId=ids[-1]) == ids[-1:]
    assert told(fromId="0", limit="1") == ids[:1]
    assert told(orderId=second["orderId"]) == [fill["tradeId"] for fill in second["fills"]]


def test_balances_tell_what_is_locked_and_may_leave_out_zeros(spot, placed):
    told = spot.send("GET", "/api/v3/account").json

    balances = {each["asset"]: (each["free"], each["locked"]) for each in told["balances"]}
    assert balances["USDT"] == ("999950.00000000", "50.00000000")
    assert told["canTrade"] is True
    sold = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    spot.send("POST", "/api/v3/order", **sold, quantity="20", price="70000")
    left = spot.send("GET", "/api/v3/account", omitZeroBalances="true").json["balances"]
    assert {"asset": "BTC", "free": "0.00000000", "locked": "20.00000000"} in left


def test_market_calls_tell_the_tape(spot, bench):
    bench.step(60_000)
    trades = spot.public("/api/v3/trades?symbol=BTCUSDT&limit=5").json
    aggregates = spot.public("/api/v3/aggTrades?symbol=BTCUSDT&limit=5").json
    day = spot.public("/api/v3/ticker/24hr?symbol=BTCUSDT").json
    price = spot.public("/api/v3/ticker/price?symbol=BTCUSDT").json

    assert len(trades) == 5
    assert [trade["id"] for trade in trades] == [trade["a"] for trade in aggregates]
    assert price == {"symbol": "BTCUSDT", "price": trades[-1]["price"]}
    assert (day["lastPrice"], day["lastId"]) == (price["price"], trades[-1]["id"])
    assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
    assert day["count"] == day["lastId"] - day["firstId"] + 1
    mean = float(spot.public("/api/v3/avgPrice?symbol=BTCUSDT").json["price"])
    assert float(day["lowPrice"]) <= mean <= float(day["highPrice"])
    since = spot.public(f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={trades[1]['id']}&limit=2").json
    assert since == trades[1:3]


def test_market_calls_take_one_market_several_or_all(spot):
    for name in ("price", "bookTicker", "24hr"):
        one = spot.public(f"/api/v3/ticker/{name}?symbol=BTCUSDT").json
        assert spot.public(f"/api/v3/ticker/{name}").json == [one]
        assert spot.public(f'/api/v3/ticker/{name}?symbols=["BTCUSDT"]').json == [one]
        assert spot.public(f"/api/v3/ticker/{name}?symbol=NOPE").code == -1121
        assert spot.public(f"/api/v3/ticker/{name}?symbols=[]").code == -1130
        assert spot.public(f'/api/v3/ticker/{name}?symbol=BTCUSDT&symbols=["BTCUSDT"]').code == -1128
