"""USD-M orders: time in force, modes, margin, positions, and the venue's refusals."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import AccountUpdate, OrderEvent

pytestmark = pytest.mark.req("BR-1")
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


def test_modes_change_only_without_orders_and_positions(floor):
    exchange, now = floor.exchange, floor.now
    same = floor.refused(exchange.set_margin_type, "a", "BTCUSDT", False, now)
    assert same == (-4046, "No need to change margin type.")
    assert floor.refused(exchange.set_position_mode, "a", False, now)[0] == -4059
    order = floor.place(USDM, "BUY", "1", "99.00").order
    assert floor.refused(exchange.set_margin_type, "a", "BTCUSDT", True, now)[0] == -4047
    assert floor.refused(exchange.set_position_mode, "a", True, now)[0] == -4067
    floor.cancel(order)
    floor.place(USDM, "BUY", "1")
    assert floor.refused(exchange.set_margin_type, "a", "BTCUSDT", True, now)[0] == -4048
    assert floor.refused(exchange.set_position_mode, "a", True, now)[0] == -4068
    assert floor.refused(exchange.set_leverage, "a", "BTCUSDT", 126, now)[0] == -4028
    assert exchange.set_leverage("a", "BTCUSDT", 50, now).max_notional == 12_000_000
    exchange.set_multi_assets("a", True, now)
    assert floor.refused(exchange.set_multi_assets, "a", True, now)[0] == -4171
    assert floor.refused(exchange.set_margin_type, "a", "ETHUSDT", True, now)[0] == -4168


def test_margin_holds_value_over_leverage_of_positions_and_orders(floor):
    floor.exchange.set_leverage("a", "BTCUSDT", 10, floor.now)
    floor.side(USDM).mark_price_e18 = 100 * 10**18
    floor.place(USDM, "BUY", "1")
    floor.place(USDM, "BUY", "2", "99.00")
    floor.place(USDM, "SELL", "1", "101.00")

    [wallet] = floor.exchange.wallets("a")

    assert (wallet.position_margin, wallet.order_margin) == (Decimal(10), Decimal("19.8"))
    assert wallet.unrealized == Decimal("-0.01")
    assert wallet.available == floor.wallet() - Decimal("0.01") - Decimal("29.8")
    # 10000 x 10 of value at most.
    assert floor.refused(floor.place, USDM, "BUY", "1000", "100.00")[0] == -2019


def test_an_order_that_shrinks_the_position_needs_no_margin(make_floor, make_account):
    from services.venue_sim.settings import BalanceSettings

    floor = make_floor(make_account("a", usdm=(BalanceSettings(asset="USDT", amount="10"),)))
    floor.street(USDM, "SELL", "100.00", "1.9")
    floor.street(USDM, "BUY", "99.99", "5")
    floor.place(USDM, "BUY", "1.9")

    assert floor.refused(floor.place, USDM, "BUY", "1", "99.99")[0] == -2019
    assert floor.place(USDM, "SELL", "1.9", "99.99").order.status == "FILLED"


def test_leverage_bounds_the_size_of_a_position(make_floor, make_account):
    from services.venue_sim.settings import BalanceSettings

    floor = make_floor(make_account("a", usdm=(BalanceSettings(asset="USDT", amount="10000000"),)))
    floor.exchange.set_leverage("a", "BTCUSDT", 125, floor.now)

    assert floor.place(USDM, "BUY", "500", "99.00").order.status == "NEW"
    assert floor.refused(floor.place, USDM, "BUY", "10", "99.00")[0] == -2027


def test_a_market_order_stays_inside_the_price_band(floor):
    floor.street(USDM, "SELL", "104.00", "1")
    floor.street(USDM, "SELL", "120.00", "5")

    placed = floor.place(USDM, "BUY", "6").order

    assert (placed.status, placed.executed) == ("EXPIRED", 4)
    refused = floor.refused(floor.place, USDM, "BUY", "1")
    assert refused[0] == -4131


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


def test_the_dead_man_s_switch_cancels_unless_it_is_renewed(floor):
    orders = [floor.place(USDM, "BUY", "1", "99.00", symbol=s).order for s in ("BTCUSDT", "ETHUSDT")]
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.advance(900)
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.advance(900)
    assert floor.order(orders[0]).status == "NEW"

    floor.advance(100)

    assert [floor.order(order).status for order in orders] == ["CANCELED", "NEW"]


def test_a_switch_at_zero_is_off(floor):
    order = floor.place(USDM, "BUY", "1", "99.00").order
    floor.exchange.countdown("a", "BTCUSDT", 1_000, floor.now)
    floor.exchange.countdown("a", "BTCUSDT", 0, floor.now)

    floor.advance(5_000)

    assert floor.order(order).status == "NEW"
