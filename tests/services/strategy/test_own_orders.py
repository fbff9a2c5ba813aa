import pytest

from services.strategy.own_orders import (
    OwnOrders,
    base36,
    client_order_id,
    generation_of,
    slot_of,
)
from shared.messages import orders
from shared.orders import OrderState
from shared.units import Side

NOW = 10**18
HEAD = ("rs-one-bid-1", "one", "binance_usdm:BTCUSDT")


def intent(order_id=HEAD[0], slot="bid"):
    return orders.OrderIntent(order_id, *HEAD[1:], Side.BUY, 100, 5, slot=slot)


def resting(*reports):
    own = OwnOrders()
    own.intend(intent(), 7)
    own.report(orders.OrderApproved(*HEAD, Side.BUY, 100, 5), HEAD[0], NOW)
    own.report(orders.OrderSent(*HEAD, Side.BUY, 100, 5), HEAD[0], NOW)
    for report in reports:
        own.report(report, HEAD[0], NOW)
    return own


ACCEPTED = orders.OrderAccepted(*HEAD, "v1", 0)


def fill(lots, filled, leaves, trade_id="t"):
    return orders.Fill(*HEAD, trade_id, Side.BUY, 100, lots, filled, leaves, 0, "USDT", True, 0)


@pytest.mark.req("I-03", "ST-3")
def test_an_order_id_fits_the_venue_and_tells_slot_and_generation() -> None:
    order_id = client_order_id(2**31 - 1, "a23456789012", "n12345678", 36**6 - 1)

    assert len(order_id) <= 36
    assert slot_of(order_id) == "n12345678"
    assert generation_of(order_id) == 36**6 - 1
    assert base36(0) == "0"


def test_a_foreign_id_has_neither_slot_nor_generation() -> None:
    assert slot_of("web_1234") == ""
    assert generation_of("web_1234") == 0


@pytest.mark.req("I-04")
def test_a_slot_takes_one_order_at_a_time() -> None:
    own = resting(ACCEPTED)

    with pytest.raises(AssertionError, match="one live order per slot"):
        own.intend(intent("rs-one-bid-2"), 8)


def test_an_order_that_ends_leaves_its_slot() -> None:
    own = resting(ACCEPTED, orders.OrderCanceled(*HEAD, 0))

    assert len(own) == 0
    assert own.get(HEAD[0]) is None


def test_a_part_filled_order_keeps_its_rest() -> None:
    own = resting(ACCEPTED, fill(2, 2, 3))

    assert own.by_slot["bid"].leaves_lots == 3
    assert own.by_slot["bid"].state is OrderState.PARTIALLY_FILLED


@pytest.mark.req("ST-27")
def test_an_acknowledgement_after_the_first_fill_changes_nothing() -> None:
    own = resting(fill(2, 2, 3), ACCEPTED)

    assert own.by_slot["bid"].state is OrderState.PARTIALLY_FILLED
    assert own.by_slot["bid"].filled_lots == 2


def test_an_order_made_smaller_by_risk_has_the_smaller_size() -> None:
    own = OwnOrders()
    own.intend(intent(), 7)

    own.report(orders.OrderAdjusted(*HEAD, Side.BUY, 100, 3, 5, "position", ""), HEAD[0], NOW)

    assert own.by_slot["bid"].leaves_lots == 3
    assert own.by_slot["bid"].asked_lots == 5


@pytest.mark.req("I-05")
def test_a_cancel_in_doubt_that_came_to_nothing_may_be_sent_again() -> None:
    own = resting(ACCEPTED)
    own.ask_cancel(orders.CancelIntent(*HEAD), 9)
    own.report(orders.OrderUnknown(*HEAD, "timeout"), HEAD[0], NOW)
    assert own.by_slot["bid"].is_cancel_asked

    own.report(ACCEPTED, HEAD[0], NOW)

    assert not own.by_slot["bid"].is_cancel_asked


@pytest.mark.req("I-06")
def test_a_rejected_cancel_leaves_the_order_where_it_was() -> None:
    own = resting(ACCEPTED)
    own.ask_cancel(orders.CancelIntent(*HEAD), 9)

    own.report(orders.CancelRejected(*HEAD, "-2011", "unknown order"), HEAD[0], NOW)

    assert own.by_slot["bid"].state is OrderState.ACCEPTED
    assert not own.by_slot["bid"].is_cancel_asked


@pytest.mark.req("I-07")
def test_a_report_that_cannot_follow_puts_the_order_in_doubt() -> None:
    own = OwnOrders()
    own.intend(intent(), 7)

    order, problem = own.report(orders.OrderCanceled(*HEAD, 0), HEAD[0], NOW)

    assert order is not None
    assert order.state is OrderState.UNKNOWN
    assert "OrderCanceled cannot follow intended" in problem
    assert "bid" in own.by_slot


def test_reports_of_unknown_orders_change_nothing() -> None:
    own = OwnOrders()

    assert own.report(ACCEPTED, HEAD[0], NOW) == (None, "")
    assert own.ask_cancel(orders.CancelIntent(*HEAD), 1) is None


def test_loaded_orders_are_seen_where_the_old_ones_were() -> None:
    own = resting(ACCEPTED)
    view = OwnOrders()
    seen = view.by_slot

    view.load(own.dump())

    assert seen["bid"] == own.by_slot["bid"]
    assert view.get(HEAD[0]) is seen["bid"]


@pytest.mark.req("ST-17", "I-05")
def test_an_order_is_in_doubt_until_the_venue_holds_it_and_again_when_it_becomes_unknown() -> None:
    own = OwnOrders()
    order = own.intend(intent(), 7)
    assert order.doubt_ns == 7
    own = resting(ACCEPTED)
    assert own.by_slot["bid"].doubt_ns == 0

    own.report(orders.OrderUnknown(*HEAD, "timeout"), HEAD[0], NOW)
    own.report(orders.OrderUnknown(*HEAD, "timeout"), HEAD[0], NOW + 5)

    assert own.by_slot["bid"].doubt_ns == NOW
