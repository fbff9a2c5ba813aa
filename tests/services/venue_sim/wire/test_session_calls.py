"""Logging a connection on and off."""

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}


def test_a_logon_stands_for_later_requests(bench, spot, signer):
    session = spot.session()

    on = signer.log_on(session)["result"]
    placed = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)
    off = session.ask("session.logout")["result"]
    later = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)

    assert (on["apiKey"], on["authorizedSince"], on["userDataStream"]) == ("ed", bench.now_ms, False)
    assert placed["status"] == 200
    assert (off["apiKey"], off["authorizedSince"]) == (None, None)
    assert later["error"]["code"] == -1102


def test_only_ed25519_keys_log_on(spot):
    answer = spot.session().send("session.logon")

    assert (answer["status"], answer["error"]["code"]) == (400, -4056)


def test_a_logon_needs_its_time_with_every_request(bench, spot, signer):
    session = spot.session()
    signer.log_on(session)

    assert session.ask("order.place", **SPOT_ORDER)["error"]["code"] == -1102
    assert session.ask("order.place", **SPOT_ORDER, timestamp=1)["error"]["code"] == -1021


def test_a_key_revoked_meanwhile_ends_the_logon(bench, spot, signer):
    session = spot.session()
    signer.log_on(session)
    session.ask("userDataStream.subscribe")
    signer.key.is_revoked = True

    answer = session.ask("order.place", **SPOT_ORDER, timestamp=bench.now_ms)

    assert (answer["status"], answer["error"]["code"]) == (401, -2015)
    assert session.ask("session.status")["result"]["apiKey"] is None
    assert session.events()[-1]["event"]["e"] == "eventStreamTerminated"


def test_usdm_sessions_have_no_user_data(bench, signer):
    session = bench.client("binance_usdm").session()

    on = signer.log_on(session)["result"]

    assert "userDataStream" not in on
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -1020
