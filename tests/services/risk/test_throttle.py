"""The repeat throttle switches a strategy off until a person resumes it (I-14); exits go on (RK-10)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.risk.breaker_settings import ThrottleSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders
from shared.units import Side


def throttled(**changes):
    return replace(RiskSettings(), throttle=replace(ThrottleSettings(), **changes))


def ask_in_slot(bench, slot, *, strategy="mm"):
    """Say an intent of one slot and return the verdict."""
    bench.order_count += 1
    order_id = f"7-{strategy}-{slot}-{bench.order_count}"
    bench.say(
        f"strategy/{strategy}", orders.OrderIntent(order_id, strategy, bench.PERP, Side.BUY, 599_000, 1)
    )
    return bench.said(orders.OrderApproved, orders.OrderRefused, order_id=order_id)[-1]


def trips(bench):
    return [
        (said.code, said.strategy, said.value) for said in bench.said(guards.GuardRaised) if said.is_tripped
    ]


@pytest.mark.req("I-14")
def test_one_order_more_than_a_slot_may_have_in_a_minute_ends_new_risk_of_its_strategy(make_bench):
    bench = make_bench(throttled(requotes_per_min_max=3)).start()
    for _ in range(3):
        assert isinstance(ask_in_slot(bench, "b1"), orders.OrderApproved)
    assert isinstance(ask_in_slot(bench, "b2"), orders.OrderApproved)

    ask_in_slot(bench, "b1")

    assert trips(bench) == [("requotes", "mm", 4)]
    assert bench.said(guards.ScopedState)[-1].state == "reducing"
    assert ask_in_slot(bench, "b2").code == "requotes"
    assert isinstance(ask_in_slot(bench, "b1", strategy="other"), orders.OrderApproved)


@pytest.mark.req("I-14")
def test_the_minute_slides(make_bench):
    bench = make_bench(throttled(requotes_per_min_max=2)).start()
    ask_in_slot(bench, "b1")
    bench.pass_ms(30_000)
    ask_in_slot(bench, "b1")
    bench.pass_ms(30_000)

    ask_in_slot(bench, "b1")

    assert trips(bench) == []


@pytest.mark.req("I-14")
def test_fills_of_one_slot_are_counted_too(make_bench):
    bench = make_bench(throttled(fills_per_min_max=2)).start()
    order_id = bench.resting(Side.BUY, 600_000, 9)
    bench.trade(Side.SELL, 600_000, 10)  # what lay before it
    for _ in range(3):
        bench.trade(Side.SELL, 600_000, 1)

    assert len(bench.said(orders.Fill, order_id=order_id)) == 3
    assert trips(bench) == [("fills", "mm", 3)]


@pytest.mark.req("I-14")
def test_a_loss_within_a_minute_trips_within_a_second_and_a_slow_one_does_not(make_bench):
    # Given 10 lots, of which a tick is worth 0.001
    bench = make_bench(throttled(loss_per_min_max=Decimal(1))).start()
    bench.fill_position(Side.BUY, 10)
    bench.pass_ms(1000)

    # When it falls by 0.9 now, and by 0.9 after that minute
    for bid_ticks in (599_100, 598_200):
        bench.book(bids=((bid_ticks, 500),), asks=((bid_ticks + 10, 500),))
        bench.pass_ms(62_000)
    assert trips(bench) == []

    # Then 1.1 within a minute is too fast
    bench.book(bids=((597_100, 500),), asks=((597_110, 500),))
    bench.pass_ms(1000)
    assert [trip[:2] for trip in trips(bench)] == [("slope", "mm")]


@pytest.mark.req("I-14", "RK-10")
def test_a_strategy_that_loses_too_fast_can_still_send_its_stop_loss(make_bench):
    bench = make_bench(throttled(loss_per_min_max=Decimal(1))).start()
    bench.fill_position(Side.BUY, 10)
    bench.pass_ms(1000)
    bench.book(bids=((597_000, 500),), asks=((597_010, 500),))
    bench.pass_ms(1000)
    assert trips(bench)[0][:2] == ("slope", "mm")

    assert bench.verdict(Side.BUY, 596_000, 1).code == "slope"
    market = {"order_type": orders.OrderType.MARKET, "is_reduce_only": True}
    assert isinstance(bench.verdict(Side.SELL, 0, 10, **market), orders.OrderApproved)


@pytest.mark.req("I-14", "RK-10")
@pytest.mark.parametrize("change", [{"requotes_per_min_max": 3}, {"fills_per_min_max": 2}])
def test_exits_of_a_throttled_strategy_go_on_but_not_without_end(make_bench, change):
    # Given a strategy with 20 lots that is held for its repeats or its fills
    limit = change.get("requotes_per_min_max", 4)
    bench = make_bench(throttled(**{"requotes_per_min_max": limit, **change})).start()
    bench.fill_position(Side.BUY, 10)
    bench.fill_position(Side.BUY, 10)
    if "fills_per_min_max" in change:
        bench.resting(Side.BUY, 600_000, 9)
        bench.trade(Side.SELL, 600_000, 10)  # what lay before it
        for _ in range(3):
            bench.trade(Side.SELL, 600_000, 1)
    else:
        for _ in range(4):
            ask_in_slot(bench, "b1")
    assert len(trips(bench)) == 1

    # Then it may leave as often as a slot may ask, in slots of any name
    said = [bench.verdict(Side.SELL, 600_500, 1) for _ in range(limit + 2)]
    assert [type(one) for one in said] == [orders.OrderApproved] * limit + [orders.OrderRefused] * 2
    assert said[-1].code == trips(bench)[0][0]
    assert isinstance(bench.verdict(Side.SELL, 600_500, 1, strategy="other"), orders.OrderApproved)

    # And again when a minute has passed, also after a restart and for a build that adopts the log
    copy, adopted = RiskCore(), RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()
    for event in bench.log:
        adopted.adopt(event)
    throttles = [core.known.guards.all[5] for core in (adopted, bench.risk)]
    assert throttles[0].exits == throttles[1].exits != {}
    bench.pass_ms(60_000)
    assert isinstance(bench.verdict(Side.SELL, 600_500, 1), orders.OrderApproved)


@pytest.mark.req("I-14")
def test_only_a_person_with_a_reason_switches_it_on_again(make_bench):
    bench = make_bench(throttled(requotes_per_min_max=1)).start()
    bench.pass_ms(100)
    ask_in_slot(bench, "b1")
    ask_in_slot(bench, "b1")
    bench.mesh.tick(bench.mesh.now_ns + 2 * 86_400 * 10**9)
    assert bench.said(guards.SessionReset)
    assert not bench.said(guards.GuardReleased)

    bench.say("operator", control.ResumeRequested("mm", "me", ""))
    assert not bench.said(guards.GuardReleased)
    bench.say("operator", control.ResumeRequested("mm", "me", "mended"))

    assert [(r.code, r.by, r.reason) for r in bench.said(guards.GuardReleased)] == [
        ("requotes", "me", "mended")
    ]
    bench.book()
    assert isinstance(ask_in_slot(bench, "b1"), orders.OrderApproved)


def test_a_restored_throttle_counts_on(make_bench):
    bench = make_bench(throttled(requotes_per_min_max=2)).start()
    ask_in_slot(bench, "b1")
    ask_in_slot(bench, "b1")
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())

    seen = len(bench.log)
    ask_in_slot(bench, "b1")
    for event in bench.log[seen:]:
        copy.apply(event)

    assert trips(bench)
    assert copy.digest() == bench.risk.digest()
