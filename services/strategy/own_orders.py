"""The orders of one instance that are not finished: at most one per slot (I-04)."""

import re

import msgspec

from shared.messages import Message
from shared.messages.orders import (
    CancelIntent,
    CancelRejected,
    Fill,
    NotSent,
    OrderAccepted,
    OrderAdjusted,
    OrderApproved,
    OrderCanceled,
    OrderExpired,
    OrderIntent,
    OrderRefused,
    OrderRejected,
    OrderSent,
    OrderTriggered,
    OrderType,
    OrderUnknown,
    TimeInForce,
)
from shared.orders import ImpossibleReportError, OrderState, next_state
from shared.units import Side

SLOT_NAME = re.compile(r"[a-z0-9]{1,9}\Z")
"""What a slot may be called: with epoch, strategy and generation the id stays within 36 characters."""

RESTING = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
"""States in which the venue is known to hold the order."""

REPORTS: tuple[type[Message], ...] = (
    OrderApproved,
    OrderAdjusted,
    OrderRefused,
    OrderSent,
    NotSent,
    OrderAccepted,
    OrderTriggered,
    OrderRejected,
    Fill,
    OrderCanceled,
    OrderExpired,
    OrderUnknown,
    CancelRejected,
)
"""What risk and broker say of an own order."""

_APPROVALS = (OrderApproved, OrderAdjusted)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """Return a number that is not negative in base 36."""
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if number == 0:
            return text


def client_order_id(epoch: int, strategy: str, slot: str, generation: int) -> str:
    """Return the id of an order: never repeated, since epoch and generation only grow (I-03)."""
    return f"{base36(epoch)}-{strategy}-{slot}-{base36(generation)}"


def slot_of(order_id: str) -> str:
    """Return the slot in a client order id, empty when it is none of ours."""
    parts = order_id.split("-")
    return parts[2] if len(parts) == 4 else ""


def generation_of(order_id: str) -> int:
    """Return the generation in a client order id, 0 when it is none of ours."""
    parts = order_id.split("-")
    return int(parts[3], 36) if len(parts) == 4 else 0


class OwnOrder(msgspec.Struct, array_like=True):
    """One order that the venue may still hold, or may come to hold.

    `qty_lots` is what risk approved of `asked_lots`. `cancel_ns` is when a cancel was last sent, else 0;
    `doubt_ns` since when its state is not known for sure: on its way, or unknown; 0 while it rests. It waits
    for `stop_ticks` until that is reached, then it is 0.
    """

    client_order_id: str
    slot: str
    side: Side
    price_ticks: int
    qty_lots: int
    asked_lots: int
    order_type: OrderType
    tif: TimeInForce
    is_post_only: bool
    is_reduce_only: bool
    intended_ns: int
    state: OrderState = OrderState.INTENDED
    filled_lots: int = 0
    cancel_ns: int = 0
    doubt_ns: int = 0
    stop_ticks: int = 0

    @property
    def leaves_lots(self) -> int:
        """Return what may still be executed."""
        return self.qty_lots - self.filled_lots

    @property
    def is_cancel_asked(self) -> bool:
        """Return whether a cancel of ours is under way."""
        return self.cancel_ns != 0


class OwnOrders:
    """Unfinished orders by slot; finished ones are forgotten."""

    def __init__(self) -> None:
        self.by_slot: dict[str, OwnOrder] = {}
        self._by_id: dict[str, OwnOrder] = {}

    def __len__(self) -> int:
        return len(self.by_slot)

    def get(self, order_id: str) -> OwnOrder | None:
        """Return the unfinished order of this id."""
        return self._by_id.get(order_id)

    def intend(self, intent: OrderIntent, now_ns: int) -> OwnOrder:
        """Enter an order that is asked for; its slot must be free."""
        assert intent.slot not in self.by_slot, (
            f"slot {intent.slot} already holds {self.by_slot[intent.slot].client_order_id}: "
            "one live order per slot (I-04)"
        )
        order = OwnOrder(
            intent.client_order_id,
            intent.slot,
            intent.side,
            intent.price_ticks,
            intent.qty_lots,
            intent.qty_lots,
            intent.order_type,
            intent.tif,
            intent.is_post_only,
            intent.is_reduce_only,
            now_ns,
            doubt_ns=now_ns,
            stop_ticks=intent.stop_ticks,
        )
        self.by_slot[order.slot] = order
        self._by_id[order.client_order_id] = order
        return order

    def ask_cancel(self, intent: CancelIntent, now_ns: int) -> OwnOrder | None:
        """Note that a cancel is under way."""
        order = self._by_id.get(intent.client_order_id)
        if order is not None:
            order.cancel_ns = max(now_ns, 1)
        return order

    def report(self, message: Message, order_id: str, now_ns: int) -> tuple[OwnOrder | None, str]:
        """Apply what risk or broker says of an order; return it, and what is wrong or an empty text.

        An order that ends is forgotten (its late fills carry their own slot). A report that cannot follow
        leaves the order in doubt: its slot stays blocked until evidence comes (I-05, I-07).
        """
        order = self._by_id.get(order_id)
        if order is None:
            return None, ""
        problem = ""
        before = order.state
        try:
            order.state = next_state(order_id, order.state, message)
        except ImpossibleReportError as error:
            order.state = OrderState.UNKNOWN
            problem = str(error)
        if isinstance(message, Fill):
            order.filled_lots = max(order.filled_lots, message.filled_lots)
        elif isinstance(message, _APPROVALS):
            order.qty_lots = message.qty_lots
        elif isinstance(message, CancelRejected):
            order.cancel_ns = 0
        elif isinstance(message, OrderTriggered):
            order.stop_ticks = 0
        if before is OrderState.UNKNOWN and order.state is not OrderState.UNKNOWN:
            # Evidence that it still rests: a cancel sent before the doubt came to nothing.
            order.cancel_ns = 0
        if order.state in RESTING:
            order.doubt_ns = 0
        elif before in RESTING:
            order.doubt_ns = max(now_ns, 1)
        if order.state.is_final:
            del self._by_id[order_id]
            del self.by_slot[order.slot]
        return order, problem

    def dump(self) -> list[OwnOrder]:
        """Return the orders in the order in which they were asked for."""
        return list(self.by_slot.values())

    def load(self, orders: list[OwnOrder]) -> None:
        """Replace everything by the result of `dump`."""
        # `by_slot` itself stays: the strategy's context looks at it.
        self.by_slot.clear()
        self.by_slot.update((order.slot, order) for order in orders)
        self._by_id = {order.client_order_id: order for order in orders}
