# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The book of generated order flow, the rows that tell its changes, and the draws behind them.

All draws are integers of splitmix64 and of a table of exponential quantiles: the same seed gives the same
rows on every machine, compiled or not.
"""

import array
import math

import cython

MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
# As literals in an expression they would be Python objects.
MIX_A = cython.declare(cython.ulonglong, 0xBF58476D1CE4E5B9)
MIX_B = cython.declare(cython.ulonglong, 0x94D049BB133111EB)

LEVEL = cython.declare(cython.int, 0)
TRADE = cython.declare(cython.int, 1)
LAST = cython.declare(cython.int, 0x80)

# Prices are kept in a ring: wider than any book that is kept, and a power of two.
RING = cython.declare(cython.longlong, 16_384)
PRICE_MAX = cython.declare(cython.longlong, 1_500_000_000)
# Beyond the edge at most this many levels are taken away in one step.
SWEPT_MAX = cython.declare(cython.longlong, 8)
EDGE_TICKS = cython.declare(cython.longlong, 20)
LEVEL_LOTS = cython.declare(cython.longlong, 500)

LATENCY_MIN_NS = cython.declare(cython.longlong, 400_000)
LATENCY_MORE_NS = cython.declare(cython.longlong, 200_000)


def quantiles() -> array.array:
    """Return 4096 quantiles of the exponential distribution with mean 65,536, as integers."""
    return array.array("q", [round(-math.log(1 - (at + 0.5) / 4096) * 65_536) for at in range(4096)])


@cython.cclass
class FlowBook:
    """Levels of both sides around the touch; every change is written as a row of the columns in use."""

    def __init__(self, seed: int, start_ticks: int, levels: int, origin_ns: int) -> None:
        self._state = seed
        self._levels = levels
        self._now_ns = origin_ns
        self._local_ns = 0
        self._latency_min_ns = 0
        self._bid = start_ticks
        self._ask = start_ticks + 1
        self._bid_edge = start_ticks - levels + 1
        self._ask_edge = start_ticks + levels
        self._bid_lots = array.array("q", bytes(8 * RING))
        self._ask_lots = array.array("q", bytes(8 * RING))
        self._quantiles = quantiles()
        self._used = 0
        self._message = 0
        self._ts_exch, self._ts_local, self._lots = array.array("q"), array.array("q"), array.array("q")
        self._price, self._kind, self._side = array.array("i"), array.array("B"), array.array("B")

    @property
    def now_ns(self) -> int:
        """The venue's time of the newest row."""
        return self._now_ns

    @property
    def latency_min_ns(self) -> int:
        """The least local time less venue time of all rows."""
        return self._latency_min_ns

    # ---- the book

    @cython.cfunc
    @cython.exceptval(check=False)
    def _turned_at_the_end(self, is_up: cython.bint) -> cython.bint:
        """Return the direction, away from the least and the greatest price that there is room for."""
        if self._bid <= 2 * self._levels + 128:
            return True
        return is_up and self._ask < PRICE_MAX

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _best_lots(self, is_ask: cython.bint) -> cython.longlong:
        if is_ask:
            return self._ask_lots[self._ask & (RING - 1)]
        return self._bid_lots[self._bid & (RING - 1)]

    @cython.cfunc
    @cython.exceptval(check=False)
    def _set_best(self, is_ask: cython.bint, lots: cython.longlong) -> cython.void:
        """Set the best level; when it is empty find the next, or put one a tick behind when there is none."""
        if is_ask:
            self._set_ask(self._ask, lots)
            if lots == 0:
                while self._ask <= self._ask_edge and self._ask_lots[self._ask & (RING - 1)] == 0:
                    self._ask += 1
                if self._ask > self._ask_edge:
                    self._set_ask(self._ask, 1 + self._exponential(LEVEL_LOTS))
        else:
            self._set_bid(self._bid, lots)
            if lots == 0:
                while self._bid >= self._bid_edge and self._bid_lots[self._bid & (RING - 1)] == 0:
                    self._bid -= 1
                if self._bid < self._bid_edge:
                    self._set_bid(self._bid, 1 + self._exponential(LEVEL_LOTS))

    @cython.cfunc
    @cython.exceptval(check=False)
    def _set_bid(self, price: cython.longlong, lots: cython.longlong) -> cython.void:
        self._bid_lots[price & (RING - 1)] = lots
        self._bid_edge = min(self._bid_edge, price)
        self._row(LEVEL, 0, price, lots)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _set_ask(self, price: cython.longlong, lots: cython.longlong) -> cython.void:
        self._ask_lots[price & (RING - 1)] = lots
        self._ask_edge = max(self._ask_edge, price)
        self._row(LEVEL, 1, price, lots)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _take_away_edges(self) -> cython.void:
        """Take away what the price has left far behind, a few levels a step."""
        taken: cython.longlong = 0
        while taken < SWEPT_MAX and self._bid_edge < self._bid - self._levels - EDGE_TICKS:
            if self._bid_lots[self._bid_edge & (RING - 1)] > 0:
                self._bid_lots[self._bid_edge & (RING - 1)] = 0
                self._row(LEVEL, 0, self._bid_edge, 0)
                taken += 1
            self._bid_edge += 1
        taken = 0
        while taken < SWEPT_MAX and self._ask_edge > self._ask + self._levels + EDGE_TICKS:
            if self._ask_lots[self._ask_edge & (RING - 1)] > 0:
                self._ask_lots[self._ask_edge & (RING - 1)] = 0
                self._row(LEVEL, 1, self._ask_edge, 0)
                taken += 1
            self._ask_edge -= 1

    # ---- rows

    @cython.cfunc
    @cython.exceptval(check=False)
    def _trade(self, is_buy: cython.bint, lots: cython.longlong) -> cython.void:
        """Write a trade at the best price of the other side, a message of its own."""
        self._begin()
        if is_buy:
            self._row(TRADE, 0, self._ask, lots)
        else:
            self._row(TRADE, 1, self._bid, lots)
        self._end()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _begin(self) -> cython.void:
        """Begin a message: one latency for all of its rows."""
        self._message = self._used
        self._local_ns = max(
            self._local_ns, self._now_ns + LATENCY_MIN_NS + self._exponential(LATENCY_MORE_NS)
        )
        if self._latency_min_ns == 0 or self._local_ns - self._now_ns < self._latency_min_ns:
            self._latency_min_ns = self._local_ns - self._now_ns

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _row(
        self, kind: cython.int, side: cython.int, price: cython.longlong, lots: cython.longlong
    ) -> cython.void:
        self._ts_exch[self._used] = self._now_ns
        self._ts_local[self._used] = self._local_ns
        self._price[self._used] = cython.cast(cython.int, price)
        self._lots[self._used] = lots
        self._kind[self._used] = cython.cast(cython.uchar, kind)
        self._side[self._used] = cython.cast(cython.uchar, side)
        self._used += 1

    @cython.cfunc
    @cython.exceptval(check=False)
    def _end(self) -> cython.void:
        """End a message: its last row says so."""
        if self._used > self._message:
            self._kind[self._used - 1] |= LAST

    # ---- draws

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _draw(self) -> cython.ulonglong:
        """Return the next 64 bits (splitmix64)."""
        value: cython.ulonglong
        self._state = (self._state + GOLDEN) & MASK
        value = self._state
        value = ((value ^ (value >> 30)) * MIX_A) & MASK
        value = ((value ^ (value >> 27)) * MIX_B) & MASK
        return value ^ (value >> 31)

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _below(self, bound: cython.longlong) -> cython.longlong:
        """Return a draw of 0..bound - 1, for bounds up to 2^31."""
        return cython.cast(
            cython.longlong, ((self._draw() >> 32) * cython.cast(cython.ulonglong, bound)) >> 32
        )

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _exponential(self, mean: cython.longlong) -> cython.longlong:
        """Return a draw of the exponential distribution, rounded down."""
        return mean * self._quantiles[cython.cast(cython.longlong, self._draw() >> 52)] >> 16
