"""Settings of USD-M: leverage, margin type, position mode, tiers."""

from itertools import pairwise

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.010", "price": "58000.0"}


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


def test_margin_is_moved_in_and_out_of_an_isolated_position(usdm):
    move = {"symbol": "BTCUSDT", "amount": "100"}
    usdm.send("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    assert usdm.send("POST", "/fapi/v1/positionMargin", **move, type="1").status == 400
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    usdm.send("POST", "/fapi/v1/order", **market)

    def wallet():
        return float(usdm.send("GET", "/fapi/v3/positionRisk").json[0]["isolatedWallet"])

    before = wallet()
    told = usdm.send("POST", "/fapi/v1/positionMargin", **move, type="1").json

    assert (told["code"], told["amount"], told["type"]) == (200, 100.0, 1)
    assert wallet() == pytest.approx(before + 100)
    assert usdm.send("POST", "/fapi/v1/positionMargin", **move, type="2").status == 200
    assert wallet() == pytest.approx(before)
    assert usdm.send("POST", "/fapi/v1/positionMargin", **move, type="3").code == -1130
    assert usdm.send("POST", "/fapi/v1/positionMargin", **move | {"amount": "-1"}, type="1").code == -4055
