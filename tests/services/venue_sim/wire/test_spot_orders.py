"""Order calls of spot with the answers of the venue."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.001", "price": "50000"}
BY_ID = {"symbol": "BTCUSDT", "origClientOrderId": "a"}
ACK = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
RESULT = [
    *ACK,
    *("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce"),
    *("type", "side", "workingTime", "selfTradePreventionMode"),
]
REPLACE = {**RESTING, "newClientOrderId": "new", "cancelOrigClientOrderId": "a"}
BAD_NEW = {**REPLACE, "quantity": "0.00001"}


@pytest.fixture
def placed(spot):
    """Return the answer to an order `a` that rests."""
    return spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="a").json


def parts(answer):
    data = answer.json.get("data", answer.json)
    return data["cancelResult"], data["newOrderResult"]


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
    assert " ".join(by_id) == names
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
