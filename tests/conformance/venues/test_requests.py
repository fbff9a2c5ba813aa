"""What ccxt would send for an order of ours, venue by venue, read from the request itself."""

import asyncio

import pytest

from services.ccxt_venue.describe import AMOUNT, OUR_ID, PRICE, offers_of
from services.ccxt_venue.dialect import dialect_of
from services.ccxt_venue.trading import NotOfferedError, Trader
from shared.execution.commands import Place
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side
from shared.venues.ids import IdForm, from_venue, to_venue
from shared.venues.registry import ENTRIES, LINEAR
from shared.venues.remote_words import Setup

FLAGS = ("sends_id", "cancels_by_id", "asks_by_id", "post_only", "reduce_only")


def trader(offline) -> Trader:
    return Trader(Setup(offline.entry.name, "live", symbols=(offline.symbol,)), offline.exchange, print)


def place(offline, **changes) -> Place:
    fields = {"price_ticks": 24691, "qty_lots": 17, "client_order_id": OUR_ID, "side": Side.BUY}
    symbol = f"{offline.entry.name}:{offline.symbol}"
    return Place(request_id=1, symbol=symbol, **{**fields, **changes})


@pytest.mark.req("MD-26")
def test_requests_offer_what_the_registry_says(offline) -> None:
    told = asyncio.run(offers_of(offline))

    assert told == {flag: offline.kind in getattr(offline.entry.facts, flag) for flag in FLAGS}


@pytest.mark.req("MD-26", "BR-26")
def test_an_order_leaves_with_exactly_our_price_amount_and_id(orderly) -> None:
    order_id = to_venue(orderly.entry.ids, OUR_ID)

    request = asyncio.run(orderly.create(order_id, PRICE, AMOUNT))

    assert order_id in request
    assert "12345.5" in request
    assert "17" in request.replace("12345.5", "").replace(order_id, "")


@pytest.mark.req("MD-26")
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.orders])
def test_a_venue_that_takes_orders_carries_our_ids_and_lists_open_orders_and_fills(name) -> None:
    entry = ENTRIES[name]

    assert entry.ids.form is not IdForm.NONE
    assert from_venue(entry.ids, to_venue(entry.ids, OUR_ID)) == OUR_ID
    assert set(entry.orders) <= set(entry.facts.sends_id)
    assert entry.facts.has_open_list
    assert entry.facts.has_fill_list
    assert set(entry.orders) <= set(entry.facts.asks_by_id) or entry.facts.has_closed_list or name == "gemini"


@pytest.mark.req("MD-26")
def test_what_a_venue_does_not_offer_is_refused_before_anything_is_sent(offline) -> None:
    entry, kind = offline.entry, offline.kind
    refused = {
        "is_post_only": kind not in entry.facts.post_only,
        "is_reduce_only": kind not in entry.facts.reduce_only,
    }

    for flag, is_refused in refused.items():
        if is_refused or kind not in entry.orders:
            with pytest.raises(NotOfferedError):
                trader(offline)._params(place(offline, **{flag: True}), kind)
        else:
            assert trader(offline)._params(place(offline, **{flag: True}), kind)


@pytest.mark.req("MD-26")
def test_stops_ends_and_market_orders_in_quote_are_refused(orderly) -> None:
    for changes in ({"stop_ticks": 1}, {"expire_ns": 1}):
        with pytest.raises(NotOfferedError, match="stops"):
            trader(orderly)._params(place(orderly, **changes), orderly.kind)
    market = place(orderly, order_type=OrderType.MARKET, price_ticks=0)
    if orderly.kind == LINEAR:
        assert trader(orderly)._params(market, orderly.kind)
    else:
        with pytest.raises(NotOfferedError, match="IOC"):
            trader(orderly)._params(market, orderly.kind)


@pytest.mark.req("MD-26")
def test_time_in_force_is_said_only_where_it_is_not_the_usual(orderly) -> None:
    made = trader(orderly)

    assert made._params(place(orderly), orderly.kind) == {
        dialect_of(orderly.entry.name).create: to_venue(orderly.entry.ids, OUR_ID)
    }
    assert made._params(place(orderly, tif=TimeInForce.IOC), orderly.kind)["timeInForce"] == "IOC"


def test_an_id_that_is_too_long_is_refused_with_what_to_do(short) -> None:
    with pytest.raises(NotOfferedError, match="shorter name"):
        trader(short)._params(place(short, client_order_id="t0v-" + "a" * 32), short.kind)
