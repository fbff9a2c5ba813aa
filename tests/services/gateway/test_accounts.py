"""The mode and the accounts at venues, as the page and programs are told."""

import pytest

from services.broker.settings import BrokerSettings, VenueAccess
from services.gateway.view import GatewayView
from shared.messages import orders, system
from shared.messages.venue import OrderAdopted, VenueDifference, VenueLink
from shared.units import Side

USDM, SYMBOL = "binance_usdm", "binance_usdm:BTCUSDT"
ACCESS = VenueAccess(name=USDM, symbols=("BTCUSDT",), network="testnet", key="mine")


def account(client):
    return client.get("/api/v1/account").json()


def at_venue(feed, mode="testnet"):
    feed.everything()
    feed.start("broker", BrokerSettings(mode=mode, venues=(ACCESS,)))


def test_on_paper_there_is_a_mode_and_no_account(client, feed):
    feed.everything()

    told = account(client)

    assert (told["mode"], told["venues"], told["unknown_count"], told["dead_man"]) == ("paper", [], 0, "")


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_before_the_broker_has_compared_itself_nothing_is_reconciled_or_connected(client, feed, mode):
    at_venue(feed, mode)

    told = account(client)

    assert (told["mode"], told["is_reconciled"], told["reconciled_ms"]) == (mode, False, None)
    (line,) = told["venues"]
    assert (line["network"], line["key"], line["is_reachable"]) == ("testnet", "mine", False)
    assert (line["reason"], line["user_stream_ms"]) == ("not connected yet", None)


def test_links_tell_since_when_the_private_stream_is_as_it_is(client, feed, sight):
    at_venue(feed)
    feed.say(VenueLink(USDM, True, True), "broker.io")
    up_ns = feed.now_ns
    feed.say(VenueLink(USDM, False, True, "banned", until_ns=up_ns + 10**10), "broker.io")
    sight[0] = sight[0]._replace(now_ns=up_ns + 2_000_000_000)

    (line,) = account(client)["venues"]

    assert (line["is_reachable"], line["is_user_stream_up"], line["reason"]) == (False, True, "banned")
    assert line["user_stream_ms"] == 2000
    assert line["banned_until_ns"] == str(up_ns + 10**10)


def test_a_comparison_counts_for_its_own_run_of_the_broker_only(client, feed):
    at_venue(feed)
    feed.say(system.Reconciled(run=1), "broker.io")
    assert account(client)["is_reconciled"]

    feed.say(system.Reconciled(run=1, difference_count=2, details="position of BTCUSDT"), "broker.io")
    told = account(client)
    assert (told["is_reconciled"], told["reconciled_text"]) == (False, "position of BTCUSDT")


def test_differences_are_counted_and_the_newest_is_shown(client, feed):
    at_venue(feed)
    feed.say(VenueDifference(SYMBOL, "missed_fill", "a-b-c-1", "0", "5", "booked"), "broker.io")
    feed.say(
        VenueDifference(SYMBOL, "external_order", "web_1", "", "sell 1", "adopted", is_halted=True),
        "broker.io",
    )

    told = account(client)

    assert told["difference_count"] == 2
    assert (told["difference"]["kind"], told["difference"]["is_halted"]) == ("external_order", True)


def test_orders_in_doubt_are_counted_with_the_age_of_the_oldest(client, feed, sight):
    at_venue(feed)
    name = ("1-maker-b0-1", "maker", SYMBOL)
    feed.say(orders.OrderIntent(*name, Side.BUY, 999, 1), "strategy/maker")
    feed.say(orders.OrderApproved(*name, Side.BUY, 999, 1), "risk")
    feed.say(orders.OrderSent(*name, Side.BUY, 999, 1), "broker.io")
    feed.say(orders.OrderUnknown(*name, "no answer"), "broker.io")
    sight[0] = sight[0]._replace(now_ns=feed.now_ns + 12_000_000_000)

    told = account(client)

    assert (told["unknown_count"], told["oldest_unknown_ms"]) == (1, 12_000)


def test_the_dead_mans_switch_tells_whether_the_canceller_runs(client, feed, sight):
    at_venue(feed)
    assert account(client)["dead_man"].endswith("canceller DOES NOT RUN")

    known = sight[0].processes
    sight[0] = sight[0]._replace(processes={**known, "canceller": known["broker"]})
    assert account(client)["dead_man"] == "venue countdown 60 s where offered; canceller runs"


def test_the_replica_of_accounts_survives_a_snapshot(feed):
    at_venue(feed)
    feed.say(VenueLink(USDM, True, True), "broker.io")
    feed.say(system.Reconciled(run=1), "broker.io")
    feed.say(VenueDifference(SYMBOL, "missed_fill", "a-b-c-1", "0", "5", "booked"), "broker.io")
    other = GatewayView()

    other.restore(feed.view.snapshot())

    assert other.snapshot() == feed.view.snapshot()
    assert other.accounts.links[USDM].said.is_reachable


def test_an_order_of_somebody_else_is_shown_as_external_until_it_ends(client, feed):
    at_venue(feed)
    adopted = OrderAdopted("web_1", "external", SYMBOL, "77", Side.SELL, 1005, 30, 10)
    feed.say(adopted, "broker.io")

    (order,) = client.get("/api/v1/orders?state=open&strategy=external").json()["items"]
    assert (order["client_order_id"], order["state"], order["side"]) == ("web_1", "partially_filled", "sell")

    feed.say(orders.OrderCanceled("web_1", "external", SYMBOL, 10, "by hand"), "broker.io")
    assert client.get("/api/v1/orders?state=open&strategy=external").json()["items"] == []
