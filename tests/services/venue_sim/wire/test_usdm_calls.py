"""Order, account, settings and market calls of USD-M with the answers of the venue."""

import json
from itertools import pairwise

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.010", "price": "58000.0"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
BY_ID = {"symbol": "BTCUSDT", "origClientOrderId": "a"}


def words(text):
    return text.split()


@pytest.fixture
def placed(usdm):
    """Return the answer to an order `a` that rests."""
    return usdm.send("POST", "/fapi/v1/order", **RESTING, newClientOrderId="a").json


def test_an_order_is_answered_without_average_price_and_queried_with_it(usdm, placed):
    names = "orderId symbol status clientOrderId price origQty executedQty cumQty timeInForce type reduceOnly"
    names += " closePosition side positionSide stopPrice workingType priceProtect origType priceMatch"
    names += " selfTradePreventionMode goodTillDate updateTime"
    assert list(placed) == words(names)
    told = usdm.send("GET", "/fapi/v1/order", **BY_ID).json
    assert {"avgPrice", "cumQuote", "time"} <= set(told)
    assert usdm.send("GET", "/fapi/v1/openOrder", **BY_ID).json == told
    assert usdm.send("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").json == [told]
    assert usdm.send("GET", "/fapi/v1/openOrders").json == [told]
    assert usdm.send("GET", "/fapi/v1/allOrders").json == [told]
    assert usdm.session().send("order.status", **BY_ID)["result"] == told


def test_ack_tells_nothing_of_fills_and_result_does(usdm):
    ack = usdm.send("POST", "/fapi/v1/order", **MARKET).json
    result = usdm.send("POST", "/fapi/v1/order", **MARKET, newOrderRespType="RESULT").json

    assert (ack["status"], ack["executedQty"]) == ("NEW", "0.000")
    assert (result["status"], result["executedQty"]) == ("FILLED", "0.010")


def test_a_closed_order_is_not_open(usdm, placed):
    canceled = usdm.send("DELETE", "/fapi/v1/order", **BY_ID).json

    assert (canceled["status"], canceled["clientOrderId"]) == ("CANCELED", "a")
    assert usdm.send("GET", "/fapi/v1/openOrder", **BY_ID).code == -2013
    assert usdm.send("GET", "/fapi/v1/order", **BY_ID).json["status"] == "CANCELED"
    assert usdm.send("DELETE", "/fapi/v1/order", **BY_ID).code == -2011


def test_cancel_all_says_200_even_for_an_empty_book(usdm, placed):
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}

    for _ in range(2):
        assert usdm.send("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT").json == done
    assert usdm.send("GET", "/fapi/v1/openOrders").json == []


def test_an_order_is_modified_over_both_ways(usdm, placed):
    change = {**BY_ID, "side": "BUY", "quantity": "0.020", "price": "58001.0"}

    told = usdm.send("PUT", "/fapi/v1/order", **change).json
    again = usdm.session().send("order.modify", **change | {"price": "58002.0"})

    assert (told["orderId"], told["price"], told["origQty"]) == (placed["orderId"], "58001.00", "0.020")
    assert again["result"]["price"] == "58002.00"
    assert usdm.send("PUT", "/fapi/v1/order", **change | {"price": "58002.0"}).code == -5027
    assert usdm.send("PUT", "/fapi/v1/order", **{**change, "side": "SELL"}).code == -1117


def test_a_batch_answers_each_part_in_the_order_of_the_request(usdm):
    batch = [RESTING | {"newClientOrderId": "b1"}, RESTING | {"price": "0"}, RESTING | {"quantity": 0.01}]

    told = usdm.send("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch)).json

    assert [each.get("clientOrderId", each.get("code")) for each in told][:2] == ["b1", -4001]
    assert told[2]["status"] == "NEW"
    changes = [{"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.030", "price": "58001", "orderId": 1}]
    changes.append(changes[0] | {"orderId": told[0]["orderId"]})
    modified = usdm.send("PUT", "/fapi/v1/batchOrders", batchOrders=json.dumps(changes)).json
    assert [each.get("origQty", each.get("code")) for each in modified] == [-2013, "0.030"]
    ids = json.dumps([told[0]["orderId"], 5])
    canceled = usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList=ids).json
    assert [each.get("status", each.get("code")) for each in canceled] == ["CANCELED", -2011]
    names = json.dumps([told[2]["clientOrderId"]])
    last = usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList=names).json
    assert last[0]["status"] == "CANCELED"
    assert usdm.send("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT").code == -1102


def test_the_countdown_cancels_unless_it_is_renewed(usdm, placed, bench):
    armed = {"symbol": "BTCUSDT", "countdownTime": "1000"}
    assert usdm.send("POST", "/fapi/v1/countdownCancelAll", **armed).json == armed
    bench.step(900)
    usdm.send("POST", "/fapi/v1/countdownCancelAll", **armed)
    bench.step(900)
    assert len(usdm.send("GET", "/fapi/v1/openOrders").json) == 1

    bench.step(150)

    assert usdm.send("GET", "/fapi/v1/openOrders").json == []


def test_post_only_and_fill_or_kill_are_refused_where_they_must(usdm, bench):
    crossing = {**RESTING, "price": bench.best("binance_usdm")[1]}

    assert usdm.send("POST", "/fapi/v1/order", **crossing | {"timeInForce": "GTX"}).code == -5022
    away = {**RESTING, "timeInForce": "FOK"}
    assert usdm.send("POST", "/fapi/v1/order", **away).code == -5021


def test_positions_and_wallet_follow_a_fill(usdm):
    assert usdm.send("GET", "/fapi/v3/positionRisk").json == []
    usdm.send("POST", "/fapi/v1/order", **MARKET)

    (position,) = usdm.send("GET", "/fapi/v3/positionRisk").json
    (old,) = usdm.send("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json
    account = usdm.send("GET", "/fapi/v3/account").json

    assert (position["positionAmt"], position["positionSide"]) == ("0.010", "BOTH")
    assert (old["positionAmt"], old["leverage"], old["marginType"]) == ("0.010", "20", "cross")
    assert account["positions"][0]["positionAmt"] == "0.010"
    assert float(account["totalInitialMargin"]) == pytest.approx(float(position["notional"]) / 20)
    (balance,) = usdm.send("GET", "/fapi/v3/balance").json
    (income,) = usdm.send("GET", "/fapi/v1/income", incomeType="COMMISSION").json
    assert float(balance["balance"]) == pytest.approx(1_000_000 + float(income["income"]))
    (trade,) = usdm.send("GET", "/fapi/v1/userTrades", symbol="BTCUSDT").json
    assert (trade["id"], trade["buyer"], trade["maker"]) == (int(income["tradeId"]), True, False)
    assert -float(trade["commission"]) == pytest.approx(float(income["income"]))


def test_settings_are_set_and_told(usdm):
    one = {"symbol": "BTCUSDT"}

    leverage = usdm.send("POST", "/fapi/v1/leverage", **one, leverage="50").json
    assert leverage == {"leverage": 50, "maxNotionalValue": "12000000", "symbol": "BTCUSDT"}
    assert usdm.send("POST", "/fapi/v1/leverage", **one, leverage="126").code == -4028
    done = {"code": 200, "msg": "success"}
    assert usdm.send("POST", "/fapi/v1/marginType", **one, marginType="ISOLATED").json == done
    assert usdm.send("POST", "/fapi/v1/marginType", **one, marginType="ISOLATED").code == -4046
    (config,) = usdm.send("GET", "/fapi/v1/symbolConfig", **one).json
    assert (config["marginType"], config["leverage"]) == ("ISOLATED", 50)
    assert usdm.send("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true").json == done
    assert usdm.send("GET", "/fapi/v1/positionSide/dual").json == {"dualSidePosition": True}
    assert usdm.send("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true").code == -4059
    assert usdm.send("POST", "/fapi/v1/order", **RESTING, positionSide="LONG").status == 200
    reduce_only = usdm.send("POST", "/fapi/v1/order", **RESTING, positionSide="LONG", reduceOnly="true")
    assert reduce_only.code == -1106
    assert usdm.send("GET", "/fapi/v1/accountConfig").json["dualSidePosition"] is True


def test_tiers_are_told_for_one_market_or_all(usdm):
    one = usdm.send("GET", "/fapi/v1/leverageBracket", symbol="BTCUSDT").json

    assert usdm.send("GET", "/fapi/v1/leverageBracket").json == [one]
    tiers = one["brackets"]
    assert tiers[0]["initialLeverage"] == 125
    assert all(a["notionalCap"] == b["notionalFloor"] for a, b in pairwise(tiers))


def test_conditional_orders_wait_beside_the_book(usdm):
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010"}
    stop |= {"algoType": "CONDITIONAL", "triggerPrice": "55000", "clientAlgoId": "s-1"}

    told = usdm.send("POST", "/fapi/v1/algoOrder", **stop).json

    assert (told["algoStatus"], told["triggerPrice"], told["orderType"]) == ("NEW", "55000.00", "STOP_MARKET")
    assert usdm.send("GET", "/fapi/v1/openOrders").json == []
    assert usdm.send("GET", "/fapi/v1/openAlgoOrders").json[0]["algoId"] == told["algoId"]
    assert usdm.send("GET", "/fapi/v1/algoOrder", clientAlgoId="s-1").json["algoId"] == told["algoId"]
    ended = usdm.send("DELETE", "/fapi/v1/algoOrder", algoId=told["algoId"]).json
    assert (ended["algoId"], ended["code"]) == (told["algoId"], "200")
    usdm.send("POST", "/fapi/v1/algoOrder", **stop)
    assert usdm.send("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT").json["code"] == 200
    assert usdm.send("GET", "/fapi/v1/openAlgoOrders").json == []
    assert len(usdm.send("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT").json) == 2
    assert usdm.send("DELETE", "/fapi/v1/algoOrder").code == -1102
    assert usdm.send("POST", "/fapi/v1/algoOrder", **stop | {"triggerPrice": "65000"}).code == -2021


def test_fundings_are_told_after_they_happened(make_bench):
    bench = make_bench(funding_interval_s=60)
    usdm = bench.client("binance_usdm")
    usdm.send("POST", "/fapi/v1/order", **MARKET)
    bench.step(61_000)

    (funding,) = usdm.public("/fapi/v1/fundingRate?symbol=BTCUSDT").json
    paid = usdm.send("GET", "/fapi/v1/income", incomeType="FUNDING_FEE").json

    assert funding["fundingTime"] % 60_000 == 0
    assert len(paid) == 1
    index = usdm.public("/fapi/v1/premiumIndex?symbol=BTCUSDT").json
    assert usdm.public("/fapi/v1/premiumIndex").json == [index]
    assert index["nextFundingTime"] == funding["fundingTime"] + 60_000


def test_market_calls_tell_times_too(usdm, bench):
    price = usdm.public("/fapi/v1/ticker/price?symbol=BTCUSDT").json
    book = usdm.public("/fapi/v1/ticker/bookTicker?symbol=btcusdt").json

    assert price["time"] == bench.now_ms
    assert (book["bidPrice"], book["askPrice"]) == bench.best("binance_usdm")
