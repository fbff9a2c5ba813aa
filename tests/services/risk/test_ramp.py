"""Limits of size grow in a straight line after a start, a release and a cleared kill."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.breaker_settings import RampSettings, StormSettings
from services.risk.core import RiskCore
from services.risk.ramp import Ramp
from services.risk.settings import RiskSettings
from shared.messages import control, guards, orders, system
from shared.units import Side

RAMP = RampSettings(duration_s=40, start_ppm=200_000)


def ramping(make_bench, **changes):
    return make_bench(replace(RiskSettings(), ramp=RAMP, **changes), is_ramping=True).start()


def size_ppm(bench, strategy="mm"):
    return bench.risk.known.guards.size_ppm(strategy, bench.PERP, bench.risk.known)


@pytest.mark.req("RK-9")
def test_after_a_start_orders_grow_to_the_whole_limit(make_bench):
    # Given 5000 at 60,000.0: 83 lots of 0.001 at most, a fifth of it at first
    bench = ramping(make_bench)

    first = bench.verdict(Side.BUY, 600_000, 100)
    assert (first.qty_lots, first.code) == (16, "order_size")
    within = bench.verdict(Side.BUY, 600_000, 80)
    assert (within.qty_lots, within.code) == (16, "size_scaled")

    # 200,000 + 800,000 * 20 / 40
    bench.pass_ms(20_000)
    assert size_ppm(bench) == 600_000
    bench.pass_ms(20_000)
    assert size_ppm(bench) == 1_000_000
    assert isinstance(bench.verdict(Side.BUY, 599_000, 80), orders.OrderApproved)


def test_a_new_run_of_risk_begins_anew_and_the_same_run_does_not(make_bench):
    bench = ramping(make_bench)
    bench.pass_ms(40_000)
    settings = bench.risk.known.raw_settings

    bench.say("bus", system.ServiceStarted("risk", 1, "bench", settings, ["risk"]))
    assert size_ppm(bench) == 1_000_000
    bench.say("bus", system.ServiceStarted("risk", 2, "bench", settings, ["risk"]))
    assert size_ppm(bench) == 200_000


@pytest.mark.req("RK-12")
def test_a_cleared_kill_begins_anew(make_bench):
    bench = ramping(make_bench)
    bench.pass_ms(40_000)

    bench.say("operator", control.KillRequested("me", "test"))
    bench.say("operator", control.KillClearRequested("me", "done"))

    assert size_ppm(bench) == 200_000


def test_a_release_begins_anew_for_what_was_held(make_bench):
    bench = ramping(make_bench, storm=StormSettings(rejects_max=1))
    bench.pass_ms(40_000)
    bench.mesh.hosts.pop("broker")
    for _ in range(2):
        order_id = bench.intent(Side.BUY, 599_000, 1)
        bench.say("broker.io", orders.OrderSent(order_id, "mm", bench.PERP, Side.BUY, 599_000, 1))
        bench.say("broker.io", orders.OrderRejected(order_id, "mm", bench.PERP, "filter", ""))

    bench.say("operator", control.ResumeRequested("mm", "me", "mended"))

    assert bench.said(guards.GuardReleased)
    assert size_ppm(bench) == 200_000
    assert size_ppm(bench, "other") == 1_000_000
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()
    bench.pass_ms(40_200)
    assert size_ppm(bench) == 1_000_000


@given(
    duration_s=st.integers(0, 1000),
    start_ppm=st.integers(1, 1_000_000),
    passed=st.lists(st.integers(0, 2_000_000), min_size=2, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_the_share_rises_and_stays_between_its_start_and_the_whole(duration_s, start_ppm, passed):
    class Known:
        settings = replace(RiskSettings(), ramp=RampSettings(duration_s=duration_s, start_ppm=start_ppm))
        now_ns = 0

    ramp, known = Ramp(), Known()
    ramp.since_ns["", ""] = 1000
    shares = []
    for passed_ms in sorted(passed):
        known.now_ns = 1000 + passed_ms * 10**6
        shares.append(ramp.size_ppm("a", "b", known))

    assert shares == sorted(shares)
    assert all(start_ppm <= share <= 1_000_000 for share in shares)
    assert shares[-1] == 1_000_000 or max(passed) < duration_s * 1000
