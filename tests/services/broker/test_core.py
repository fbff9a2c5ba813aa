"""The broker core on the log: order life, paper matching, cancels, kill, withdrawals."""

from dataclasses import replace

import pytest

from services.broker.core import BrokerCore
from services.broker.settings import BrokerSettings
from services.risk.core import RiskCore
from shared.messages import market, orders
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

MARKET = {"order_type": OrderType.MARKET}
IOC, FOK = {"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}


def fills(bench, order_id):
    return [(f.price_ticks, f.qty_lots, f.is_maker) for f in bench.said(orders.Fill, order_id=order_id)]


@pytest.mark.req("BR-5", "BR-17")
def test_an_order_is_sent_at_once_and_reaches_the_venue_after_its_latency(bench):
    order_id = bench.intent(Side.BUY, 599_990, 5)
    assert bench.story(order_id) == ["OrderIntent", "OrderApproved", "OrderSent"]

    bench.pass_ms(40)
    assert len(bench.story(order_id)) == 3

    bench.pass_ms(20)
    (accepted,) = bench.said(orders.OrderAccepted, order_id=order_id)
    assert accepted.venue_order_id == "p7-1"
    assert accepted.ts_venue_ns == bench.log[0].header.ts_ns + 50_000_000


@pytest.mark.req("BR-17")
def test_the_latency_delays_the_matching_not_only_the_report(bench):
    order_id = bench.intent(Side.BUY, 0, 5, **MARKET)
    bench.pass_ms(40)

    bench.book(asks=((600_500, 9),))
    bench.pass_ms(20)

    assert fills(bench, order_id) == [(600_500, 5, False)]


@pytest.mark.req("BR-17")
def test_the_book_of_the_arrival_counts_not_the_event_that_shows_its_time(bench):
    order_id = bench.intent(Side.BUY, 0, 5, **MARKET)
    bench.mesh.now_ns += 60_000_000

    bench.book(asks=((600_500, 9),))

    assert fills(bench, order_id) == [(600_010, 5, False)]


@pytest.mark.req("BR-14")
def test_a_market_order_walks_the_book_and_consumes_it(bench):
    first = bench.resting(Side.BUY, 0, 25, **MARKET)
    second = bench.resting(Side.BUY, 0, 25, **MARKET)

    assert fills(bench, first) == [(600_010, 10, False), (600_020, 15, False)]
    assert fills(bench, second) == [(600_020, 5, False), (600_030, 20, False)]
    assert bench.story(first)[-1] == "Fill"


@pytest.mark.req("BR-14")
def test_what_was_consumed_comes_back_when_the_venue_says_another_size(bench):
    bench.resting(Side.BUY, 0, 10, **MARKET)
    bench.update(asks=((600_010, 4),))

    order_id = bench.resting(Side.BUY, 0, 6, **MARKET)

    assert fills(bench, order_id) == [(600_010, 4, False), (600_020, 2, False)]


@pytest.mark.req("BR-14")
def test_a_market_order_without_liquidity_is_rejected_and_a_rest_expires(bench):
    greedy = bench.resting(Side.BUY, 0, 61, **MARKET)
    late = bench.resting(Side.BUY, 0, 1, **MARKET)

    assert sum(lots for _, lots, _ in fills(bench, greedy)) == 60
    assert bench.said(orders.OrderExpired, order_id=greedy)[0].filled_lots == 60
    assert bench.said(orders.OrderRejected, order_id=late)[0].code == "no_liquidity"


@pytest.mark.req("BR-15")
def test_gtc_takes_what_it_meets_and_rests_with_what_is_left(bench):
    order_id = bench.resting(Side.BUY, 600_010, 15)

    assert fills(bench, order_id) == [(600_010, 10, False)]
    assert bench.broker.known.orders[order_id].leaves_lots == 5
    assert bench.broker.known.place(bench.PERP).queue.best_ticks(Side.BUY) == 600_010


@pytest.mark.req("BR-15")
def test_ioc_takes_what_it_meets_and_the_rest_expires(bench):
    order_id = bench.resting(Side.BUY, 600_010, 15, **IOC)

    assert fills(bench, order_id) == [(600_010, 10, False)]
    (expired,) = bench.said(orders.OrderExpired, order_id=order_id)
    assert expired.filled_lots == 10
    assert "ioc" in expired.reason


@pytest.mark.req("BR-15")
def test_ioc_that_meets_nothing_expires_empty(bench):
    order_id = bench.resting(Side.BUY, 599_000, 15, **IOC)

    assert bench.story(order_id)[-2:] == ["OrderAccepted", "OrderExpired"]


@pytest.mark.req("BR-15")
def test_fok_fills_whole_or_not_at_all(bench):
    whole = bench.resting(Side.BUY, 600_020, 30, **FOK)
    bench.book()
    none = bench.resting(Side.BUY, 600_020, 31, **FOK)

    assert sum(lots for _, lots, _ in fills(bench, whole)) == 30
    assert fills(bench, none) == []
    assert bench.said(orders.OrderExpired, order_id=none)[0].filled_lots == 0


@pytest.mark.req("BR-15")
def test_post_only_rests_or_is_rejected(bench):
    rests = bench.resting(Side.BUY, 600_009, 5, is_post_only=True)
    takes = bench.resting(Side.BUY, 600_010, 5, is_post_only=True)

    assert bench.story(rests)[-1] == "OrderAccepted"
    assert bench.said(orders.OrderRejected, order_id=takes)[0].code == "post_only_would_take"


@pytest.mark.req("BR-16")
def test_a_resting_order_waits_for_the_queue_ahead_and_fills_in_parts(bench):
    order_id = bench.resting(Side.BUY, 600_000, 5)

    bench.trade(Side.SELL, 600_000, 8)
    bench.trade(Side.SELL, 600_000, 4)
    bench.trade(Side.SELL, 600_000, 4)

    assert fills(bench, order_id) == [(600_000, 2, True), (600_000, 3, True)]
    parts = bench.said(orders.Fill, order_id=order_id)
    assert [(p.filled_lots, p.leaves_lots) for p in parts] == [(2, 3), (5, 0)]
    assert order_id not in bench.broker.known.orders


@pytest.mark.req("BR-16")
def test_a_touch_does_not_fill_and_a_book_beyond_our_price_does(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)

    bench.book(bids=((599_980, 9),), asks=((599_990, 9),))
    assert fills(bench, order_id) == []

    bench.book(bids=((599_970, 9),), asks=((599_985, 3), (599_990, 9)))
    bench.update(bids=((599_970, 8),))
    assert fills(bench, order_id) == [(599_990, 3, True)]

    bench.update(asks=((599_985, 4),))
    assert fills(bench, order_id) == [(599_990, 3, True), (599_990, 2, True)]


@pytest.mark.req("BR-16")
def test_without_a_trusted_book_nothing_matches_and_orders_rest(bench):
    order_id = bench.resting(Side.BUY, 600_000, 5)
    bench.say("market_data.io", market.BookInvalid(bench.PERP, "gap"))

    bench.trade(Side.SELL, 599_000, 100)
    late = bench.intent(Side.BUY, 599_990, 5, is_reduce_only=False)
    bench.pass_ms(100, is_feed_alive=False)

    assert fills(bench, order_id) == []
    assert bench.story(order_id)[-1] == "OrderAccepted"
    assert bench.story(late)[-1] == "OrderRefused"

    bench.book()
    bench.trade(Side.SELL, 599_000, 100)
    assert fills(bench, order_id) == [(600_000, 5, True)]


def test_an_order_that_arrives_at_an_untrusted_book_is_rejected(bench):
    order_id = bench.intent(Side.BUY, 599_990, 5)
    bench.say("market_data.io", market.BookInvalid(bench.PERP, "gap"))

    bench.pass_ms(100, is_feed_alive=False)

    assert bench.said(orders.OrderRejected, order_id=order_id)[0].code == "untrusted_book"


@pytest.mark.req("I-12")
def test_our_own_orders_never_trade_with_each_other(bench):
    resting = bench.resting(Side.SELL, 600_005, 5, strategy="a")
    bench.risk.known.exposure.crossed_id = lambda *_: ""  # the broker's own look, with risk's taken away

    limit = bench.resting(Side.BUY, 600_005, 5, strategy="b")
    taker = bench.resting(Side.BUY, 0, 5, strategy="b", **MARKET)

    assert bench.said(orders.OrderRejected, order_id=limit)[0].code == "self_trade"
    assert bench.said(orders.OrderRejected, order_id=taker)[0].code == "self_trade"
    assert not bench.said(orders.Fill)
    assert resting in bench.broker.known.orders


@pytest.mark.req("BR-13", "BR-19")
def test_fees_are_the_makers_or_the_takers_of_the_market(bench):
    bench.resting(Side.BUY, 600_000, 5)
    bench.trade(Side.SELL, 599_990, 5)
    bench.resting(Side.SELL, 0, 5, **MARKET)

    maker, taker = bench.said(orders.Fill)
    assert maker.fee_atoms == 5 * 600_000 * 10_000 * 200 // 1_000_000
    assert taker.fee_atoms == 5 * 600_000 * 10_000 * 500 // 1_000_000
    assert maker.fee_asset == "USDT"


@pytest.mark.req("BR-4", "I-15")
def test_trade_and_venue_ids_are_unique_and_name_the_epoch(bench):
    for _ in range(3):
        bench.resting(Side.BUY, 0, 12, **MARKET)
        bench.book()

    trade_ids = [fill.trade_id for fill in bench.said(orders.Fill)]
    assert trade_ids == [f"p7-{number}" for number in range(1, 7)]
    assert len({a.venue_order_id for a in bench.said(orders.OrderAccepted)}) == 3


@pytest.mark.req("I-09", "BR-17")
def test_a_cancel_travels_too_and_a_fill_may_win(bench):
    order_id = bench.resting(Side.BUY, 600_000, 5)
    bench.cancel(order_id)
    bench.trade(Side.SELL, 599_990, 2)

    bench.pass_ms(100)

    (canceled,) = bench.said(orders.OrderCanceled, order_id=order_id)
    assert canceled.filled_lots == 2


@pytest.mark.req("I-09")
def test_a_cancel_never_overtakes_its_order(make_bench):
    slow = BrokerSettings(latency_ms=50, latency_std_ms=20)
    for seed in range(12):
        bench = make_bench(broker=replace(slow, seed=seed)).start()
        order_id = bench.intent(Side.BUY, 599_990, 5)
        bench.cancel(order_id)
        bench.pass_ms(2000)

        assert bench.story(order_id)[-2:] == ["OrderAccepted", "OrderCanceled"]


@pytest.mark.req("I-09")
def test_a_cancel_seen_before_the_approval_holds_the_order_back(bench):
    risk = bench.mesh.hosts.pop("risk")
    order_id = bench.intent(Side.BUY, 599_990, 5)
    bench.cancel(order_id)
    bench.mesh.hosts["risk"] = risk

    approval = orders.OrderApproved(order_id, "mm", bench.PERP, Side.BUY, 599_990, 5)
    bench.mesh.hosts.pop("risk")
    bench.say("risk", approval)

    (held,) = bench.said(orders.NotSent, order_id=order_id)
    assert held.code == "canceled"


def test_a_cancel_of_an_order_that_is_gone_is_rejected(bench):
    order_id = bench.resting(Side.BUY, 0, 5, **MARKET)

    bench.cancel(order_id)
    bench.cancel("7-mm-never-1")

    assert [r.code for r in bench.said(orders.CancelRejected)] == ["unknown_order", "unknown_order"]


def test_a_second_cancel_changes_nothing(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)
    bench.cancel(order_id)
    bench.cancel(order_id)
    bench.pass_ms(500)

    assert bench.story(order_id).count("OrderCanceled") == 1


@pytest.mark.req("I-01")
def test_an_approval_is_used_once(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)
    approval = bench.said(orders.OrderApproved, order_id=order_id)[0]
    bench.mesh.hosts.pop("risk")

    bench.say("risk", approval)
    bench.pass_ms(500)

    assert bench.story(order_id).count("OrderSent") == 1
    assert bench.story(order_id).count("OrderAccepted") == 1


@pytest.mark.req("I-01", "BR-26")
@pytest.mark.parametrize(
    ("code", "approval", "age_ms"),
    [
        ("stale", {}, 501),
        ("mismatch", {"qty_lots": 6}, 0),
        ("mismatch", {"price_ticks": 599_991}, 0),
        ("mismatch", {"side": Side.SELL}, 0),
        ("no_intent", {"client_order_id": "7-mm-x-1"}, 0),
    ],
)
def test_the_gate_holds_back_what_risk_may_not_have_meant(bench, code, approval, age_ms):
    bench.mesh.hosts.pop("risk")
    order_id = bench.intent(Side.BUY, 599_990, 5)
    fields = {"client_order_id": order_id, "strategy": "mm", "symbol": bench.PERP}
    fields |= {"side": Side.BUY, "price_ticks": 599_990, "qty_lots": 5, **approval}

    bench.say("risk", orders.OrderApproved(**fields), age_ms=age_ms)

    assert [held.code for held in bench.said(orders.NotSent)] == [code]
    assert not bench.said(orders.OrderSent)


class AgeFromStampOnly(BrokerCore):
    """The planted bug: the gate judges age by the stamp of the log alone."""

    def apply(self, event):
        header = event.header
        values = {name: getattr(header, name) for name in header.__struct_fields__}
        return super().apply(event._replace(header=type(header)(**{**values, "origin_ns": header.ts_ns})))


@pytest.mark.req("I-01")
def test_the_bug_of_age_from_the_stamp_is_caught(make_bench):
    mutant = make_bench(cores=(RiskCore(), AgeFromStampOnly())).start()

    with pytest.raises(AssertionError):
        test_the_gate_holds_back_what_risk_may_not_have_meant(mutant, "stale", {}, 501)
