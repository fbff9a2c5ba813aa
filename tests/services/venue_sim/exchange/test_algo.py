"""Conditional orders of USD-M: triggers, what they become, and what ends them."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import AlgoEvent

USDM = "binance_usdm"


def statuses(floor):
    return [event.algo.status for event in floor.events() if isinstance(event, AlgoEvent)]


def mark(floor, price):
    floor.side(USDM).mark_price_e18 = int(Decimal(price) * 10**18)
    floor.advance()


def test_a_stop_market_order_starts_when_the_price_is_traded(floor):
    floor.place(USDM, "BUY", "1")
    floor.events()
    stop = floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99.99", reduce_only=True)
    floor.advance()
    assert statuses(floor) == ["NEW"]

    floor.street(USDM, "SELL", "99.99", "0.5", is_ioc=True)
    floor.advance()
    floor.advance()

    assert statuses(floor) == ["TRIGGERING", "TRIGGERED", "FINISHED"]
    assert floor.position().quantity == 0
    found = floor.exchange.algos.order("a", stop.algo_id, "")
    order = floor.exchange.order("a", USDM, "BTCUSDT", found.order_id)
    assert (order.client_order_id, order.type, order.status) == (stop.client_algo_id, "MARKET", "FILLED")


def test_prices_traded_before_a_stop_came_do_not_start_it(floor):
    floor.street(USDM, "SELL", "99.98", "1.5", is_ioc=True)
    floor.street(USDM, "BUY", "100.01", "0.5", is_ioc=True)

    floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99.99")
    floor.advance()

    assert len(floor.exchange.algos.open_orders("a")) == 1


def test_a_take_profit_limit_on_the_mark_price_becomes_a_limit_order(floor):
    mark(floor, "100")
    algo = floor.algo(
        "BUY", "1", type="TAKE_PROFIT", price="98.00", stop_price="98.50", working_type="MARK_PRICE"
    )
    floor.street(USDM, "SELL", "98.00", "3", is_ioc=True)
    floor.advance()
    assert floor.exchange.open_orders("a", USDM) == []

    mark(floor, "98.50")

    [order] = floor.exchange.open_orders("a", USDM)
    assert (order.type, order.price, order.client_order_id) == ("LIMIT", 98, algo.client_algo_id)


def test_a_trailing_stop_follows_the_price_and_starts_when_it_turns(floor):
    mark(floor, "100")
    floor.place(USDM, "BUY", "1")
    floor.algo(
        "SELL",
        "1",
        type="TRAILING_STOP_MARKET",
        callback_rate="1",
        activation_price="101",
        working_type="MARK_PRICE",
        reduce_only=True,
    )
    for price in ("99", "101", "103", "101.98"):
        mark(floor, price)
        assert floor.position().quantity == 1

    mark(floor, "101.97")

    assert floor.position().quantity == 0


def test_closing_a_position_takes_what_is_open_then(floor):
    floor.place(USDM, "SELL", "2.5")
    mark(floor, "100")
    floor.algo("BUY", type="STOP_MARKET", stop_price="102", close_position=True, working_type="MARK_PRICE")
    floor.algo("BUY", type="STOP_MARKET", stop_price="103", close_position=True, working_type="MARK_PRICE")

    mark(floor, "102")
    assert floor.position().quantity == 0
    mark(floor, "103")

    assert "EXPIRED" in statuses(floor)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"stop_price": "100.05"}, -2021),
        ({"stop_price": None}, -1102),
        ({"type": "LIMIT"}, -1116),
        ({"qty": None}, -1102),
        ({"close_position": True}, -4137),
        ({"type": "STOP", "price": None}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "callback_rate": "20.1"}, -2007),
        ({"type": "TRAILING_STOP_MARKET", "callback_rate": "1", "activation_price": "90"}, -2021),
        ({"position_side": "LONG"}, -4061),
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_refusals_have_the_codes_of_the_venue(floor, change, code):
    algo = {"side": "SELL", "qty": "1", "type": "STOP_MARKET", "stop_price": "99.00"} | change
    side, qty = algo.pop("side"), algo.pop("qty")

    refused = floor.refused(floor.algo, side, qty, **{k: v for k, v in algo.items() if v is not None})
    assert refused[0] == code


def test_an_order_that_the_trigger_cannot_place_is_rejected_and_said_so(floor):
    mark(floor, "100")
    floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99", reduce_only=True, working_type="MARK_PRICE")
    floor.events()

    mark(floor, "99")

    assert statuses(floor) == ["TRIGGERING", "REJECTED"]
    [ended] = floor.exchange.algos.all_orders("a")
    assert ended.reason == "ReduceOnly Order is rejected."


def test_cancel_and_query_of_conditional_orders(floor):
    algos = floor.exchange.algos
    one = floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99", client_order_id="one")
    duplicate = floor.refused(
        floor.algo, "SELL", "1", type="STOP_MARKET", stop_price="99", client_order_id="one"
    )

    assert duplicate[0] == -4116
    assert algos.order("a", 0, "one").algo_id == one.algo_id
    assert algos.cancel("a", 0, "one", floor.now).status == "CANCELED"
    assert floor.refused(algos.cancel, "a", one.algo_id, "", floor.now)[0] == -2011
    assert floor.refused(algos.order, "b", one.algo_id, "")[0] == -2013
    floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99", client_order_id="one")
    assert [algo.status for algo in algos.cancel_all("a", "BTCUSDT", floor.now)] == ["CANCELED"]
    assert not algos.has_open("a", "")


def test_margin_mode_waits_for_conditional_orders_too(floor):
    floor.algo("SELL", "1", type="STOP_MARKET", stop_price="99")

    refused = floor.refused(floor.exchange.set_margin_type, "a", "BTCUSDT", True, floor.now)
    assert refused[0] == -4047
