"""Events of the spot user data stream with their fields in the venue's order."""

import pytest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
REPORT = "e E s c S o f q p P F g C x X r i l z L n N T t I w m M O Z Y Q W V"


@pytest.fixture
def heard(spot):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    return lambda: [each["event"] for each in session.events()]


def test_a_spot_order_is_told_with_all_fields(spot, heard, bench):
    placed = spot.send("POST", "/api/v3/order", **SPOT_ORDER, newClientOrderId="a").json

    report, position = heard()

    assert " ".join(report) == REPORT
    expected = {
        "e": "executionReport",
        "E": bench.now_ms,
        "c": "a",
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": placed["orderId"],
        "q": "0.00100000",
        "z": "0.00000000",
        "t": -1,
        "w": True,
        "N": None,
    }
    assert {name: report[name] for name in expected} == expected
    assert list(position) == ["e", "E", "u", "B"]
    assert {each["a"]: each["l"] for each in position["B"]} == {"BTC": "0.00000000", "USDT": "50.00000000"}


def test_a_spot_fill_is_told_with_its_commission(spot, heard):
    placed = spot.send("POST", "/api/v3/order", **{**MARKET, "quantity": "0.001"}).json
    fill = placed["fills"][0]

    report = next(event for event in heard() if event.get("x") == "TRADE")

    assert " ".join(report) == REPORT
    assert (report["t"], report["L"], report["l"]) == (fill["tradeId"], fill["price"], fill["qty"])
    assert (report["n"], report["N"]) == (fill["commission"], fill["commissionAsset"])
    assert (report["X"], report["w"], report["m"], report["M"]) == ("FILLED", False, False, True)
    assert report["Z"] == placed["cummulativeQuoteQty"]


def test_an_amended_order_is_told_as_replaced(spot, heard):
    spot.send("POST", "/api/v3/order", **SPOT_ORDER, newClientOrderId="a")
    heard()

    params = {"symbol": "BTCUSDT", "origClientOrderId": "a", "newQty": "0.0005", "newClientOrderId": "b"}
    answer = spot.send("PUT", "/api/v3/order/amend/keepPriority", **params).json

    report = heard()[0]
    assert (report["x"], report["X"], report["q"]) == ("REPLACED", "NEW", "0.00050000")
    assert (answer["amendedOrder"]["origClientOrderId"], answer["amendedOrder"]["clientOrderId"]) == (
        "a",
        "b",
    )
    assert answer["executionId"] == report["I"]


def test_orders_that_would_meet_themselves_are_told_as_prevented(spot, heard, bench):
    inside = f"{float(bench.best()[0]) + 0.01:.2f}"
    maker = spot.send("POST", "/api/v3/order", **SPOT_ORDER | {"price": inside}).json
    heard()

    taker = {**SPOT_ORDER, "side": "SELL", "price": inside, "selfTradePreventionMode": "EXPIRE_MAKER"}
    spot.send("POST", "/api/v3/order", **taker)

    report = next(event for event in heard() if event["x"] == "TRADE_PREVENTION")
    assert (report["i"], report["X"]) == (maker["orderId"], "EXPIRED_IN_MATCH")
    assert {"v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY"} <= set(report)
    assert (report["pL"], report["pl"]) == (f"{float(inside):.8f}", "0.00100000")


def test_a_deposit_is_told(bench, heard):
    from decimal import Decimal

    bench.sim.exchange.deposit("sim", "binance", "USDT", Decimal("12.5"), bench.now_ms)
    bench.streams.collect(bench.now_ms)

    moved = next(event for event in heard() if event["e"] == "balanceUpdate")
    assert list(moved) == ["e", "E", "a", "d", "T"]
    assert (moved["a"], moved["d"]) == ("USDT", "12.50000000")


def test_fills_by_the_flow_are_told_when_it_plays(spot, heard, bench):
    bid, ask = (float(price) for price in bench.best())
    spot.send("POST", "/api/v3/order", **SPOT_ORDER | {"price": f"{bid + 0.01:.2f}"})
    spot.send("POST", "/api/v3/order", **SPOT_ORDER | {"price": f"{ask - 0.01:.2f}", "side": "SELL"})
    heard()

    events = []
    for _ in range(200):
        bench.step(100)
        events += [event for event in heard() if event.get("x") == "TRADE"]
        if events:
            break

    assert (events[0]["m"], events[0]["X"]) == (True, "FILLED")
