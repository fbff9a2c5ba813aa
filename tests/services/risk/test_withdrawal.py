"""When a breaker fires, a whole mesh withdraws what would add risk and goes on reducing (RK-10)."""

import dataclasses
from decimal import Decimal

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.risk.breaker_settings import BreakerSettings
from shared.messages import control, guards, orders
from shared.units import NS_PER_S


def run_of(seconds, **breakers):
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    limits = dataclasses.replace(BreakerSettings(), **breakers)
    sections["risk"] = dataclasses.replace(sections["risk"], breakers=limits)
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S)
    return run, events


@pytest.mark.req("RK-10", "RK-9")
def test_after_a_breaker_every_order_left_only_reduces_and_positions_shrink():
    # Given the default mesh with a limit on the value traded in a day, which three strategies pass soon
    run, events = run_of(60, session_volume_max=Decimal(1500), losing_streak_max=0)
    fired_ns = next(
        e.header.ts_ns for e in events if type(e.message) is guards.GuardRaised and e.message.is_tripped
    )
    states = [e.message for e in events if type(e.message) is control.TradingState]
    assert (states[-1].state, states[-1].reasons[0].split(":")[0]) == ("reducing", "session_volume")
    assert fired_ns < run.now_ns - 10 * NS_PER_S

    # Then orders that added risk were cancelled within a second, and none was approved since
    known = run.mesh.hosts["risk"].core.known
    for order in known.exposure.open.values():
        held = known.ledger.strategy_position_lots(order.strategy, order.symbol)
        assert order.side.sign * held < 0
        assert order.leaves_lots <= abs(held)
    late = [
        e.message for e in events if type(e.message) is orders.Fill and e.header.ts_ns > fired_ns + NS_PER_S
    ]
    positions = {}
    for event in events:
        fill = event.message
        if type(fill) is not orders.Fill:
            continue
        key = fill.strategy, fill.symbol
        before = positions.get(key, 0)
        positions[key] = before + fill.side.sign * fill.qty_lots
        if fill in late:
            assert abs(positions[key]) < abs(before)
