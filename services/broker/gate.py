"""The send gate: the last look at an order before it leaves (DESIGN.md 2). One place for paper and live.

Pure. The paper venue lives in the core, so nothing leaves the host and `is_durable` and `is_run_valid` are
true by nature; an adapter that sends over a network asks with what it knows at the moment of sending.
"""

from dataclasses import dataclass
from typing import NamedTuple

from services.broker.order import BrokerOrder
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderAdjusted, OrderApproved
from shared.paper.filters import broken_filter
from shared.units import NS_PER_MS


class Held(NamedTuple):
    """Why an order is held back: becomes `NotSent`."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the gate knows at the moment of sending. `age_ns` counts from the receipt of the data behind it.

    `order` is what the strategy asked for, None when no intent of that id is known.
    """

    approval: OrderApproved | OrderAdjusted
    order: BrokerOrder | None
    rules: InstrumentRules | None
    age_ns: int
    ttl_ns: int
    is_killed: bool
    is_durable: bool = True
    is_run_valid: bool = True


def held_back(passage: Passage) -> Held | None:
    """Return why the order may not leave, the strongest reason first, or None when it may."""
    if passage.is_killed:
        return Held("killed", "kill is latched or asked for")
    if not passage.is_run_valid:
        return Held("run", "this broker is not the one the log knows")
    if not passage.is_durable:
        return Held("not_durable", "the approval is not on disk yet")
    order = passage.order
    if order is None:
        return Held("no_intent", "the log holds no intent of this id")
    if order.cancel_reason:
        return Held("canceled", f"canceled before it was sent: {order.cancel_reason}")
    if passage.age_ns > passage.ttl_ns:
        return Held(
            "stale",
            f"decided on data {passage.age_ns // NS_PER_MS} ms old, at most {passage.ttl_ns // NS_PER_MS} ms",
        )
    mismatch = _mismatch(passage.approval, order)
    if mismatch:
        return Held("mismatch", f"the approval differs from the intent: {mismatch}")
    if passage.rules is None:
        return Held("unknown_symbol", f"no rules of {order.symbol} are known; is it configured?")
    broken = broken_filter(passage.approval, passage.rules)
    return Held("filter", broken) if broken else None


def _mismatch(approval: OrderApproved | OrderAdjusted, order: BrokerOrder) -> str:
    """Return what makes the approval another order than the intent (I-01): it may only be smaller."""
    if (approval.symbol, approval.side, approval.strategy) != (order.symbol, order.side, order.strategy):
        return "symbol, side or strategy"
    if (approval.order_type, approval.tif) != (order.order_type, order.tif):
        return "order type or time in force"
    if (approval.expire_ns, approval.stop_ticks) != (order.expire_ns, order.stop_ticks):
        return "end or stop"
    if order.is_post_only and not approval.is_post_only:
        return "post-only was dropped"
    if approval.side.sign * (approval.price_ticks - order.price_ticks) > 0:
        return f"price {approval.price_ticks} is more aggressive than {order.price_ticks}"
    if not 0 < approval.qty_lots <= order.asked_lots:
        return f"{approval.qty_lots} lots of {order.asked_lots}"
    return ""
