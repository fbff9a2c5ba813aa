"""A series of rejections by the venue leaves a strategy reducing orders alone (RK-27)."""

from dataclasses import replace

import pytest

from services.risk.breaker_settings import StormSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders, system
from shared.units import NS_PER_MS, Side


def storm_bench(make_bench, **changes):
    settings = replace(StormSettings(), rejects_max=2, **changes)
    bench = make_bench(replace(RiskSettings(), storm=settings)).start()
    bench.mesh.hosts.pop("broker")
    return bench


def reject(bench, code="filter", strategy="mm", age_ms=0):
    order_id = bench.intent(Side.BUY, 599_000, 1, strategy=strategy)
    name = (order_id, strategy, bench.PERP)
    bench.say("broker.io", orders.OrderSent(*name, Side.BUY, 599_000, 1))
    bench.say("broker.io", orders.OrderRejected(*name, code, "no"), age_ms=age_ms)


@pytest.mark.req("RK-27")
def test_one_rejection_too_many_within_the_window_pauses_that_strategy(make_bench):
    bench = storm_bench(make_bench)
    reject(bench)
    reject(bench)
    reject(bench, strategy="other")
    reject(bench, code="post_only_would_take")
    assert not bench.said(guards.GuardRaised)

    reject(bench)

    (raised,) = bench.said(guards.GuardRaised)
    assert (raised.code, raised.strategy, raised.value, raised.limit) == ("reject_storm", "mm", 3, 2)
    assert bench.verdict(Side.BUY, 599_000, 1).code == "reject_storm"
    assert isinstance(bench.verdict(Side.BUY, 599_000, 1, strategy="other"), orders.OrderApproved)


@pytest.mark.req("RK-27")
def test_slow_rejections_are_no_storm(make_bench):
    bench = storm_bench(make_bench, window_s=10)
    for _ in range(5):
        reject(bench)
        bench.pass_ms(5000)

    assert not bench.said(guards.GuardRaised)


@pytest.mark.req("RK-27")
def test_it_ends_after_its_time_or_by_a_person(make_bench):
    bench = storm_bench(make_bench, pause_s=20)
    for _ in range(3):
        reject(bench)
    bench.pass_ms(19_900)
    assert not bench.said(guards.GuardReleased)
    bench.pass_ms(100)
    assert bench.said(guards.GuardReleased)[-1].by == "time"

    for _ in range(3):
        reject(bench)
    bench.say("operator", control.ResumeRequested("mm", "me", "filters were wrong"))
    assert bench.said(guards.GuardReleased)[-1].by == "me"
    assert isinstance(bench.verdict(Side.BUY, 599_000, 1), orders.OrderApproved)


@pytest.mark.req("RK-27")
def test_without_a_time_only_a_person_ends_it(make_bench):
    bench = storm_bench(make_bench, pause_s=0)
    for _ in range(3):
        reject(bench)

    bench.pass_ms(600_000)

    assert not bench.said(guards.GuardReleased)


@pytest.mark.req("RK-27")
def test_the_pause_counts_from_the_event_behind_it_also_where_its_word_came_late(make_bench):
    # Given a storm whose word stands on the log after the next tick
    bench = storm_bench(make_bench, pause_s=20)
    for _ in range(3):
        reject(bench, age_ms=30)
    tripped_ns = bench.mesh.now_ns - 30 * NS_PER_MS
    bench.pass_ms(100)
    (word,) = [event for event in bench.log if isinstance(event.message, guards.GuardRaised)]
    later = [event for event in bench.log if event is not word]
    tick = [isinstance(event.message, system.Tick) for event in later].index(True)
    later.insert(tick + 1, word)

    # When a new build adopts it
    adopted = RiskCore()
    for event in later:
        adopted.adopt(event)

    # Then the trip began where it did for the one that said it
    for core in (bench.risk, adopted):
        storm = next(guard for guard in core.known.guards.all if guard.name == "reject_storm")
        assert [trip.since_ns for trip in storm.trips.values()] == [tripped_ns]
