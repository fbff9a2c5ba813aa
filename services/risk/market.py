"""What risk sees of one market: its own book, its rules, its limits."""

from shared.kernels.book import Book
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, InstrumentRules
from shared.units import INT64_MAX, Side

LEVELS = 32
"""Levels of the book in which a market order is followed."""


class Market:
    """One market; `fresh_ns` is when the newest data of a trusted book were received (mesh time).

    `other_rules` are newer ones in other ticks or lots than fills and open orders are counted in: while there
    are any, `rules` and the mark stay as they were, for the book says prices in other ticks.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.book = Book()
        self.rules: InstrumentRules | None = None
        self.other_rules: InstrumentRules | None = None
        self.fresh_ns = 0
        self.mark_half_ticks = 0

    def apply(self, message: BookSnapshot | BookUpdate | BookInvalid, origin_ns: int) -> None:
        """Apply one book event; the mark is the last mid of a trusted book."""
        if isinstance(message, BookUpdate):
            self.book.update(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, BookSnapshot):
            self.book.snapshot(message.levels, message.bid_count, message.update_n)
        else:
            self.book.invalidate()
        if self.book.is_trusted and self.other_rules is None:
            self.fresh_ns = origin_ns
            self.mark_half_ticks = self.book.bid_ticks + self.book.ask_ticks

    @property
    def mark_centiticks(self) -> int | None:
        """Return the last trusted mid in 1/100 tick, None before the first."""
        return self.mark_half_ticks * 50 if self.mark_half_ticks else None

    def reach_ticks(self, side: Side, qty_lots: int) -> int:
        """Return the worst price that a market order may come to.

        It is that of twice its quantity, for a book moves; where the book does not show as much, any price.
        """
        left = 2 * qty_lots
        if self.book.is_trusted:
            for price_ticks, lots in self.book.levels(int(side.opposite), LEVELS):
                left -= lots
                if left <= 0:
                    return int(price_ticks)
        return INT64_MAX if side is Side.BUY else 0

    def value_atoms(self, lots: int) -> int:
        """Return the value of `lots` (without sign) at the mark, rounded up; 0 before the first mark."""
        assert self.rules is not None, f"{self.symbol} has no rules"
        return -(-abs(lots) * self.mark_half_ticks * self.rules.tick_lot_atoms // 2)
