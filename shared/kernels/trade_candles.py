# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""One-minute candles of public trades in the venue's time, told when the venue would say them.

As the exact path makes them (`services.backtest.exact_feed`): a trade that comes a second after the minute of
its time still belongs to it, an open candle is said once a second, a closed one at the first trade after it.
"""

import cython

MINUTE_MS = cython.declare(cython.longlong, 60_000)
LATE_MS = cython.declare(cython.longlong, 1_000)
SAID_MS = cython.declare(cython.longlong, 1_000)


@cython.final
@cython.cclass
class TradeCandles:
    """The open candle of one market; there is none before the first trade."""

    def __init__(self) -> None:
        self._open_ms = -1
        self._open = self._high = self._low = self._close = 0
        self._lots = self._trades = self._sent_ms = 0

    def is_silent(
        self, at_ms: cython.longlong, price_ticks: cython.longlong, lots: cython.longlong
    ) -> cython.bint:
        """Count a trade and return True where the venue says nothing; else `take` is to be called instead."""
        late_ms: cython.longlong = at_ms - LATE_MS
        minute_ms: cython.longlong = late_ms - late_ms % MINUTE_MS
        if self._open_ms < 0:
            self._begin(minute_ms, price_ticks)
        if self._open_ms < minute_ms:
            return False
        if 0 <= at_ms - self._open_ms < MINUTE_MS:
            if at_ms - self._sent_ms >= SAID_MS:
                return False
            self._count(price_ticks, lots)
        return True

    def take(self, at_ms: cython.longlong, price_ticks: cython.longlong, lots: cython.longlong) -> list:
        """Count a trade; return what is said: (open_ms, open, high, low, close, lots, trades, is closed)."""
        late_ms: cython.longlong = at_ms - LATE_MS
        said: list = []
        if self._open_ms < 0:
            self._begin(late_ms - late_ms % MINUTE_MS, price_ticks)
        while self._open_ms < late_ms - late_ms % MINUTE_MS:
            said.append((*self._values(), True))
            self._begin(self._open_ms + MINUTE_MS, self._close)
        if 0 <= at_ms - self._open_ms < MINUTE_MS:
            self._count(price_ticks, lots)
            if at_ms - self._sent_ms >= SAID_MS:
                self._sent_ms = at_ms
                said.append((*self._values(), False))
        return said

    def _values(self) -> tuple:
        prices: tuple = (self._open_ms, self._open, self._high, self._low, self._close)
        return (*prices, self._lots, self._trades)

    def _begin(self, open_ms: cython.longlong, price_ticks: cython.longlong) -> cython.void:
        self._open_ms = open_ms
        self._open = self._high = self._low = self._close = price_ticks
        self._lots = self._trades = 0

    def _count(self, price_ticks: cython.longlong, lots: cython.longlong) -> cython.void:
        if self._trades == 0:
            self._open = self._high = self._low = price_ticks
        self._high = max(self._high, price_ticks)
        self._low = min(self._low, price_ticks)
        self._close = price_ticks
        self._lots += lots
        self._trades += 1
