"""The broker core with orders at venues: the same from a snapshot and from the log."""

import pytest

from shared.execution import reports
from shared.messages import venue


def test_the_state_of_a_trading_broker_survives_its_snapshot(counter):
    order_id = counter.resting()
    counter.tell(reports.Filled(counter.fill(order_id, 2)))
    counter.resting(symbol=counter.SPOT, venue="binance")

    core = type(counter.broker)()
    core.restore(counter.broker.snapshot())

    assert core.digest() == counter.broker.digest()
    assert core.known.orders.keys() == counter.broker.known.orders.keys()


@pytest.mark.req("JR-16")
def test_a_log_of_orders_at_venues_replays_equal(counter):
    order_id = counter.resting()
    counter.tell(reports.Filled(counter.fill(order_id, 2)))
    counter.cancel(order_id)
    counter.restart()
    counter.pass_ms(300)

    again = type(counter.broker)()
    for event in counter.log:
        again.apply(event)

    assert again.digest() == counter.broker.digest()
    assert counter.said(venue.VenueLink)
