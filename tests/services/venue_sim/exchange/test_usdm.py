"""USD-M orders: time in force, modes, margin, positions, and the venue's refusals."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import AccountUpdate, OrderEvent

USDM = "binance_usdm"


def test_a_round_trip_books_profit_and_commission_exactly(floor):
    floor.place(USDM, "BUY", "1")
    floor.street(USDM, "BUY", "110.00", "3")

    sold = floor.place(USDM, "SELL", "1", "110.00").fills[0]

    # 9.99 of profit, commissions of 0.05 % of 100.01 and 110.
    assert sold.realized == Decimal("9.99")
    assert floor.wallet() == Decimal("10000") + Decimal("9.99") - Decimal("0.050005") - Decimal("0.055")
    assert floor.position().quantity == 0
    kinds = [(line.kind, line.amount) for line in floor.exchange.income("a")]
    assert kinds == [
        ("COMMISSION", Decimal("-0.050005")),
        ("REALIZED_PNL", Decimal("9.99")),
        ("COMMISSION", Decimal("-0.055")),
    ]


def test_a_fill_is_told_as_account_before_order(floor):
    floor.place(USDM, "BUY", "1")

    events = floor.events()

    assert [type(event) for event in events] == [OrderEvent, AccountUpdate, OrderEvent]
    update = events[1]
    assert (update.reason, update.positions[0].quantity) == ("ORDER", 1)
    assert update.balances[0].wallet == floor.wallet()
    assert [events[0].kind, events[2].kind] == ["NEW", "TRADE"]


@pytest.mark.parametrize(
    ("tif", "price", "code"), [("GTX", "100.01", -5022), ("FOK", "100.01", -5021), ("GTD", "99.00", -5040)]
)
def test_orders_that_cannot_do_what_they_ask_for_are_refused(floor, tif, price, code):
    assert floor.refused(floor.place, USDM, "BUY", "2", price, tif=tif)[0] == code


def test_a_gtd_order_ends_at_its_second(floor):
    order = floor.place(USDM, "BUY", "1", "99.00", tif="GTD", good_till_ms=floor.now + 601_500).order
    assert order.good_till_ms % 1000 == 0
    floor.events()

    floor.advance(order.good_till_ms - floor.now - 1)
    assert floor.order(order).status == "NEW"
    floor.advance(1)

    assert (floor.order(order).status, floor.order(order).expiry_reason) == ("EXPIRED", "GTD")
    assert [event.kind for event in floor.order_events()] == ["EXPIRED"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "100.001"}, -1111),
        ({"price": "94.99"}, None),
        ({"price": "105.01"}, -4016),
        ({"price": "0"}, -4001),
        ({"side": "SELL", "price": "94.99"}, -4024),
        ({"qty": "0.0001"}, -1111),
        ({"qty": "1001"}, -4005),
        ({"qty": "0"}, -4003),
        ({"qty": "0.01"}, -4164),
        ({"symbol": "NOPE"}, -1121),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "NOPE"}, -1116),
        ({"position_side": "LONG"}, -4061),
        ({"close_position": True}, -4136),
        ({"reduce_only": True}, -2022),
        ({"stp": "DECREMENT"}, -5039),
        ({"price": None, "price_match": "OPPONENT_20", "type": "LIMIT"}, -5037),
        ({"price": None, "price_match": "QUEUE_5", "type": "LIMIT"}, -5041),
    ],
)
def test_refusals_have_the_codes_of_the_venue(floor, change, code):
    order = {"side": "BUY", "qty": "1", "price": "99.00"} | change
    if code is None:
        assert floor.place(USDM, **order).order.status == "NEW"
    else:
        assert floor.refused(floor.place, USDM, **order)[0] == code


def test_price_match_takes_the_price_from_the_book(floor):
    queue = floor.place(USDM, "BUY", "1", price_match="QUEUE", type="LIMIT").order
    taker = floor.place(USDM, "BUY", "1", price_match="OPPONENT", type="LIMIT").order

    assert (queue.price, queue.price_match) == (Decimal("99.99"), "QUEUE")
    assert (taker.price, taker.status) == (Decimal("100.01"), "FILLED")


def test_a_duplicate_id_is_refused_while_open(floor):
    floor.place(USDM, "BUY", "1", "99.00", client_order_id="one")

    again = floor.refused(floor.place, USDM, "BUY", "1", "99.00", client_order_id="one")
    assert again == (-4116, "ClientOrderId is duplicated.")


def test_reducing_orders_never_open_a_position(floor):
    floor.place(USDM, "BUY", "1")
    first = floor.place(USDM, "SELL", "0.6", "101.00", reduce_only=True).order

    assert floor.refused(floor.place, USDM, "SELL", "0.5", "101.00", reduce_only=True)[0] == -2022
    assert floor.refused(floor.place, USDM, "BUY", "0.5", "99.00", reduce_only=True)[0] == -2022
    floor.place(USDM, "SELL", "0.7", "99.99")

    assert floor.position().quantity == Decimal("0.3")
    ended = floor.order(first)
    assert (ended.status, ended.expiry_reason) == ("EXPIRED", "REDUCE_ONLY")


def test_hedge_mode_keeps_long_and_short_beside_each_other(floor):
    floor.exchange.set_position_mode("a", True, floor.now)
    floor.place(USDM, "BUY", "1", position_side="LONG")
    floor.place(USDM, "SELL", "0.5", position_side="SHORT")

    assert floor.refused(floor.place, USDM, "BUY", "1")[0] == -4061
    assert floor.refused(floor.place, USDM, "SELL", "1", position_side="LONG", reduce_only=True)[0] == -1106
    assert floor.refused(floor.place, USDM, "SELL", "1.001", position_side="LONG")[0] == -2022
    assert floor.position(name="LONG").quantity == 1
    assert floor.position(name="SHORT").quantity == Decimal("-0.5")
    closed = floor.place(USDM, "SELL", "1", position_side="LONG").fills
    assert sum(fill.quantity for fill in closed) == 1
    assert floor.position(name="LONG").quantity == 0


def test_a_market_order_stays_inside_the_price_band(floor):
    floor.street(USDM, "SELL", "104.00", "1")
    floor.street(USDM, "SELL", "120.00", "5")

    placed = floor.place(USDM, "BUY", "6").order

    assert (placed.status, placed.executed) == ("EXPIRED", 4)
    refused = floor.refused(floor.place, USDM, "BUY", "1")
    assert refused[0] == -4131
