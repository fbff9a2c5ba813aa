"""What REST and the WebSocket API have in common: counting a call, checking its caller, doing it."""

from collections.abc import Callable
from typing import NamedTuple

from services.venue_sim.access.limits import Charge
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.calls import Ask, Call


class Served(NamedTuple):
    """What came of a call: a result or a refusal, what it cost, and whose orders it counted (or nobody's)."""

    result: object
    refusal: VenueRefusal | None
    charge: Charge
    orders_of: str


def serve(call: Call, ask: Ask, check: Callable[[Ask], Ask]) -> Served:
    """Charge a call, let `check` refuse its caller, do it, and hand out what it caused.

    `ask.account` is whose key was named; `check` returns the call as it may be done. Orders that are refused
    are not counted, and what spot does not charge for is given back.
    """
    backend, values = ask.backend, ask.params.values
    weight = call.weight_of(values)
    orders = call.orders_of(values) if ask.account else 0
    orders_of = ask.account if orders else ""
    charge = backend.limits.charge(ask.ip, ask.account, weight, orders, ask.now_ms)
    if charge.is_refused:
        return Served(None, refusal_of(charge, ask.now_ms), charge, "")
    try:
        result = call.action(check(ask))
    except VenueRefusal as refusal:
        if orders and not refusal.counts_orders:
            backend.limits.return_order(ask.account, orders, ask.now_ms)
        return Served(None, refusal, charge, orders_of)
    finally:
        backend.streams.collect(ask.now_ms)
    if call.is_free:
        backend.limits.return_weight(ask.ip, weight, ask.now_ms)
    return Served(result, None, charge, orders_of)


def refusal_of(charge: Charge, now_ms: int) -> VenueRefusal:
    """Return a refused charge as the refusal of a call."""
    data: dict[str, object] = {"serverTime": now_ms, "retryAfter": charge.retry_at_ms}
    return VenueRefusal(charge.code, charge.msg, charge.status, data=data)
