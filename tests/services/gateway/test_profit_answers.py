"""Round trips, parts of the profit, funding: what risk says can be read, and is exact."""

import pytest

from services.gateway.view import TRIPS_KEPT, GatewayView
from shared.messages import guards, orders
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
PARTS = guards.ProfitParts(
    "as_btc", SYMBOL, "USDT", 50_000, -20_000, -10_000, 0, 5_000, 75_000, 200, -300, 99_500
)


def a_trip(strategy="as_btc", opened_ns=2**60, held_ns=1_500_000_000):
    return guards.RoundTrip(
        strategy, SYMBOL, Side.SELL, 10, opened_ns, opened_ns + held_ns, 120_000, 400, -300, "USDT"
    )


@pytest.mark.req("RK-29", "GW-1")
def test_round_trips_can_be_read_in_pages_with_their_holding_time(client, feed):
    feed.everything()
    feed.say(a_trip(), "risk")
    seq = feed.say(a_trip("grid_eth"), "risk")

    (first,) = client.get("/api/v1/round_trips", params={"strategy": "as_btc"}).json()["items"]
    page = client.get("/api/v1/round_trips", params={"limit": 1}).json()
    (second,) = client.get("/api/v1/round_trips", params={"after": page["next_after"]}).json()["items"]

    assert (first["side"], first["qty"], first["holding_ns"]) == ("sell", "0.010", 1_500_000_000)
    assert (first["gross_pnl"], first["fees"], first["funding"]) == (
        "0.00120000",
        "0.00000400",
        "-0.00000300",
    )
    assert first["net_pnl"] == "0.00119300"
    assert (second["strategy"], second["seq"]) == ("grid_eth", seq)


@pytest.mark.req("RK-29", "GW-1", "OB-2")
def test_the_parts_of_the_profit_can_be_read_and_scraped(client, feed):
    feed.everything()
    feed.say(PARTS, "risk")

    (parts,) = client.get("/api/v1/profit_parts").json()["items"]
    scraped = client.get("/metrics").text

    assert (parts["spread"], parts["adverse_100ms"]) == ("0.00050000", "-0.00020000")
    assert (parts["inventory"], parts["equity"]) == ("0.00075000", "0.00099500")
    assert client.get("/api/v1/profit_parts", params={"strategy": "nobody"}).json()["items"] == []
    line = 'quotemesh_profit_part{asset="USDT",part="equity",strategy="as_btc",symbol="binance_usdm:BTCUSDT"}'
    assert f"{line} 0.000995" in scraped


@pytest.mark.req("RK-29")
def test_a_position_is_marked_by_its_exact_cost_and_shows_its_funding(client, feed):
    # 3 lots that cost 30,001 half atoms more than any average in hundredths of ticks could say.
    feed.everything()
    changed = orders.PositionChanged(
        "as_btc",
        SYMBOL,
        3,
        100_003,
        0,
        0,
        "USDT",
        1,
        cost_atoms=30_001_234,
        funding_atoms=-77,
        funding_count=1,
    )
    feed.say(changed, "risk")

    (position,) = client.get("/api/v1/positions").json()["items"]

    assert position["unrealized_pnl"] == "-0.00001234"
    assert position["funding"] == "-0.00000077"
    profits = feed.view.history.profit_atoms(feed.view.positions.values(), feed.view.rules, feed.view.books)
    assert profits == {"USDT": -1234 - 77}


@pytest.mark.req("JR-5")
def test_trips_and_parts_are_part_of_the_snapshot_and_bounded(feed):
    feed.everything()
    feed.say(PARTS, "risk")
    for number in range(TRIPS_KEPT + 2):
        feed.say(a_trip(opened_ns=number), "risk")
    copy = GatewayView()
    copy.restore(feed.view.snapshot())

    assert copy.digest() == feed.view.digest()
    assert len(copy.trips) == TRIPS_KEPT
    assert copy.trips[0].said.opened_ns == 2


def test_without_rules_the_numbers_are_unknown(client, feed):
    feed.say(a_trip(), "risk")
    feed.say(PARTS, "risk")

    (trip,) = client.get("/api/v1/round_trips").json()["items"]
    (parts,) = client.get("/api/v1/profit_parts").json()["items"]

    assert (trip["qty"], trip["net_pnl"], parts["equity"]) == (None, None, None)
