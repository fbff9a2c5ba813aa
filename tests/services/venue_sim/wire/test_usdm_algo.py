"""Conditional orders of USD-M."""


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
