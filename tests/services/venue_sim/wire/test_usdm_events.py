"""Events of the USD-M user data stream with their fields in the venue's order."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
USDM_ORDER = {**ORDER, "quantity": "0.010", "price": "58000.0"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


@pytest.fixture
def key(usdm):
    return usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"]


@pytest.fixture
def heard(spot):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    return lambda: [each["event"] for each in session.events()]


def test_a_usdm_order_is_told_with_all_fields(bench, usdm, key):
    heard = bench.listen(key)
    usdm.send("POST", "/fapi/v1/order", **MARKET, newClientOrderId="m-1")

    new, *_ = heard()

    assert list(new) == ["e", "E", "T", "o"]
    names = "s c S o f q p ap sp x X i l z L n T t b a m R wt ot ps cp rp pP si ss V pm gtd er"
    assert " ".join(new["o"]) == names
    told = new["o"]
    assert (told["c"], told["x"], told["X"], told["q"], told["t"]) == ("m-1", "NEW", "NEW", "0.010", 0)


def test_a_usdm_fill_is_told_lightly_then_fully_with_the_wallet(bench, usdm, key):
    heard = bench.listen(key)
    usdm.send("POST", "/fapi/v1/order", **MARKET)
    events = heard()

    lite = next(event for event in events if event["e"] == "TRADE_LITE")
    fill = next(event for event in events if event.get("o", {}).get("x") == "TRADE")
    account = next(event for event in events if event["e"] == "ACCOUNT_UPDATE")
    assert list(lite) == ["e", "E", "T", "s", "q", "p", "m", "c", "S", "L", "l", "t", "i"]
    assert (lite["t"], lite["L"], lite["l"]) == (fill["o"]["t"], fill["o"]["L"], fill["o"]["l"])
    assert fill["o"]["N"] == "USDT"
    assert list(account["a"]) == ["m", "B", "P", "S"]
    assert account["a"]["m"] == "ORDER"
    assert list(account["a"]["B"][0]) == ["a", "wb", "cw", "bc"]
    assert list(account["a"]["P"][0]) == ["s", "pa", "ep", "bep", "cr", "up", "mt", "iw", "ps"]
    assert account["a"]["P"][0]["pa"] == "0.01"


def test_a_modified_order_is_told_with_the_number_of_the_change(bench, usdm, key):
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER, newClientOrderId="a")
    heard = bench.listen(key)

    changed = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.020", "price": "58001.0"}
    answer = usdm.send("PUT", "/fapi/v1/order", **changed, origClientOrderId="a", modifyId="77")

    (event,) = heard()
    assert (event["o"]["x"], event["o"]["q"], event["o"]["M"]) == ("AMENDMENT", "0.020", "77")
    assert (answer.json["modifyId"], answer.json["origQty"]) == (77, "0.020")


def test_settings_and_conditional_orders_are_told(bench, usdm, key):
    heard = bench.listen(key)
    usdm.send("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage="7")
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010"}
    usdm.send("POST", "/fapi/v1/algoOrder", **stop, algoType="CONDITIONAL", triggerPrice="55000")

    config, algo = heard()

    assert config["ac"] == {"s": "BTCUSDT", "l": 7}
    assert list(algo) == ["e", "T", "E", "o"]
    names = "caid aid at o s S ps f q X ai ap aq act tp p V wt pm cp pP R tt gtd rm"
    assert (algo["e"], " ".join(algo["o"])) == ("ALGO_UPDATE", names)
