"""The broker core when things go wrong: kill, withdrawals, money, restores and adoption."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.broker.core import BrokerCore
from services.broker.instructions import ClearLatch, LatchKill
from services.broker.settings import BrokerSettings
from shared.hosting import CoreHost
from shared.messages import control, market, orders, system
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

MARKET = {"order_type": OrderType.MARKET}
IOC, FOK = {"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}


def fills(bench, order_id):
    return [(f.price_ticks, f.qty_lots, f.is_maker) for f in bench.said(orders.Fill, order_id=order_id)]


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


@pytest.mark.req("RK-12", "I-26")
def test_kill_is_not_cleared_before_the_broker_has_reconciled_this_run(make_bench):
    # Given a kill, and a run of the broker that differs from risk's ledger
    bench = make_bench().start(is_reconciled=False)
    bench.say("operator", control.KillRequested("me", "test"))
    bench.say("broker.io", system.Reconciled(run=9))
    bench.say("broker.io", system.Reconciled(run=1, difference_count=2, details="fees"))

    bench.say("operator", control.KillClearRequested("me", "done"))

    # Then it stands, the person is told why, and a restored or replayed broker says the same
    (refused,) = bench.said(control.KillClearRefused)
    assert (refused.by, refused.reason.partition(":")[0]) == (
        "me",
        "the broker has not reconciled its run 1",
    )
    assert not [one for one in bench.instructions if isinstance(one, ClearLatch)]
    assert bench.broker.known.is_killed
    assert bench.risk.known.mood.is_killed
    for core in (BrokerCore(), bench.replayed(BrokerCore())):
        if core.known.run == 0:
            core.restore(bench.broker.snapshot())
        assert core.digest() == bench.broker.digest()

    # And once it agrees the same request clears
    bench.say("broker.io", system.Reconciled(run=1))
    bench.say("operator", control.KillClearRequested("me", "done"))
    assert bench.said(control.KillCleared) == [control.KillCleared("me", "done")]

    # Until it starts again
    bench.say("operator", control.KillRequested("me", "again"))
    bench.broker.known.run = 2
    bench.say("operator", control.KillClearRequested("me", "done"))
    assert bench.broker.known.is_killed


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


def test_a_planned_stop_withdraws_nothing_however_long_it_takes(make_bench):
    bench = make_bench(broker=replace(BrokerSettings(), start_grace_ms=0)).start()
    bench.resting(Side.BUY, 599_990, 5)
    bench.pass_ms(1000)
    bench.say("bus", system.SourceSilent("strategy", 1000))

    bench.say("operator", control.StopRequested("operator", "down"))
    bench.say("bus", system.SourceSilent("market_data", 1000))
    bench.pass_ms(10_000, is_feed_alive=False)
    assert not bench.said(orders.OrderCanceled)

    bench.say("bus", system.EpochStarted(8, "bench"))
    bench.pass_ms(3000, is_feed_alive=False)
    assert bench.said(orders.OrderCanceled)[0].reason == "stale_book"


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
