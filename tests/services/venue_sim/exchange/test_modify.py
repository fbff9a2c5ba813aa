"""Changing resting USD-M orders."""

from decimal import Decimal

USDM = "binance_usdm"


def test_modify_changes_price_and_quantity_and_goes_to_the_end_of_the_queue(floor):
    order = floor.place(USDM, "BUY", "1", "99.99").order
    floor.street(USDM, "BUY", "99.99", "1")
    modify = floor.exchange.modify
    floor.events()

    changed = modify("a", "BTCUSDT", order.order_id, "", "BUY", Decimal("2"), Decimal("99.99"), floor.now)

    assert (changed.order_id, changed.quantity, changed.status) == (order.order_id, 2, "NEW")
    queue = floor.side(USDM).book.queue(0, 9999)
    assert [order_id < 0 for order_id, _ in queue] == [False, False, True]
    assert [event.kind for event in floor.order_events()] == ["AMENDMENT"]
    same = floor.refused(
        modify, "a", "BTCUSDT", order.order_id, "", "BUY", Decimal("2"), Decimal("99.99"), floor.now
    )
    assert same == (-5027, "No need to modify the order.")


def test_modify_below_what_is_filled_cancels(floor):
    order = floor.place(USDM, "BUY", "2", "100.01").order

    changed = floor.exchange.modify(
        "a", "BTCUSDT", order.order_id, "", "BUY", Decimal("0.5"), Decimal("100.01"), floor.now
    )

    assert (changed.status, changed.executed) == ("CANCELED", 1)
