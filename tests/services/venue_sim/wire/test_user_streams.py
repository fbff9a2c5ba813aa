"""User data: listen keys and their connections, and every event with its fields in the venue's order."""

import json

import pytest

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.user_streams import UserStreams

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
USDM_ORDER = {**ORDER, "quantity": "0.010", "price": "58000.0"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
HOUR_MS = 3_600_000


@pytest.fixture
def key(usdm):
    return usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"]


def words(text):
    return text.split()


def kinds(events):
    return [event["e"] for event in events]


# ---- listen keys


def test_a_listen_key_lives_an_hour_and_is_kept_alive(bench, usdm, key):
    assert usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"] == key
    bench.now_ns += (HOUR_MS - 1) * 1_000_000
    assert usdm.raw("PUT", "/fapi/v1/listenKey").json == {"listenKey": key}
    bench.now_ns += (HOUR_MS - 1) * 1_000_000
    assert usdm.session().ask("userDataStream.ping", apiKey=usdm.key.api_key)["result"] == {"listenKey": key}
    bench.now_ns += HOUR_MS * 1_000_000

    answer = usdm.raw("PUT", "/fapi/v1/listenKey")

    assert (answer.status, answer.code) == (400, -1125)
    assert usdm.raw("POST", "/fapi/v1/listenKey").json["listenKey"] != key


def test_an_expired_listen_key_tells_its_connections_and_then_nothing(bench, usdm, key):
    heard = bench.listen(key)
    bench.now_ns += HOUR_MS * 1_000_000
    bench.wires["binance_usdm"].advance(bench.now_ns)

    assert heard() == [{"e": "listenKeyExpired", "E": bench.now_ms, "listenKey": key}]
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)
    assert heard() == []


def test_a_closed_listen_key_tells_nothing_more(bench, usdm, key):
    heard = bench.listen(key)

    assert usdm.raw("DELETE", "/fapi/v1/listenKey").json == {}
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert heard() == []
    assert usdm.raw("DELETE", "/fapi/v1/listenKey").code == -1125


def test_a_listen_key_needs_an_api_key(bench):
    status, _, body = bench.wires["binance_usdm"].http("POST", "/fapi/v1/listenKey", (), b"", bench.now_ns)

    assert (status, json.loads(body)["code"]) == (401, -2014)


def test_listen_keys_outlive_a_restart(bench, usdm, key):
    again = UserStreams(bench.sim.exchange)
    again.load(bench.streams.dump())

    assert again.keep_key("sim", bench.now_ms) == key
    with pytest.raises(VenueRefusal, match="-1125"):
        again.keep_key("nobody", bench.now_ms)


# ---- connections


@pytest.mark.parametrize(
    "target",
    [
        "/private/ws/{key}",
        "/private/ws?listenKey={key}",
        "/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE",
    ],
)
def test_user_data_comes_bare_on_ws_paths(bench, usdm, key, target):
    heard = bench.listen(key, target.format(key=key))

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert kinds(heard()) == ["ORDER_TRADE_UPDATE"]


def test_user_data_comes_wrapped_on_stream_paths(bench, usdm, key):
    by_query = bench.listen(key, f"/private/stream?listenKey={key}")
    by_name = bench.listen(key, f"/private/stream?streams={key}")

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    for heard in (by_query, by_name):
        (event,) = heard()
        assert (event["stream"], event["data"]["e"]) == (key, "ORDER_TRADE_UPDATE")


def test_a_listen_key_is_subscribed_like_a_stream(bench, usdm, key):
    from services.venue_sim.connection import StreamConnection

    connection = StreamConnection(bench.sim, "binance_usdm", bench.streams, bench.now_ns)
    connection.open("/private/stream")
    on = connection.take(json.dumps({"method": "SUBSCRIBE", "params": [key], "id": "u-1"}))
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)
    first = connection.events()
    connection.take(json.dumps({"method": "UNSUBSCRIBE", "params": [key], "id": 2}))
    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert json.loads(on[0]) == {"result": None, "id": "u-1"}
    assert len(first) == 1
    assert connection.events() == []


@pytest.mark.parametrize("target", ["/public/ws/{key}", "/market/stream?streams={key}", "/ws/{key}"])
def test_user_data_comes_on_the_private_path_only(bench, usdm, key, target):
    heard = bench.listen(key, target.format(key=key))

    usdm.send("POST", "/fapi/v1/order", **USDM_ORDER)

    assert heard() == []


def test_only_the_events_asked_for_come_and_always_the_end(bench, usdm, key):
    heard = bench.listen(key, f"/private/ws?listenKey={key}&events=TRADE_LITE/ACCOUNT_UPDATE")

    usdm.send("POST", "/fapi/v1/order", **MARKET)
    assert set(kinds(heard())) == {"TRADE_LITE", "ACCOUNT_UPDATE"}
    bench.streams.expire_keys_of("sim", bench.now_ms)
    assert kinds(heard()) == ["listenKeyExpired"]


# ---- events of USD-M


def test_a_usdm_order_is_told_with_all_fields(bench, usdm, key):
    heard = bench.listen(key)
    usdm.send("POST", "/fapi/v1/order", **MARKET, newClientOrderId="m-1")

    new, *_ = heard()

    assert list(new) == ["e", "E", "T", "o"]
    names = words("s c S o f q p ap sp x X i l z L n T t b a m R wt ot ps cp rp pP si ss V pm gtd er")
    assert list(new["o"]) == names
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
    names = words("caid aid at o s S ps f q X ai ap aq act tp p V wt pm cp pP R tt gtd rm")
    assert (algo["e"], list(algo["o"])) == ("ALGO_UPDATE", names)


# ---- events of spot


@pytest.fixture
def heard(spot):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    return lambda: [each["event"] for each in session.events()]


REPORT = words("e E s c S o f q p P F g C x X r i l z L n N T t I w m M O Z Y Q W V")


def test_a_spot_order_is_told_with_all_fields(spot, heard, bench):
    placed = spot.send("POST", "/api/v3/order", **SPOT_ORDER, newClientOrderId="a").json

    report, position = heard()

    assert list(report) == REPORT
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

    assert list(report) == REPORT
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
