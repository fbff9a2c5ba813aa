"""The default mesh with a calendar, fused: no order rests when a pause begins, and it goes on afterwards."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli import config
from services.cli.config_risk import planned
from services.fused.assemble import assemble
from services.replay.cores import log_cores
from services.replay.verify import verify
from services.risk.monitor_settings import CalendarSettings, PauseSettings
from shared.messages import control, orders
from shared.units import NS_PER_S

DEFAULT = Path(config.__file__).resolve().parents[2] / "deploy" / "paper.yaml"
ENDS = (orders.OrderCanceled, orders.OrderExpired, orders.OrderRejected, orders.NotSent)


@pytest.fixture(scope="module")
def run():
    """Return the events of 90 s with a pause from second 40 to 60 and a lead of 10 s, and the origin."""
    cfg = config.load(DEFAULT, {})
    origin_ns = cfg.venue_sim.origin_ns
    start, end = (
        datetime.fromtimestamp(origin_ns // NS_PER_S + seconds, UTC).isoformat() for seconds in (40, 60)
    )
    calendar = CalendarSettings(lead_s=10, pauses=(PauseSettings(name="rest", start=start, end=end),))
    cfg = planned(dataclasses.replace(cfg, risk=dataclasses.replace(cfg.risk, calendar=calendar)), origin_ns)
    events = []
    mesh = assemble(config.sections(cfg), build="test", store=lambda stored: events.append(stored.event))
    mesh.run(mesh.now_ns + 90 * NS_PER_S)
    return events, origin_ns


def open_at(events, at_ns):
    """Return the orders that were sent and not finished at a time."""
    found = set()
    for event in events:
        if event.header.ts_ns >= at_ns:
            break
        message = event.message
        if type(message) is orders.OrderSent:
            found.add(message.client_order_id)
        elif isinstance(message, ENDS) or (type(message) is orders.Fill and not message.leaves_lots):
            found.discard(message.client_order_id)
    return found


@pytest.mark.req("RK-26", "RK-25")
def test_quotes_are_cancelled_before_a_pause_and_come_back_after_it(run):
    events, origin_ns = run

    assert open_at(events, origin_ns + 30 * NS_PER_S)
    assert open_at(events, origin_ns + 40 * NS_PER_S) == set()
    assert open_at(events, origin_ns + 60 * NS_PER_S) == set()
    assert open_at(events, origin_ns + 90 * NS_PER_S)


@pytest.mark.req("RK-26")
def test_nothing_is_approved_during_a_pause_and_its_reason_names_the_end(run):
    events, origin_ns = run
    from_ns, until_ns = origin_ns + 31 * NS_PER_S, origin_ns + 60 * NS_PER_S

    during = [event for event in events if from_ns <= event.header.ts_ns < until_ns]
    assert not [e for e in during if isinstance(e.message, orders.OrderApproved | orders.OrderAdjusted)]
    said = [e.message for e in events if type(e.message) is control.TradingState]
    halted = [one for one in said if one.state == "halted"]
    assert [one.reasons[0] for one in halted[:1]] == ["calendar: rest until Mon 2024-01-01 00:01:00 UTC"]
    assert said[-1].state == "active"


@pytest.mark.req("JR-5", "RK-26")
def test_a_rerun_of_the_log_with_a_pause_says_the_same(run):
    events, _ = run

    assert [verdict.difference for verdict in verify(events, log_cores())] == [""] * len(log_cores())
