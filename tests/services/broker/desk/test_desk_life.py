"""The life of an order at a venue, whatever the order in which the venue tells it."""

from shared.execution import commands, reports
from shared.execution.reports import VenueState
from shared.messages import orders, system


def test_a_started_broker_compares_and_says_reconciled(counter):
    assert [one.difference_count for one in counter.said(system.Reconciled)] == [0]


def test_an_approved_order_is_placed_and_accepted(counter):
    order_id = counter.intent()

    placed = counter.venues["binance_usdm"].took(commands.Place)
    assert [(one.client_order_id, one.price_ticks, one.qty_lots) for one in placed] == [
        (order_id, 600_000, 5)
    ]

    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted"]


def test_a_cancel_is_sent_and_ends_the_order(counter):
    order_id = counter.resting()

    counter.cancel(order_id)
    number = counter.number(order_id, commands.Cancel)
    counter.tell(reports.Acted(number, counter.told(order_id, VenueState.CANCELED)))

    assert counter.life(order_id) == ["OrderSent", "OrderAccepted", "OrderCanceled"]
    assert not counter.broker.known.orders


def test_a_fill_before_the_acknowledgement_is_booked_once(counter):
    order_id = counter.intent()
    fill = counter.fill(order_id, 5)

    counter.tell(reports.Filled(fill))
    counter.tell(reports.Acted(counter.number(order_id), counter.told(order_id, VenueState.FILLED, 5)))
    counter.tell(reports.Filled(fill))

    assert counter.life(order_id) == ["OrderSent", "Fill"]
    assert counter.said(orders.Fill)[0].leaves_lots == 0
