"""Orders that wait for a stop, and orders that end at a time, on the paper venue (BR-15)."""

import pytest

from services.broker.core import BrokerCore
from shared.messages import control, orders, system
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_MS, Side

STOP_MARKET = {"order_type": OrderType.MARKET, "tif": TimeInForce.IOC}


def fills(bench, order_id):
    return [(f.price_ticks, f.qty_lots, f.is_maker) for f in bench.said(orders.Fill, order_id=order_id)]


def gtd(bench, after_ms):
    return {"tif": TimeInForce.GTD, "expire_ns": bench.mesh.now_ns + after_ms * NS_PER_MS}


@pytest.mark.req("BR-15")
def test_a_stop_waits_until_a_trade_reaches_it_and_then_takes_the_book(bench):
    order_id = bench.resting(Side.BUY, 0, 15, stop_ticks=600_100, **STOP_MARKET)
    assert bench.story(order_id)[-1] == "OrderAccepted"

    bench.trade(Side.BUY, 600_099, 1)
    assert bench.story(order_id)[-1] == "OrderAccepted"

    bench.trade(Side.BUY, 600_100, 1)
    assert bench.story(order_id)[-3:] == ["OrderTriggered", "Fill", "Fill"]
    assert fills(bench, order_id) == [(600_010, 10, False), (600_020, 5, False)]


@pytest.mark.req("BR-15")
def test_a_sell_stop_is_reached_from_above(bench):
    order_id = bench.resting(Side.SELL, 0, 5, stop_ticks=599_000, **STOP_MARKET)

    bench.trade(Side.SELL, 599_001, 1)
    assert fills(bench, order_id) == []

    bench.trade(Side.SELL, 598_000, 1)
    assert fills(bench, order_id) == [(600_000, 5, False)]


@pytest.mark.req("BR-15")
def test_a_stop_limit_rests_with_what_it_could_not_take(bench):
    order_id = bench.resting(Side.BUY, 600_010, 25, stop_ticks=600_005)

    bench.trade(Side.BUY, 600_005, 1)
    assert fills(bench, order_id) == [(600_010, 10, False)]
    assert bench.broker.known.orders[order_id].leaves_lots == 15

    bench.trade(Side.SELL, 600_000, 40)
    assert sum(lots for _, lots, is_maker in fills(bench, order_id) if is_maker) == 15


@pytest.mark.req("BR-15")
def test_a_stop_that_is_reached_already_is_rejected(bench):
    bench.trade(Side.BUY, 600_010, 1)

    order_id = bench.resting(Side.BUY, 0, 5, stop_ticks=600_010, **STOP_MARKET)

    (rejected,) = bench.said(orders.OrderRejected, order_id=order_id)
    assert rejected.code == "would_trigger"
    assert "the last trade was at 600010" in rejected.reason


@pytest.mark.req("BR-15")
def test_a_stop_that_meets_an_empty_book_ends_with_the_reason(bench):
    order_id = bench.resting(Side.BUY, 0, 5, stop_ticks=600_100, **STOP_MARKET)
    bench.book(asks=())

    bench.trade(Side.BUY, 600_200, 1)

    (expired,) = bench.said(orders.OrderExpired, order_id=order_id)
    assert "not trusted" in expired.reason


@pytest.mark.req("BR-15", "RK-10")
def test_a_waiting_stop_stands_in_nobodys_way_and_its_limit_is_judged_beside_its_stop(bench):
    stop_id = bench.resting(Side.SELL, 0, 5, stop_ticks=599_000, **STOP_MARKET)
    bid_id = bench.resting(Side.BUY, 599_990, 5)
    far_id = bench.intent(Side.BUY, 1_200_000, 1, stop_ticks=600_100)

    assert bench.story(bid_id)[-1] == bench.story(stop_id)[-1] == "OrderAccepted"
    (refused,) = bench.said(orders.OrderRefused, order_id=far_id)
    assert (refused.code, "its stop" in refused.reason) == ("price_band", True)


@pytest.mark.req("BR-15")
def test_silence_takes_quotes_and_leaves_stops_and_kill_takes_both(bench):
    stop_id = bench.resting(Side.SELL, 0, 5, stop_ticks=599_000, **STOP_MARKET)
    quote_id = bench.resting(Side.BUY, 599_990, 5)
    bench.pass_ms(20_000)
    bench.say("bus", system.SourceSilent("strategy", 5_000))
    bench.pass_ms(1_000)
    assert bench.story(quote_id)[-1] == "OrderCanceled"
    assert bench.story(stop_id)[-1] == "OrderAccepted"

    bench.say("operator", control.KillRequested("test", "all must go"))
    bench.pass_ms(1_000)

    assert bench.story(stop_id)[-1] == "OrderCanceled"


@pytest.mark.req("BR-15")
def test_a_good_till_date_order_rests_and_ends_at_its_time(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5, **gtd(bench, 1_000))
    bench.pass_ms(800)
    assert bench.story(order_id)[-1] == "OrderAccepted"

    bench.pass_ms(200)

    (expired,) = bench.said(orders.OrderExpired, order_id=order_id)
    assert expired.reason == "gtd: its time is over"


@pytest.mark.req("BR-15")
def test_an_order_whose_time_is_over_when_it_arrives_is_rejected(bench):
    order_id = bench.intent(Side.BUY, 599_990, 5, **gtd(bench, 20))
    bench.pass_ms(60)

    (rejected,) = bench.said(orders.OrderRejected, order_id=order_id)
    assert rejected.code == "expired"


@pytest.mark.req("BR-15")
def test_what_waits_survives_a_restart_and_an_adopted_log(bench):
    stop_id = bench.resting(Side.BUY, 600_010, 25, stop_ticks=600_100)
    bench.resting(Side.BUY, 599_990, 5, **gtd(bench, 60_000))
    restored = BrokerCore()
    restored.restore(bench.broker.snapshot())
    adopted = BrokerCore()
    assert restored.known.stops == bench.broker.known.stops
    seen = len(bench.log)

    bench.trade(Side.BUY, 600_100, 1)
    for event in bench.log:
        adopted.adopt(event)
    for event in bench.log[seen:]:
        restored.adopt(event)

    assert stop_id in {order.client_order_id for order in adopted.known.orders.values()}
    assert adopted.digest() == bench.broker.digest() == restored.digest()
