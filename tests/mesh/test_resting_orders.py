"""Resting paper orders live through `down` and `up`, and trade again afterwards."""

import json

import pytest

from services.broker.core import BrokerCore
from shared.messages import orders
from shared.messages.system import EpochStarted
from shared.runtime.journal import JournalReader

pytestmark = pytest.mark.mesh


def events(mesh):
    return list(JournalReader(mesh.data / "journal").events())


@pytest.mark.timeout(180)
def test_resting_orders_stay_through_down_and_up(mesh):
    mesh.must("up")
    mesh.wait(lambda status: status["head_seq"] > 800 and json.loads(mesh.must("orders", "--json")))

    mesh.must("down")

    stopped = events(mesh)
    core = BrokerCore()
    for event in stopped:
        core.apply(event)
    resting = {i for i, order in core.known.orders.items() if order.state.is_live and not order.cancel_reason}
    assert resting, "the mesh was stopped without an order at the venue"
    reasons = {e.message.reason for e in stopped if isinstance(e.message, orders.OrderCanceled)}
    assert not {reason for reason in reasons if "silent" in reason or "stale" in reason}

    mesh.must("up")
    mesh.wait(lambda status: (status["head_seq"] or 0) > stopped[-1].header.seq + 800)
    mesh.must("down")

    later = events(mesh)[len(stopped) :]
    assert isinstance(later[0].message, EpochStarted)
    ended = [e.message for e in later if getattr(e.message, "client_order_id", "") in resting]
    by_the_broker = {"stale_book", "strategy_silent", "risk_silent", "market_data_silent"}
    withdrawn = [m for m in ended if isinstance(m, orders.OrderCanceled) and m.reason in by_the_broker]
    assert not withdrawn
    again = [e.message for e in later if isinstance(e.message, orders.OrderAccepted)]
    assert again, "nothing traded after the second start"
    ids = [e.message.client_order_id for e in events(mesh) if isinstance(e.message, orders.OrderSent)]
    assert len(ids) == len(set(ids))
