"""A storm of requotes against the venue's own counters: never over 80 %, and cancels always pass."""

import dataclasses

import pytest

from services.fused import live_parts as parts
from services.fused.live import LiveRun
from services.fused.live_plan import Plan
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages import orders
from shared.settings import pack
from shared.units import NS_PER_MS, NS_PER_S

STORM_NS = 150 * NS_PER_S
GONE_NS = 3 * NS_PER_S


def storm_sections(seed):
    """Return settings in which every change of a book changes every quote of both markets."""
    sections = parts.sections(seed)
    params = {"seed": seed, "slots": 8, "more_lots": 20, "wait": 1}
    instances = {
        name: InstanceSettings(
            kind="services.fused.live_quotes:Restless", symbol=symbol, params={**params, "least_lots": lots}
        )
        for name, symbol, lots in (("spa", parts.SPOT_SYMBOL, 12), ("fut", parts.USDM_SYMBOL, 4))
    }
    strategy: StrategySettings = sections["strategy"]
    sections["strategy"] = dataclasses.replace(strategy, instances=instances)
    return {name: pack(section) for name, section in sections.items()}


@pytest.mark.timeout(300)
@pytest.mark.req("I-09", "I-10")
def test_a_storm_of_requotes_stays_within_the_limits_and_cancels_pass(monkeypatch):
    monkeypatch.setattr(parts, "packed_sections", storm_sections)
    plan = Plan(
        seed=1,
        classes=frozenset(),
        storm_ns=STORM_NS,
        latency_ns=20 * NS_PER_MS,
        jitter_ns=10 * NS_PER_MS,
    )
    run = LiveRun(plan)

    outcome = run.run()

    assert outcome.problems == []
    held = [e.message for e in run.mesh.log if isinstance(e.message, orders.NotSent)]
    assert any("rate" in one.code for one in held), "the storm never met the budget"
    assert outcome.order_count > 500
    assert late_cancels(run.mesh.log) == []


def late_cancels(log):
    """Return the orders that rested longer than `GONE_NS` after their first cancel was asked for."""
    asked, late, resting = {}, [], set()
    for event in log:
        message, now_ns = event.message, event.header.ts_ns
        if isinstance(message, orders.OrderAccepted):
            resting.add(message.client_order_id)
        elif isinstance(message, orders.CancelIntent):
            if message.client_order_id in resting:
                asked.setdefault(message.client_order_id, now_ns)
        elif isinstance(message, orders.OrderCanceled | orders.OrderExpired) or (
            isinstance(message, orders.Fill) and not message.leaves_lots
        ):
            since_ns = asked.pop(message.client_order_id, now_ns)
            if now_ns - since_ns > GONE_NS:
                late.append((message.client_order_id, now_ns - since_ns))
    return late
