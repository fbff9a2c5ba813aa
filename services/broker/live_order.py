"""Orders at a venue as the log tells them: open ones, and the newest that are finished."""

import re

import msgspec

from services.broker.order import BrokerOrder, from_intent
from shared.messages.orders import OrderIntent, OrderType, TimeInForce
from shared.messages.venue import OrderAdopted
from shared.orders import OrderState
from shared.units import Side

CLOSED_KEPT = 1000
"""Finished orders remembered, the newest: their late fills find them (I-06)."""
TRADE_IDS_KEPT = 2000
"""Trade ids remembered per market, the newest; a number below all of them counts as seen."""


SYNTHETIC = "position-"
"""What the trade id of an adopted position begins with: no venue ever made it."""


OWN_ID = re.compile(r"[0-9a-z]+-([a-z][a-z0-9_]{0,11})-([a-z0-9]{1,9})-[0-9a-z]+\Z")
"""Epoch, strategy, slot and generation: an id that only this system makes."""


class LiveOrder(BrokerOrder):
    """An order that may be at a venue. `origin_ns` is the receipt of the data behind its approval."""

    slot: str = ""
    venue_order_id: str = ""
    approved_seq: int = 0
    origin_ns: int = 0


class ClosedOrder(msgspec.Struct, array_like=True):
    """A finished order. `is_certain` tells that the venue said so, else it was held for never placed."""

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    filled_lots: int
    state: OrderState
    venue_order_id: str = ""
    is_certain: bool = True
    closed_ns: int = 0

    @property
    def name(self) -> tuple[str, str, str]:
        """Return the fields with which every message about this order begins."""
        return self.client_order_id, self.strategy, self.symbol


class TradeMemory(msgspec.Struct, array_like=True):
    """Which executions of one market were booked. `last_id` is where to go on asking the venue."""

    ids: dict[str, None] = {}
    last_id: str = ""
    oldest_n: int = -1

    def is_seen(self, trade_id: str) -> bool:
        """Return whether an execution was booked; numbers below all that are remembered were."""
        if trade_id in self.ids:
            return True
        return self.oldest_n >= 0 and trade_id.isdecimal() and int(trade_id) <= self.oldest_n

    def add(self, trade_id: str) -> None:
        """Remember an execution, and forget the oldest past the limit."""
        self.ids[trade_id] = None
        if not trade_id.startswith(SYNTHETIC) and is_later(trade_id, self.last_id):
            self.last_id = trade_id
        if len(self.ids) > TRADE_IDS_KEPT:
            oldest = next(iter(self.ids))
            del self.ids[oldest]
            if oldest.isdecimal():
                self.oldest_n = max(self.oldest_n, int(oldest))

    def go_back(self, count: int) -> str:
        """Return the id after which to ask so that the newest `count` come again; empty when all have to."""
        known = [trade_id for trade_id in self.ids if not trade_id.startswith(SYNTHETIC)]
        return known[-count - 1] if len(known) > count else ""

    def copy(self) -> "TradeMemory":
        """Return another with the same content."""
        return TradeMemory(dict(self.ids), self.last_id, self.oldest_n)


def is_later(trade_id: str, other: str) -> bool:
    """Return whether a trade id came after another: by number where both are numbers, else it did."""
    if trade_id.isdecimal() and other.isdecimal():
        return int(trade_id) > int(other)
    return True


def strategy_of(client_order_id: str) -> str:
    """Return the strategy in an id of ours, empty when it is another's."""
    own = OWN_ID.match(client_order_id)
    return own[1] if own is not None else ""


def slot_of(client_order_id: str) -> str:
    """Return the slot in an id of ours, empty when it is another's."""
    own = OWN_ID.match(client_order_id)
    return own[2] if own is not None else ""


def of_intent(intent: OrderIntent, handle: int) -> LiveOrder:
    """Return the order of an intent."""
    return LiveOrder(**msgspec.structs.asdict(from_intent(intent, handle)), slot=intent.slot)


def of_adopted(adopted: OrderAdopted, handle: int) -> LiveOrder:
    """Return the order that the venue showed."""
    is_filled = adopted.filled_lots > 0
    return LiveOrder(
        client_order_id=adopted.client_order_id,
        strategy=adopted.strategy,
        symbol=adopted.symbol,
        side=adopted.side,
        price_ticks=adopted.price_ticks,
        asked_lots=adopted.qty_lots,
        order_type=OrderType(adopted.order_type),
        tif=TimeInForce(adopted.tif),
        is_post_only=adopted.is_post_only,
        is_reduce_only=adopted.is_reduce_only,
        handle=handle,
        qty_lots=adopted.qty_lots,
        filled_lots=adopted.filled_lots,
        state=OrderState.PARTIALLY_FILLED if is_filled else OrderState.ACCEPTED,
        venue_order_id=adopted.venue_order_id,
        slot=slot_of(adopted.client_order_id),
    )


def closed(order: LiveOrder, closed_ns: int) -> ClosedOrder:
    """Return what is kept of a finished order."""
    return ClosedOrder(
        order.client_order_id,
        order.strategy,
        order.symbol,
        order.side,
        order.price_ticks,
        order.qty_lots,
        order.filled_lots,
        order.state,
        order.venue_order_id,
        closed_ns=closed_ns,
    )
