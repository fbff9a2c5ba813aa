"""Levels of a frame in ticks and lots, without those whose price is off the tick; and blocks of levels.

Real books hold such levels: when a venue makes a tick coarser, orders that rest at finer prices stay (seen in
a Binance recording of 2021). They cannot be traded with and are left out and counted; one that would be the
best price makes the book untrustworthy (I-32).
"""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from shared.kernels.levels import LevelParser
from shared.units import Side
from shared.venues.base import Levels

PAIR_BYTES = 16

Block = tuple[bytes, int]
"""A levels block and the count of its bids."""


class ParsedLevels(NamedTuple):
    """A levels block; `stray_bid` and `stray_ask` are the best prices left out with a quantity."""

    levels: bytes
    bid_count: int
    floored_count: int
    stray_count: int = 0
    stray_bid: Decimal | None = None
    stray_ask: Decimal | None = None


class MarketParser:
    """Reads the texts of one market; `texts` is the kernel for single prices and quantities."""

    def __init__(self, tick_size: str, lot_size: str) -> None:
        self.texts = LevelParser(tick_size, lot_size)
        self._tick = Decimal(tick_size)

    def block(self, bids: Levels, asks: Levels) -> ParsedLevels:
        """Return the levels; raises `ValueError` on anything but positive prices and plain quantities."""
        try:
            return ParsedLevels(*self.texts.block(bids, asks))
        except ValueError:
            on_tick_bids, stray_bids = self._split(bids)
            on_tick_asks, stray_asks = self._split(asks)
            if not stray_bids and not stray_asks:
                raise
        levels, bid_count, floored_count = self.texts.block(on_tick_bids, on_tick_asks)
        bid_prices = [Decimal(price) for price, qty in stray_bids if qty.strip("0.")]
        ask_prices = [Decimal(price) for price, qty in stray_asks if qty.strip("0.")]
        return ParsedLevels(
            levels,
            bid_count,
            floored_count,
            len(stray_bids) + len(stray_asks),
            max(bid_prices, default=None),
            min(ask_prices, default=None),
        )

    def _split(self, side: Levels) -> tuple[Levels, Levels]:
        """Return the levels on and off the tick; a price that is no positive number stays and is refused."""
        on_tick: Levels = []
        stray: Levels = []
        for level in side:
            try:
                price = Decimal(level[0])
                is_stray = price.is_finite() and price > self._tick and bool(price % self._tick)
            except InvalidOperation:
                is_stray = False
            (stray if is_stray else on_tick).append(level)
        return on_tick, stray

    def is_beyond_touch(self, parsed: ParsedLevels, touch_ticks: tuple[int, int]) -> bool:
        """Return whether a level left out would be better than the (bid, ask) touch, 0 being none."""
        bid, ask = parsed.stray_bid, parsed.stray_ask
        best_bid, best_ask = (touch_ticks[side] * self._tick for side in Side)
        return bool((bid and bid > best_bid) or (ask and (not best_ask or ask < best_ask)))


def trimmed(block: Block, count: int) -> Block:
    """Return the best `count` levels of each side of a block that is sorted best first."""
    levels, bid_count = block
    ask_start = bid_count * PAIR_BYTES
    bids = levels[: min(bid_count, count) * PAIR_BYTES]
    asks = levels[ask_start : ask_start + count * PAIR_BYTES]
    return bids + asks, min(bid_count, count)


def difference(old: Block, new: Block) -> Block:
    """Return the levels that turn one book into another: the new ones, and the gone ones with 0 lots."""
    split_old, split_new = old[1] * PAIR_BYTES, new[1] * PAIR_BYTES
    bids = _changes(old[0][:split_old], new[0][:split_new])
    asks = _changes(old[0][split_old:], new[0][split_new:])
    return bids + asks, len(bids) // PAIR_BYTES


def _changes(old: bytes, new: bytes) -> bytes:
    before, after = _levels_of(old), _levels_of(new)
    gone = [price + bytes(8) for price in before if price not in after]
    changed = [price + lots for price, lots in after.items() if before.get(price) != lots]
    return b"".join(gone + changed)


def _levels_of(block: bytes) -> dict[bytes, bytes]:
    return {block[i : i + 8]: block[i + 8 : i + 16] for i in range(0, len(block), PAIR_BYTES)}
