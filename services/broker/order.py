"""One order as the broker keeps it, from its intent to its end."""

import msgspec

from shared.messages.orders import OrderIntent, OrderType, TimeInForce
from shared.orders import OrderState
from shared.units import Side


class BrokerOrder(msgspec.Struct, array_like=True):
    """An order that is not finished. `handle` is its number in the paper queue.

    `qty_lots` is 0 until risk has approved a quantity. `cancel_reason` is empty until somebody wants it gone;
    `approved_ns` and `arrive_ns` are mesh times (approval on the log, arrival at the paper venue).
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    price_ticks: int
    asked_lots: int
    order_type: OrderType
    tif: TimeInForce
    is_post_only: bool
    is_reduce_only: bool
    handle: int
    qty_lots: int = 0
    filled_lots: int = 0
    state: OrderState = OrderState.INTENDED
    cancel_reason: str = ""
    approved_ns: int = 0
    arrive_ns: int = 0
    expire_ns: int = 0
    stop_ticks: int = 0
    is_triggered: bool = False

    @property
    def is_stop(self) -> bool:
        """Return whether it waits for its stop, or will."""
        return self.stop_ticks > 0 and not self.is_triggered

    @property
    def value_ticks(self) -> int:
        """Return the price that values it: that of a market order with a stop is the stop."""
        return self.price_ticks or self.stop_ticks

    @property
    def leaves_lots(self) -> int:
        """Return what is approved and not executed."""
        return self.qty_lots - self.filled_lots

    @property
    def name(self) -> tuple[str, str, str]:
        """Return the fields with which every message about this order begins."""
        return self.client_order_id, self.strategy, self.symbol


def from_intent(intent: OrderIntent, handle: int) -> BrokerOrder:
    """Return the order of an intent."""
    return BrokerOrder(
        intent.client_order_id,
        intent.strategy,
        intent.symbol,
        intent.side,
        intent.price_ticks,
        intent.qty_lots,
        intent.order_type,
        intent.tif,
        intent.is_post_only,
        intent.is_reduce_only,
        handle,
        expire_ns=intent.expire_ns,
        stop_ticks=intent.stop_ticks,
    )
