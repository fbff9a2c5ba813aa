"""Subscriptions of a connection to user data."""

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SPOT_ORDER = {**ORDER, "quantity": "0.001", "price": "50000"}


def test_a_subscription_of_the_logon_ends_with_it_and_says_so(bench, spot, signer):
    session = spot.session()
    assert session.ask("userDataStream.subscribe")["status"] == 401
    signer.log_on(session)

    assert session.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -2035
    assert session.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    assert session.ask("session.status")["result"]["userDataStream"] is True
    session.ask("session.logout")

    assert [each["event"]["e"] for each in session.events()] == ["eventStreamTerminated"]
    assert session.ask("session.subscriptions")["result"] == []


def test_a_signed_subscription_outlives_a_logout(bench, spot, signer):
    session = spot.session()
    session.send("userDataStream.subscribe.signature")
    signer.log_on(session)
    session.ask("session.logout")

    spot.send("POST", "/api/v3/order", **SPOT_ORDER)

    assert session.events()[0]["event"]["x"] == "NEW"


def test_unsubscribing_ends_one_or_all(spot):
    session = spot.session()
    assert session.ask("userDataStream.unsubscribe")["error"]["code"] == -2036
    session.send("userDataStream.subscribe.signature")

    assert session.ask("userDataStream.unsubscribe", subscriptionId=7)["error"]["code"] == -2036
    assert session.ask("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    assert session.send("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}
    assert session.ask("userDataStream.unsubscribe")["result"] == {}
    session.events()

    spot.send("POST", "/api/v3/order", **SPOT_ORDER)
    assert session.events() == []


def test_each_account_hears_only_of_itself(make_bench):
    from services.venue_sim.settings import AccountSettings

    bench = make_bench(accounts=(AccountSettings(), AccountSettings(name="other")))
    first, second = bench.client(), bench.client(account=1)
    heard = [client.session() for client in (first, second)]
    for session in heard:
        session.send("userDataStream.subscribe.signature")

    second.send("POST", "/api/v3/order", **SPOT_ORDER)

    assert heard[0].events() == []
    assert len(heard[1].events()) == 2
    assert first.send("GET", "/api/v3/openOrders").json == []
