"""Wallet, positions and income of USD-M."""

import pytest

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


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
