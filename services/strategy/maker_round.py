"""Position-aware gating: both sides of a round trip refer to the same fair value (ST-48)."""

import msgspec

from services.strategy.base import Context
from services.strategy.sizes import is_allowed_size
from shared.units import Side


class Round(msgspec.Struct, array_like=True):
    """The prices a round trip began with, and what is left of both quotes in lots."""

    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int

    def holds(self, ctx: Context) -> bool:
        """Return whether the round trip is open: a position that can be closed, or a part-filled order.

        A rest too small for the venue to take counts as flat, else no quote would ever come again.
        """
        position = ctx.position.position_lots
        if position == 0:
            return False
        price_ticks = self.ask_ticks if position > 0 else self.bid_ticks
        if price_ticks >= 1 and is_allowed_size(ctx.rules, price_ticks, abs(position)):
            return True
        return any(order.filled_lots for order in ctx.orders.values())

    def take(self, side: Side, qty_lots: int) -> None:
        """Count an own execution."""
        if side is Side.BUY:
            self.bid_lots = max(self.bid_lots - qty_lots, 0)
        else:
            self.ask_lots = max(self.ask_lots - qty_lots, 0)

    def prices(self, bid_best: int, ask_best: int) -> tuple[int, int]:
        """Return bid and ask: those of the beginning, but never at or beyond the opposite best."""
        return min(self.bid_ticks, ask_best - 1), max(self.ask_ticks, bid_best + 1)

    def lots(self, position: int, max_lots: int, may_short: bool) -> tuple[int, int]:
        """Return what to bid and to offer: the rest of each quote, at least the position on its way out."""
        may_sell_lots = position + max_lots if may_short else position
        bid_lots = min(max(self.bid_lots, -position), max_lots - position)
        return bid_lots, min(max(self.ask_lots, position), may_sell_lots)
