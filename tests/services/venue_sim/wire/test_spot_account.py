"""Balances of spot."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
RESTING = {**ORDER, "quantity": "0.001", "price": "50000"}


@pytest.fixture
def placed(spot):
    """Return the answer to an order `a` that rests."""
    return spot.send("POST", "/api/v3/order", **RESTING, newClientOrderId="a").json


def test_balances_tell_what_is_locked_and_may_leave_out_zeros(spot, placed):
    told = spot.send("GET", "/api/v3/account").json

    balances = {each["asset"]: (each["free"], each["locked"]) for each in told["balances"]}
    assert balances["USDT"] == ("999950.00000000", "50.00000000")
    assert told["canTrade"] is True
    sold = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    spot.send("POST", "/api/v3/order", **sold, quantity="20", price="70000")
    left = spot.send("GET", "/api/v3/account", omitZeroBalances="true").json["balances"]
    assert {"asset": "BTC", "free": "0.00000000", "locked": "20.00000000"} in left
