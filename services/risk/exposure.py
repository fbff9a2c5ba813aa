"""Orders that may still become positions: reserved at approval, freed by the broker's outcome only (I-11).

No time frees anything here: an approval without an outcome counts until the broker has said what became of
it, and an order of unknown outcome counts whole.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

import msgspec

from shared.messages.orders import Fill, OrderTriggered
from shared.orders import ImpossibleReportError, OrderState, next_state
from shared.units import INT64_MAX, Side

CLOSED_KEPT = 4096
"""Finished orders remembered, the newest: their late fills are known for what they are (I-06)."""


_ENDED = frozenset(state for state in OrderState if state.is_final)


class OpenOrder(msgspec.Struct, array_like=True):
    """One order that counts at its open quantity; `price_ticks` values it (a market order at the touch).

    Raises `ValueError` when it could be no order (RK-22).
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    filled_lots: int
    state: OrderState
    is_market: bool = False
    is_stop: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no order."""
        if self.qty_lots <= 0 or self.price_ticks < 0 or self.filled_lots < 0 or self.state in _ENDED:
            raise ValueError(
                f"order {self.client_order_id}: {self.qty_lots} lots at {self.price_ticks} ticks, "
                f"{self.filled_lots} filled, {self.state}: an open order has lots, a price and no end"
            )

    @property
    def reach_ticks(self) -> int:
        """Return the worst price at which it may trade: a market order at any, one that waits at none."""
        if self.is_stop:
            return 0 if self.side is Side.BUY else INT64_MAX
        if self.is_market:
            return INT64_MAX if self.side is Side.BUY else 0
        return self.price_ticks

    @property
    def leaves_lots(self) -> int:
        """Return what may still be executed."""
        return max(0, self.qty_lots - self.filled_lots)


class ClosedOrder(msgspec.Struct, array_like=True):
    """One finished order; `leaves_lots` were never executed, so far."""

    state: OrderState
    leaves_lots: int


class Exposure:
    """All open orders by id, and the sums of each market."""

    def __init__(self) -> None:
        self.open: dict[str, OpenOrder] = {}
        self._closed: dict[str, ClosedOrder] = {}
        self._lots: dict[tuple[str, str, int], int] = {}
        self._ticks_lots: dict[str, int] = {}
        self._buy_ticks_lots: dict[str, int] = {}
        self._count: dict[str, int] = {}
        self._ladder: dict[tuple[str, int], list[tuple[int, str]]] = {}

    def is_known(self, order_id: str) -> bool:
        """Return whether an order of this id was approved before."""
        return order_id in self.open or order_id in self._closed

    def reserve(self, order: OpenOrder) -> None:
        """Count an approved order from now on."""
        order_id, symbol = order.client_order_id, order.symbol
        assert order_id not in self.open, f"{order_id} is approved twice (I-03)"
        self.open[order_id] = order
        self._count[symbol] = self._count.get(symbol, 0) + 1
        key = (symbol, int(order.side))
        ladder = self._ladder.get(key)
        if ladder is None:
            ladder = self._ladder[key] = []
        insort(ladder, (order.reach_ticks, order_id))
        self._add(order, order.leaves_lots)

    def adopt(self, order: OpenOrder) -> None:
        """Count an order that the venue shows from now on, also one that was held for finished (I-19)."""
        self._closed.pop(order.client_order_id, None)
        if order.client_order_id not in self.open:
            self.reserve(order)

    def report(self, message: Any) -> str:
        """Apply one report of the broker; return what is wrong with it, or an empty text.

        A wrong report changes no sum: whatever it said, the exposure stays at its worst case.
        """
        order = self.open.get(message.client_order_id)
        if order is None:
            return self._report_closed(message)
        try:
            state = next_state(order.client_order_id, order.state, message)
        except ImpossibleReportError as error:
            return str(error)
        problem = ""
        if isinstance(message, Fill):
            problem = self._fill(order, message)
            if state.is_final and order.leaves_lots > 0:
                state = OrderState.PARTIALLY_FILLED
                problem = (
                    f"order {order.client_order_id} was said to be filled with {order.leaves_lots} lots open"
                )
        order.state = state
        if isinstance(message, OrderTriggered):
            self._release_stop(order)
        if state.is_final:
            self._close(order)
        return problem

    def _release_stop(self, order: OpenOrder) -> None:
        """Let an order whose stop was reached stand where it may trade."""
        ladder = self._ladder[order.symbol, int(order.side)]
        del ladder[bisect_left(ladder, (order.reach_ticks, order.client_order_id))]
        order.is_stop = False
        insort(ladder, (order.reach_ticks, order.client_order_id))

    def live_lots(self, symbol: str, side: Side, strategy: str = "") -> int:
        """Return the open quantity of one side of a market, of one strategy when named."""
        return self._lots.get((symbol, strategy, int(side)), 0)

    def live_ticks_lots(self, symbol: str) -> int:
        """Return the sum of price * open quantity over both sides of a market, in ticks * lots."""
        return self._ticks_lots.get(symbol, 0)

    def all_ticks_lots(self) -> Iterable[tuple[str, int]]:
        """Return the same of every market that ever had an order."""
        return self._ticks_lots.items()

    def live_buy_ticks_lots(self, symbol: str) -> int:
        """Return the sum of price * open quantity over the buys of a market, in ticks * lots."""
        return self._buy_ticks_lots.get(symbol, 0)

    def crossed_id(self, symbol: str, side: Side, reach_ticks: int) -> str:
        """Return the own order that an order of `side` up to `reach_ticks` would meet first, or "" (I-12)."""
        ladder = self._ladder.get((symbol, 1 - side))
        if not ladder:
            return ""
        price_ticks, order_id = ladder[0 if side is Side.BUY else -1]
        return order_id if side.sign * (reach_ticks - price_ticks) >= 0 else ""

    def count(self, symbol: str) -> int:
        """Return how many orders of a market are open."""
        return self._count.get(symbol, 0)

    def _fill(self, order: OpenOrder, fill: Fill) -> str:
        before = order.leaves_lots
        order.filled_lots += fill.qty_lots
        self._add(order, order.leaves_lots - before)
        if order.filled_lots > order.qty_lots:
            return (
                f"order {order.client_order_id} of {order.qty_lots} lots was filled for {order.filled_lots}: "
                "an overfill, reconcile with the venue (I-08)"
            )
        if (fill.symbol, fill.side) != (order.symbol, order.side):
            return f"a fill of order {order.client_order_id} names {fill.side.name} {fill.symbol} (E-09)"
        return ""

    def _report_closed(self, message: Any) -> str:
        order_id = message.client_order_id
        closed = self._closed.get(order_id)
        if closed is None:
            return f"{type(message).__name__} of order {order_id}, which risk never approved"
        try:
            closed.state = next_state(order_id, closed.state, message)
        except ImpossibleReportError as error:
            return str(error)
        if isinstance(message, Fill):
            closed.leaves_lots -= message.qty_lots
            if closed.leaves_lots < 0:
                return f"order {order_id} was filled beyond its quantity after its end (I-08)"
        return ""

    def _close(self, order: OpenOrder) -> None:
        self._add(order, -order.leaves_lots)
        self._count[order.symbol] -= 1
        ladder = self._ladder[order.symbol, int(order.side)]
        del ladder[bisect_left(ladder, (order.reach_ticks, order.client_order_id))]
        del self.open[order.client_order_id]
        self._closed[order.client_order_id] = ClosedOrder(order.state, order.qty_lots - order.filled_lots)
        if len(self._closed) > CLOSED_KEPT:
            del self._closed[next(iter(self._closed))]

    def _add(self, order: OpenOrder, lots: int) -> None:
        symbol, side, all_lots = order.symbol, order.side, self._lots
        for strategy in ("", order.strategy):
            key = (symbol, strategy, int(side))
            left_lots = all_lots.get(key, 0) + lots
            assert left_lots >= 0, f"exposure of {key} fell to {left_lots} lots"
            all_lots[key] = left_lots
        value = lots * order.price_ticks
        self._ticks_lots[symbol] = self._ticks_lots.get(symbol, 0) + value
        if side is Side.BUY:
            self._buy_ticks_lots[symbol] = self._buy_ticks_lots.get(symbol, 0) + value

    def dump(self) -> tuple[list[OpenOrder], list[tuple[str, ClosedOrder]]]:
        """Return the whole state; the sums follow from it."""
        return list(self.open.values()), list(self._closed.items())

    def load(self, opened: list[OpenOrder], closed: list[tuple[str, ClosedOrder]]) -> None:
        """Replace everything by a dump."""
        self.__init__()  # type: ignore[misc]
        for order in opened:
            self.reserve(order)
        self._closed = dict(closed)
