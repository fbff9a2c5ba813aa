"""Touch and estimates of one book, at most once per interval and only when changed (MD-9, MD-10, MD-13)."""

from shared.kernels import signals
from shared.kernels.book import Book
from shared.messages.market import PriceUpdate
from shared.units import NS_PER_MS, Side

MICROPRICE_LEVELS = 5
IMBALANCE_LEVELS = 5
WEIGHTED_LEVELS = 10
DEPTH_LEVELS = 10
E2_BPS = 1_000_000
"""Hundredths of a basis point in one."""


class PriceFeed:
    """Says the price of one book; an unchanged one again after `refresh_ms`, so that silence means something.

    The mesh's heartbeat is the bus's `Tick`; the repeated price proves besides that this feed lives (MD-14).
    """

    def __init__(self, symbol: str, interval_ms: int, refresh_ms: int) -> None:
        self.symbol = symbol
        self._interval_ns = interval_ms * NS_PER_MS
        self._refresh_ns = refresh_ms * NS_PER_MS
        self._said: PriceUpdate | None = None
        self._said_ns = 0
        self._seen: tuple[int, bool] = (-1, False)

    def due(self, book: Book, is_open: bool, now_ns: int) -> PriceUpdate | None:
        """Return what to say now, None when nothing changed or the last price is too young."""
        age_ns = now_ns - self._said_ns
        if self._said is not None and age_ns < self._interval_ns:
            return None
        seen = (book.update_n, is_open)
        is_refresh = self._said is not None and age_ns >= self._refresh_ns
        if seen == self._seen and not is_refresh:
            return None
        self._seen = seen
        price = price_of(self.symbol, book, is_open=is_open)
        if price == self._said and not is_refresh:
            return None
        self._said, self._said_ns = price, now_ns
        return price


def price_of(symbol: str, book: Book, *, is_open: bool) -> PriceUpdate:
    """Return the price of a book; all zero and not trusted unless the book may be used (MD-6)."""
    if not is_open or not book.is_trusted:
        return PriceUpdate(symbol, False, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    mid_half_ticks, spread_ticks = signals.mid_half_ticks(book), signals.spread_ticks(book)
    return PriceUpdate(
        symbol=symbol,
        is_trusted=True,
        bid_ticks=book.bid_ticks,
        bid_lots=book.bid_lots,
        ask_ticks=book.ask_ticks,
        ask_lots=book.ask_lots,
        microprice_centiticks=signals.microprice_centiticks(book, MICROPRICE_LEVELS),
        imbalance_ppm=signals.imbalance_ppm(book, IMBALANCE_LEVELS),
        weighted_imbalance_ppm=signals.weighted_imbalance_ppm(book, WEIGHTED_LEVELS),
        bid_depth_lots=book.depth_lots(Side.BUY, DEPTH_LEVELS),
        ask_depth_lots=book.depth_lots(Side.SELL, DEPTH_LEVELS),
        mid_half_ticks=mid_half_ticks,
        spread_ticks=spread_ticks,
        spread_e2_bps=2 * spread_ticks * E2_BPS // mid_half_ticks,
    )
