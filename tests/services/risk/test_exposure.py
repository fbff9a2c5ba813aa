"""Exposure is reserved whole, shrinks with fills, and ends with the broker's outcome only."""

import pytest

from services.risk.exposure import CLOSED_KEPT, Exposure, OpenOrder
from shared.messages import orders
from shared.orders import OrderState
from shared.units import Side

NAME = ("id-1", "mm", "m:X")


def an_order(order_id="id-1", qty_lots=10):
    return OpenOrder(order_id, "mm", "m:X", Side.BUY, 100, qty_lots, 0, OrderState.APPROVED)


def a_fill(qty_lots, leaves_lots, trade_id="t1", side=Side.BUY):
    return orders.Fill(*NAME, trade_id, side, 100, qty_lots, 0, leaves_lots, 0, "USDT", True, 0)


def sent():
    return orders.OrderSent(*NAME, Side.BUY, 100, 10)


@pytest.fixture
def exposure():
    exposure = Exposure()
    exposure.reserve(an_order())
    return exposure


@pytest.mark.req("I-11")
def test_an_approved_order_counts_until_its_outcome(exposure):
    assert exposure.live_lots("m:X", Side.BUY) == 10
    assert exposure.live_ticks_lots("m:X") == 1000

    assert exposure.report(sent()) == ""
    assert exposure.report(a_fill(4, 6)) == ""
    assert exposure.live_lots("m:X", Side.BUY, "mm") == 6

    assert exposure.report(orders.OrderCanceled(*NAME, 4)) == ""
    assert exposure.live_lots("m:X", Side.BUY) == 0
    assert exposure.live_ticks_lots("m:X") == 0
    assert exposure.count("m:X") == 0
    assert exposure.is_known("id-1")


@pytest.mark.req("I-11", "I-05")
def test_an_unknown_order_counts_whole(exposure):
    exposure.report(sent())

    assert exposure.report(orders.OrderUnknown(*NAME, "timeout")) == ""
    assert exposure.live_lots("m:X", Side.BUY) == 10


@pytest.mark.parametrize(
    "outcome",
    [
        orders.NotSent(*NAME, "stale", ""),
        orders.OrderRejected(*NAME, "x", ""),
        orders.OrderExpired(*NAME, 0, ""),
        orders.OrderCanceled(*NAME, 0, ""),
    ],
)
def test_every_end_frees_what_was_reserved(exposure, outcome):
    if not isinstance(outcome, orders.NotSent):
        exposure.report(sent())

    assert exposure.report(outcome) == ""
    assert exposure.live_lots("m:X", Side.BUY) == 0


@pytest.mark.req("I-07")
def test_a_report_that_cannot_follow_changes_nothing_and_says_so(exposure):
    assert "cannot follow" in exposure.report(orders.OrderAccepted(*NAME, "v", 0))
    assert exposure.live_lots("m:X", Side.BUY) == 10


@pytest.mark.req("I-08")
def test_an_overfill_is_found_and_exposure_stays_at_zero_or_more(exposure):
    exposure.report(sent())

    assert "overfill" in exposure.report(a_fill(11, 0))
    assert exposure.live_lots("m:X", Side.BUY) == 0


def test_a_fill_that_claims_the_end_too_early_keeps_the_rest_counted(exposure):
    exposure.report(sent())

    assert "open" in exposure.report(a_fill(4, 0))
    assert exposure.live_lots("m:X", Side.BUY) == 6


def test_a_fill_of_another_side_is_found(exposure):
    exposure.report(sent())

    assert "names SELL" in exposure.report(a_fill(4, 6, side=Side.SELL))


@pytest.mark.req("I-06")
def test_a_late_fill_of_a_finished_order_is_known_for_what_it_is(exposure):
    exposure.report(sent())
    exposure.report(orders.OrderCanceled(*NAME, 0))

    assert exposure.report(a_fill(10, 0)) == ""
    assert "beyond its quantity" in exposure.report(a_fill(1, 0, "t2"))
    assert "cannot follow" in exposure.report(sent())


def test_a_report_of_an_order_never_approved_is_found():
    assert "never approved" in Exposure().report(sent())


def test_state_is_restored_with_its_sums(exposure):
    exposure.report(sent())
    exposure.report(a_fill(4, 6))

    copy = Exposure()
    copy.load(*exposure.dump())

    assert copy.live_lots("m:X", Side.BUY) == 6
    assert copy.count("m:X") == 1
    assert copy.dump() == exposure.dump()


def test_memory_of_finished_orders_is_bounded():
    exposure = Exposure()
    for number in range(CLOSED_KEPT + 5):
        exposure.reserve(an_order(f"id-{number}"))
        exposure.report(orders.NotSent(f"id-{number}", "mm", "m:X", "stale", ""))

    assert len(exposure.dump()[1]) == CLOSED_KEPT
    assert not exposure.is_known("id-0")
