"""Load on real processes: memory stays flat, a reader misses nothing, a stopped service catches up exactly.

Two minutes in CI, twenty seconds else; an hour is `QUOTEMESH_LOAD_MINUTES=60 ./quotemesh bench load`. Times
are printed with `-s`, never asserted.
"""

import os

import pytest

from services.bench import load
from services.bench.load_peers import BURST_LOTS, STEADY_LOTS

GROWTH_MB_MAX = 8
"""80,000 events lie between the two quarters of the shorter run: 100 bytes kept of each would be more."""


@pytest.mark.mesh
@pytest.mark.timeout(900)
@pytest.mark.req("JR-19", "I-37", "I-39")
def test_load_leaves_memory_flat_and_a_stopped_service_catches_up_exactly():
    is_ci = os.environ.get("CI") == "true"
    plan = load.LoadPlan(
        seconds=120 if is_ci else 20, burst_s=5 if is_ci else 2, stop_s=10 if is_ci else 3, warm_up_s=8
    )

    report = load.run(plan)

    for name, lots in (("steady", STEADY_LOTS), ("burst", BURST_LOTS)):
        print(name, {share: report.percentile_ms(lots, share) for share in (0.5, 0.9, 0.99)}, "ms")
    print({name: round(report.growth_mb(name), 2) for name in report.memory}, "MB")
    expected = (plan.warm_up_s + plan.seconds - plan.burst_s) * plan.rate_hz + plan.burst_s * plan.burst_hz
    assert report.sent == expected
    assert report.received == report.sent
    assert report.behind_events > 0
    assert report.verdict.is_equal, report.verdict.difference
    assert report.verdict.digests_compared >= report.sent // 1000
    assert {name: grown for name in report.memory if (grown := report.growth_mb(name)) > GROWTH_MB_MAX} == {}
