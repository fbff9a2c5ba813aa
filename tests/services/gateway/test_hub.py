import asyncio
import json

import pytest

from services.gateway.app import pulse_of
from services.gateway.hub import CHANNELS, Client
from shared.messages import market

SYMBOL = "binance_usdm:BTCUSDT"


def joined(hub, *channels, symbols=()):
    client = hub.join()
    client.channels, client.symbols = frozenset(channels or CHANNELS), frozenset(symbols)
    return client


def waiting(client):
    found = []
    while not client._queue.empty():
        text = client._queue.get_nowait()
        found.append(text and json.loads(text))
    return found


@pytest.mark.req("GW-4")
def test_events_orders_and_fills_are_pushed_as_they_are_applied(hub, feed):
    feed.everything()
    client = joined(hub)

    feed.order("c")
    feed.fill("c", "t9")

    found = waiting(client)
    orders = [one["data"]["state"] for one in found if one["channel"] == "orders"]
    assert orders == ["intended", "approved", "sent", "accepted", "filled"]
    (fill,) = [one["data"] for one in found if one["channel"] == "fills"]
    assert (fill["trade_id"], fill["price"]) == ("t9", "100.00")
    assert [one["data"]["type"] for one in found if one["channel"] == "events"][-1] == "position"


@pytest.mark.req("GW-4")
def test_a_client_gets_only_what_it_subscribed(hub, feed):
    feed.everything()
    fills, other = joined(hub, "fills"), joined(hub, "orders", symbols=["binance:BTCUSDT"])

    feed.order("c")
    feed.fill("c", "t9")

    assert [one["channel"] for one in waiting(fills)] == ["fills"]
    assert waiting(other) == []


@pytest.mark.req("GW-4")
def test_many_updates_of_a_book_become_one_push(hub, feed):
    feed.everything()
    client = joined(hub, "book")
    for number in range(2, 12):
        feed.update(number, lots=number)

    hub.push_books()
    hub.push_books()

    (push,) = waiting(client)
    assert push["data"]["bids"] == [["99.90", "0.011"]]
    assert push["data"]["update_id"] == str(2**60 + 11)


@pytest.mark.req("GW-4", "MD-28")
def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not(hub, feed):
    feed.everything()
    slow, quick = joined(hub, "orders"), joined(hub, "orders")
    for at in range(10):
        feed.order(f"c{at}")
        waiting(quick)

    assert (slow.is_dropped, quick.is_dropped) == (True, False)
    assert waiting(slow) == [None]


def test_a_dropped_client_is_told_at_once_and_gets_nothing_more():
    client = Client(3)
    for at in range(5):
        client.offer(str(at))
    client.offer("late")

    assert asyncio.run(client.next()) is None
    assert client._queue.empty()


def test_there_are_at_most_as_many_clients_as_allowed(hub):
    clients = [hub.join() for _ in range(3)]
    assert hub.join() is None

    hub.leave(clients[0])
    assert hub.join() is not None


def test_nothing_is_built_while_nobody_listens(hub, feed, monkeypatch):
    monkeypatch.setattr("services.gateway.hub.event_of", lambda _: pytest.fail("built for nobody"))
    feed.everything()
    joined(hub, "fills")
    feed.order("c")


@pytest.mark.req("GW-4")
def test_trades_since_the_last_push_leave_in_one_message(hub, feed):
    feed.everything()
    feed.say(market.Trade(SYMBOL, 1, 1000, 5, 0, 1, 2))
    hub.push_books()
    client = joined(hub, "trades")

    feed.say(market.Trade(SYMBOL, 2, 1000, 5, 0, 1, 2))
    feed.say(market.Trade(SYMBOL, 3, 1001, 6, 1, 1, 2))
    hub.push_books()
    hub.push_books()

    (told,) = waiting(client)
    assert (told["channel"], told["data"]["symbol"]) == ("trades", SYMBOL)
    assert [(one["trade_id"], one["side"]) for one in told["data"]["items"]] == [(2, "buy"), (3, "sell")]


@pytest.mark.req("GW-4")
def test_books_and_trades_may_be_of_fewer_markets_than_orders(hub, feed):
    feed.everything()
    client = joined(hub, "orders", "book", "trades")
    client.markets = frozenset({"binance:ETHUSDT"})

    feed.order("c")
    feed.update(2)
    feed.say(market.Trade(SYMBOL, 2, 1000, 5, 0, 1, 2))
    hub.push_books()

    assert {one["channel"] for one in waiting(client)} == {"orders"}


@pytest.mark.req("GW-4")
def test_the_state_of_the_mesh_is_pushed_to_those_who_want_it(hub, feed, mesh_parts):
    feed.everything()
    client, other = joined(hub, "status"), joined(hub, "book")

    hub.push_status(lambda: pulse_of(mesh_parts))

    (told,) = waiting(client)
    assert told["data"]["status"]["open_order_count"] == 1
    assert waiting(other) == []
