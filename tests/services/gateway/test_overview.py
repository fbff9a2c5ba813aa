import pytest

from shared.messages import market, system

SYMBOL = "binance_usdm:BTCUSDT"


def services_of(client):
    return {one["service"]: one for one in client.get("/api/v1/overview").json()["pulse"]["services"]}


@pytest.mark.req("GW-5")
def test_every_process_is_told_with_its_place_lag_digest_and_memory(client, feed):
    feed.everything()
    feed.say(system.CoreDigest("risk", 10, b"\xab" * 16), "risk.io")

    found = services_of(client)

    assert list(found) == ["bus", "venue_sim", "market_data", "strategy", "risk", "broker", "gateway"]
    risk = found["risk"]
    assert (risk["health"], risk["applied_seq"], risk["behind"]) == ("ok", 20, 5)
    assert (risk["digest"], risk["digest_seq"], risk["rss_bytes"]) == ("ab" * 16, 10, 2**20)
    assert (found["bus"]["applied_seq"], found["bus"]["behind"]) == (25, 0)
    assert found["venue_sim"]["applied_seq"] is None
    assert {one["health"] for one in found.values()} == {"ok"}


@pytest.mark.req("GW-15")
def test_a_process_that_is_gone_silent_or_starting_says_so(client, feed, sight):
    feed.everything()
    feed.say(system.SourceSilent("risk", 2500), "bus")
    known = sight[0]
    sight[0] = known._replace(processes={k: v for k, v in known.processes.items() if k != "broker"})
    known.bus["services"]["strategy"]["state"] = "catching_up"

    found = services_of(client)

    assert (found["risk"]["health"], found["risk"]["detail"]) == ("silent", "no sign of life")
    assert (found["broker"]["health"], found["broker"]["detail"]) == ("down", "no such process runs")
    assert (found["strategy"]["health"], found["strategy"]["detail"]) == ("starting", "catching up")


@pytest.mark.req("GW-15")
def test_a_silent_bus_makes_everything_behind_it_unknown(client, feed, sight):
    feed.everything()
    sight[0] = sight[0]._replace(bus=None, bus_silent_ms=4200)

    pulse = client.get("/api/v1/overview").json()["pulse"]
    found = {one["service"]: one["health"] for one in pulse["services"]}

    assert found == {
        "bus": "silent",
        "venue_sim": "ok",
        "market_data": "unknown",
        "strategy": "unknown",
        "risk": "unknown",
        "broker": "unknown",
        "gateway": "ok",
    }
    assert (pulse["is_bus_heard"], pulse["bus_silent_ms"]) == (False, 4200)


def test_a_gateway_that_catches_up_is_not_believed(client, feed, sight):
    feed.everything()
    sight[0] = sight[0]._replace(is_live=False)

    assert client.get("/api/v1/overview").json()["pulse"]["is_caught_up"] is False
    assert services_of(client)["gateway"]["health"] == "starting"


@pytest.mark.req("GW-6")
def test_the_overview_holds_orders_fills_profit_and_the_curve(client, feed):
    feed.everything()

    found = client.get("/api/v1/overview").json()

    assert [(one["client_order_id"], one["state"]) for one in found["orders"]] == [
        ("a", "filled"),
        ("b", "accepted"),
    ]
    assert [one["trade_id"] for one in found["fills"]] == ["t1"]
    assert found["pulse"]["profits"] == [{"asset": "USDT", "profit": "-0.00000200"}]
    ((ts_ns, profit),) = found["curves"][0]["points"]
    assert (found["curves"][0]["asset"], isinstance(ts_ns, str), profit) == ("USDT", True, "-0.00000200")


@pytest.mark.req("GW-4")
def test_trades_are_told_by_market(client, feed):
    feed.everything()
    feed.say(market.Trade(SYMBOL, 2**60, 1000, 5, 1, 1, 2))

    found = client.get("/api/v1/trades", params={"symbol": SYMBOL}).json()

    (one,) = found["items"]
    assert (one["trade_id"], one["price"], one["qty"], one["side"]) == (str(2**60), "100.00", "0.005", "sell")
    assert client.get("/api/v1/trades", params={"symbol": "x"}).status_code == 404


@pytest.mark.req("GW-15")
def test_a_book_that_is_not_to_be_relied_on_says_why(client, feed, sight):
    feed.everything()

    def problem():
        (book,) = client.get("/api/v1/overview").json()["pulse"]["books"]
        return book["reason"]

    assert problem() == ""
    sight[0] = sight[0]._replace(now_ns=sight[0].now_ns + 7 * 10**9)
    assert problem().startswith("nothing new for 8.")
    feed.say(market.BookInvalid(SYMBOL, "gap"))
    assert problem() == "gap"
