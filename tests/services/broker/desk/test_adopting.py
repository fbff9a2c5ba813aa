"""Whose order it is: ours, another's, or one of ours that nobody knows any more (I-19, E-06)."""

import pytest

from shared.execution import commands, reports
from shared.execution.reports import VenueFill, VenueOrder, VenueState
from shared.messages import orders, venue
from shared.units import Side


def stray(counter, order_id="web_1", filled=0, **changes):
    """Return an order of the account that is not ours."""
    fields = {
        "symbol": counter.PERP,
        "client_order_id": order_id,
        "venue_order_id": "991",
        "state": VenueState.NEW,
        "side": Side.SELL,
        "price_ticks": 600_500,
        "qty_lots": 4,
        "filled_lots": filled,
    }
    return VenueOrder(**{**fields, **changes})


def stray_fill(counter, trade_id, order_id="web_1", lots=4, **changes):
    fields = {
        "symbol": counter.PERP,
        "trade_id": str(trade_id),
        "venue_order_id": "991",
        "client_order_id": order_id,
        "side": Side.SELL,
        "price_ticks": 600_500,
        "qty_lots": lots,
        "fee": "0",
        "fee_asset": "USDT",
        "is_maker": False,
        "ts_venue_ns": counter.mesh.now_ns,
    }
    return VenueFill(**{**fields, **changes})


def test_fills_without_our_id_find_their_order_by_the_venues(counter):
    order_id = counter.resting()
    fill = counter.fill(order_id, 2, client_order_id="")

    counter.tell(reports.Filled(fill))

    assert [(one.client_order_id, one.strategy) for one in counter.said(orders.Fill)] == [(order_id, "mm")]


def test_a_fill_of_an_unknown_venue_id_waits_for_the_word_whose_it_is(counter):
    order_id = counter.intent()
    counter.tell(reports.Filled(counter.fill(order_id, 2, client_order_id="")))
    asked = counter.venues["binance_usdm"].took(commands.AskOrder)[-1]
    assert (asked.client_order_id, asked.venue_order_id) == ("", f"v{order_id}")
    assert counter.said(orders.Fill) == []

    counter.tell(reports.OrderFound(asked.request_id, counter.told(order_id, VenueState.PARTIALLY_FILLED, 2)))

    assert counter.life(order_id) == ["OrderSent", "Fill"]


@pytest.mark.req("BR-10")
def test_an_order_of_another_is_adopted_and_pauses_its_market(counter):
    counter.venues["binance_usdm"].open["web_1"] = stray(counter)

    counter.pass_ms(5200)

    adopted = counter.said(venue.OrderAdopted)
    assert [(one.client_order_id, one.strategy) for one in adopted] == [("web_1", "external")]
    assert [one.kind for one in counter.differences()] == ["external_order"]
    assert counter.risk.known.exposure.live_lots(counter.PERP, Side.SELL) == 4
    assert counter.PERP in counter.risk.known.mood.quarantine
    assert counter.venues["binance_usdm"].took(commands.Cancel) == []


def test_a_manual_trade_is_booked_under_external_once_and_pauses(counter):
    fill = stray_fill(counter, 5)

    counter.tell(reports.Filled(fill), reports.Filled(fill))
    held = counter.intent(price_ticks=599_000)

    assert [(one.strategy, one.trade_id) for one in counter.said(orders.Fill)] == [("external", "5")]
    assert counter.broker.known.account.holdings_lots[counter.PERP] == -4
    assert counter.risk.known.ledger.position_lots(counter.PERP) == -4
    assert "OrderSent" not in counter.life(held)


def test_an_own_id_that_the_log_does_not_know_is_adopted_and_canceled(counter):
    counter.tell(reports.OrderChanged(stray(counter, "6zz-mm-b0-9")))

    assert [one.strategy for one in counter.said(venue.OrderAdopted)] == ["mm"]
    assert [one.client_order_id for one in counter.venues["binance_usdm"].took(commands.Cancel)] == [
        "6zz-mm-b0-9"
    ]


def test_a_fill_of_an_order_that_was_long_forgotten_is_booked_for_its_strategy(counter):
    fill = stray_fill(counter, 5, "6zz-grid-s1-9")

    counter.tell(reports.Filled(fill))

    assert [one.strategy for one in counter.said(orders.Fill)] == ["grid"]
    assert [one.kind for one in counter.differences()] == ["late_fill"]


def test_a_surfaced_order_takes_its_slot_until_it_is_gone(counter):
    counter.tell(reports.OrderChanged(stray(counter, "6zz-mm-b0-9")))

    held = counter.intent(slot="b0", price_ticks=599_000)

    assert [one.code for one in counter.said(orders.NotSent, order_id=held)] == ["slot"]
