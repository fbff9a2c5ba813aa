"""The broker core on the log: order life, paper matching, cancels, kill, withdrawals."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.broker.core import BrokerCore
from services.broker.instructions import ClearLatch, LatchKill
from services.broker.settings import BrokerSettings
from services.risk.core import RiskCore
from shared.hosting import CoreHost
from shared.messages import control, market, orders, system
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


@pytest.mark.req("RK-11", "BR-29", "I-22")
def test_kill_stops_orders_and_cancels_all_and_asks_for_the_latch(bench):
    resting = bench.resting(Side.BUY, 599_990, 5)
    flying = bench.intent(Side.BUY, 599_980, 5)

    bench.say("operator", control.KillRequested("me", "test"))
    bench.pass_ms(200)

    assert LatchKill("me", "test", "log") in bench.instructions
    for order_id in (resting, flying):
        assert bench.said(orders.OrderCanceled, order_id=order_id)[0].reason == "kill"
    assert not bench.broker.known.orders


@pytest.mark.req("I-24")
def test_kill_by_the_file_holds_the_gate_without_risk(bench):
    bench.say("broker.io", control.KillLatched("file", "touch", "file"))
    bench.mesh.hosts.pop("risk")
    order_id = bench.intent(Side.BUY, 599_990, 5)

    bench.say("risk", orders.OrderApproved(order_id, "mm", bench.PERP, Side.BUY, 599_990, 5))

    assert bench.said(orders.NotSent)[0].code == "killed"


@pytest.mark.req("RK-12", "I-26")
def test_kill_is_cleared_by_a_request_with_its_place_on_the_log(bench):
    bench.say("operator", control.KillRequested("me", "test"))

    bench.say("operator", control.KillClearRequested("me", "done"))

    clear = next(i for i in bench.instructions if isinstance(i, ClearLatch))
    asked = next(e for e in bench.log if isinstance(e.message, control.KillClearRequested))
    assert clear == ClearLatch("me", "done", asked.header.seq)
    assert not bench.broker.known.is_killed


@pytest.mark.req("I-22")
def test_a_killed_broker_asks_for_the_latch_again_when_it_starts(bench):
    bench.say("operator", control.KillRequested("me", "test"))
    bench.instructions.clear()

    bench.say("bus", system.ServiceStarted("broker", 2, "bench", b"\x80", ["broker"]))

    assert bench.instructions == [LatchKill("me", "test", "log")]


@pytest.mark.req("BR-29")
def test_cancel_all_takes_one_market_or_all(bench):
    perp = bench.resting(Side.BUY, 599_990, 5)
    spot = bench.resting(Side.BUY, 599_990, 5, symbol=bench.SPOT)

    bench.say("operator", control.CancelAllRequested(bench.SPOT, "me", "test"))
    bench.pass_ms(100)
    assert list(bench.broker.known.orders) == [perp]

    bench.say("operator", control.CancelAllRequested("", "me", "test"))
    bench.pass_ms(100)
    assert not bench.broker.known.orders
    assert bench.said(orders.OrderCanceled, order_id=spot)


@pytest.mark.req("I-28")
@pytest.mark.parametrize(("service", "limit_ms"), [("strategy", 3000), ("risk", 2000), ("market_data", 2000)])
def test_quotes_leave_when_a_service_stays_silent(make_bench, service, limit_ms):
    bench = make_bench(broker=BrokerSettings(latency_std_ms=0, latency_spike_ppm=0, start_grace_ms=0)).start()
    order_id = bench.resting(Side.BUY, 599_990, 5)

    bench.say("bus", system.SourceSilent(service, 1000))
    bench.pass_ms(limit_ms - 1000 - 100)
    assert not bench.said(orders.OrderCanceled)

    bench.pass_ms(300)
    assert bench.said(orders.OrderCanceled, order_id=order_id)[0].reason == f"{service}_silent"


@pytest.mark.req("I-28")
def test_quotes_stay_when_a_service_comes_back_in_time(make_bench):
    bench = make_bench(broker=replace(BrokerSettings(), start_grace_ms=0)).start()
    bench.resting(Side.BUY, 599_990, 5)
    bench.say("bus", system.SourceSilent("strategy", 1000))
    bench.pass_ms(1000)

    bench.say("bus", system.SourceBack("strategy"))
    bench.pass_ms(5000)

    assert not bench.said(orders.OrderCanceled)


@pytest.mark.req("I-28")
@pytest.mark.parametrize("is_invalid", [True, False])
def test_quotes_leave_a_market_whose_book_is_bad_for_two_seconds(make_bench, is_invalid):
    bench = make_bench(broker=replace(BrokerSettings(), start_grace_ms=0)).start()
    order_id = bench.intent(Side.BUY, 599_990, 5)
    bench.pass_ms(1000)
    if is_invalid:
        bench.say("market_data.io", market.BookInvalid(bench.PERP, "gap"))

    bench.pass_ms(2000, is_feed_alive=False)
    assert not bench.said(orders.OrderCanceled)

    bench.pass_ms(1000, is_feed_alive=False)
    assert bench.said(orders.OrderCanceled, order_id=order_id)[0].reason == "stale_book"


def test_resting_orders_live_through_a_stop_and_a_start_of_the_mesh(bench):
    order_id = bench.resting(Side.BUY, 600_000, 5)

    bench.mesh.now_ns += 3_600_000_000_000
    bench.say("bus", system.EpochStarted(8, "bench"))
    bench.say("bus", system.SourceSilent("strategy", 1000))
    bench.pass_ms(5000, is_feed_alive=False)
    bench.say("bus", system.SourceBack("strategy"))
    bench.book()
    bench.trade(Side.SELL, 599_990, 5)

    assert fills(bench, order_id) == [(600_000, 5, True)]


def test_a_failed_strategy_loses_its_quotes_and_no_other(bench):
    failed = bench.resting(Side.BUY, 599_990, 5, strategy="bad")
    other = bench.resting(Side.BUY, 599_990, 5, strategy="good")

    bench.say("strategy/bad", control.InstanceFailed("bad", "ZeroDivisionError"))
    bench.pass_ms(100)

    assert list(bench.broker.known.orders) == [other]
    assert bench.said(orders.OrderCanceled, order_id=failed)


@pytest.mark.req("BR-19")
def test_a_spot_order_needs_the_money(make_bench):
    bench = make_bench(broker=replace(BrokerSettings(), initial_balance=Decimal(1000))).start()
    resting = bench.resting(Side.BUY, 599_990, 10, symbol=bench.SPOT)
    too_much = bench.resting(Side.BUY, 599_980, 10, symbol=bench.SPOT)
    bench.pass_ms(2000)

    assert bench.story(resting)[-1] == "OrderAccepted"
    assert bench.said(orders.OrderRejected, order_id=too_much)[0].code == "insufficient_balance"


@pytest.mark.req("BR-19", "RK-29", "I-16")
def test_the_paper_account_equals_the_ledger_of_risk_to_the_atom(bench):
    bench.resting(Side.BUY, 600_000, 7)
    bench.trade(Side.SELL, 599_990, 3)
    bench.resting(Side.BUY, 0, 15, **MARKET)
    bench.say("operator", control.CancelAllRequested("", "me", "test"))
    bench.pass_ms(100)
    bench.resting(Side.SELL, 0, 33, **MARKET)

    account, risk = bench.broker.known.account, bench.risk.known
    mark = risk.markets[bench.PERP].mark_centiticks
    gain = account.gain_atoms(bench.rules(), mark)

    assert account.holdings_lots[bench.PERP] == risk.ledger.position_lots(bench.PERP) == -15
    assert gain == risk.ledger.profit_atoms(bench.PERP, mark) != 0


@pytest.mark.req("I-39")
def test_a_restored_broker_goes_on_as_if_it_had_never_stopped(bench):
    bench.resting(Side.BUY, 600_000, 7)
    bench.intent(Side.SELL, 600_020, 3)
    bench.resting(Side.BUY, 0, 4, **MARKET)
    flying = bench.intent(Side.SELL, 600_030, 3)
    bench.cancel(flying)
    copy = BrokerCore()
    copy.restore(bench.broker.snapshot())
    assert copy.digest() == bench.broker.digest()

    seen = len(bench.log)
    bench.trade(Side.SELL, 600_000, 12)
    bench.pass_ms(500)
    for event in bench.log[seen:]:
        copy.apply(event)

    assert copy.digest() == bench.broker.digest()


def test_anything_else_than_a_snapshot_is_refused():
    with pytest.raises(ValueError, match=r"Expected|malformed|truncated|invalid"):
        BrokerCore().restore(b"\x93abc")


def adopted(bench, log):
    host = CoreHost(BrokerCore())
    host.is_deciding = False
    for event in log:
        host.apply(event)
    return host


def test_an_adopted_log_gives_the_same_orders_account_and_ids(bench):
    bench.resting(Side.BUY, 600_000, 7)
    bench.trade(Side.SELL, 599_990, 3)
    bench.resting(Side.BUY, 0, 15, **MARKET)
    bench.cancel(bench.resting(Side.BUY, 599_980, 5))
    bench.pass_ms(100)

    known = adopted(bench, bench.log).core.known

    assert known.orders == bench.broker.known.orders
    assert known.account.dump() == bench.broker.known.account.dump()
    assert known.fill_count == bench.broker.known.fill_count
    assert known.deadlines.dump() == bench.broker.known.deadlines.dump()
    assert known.place(bench.PERP).queue.dump() == bench.broker.known.place(bench.PERP).queue.dump()


def test_after_adopting_an_approval_without_outcome_is_not_sent_and_a_flying_order_arrives(bench):
    flying = bench.intent(Side.BUY, 599_980, 5)
    cut = len(bench.log)
    hanging = bench.intent(Side.BUY, 599_990, 5)
    log = bench.log[: cut + 2]  # with its approval, without OrderSent
    host = adopted(bench, log)

    host.is_deciding = True
    last = log[-1].header
    header = type(last)(last.seq + 1, last.ts_ns + 10**9, last.ts_ns, 7, "bus", 0, 99, 0)
    step = host.apply(type(log[0])(header, system.ServiceStarted("broker", 2, "next", b"\x80", ["broker"])))

    said = [(out.message.client_order_id, type(out.message).__name__) for out in step.outputs]
    assert said == [(flying, "OrderAccepted"), (hanging, "NotSent")]
