"""The books of a live venue without our own orders: what the paper model's queue is defined on.

A venue's book holds our resting lots too. Here they are taken off each level as it is said, so that "the lots
ahead of us" are those of others. On paper the books never held them: do not use it there.
"""

import struct

import msgspec

from shared.messages import Event, market, orders
from shared.units import Side

_LEVEL = struct.Struct("<qq")


class OthersOnly:
    """Rewrites the books of a log; give it every event, in order."""

    def __init__(self) -> None:
        self._terms: dict[str, tuple[str, Side, int, int]] = {}
        self._resting: dict[str, int] = {}
        self._lots: dict[tuple[str, int, int], int] = {}

    def apply(self, event: Event) -> Event:
        """Return the event as it would be without our resting orders."""
        message = event.message
        if isinstance(message, market.BookUpdate | market.BookSnapshot):
            if not self._lots:
                return event
            levels = self._without_ours(message.symbol, message.levels, message.bid_count)
            return event._replace(message=msgspec.structs.replace(message, levels=levels))
        if isinstance(message, orders.OrderSent):
            terms = (message.symbol, message.side, message.price_ticks, message.qty_lots)
            self._terms[message.client_order_id] = terms
        elif isinstance(message, orders.OrderAccepted):
            terms_of_it = self._terms.get(message.client_order_id)
            if terms_of_it is not None:
                self._rest(message.client_order_id, terms_of_it[3])
        elif isinstance(message, orders.Fill):
            self._rest(message.client_order_id, message.leaves_lots)
        elif isinstance(message, orders.OrderCanceled | orders.OrderExpired | orders.OrderRejected):
            self._rest(message.client_order_id, 0)
        return event

    def _rest(self, name: str, lots: int) -> None:
        """Let `lots` of an order rest from now on."""
        terms = self._terms.get(name)
        if terms is None:
            return
        symbol, side, price_ticks, _ = terms
        key = (symbol, int(side), price_ticks)
        left = self._lots.get(key, 0) + lots - self._resting.get(name, 0)
        if left:
            self._lots[key] = left
        else:
            self._lots.pop(key, None)
        if lots:
            self._resting[name] = lots
        else:
            self._resting.pop(name, None)
            self._terms.pop(name, None)

    def _without_ours(self, symbol: str, levels: bytes, bid_count: int) -> bytes:
        changed = bytearray(levels)
        for at in range(len(levels) // _LEVEL.size):
            price_ticks, lots = _LEVEL.unpack_from(levels, at * _LEVEL.size)
            ours = self._lots.get((symbol, int(at >= bid_count), price_ticks))
            if ours:
                _LEVEL.pack_into(changed, at * _LEVEL.size, price_ticks, max(0, lots - ours))
        return bytes(changed)
