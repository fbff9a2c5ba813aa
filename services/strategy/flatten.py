"""How an instance closes its position because a person asked for it (BR-28): limit at the touch, then market.

One order at a time, in a slot of its own, after everything else of the instance is gone: an own quote could
trade with it (I-12). Reduce-only where the venue nets nobody else's position with ours.
"""

import msgspec

from services.strategy import quoter
from services.strategy.base import Context, PlaceOrder
from services.strategy.own_orders import OwnOrder, OwnOrders
from services.strategy.sizes import is_allowed_size
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SLOT = "flat"
FLATTENED = "flattened"
"""Code of the note that ends it."""
AGAIN_NS = NS_PER_S
"""An order that did not close everything is followed by another after this time."""
STYLES = ("market", "limit")


class Closing(msgspec.Struct, array_like=True):
    """What was asked for, since when, and when the last order for it was sent."""

    style: str
    since_ns: int
    patience_ns: int
    tried_ns: int = 0

    def is_patient(self, now_ns: int) -> bool:
        """Return whether a resting order is still given time."""
        return self.style == "limit" and now_ns - self.since_ns < self.patience_ns


class Step(msgspec.Struct):
    """What to do now: cancel these, place this, or say that it is over."""

    cancels: list[OwnOrder] = []
    place: PlaceOrder | None = None
    ended: str = ""


def next_step(closing: Closing, ctx: Context, own: OwnOrders, now_ns: int) -> Step:
    """Return the next step towards a position of zero."""
    lots = int(ctx.position.position_lots)
    orders = own.dump()
    others = [order for order in orders if order.slot != SLOT]
    if others:
        return Step(cancels=[order for order in others if quoter.should_cancel(order, now_ns)])
    side = Side.SELL if lots > 0 else Side.BUY
    own_order = own.by_slot.get(SLOT)
    if own_order is not None:
        is_over = lots == 0 or not closing.is_patient(now_ns)
        is_resting = own_order.order_type is OrderType.LIMIT
        must_go = is_over and is_resting and quoter.should_cancel(own_order, now_ns)
        return Step(cancels=[own_order] if must_go else [])
    if lots == 0:
        return Step(ended="flat; reset the strategy before it is resumed, it still knows what it held")
    rules, book = ctx.rules, ctx.book
    most = min(abs(lots), rules.max_qty_lots or abs(lots))
    touch_ticks = int(book.bid_ticks if side is Side.SELL else book.ask_ticks)
    is_small = not is_allowed_size(rules, touch_ticks, most)
    if is_small and (not rules.is_derivative or most < rules.min_qty_lots):
        return Step(ended=f"{lots} lots are left: less than the venue takes; sell them there by hand")
    if now_ns - closing.tried_ns < AGAIN_NS:
        return Step()
    is_patient = closing.is_patient(now_ns)
    own_ticks = int(book.ask_ticks if side is Side.SELL else book.bid_ticks)
    return Step(
        place=PlaceOrder(
            SLOT,
            side,
            own_ticks if is_patient else 0,
            most,
            OrderType.LIMIT if is_patient else OrderType.MARKET,
            TimeInForce.GTC if is_patient else TimeInForce.IOC,
            is_reduce_only=rules.is_derivative and not ctx.shares_market,
            reason="flatten",
        )
    )
