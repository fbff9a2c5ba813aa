"""The send gate where orders leave the host: `services.broker.gate`, and what only a desk knows."""

from services.broker.desk.desk import Approval, Desk
from services.broker.gate import Held, Passage, held_back
from services.broker.live_knowledge import LiveKnowledge
from services.broker.live_order import LiveOrder
from shared.units import NS_PER_MS


def may_not_leave(
    approval: Approval,
    known: LiveKnowledge,
    desk: Desk | None,
    *,
    origin_ns: int,
    now_ns: int,
    is_killed: bool,
    run: int,
    why_all_closed: Held | None,
) -> Held | None:
    """Return why an order may not leave at this very moment, or None when it may."""
    order = known.order(approval.client_order_id)
    place = known.markets.get(approval.symbol)
    passage = Passage(
        approval=approval,
        order=order,
        rules=None if place is None else place.rules,
        age_ns=now_ns - origin_ns,
        ttl_ns=known.settings.approval_ttl_ms * NS_PER_MS,
        is_killed=is_killed or known.is_killed,
        is_run_valid=run != 0 and known.run == run,
    )
    held = held_back(passage) or why_all_closed
    if held is not None:
        return held
    if desk is None:
        return Held("no_venue", f"no account at the venue of {approval.symbol} is configured")
    assert order is not None, "the gate lets no order without intent pass"
    return _desk_objects(order, desk, now_ns)


def _desk_objects(order: LiveOrder, desk: Desk, now_ns: int) -> Held | None:
    state = desk.state
    closed = desk.why_closed
    if closed is not None:
        return Held(*closed)
    halted = state.halted.get(order.symbol)
    if halted is not None:
        return Held("halted", f"{order.symbol} is halted until a person resumes everything: {halted}")
    if state.orders.is_used(order.client_order_id):
        return Held("used", "an order of this id was sent before (I-03)")
    taken = state.orders.slots.get((order.strategy, order.symbol, order.slot)) if order.slot else None
    if taken is not None:
        return Held("slot", f"slot {order.slot} holds {taken}, which may live (I-04)")
    if now_ns < desk.no_create_before_ns:
        wait_ms = (desk.no_create_before_ns - now_ns) // NS_PER_MS
        return Held("rate", f"{desk.venue} asked for no orders for another {wait_ms} ms")
    return None
