# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Signals of a book and its trades, as integers in named units (MD-9, MD-10, ST-10, ST-38).

Sums are 64-bit while they provably fit; beyond that the same formula runs on Python's integers, so no value
overflows and both ways give one result. Depth is 1..64 levels.
"""

import array

import cython

from shared.kernels.returns import ReturnWindow  # noqa: F401  they are signals too

if cython.compiled:
    from cython.cimports.shared.kernels.book import Book
else:
    from shared.kernels.book import Book

DEPTH_MAX = cython.declare(cython.longlong, 64)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)
INT64_LIMIT = cython.declare(cython.longlong, 9_000_000_000_000_000_000)
# lots below this can be multiplied by 10^6 in 64 bits
PPM_SAFE_LOTS = cython.declare(cython.longlong, 9_000_000_000_000)
# level weights 0.9^i as integers of scale 10^9: exact for ten levels, rounded down beyond
DECAY = cython.declare(
    cython.longlong[::1], array.array("q", [1_000_000_000 * 9**i // 10**i for i in range(64)])
)
# lots below this can be multiplied by 10^9 in 64 bits
DECAY_SAFE_LOTS = cython.declare(cython.longlong, 9_000_000_000)


@cython.cfunc
@cython.inline
@cython.exceptval(-1, check=False)
def check_depth(depth: cython.longlong) -> cython.int:
    """Refuse a depth outside 1..64."""
    if depth < 1 or depth > DEPTH_MAX:
        raise ValueError(f"depth {depth}: must be 1..{DEPTH_MAX} levels")
    return 0


@cython.ccall
def mid_half_ticks(book: Book) -> int:
    """Return best bid + best ask, the mid in half ticks; 0 when a side is empty."""
    bid: cython.longlong = book._best_price(0)
    ask: cython.longlong = book._best_price(1)
    return bid + ask if bid and ask else 0


@cython.ccall
def spread_ticks(book: Book) -> int:
    """Return best ask - best bid, negative when crossed; 0 when a side is empty."""
    bid: cython.longlong = book._best_price(0)
    ask: cython.longlong = book._best_price(1)
    return ask - bid if bid and ask else 0


@cython.ccall
def microprice_centiticks(book: Book, depth: cython.longlong = 5) -> int:
    """Return the multi-level microprice in 1/100 tick, rounded down; 0 when a side is empty (MD-10).

    sum w(ask * bid_lots + bid * ask_lots) / sum w(bid_lots + ask_lots) over the levels both sides have,
    weights depth, depth - 1, .. 1 from the best level.
    """
    return microprice_of(book, depth)


def microprice_of(book: Book, depth: cython.longlong) -> cython.longlong:
    """Return the same for other kernels."""
    count: cython.longlong
    asks: cython.longlong
    index: cython.longlong
    reference: cython.longlong
    span: cython.longlong = 0
    numerator: cython.longlong = 0
    weight_sum: cython.longlong = 0
    bid_offset: cython.longlong
    ask_offset: cython.longlong
    check_depth(depth)
    count = book._top(0, depth)
    asks = book._top(1, depth)
    count = min(count, asks)
    if count == 0:
        return 0
    # Prices relative to the best bid keep the products small; the result is the same.
    reference = book._top_price[0]
    for index in range(count):
        weight_sum += (depth - index) * (book._top_lots[index] + book._top_lots[64 + index])
        bid_offset = reference - book._top_price[index]
        ask_offset = book._top_price[64 + index] - reference
        span = max(span, bid_offset, ask_offset, -ask_offset)
    # Ordinary books fit without the division that tells exactly.
    if (weight_sum > 80_000_000_000 or span >= 1_000_000) and weight_sum > INT64_LIMIT // (100 * (span + 1)):
        return wide_microprice(book, depth, count)
    for index in range(count):
        bid_offset = book._top_price[index] - reference
        ask_offset = book._top_price[64 + index] - reference
        numerator += (depth - index) * (
            ask_offset * book._top_lots[index] + bid_offset * book._top_lots[64 + index]
        )
    return reference * 100 + numerator * 100 // weight_sum


@cython.cfunc
def wide_microprice(book: Book, depth: cython.longlong, count: cython.longlong) -> int:
    """Return the same microprice with integers of any size."""
    numerator: int = 0
    weight_sum: int = 0
    index: cython.longlong
    for index in range(count):
        bid: int = book._top_price[index]
        bid_lots: int = book._top_lots[index]
        ask: int = book._top_price[64 + index]
        ask_lots: int = book._top_lots[64 + index]
        weight: int = depth - index
        numerator += weight * (ask * bid_lots + bid * ask_lots)
        weight_sum += weight * (bid_lots + ask_lots)
    return numerator * 100 // weight_sum


@cython.ccall
def imbalance_ppm(book: Book, depth: cython.longlong = 5) -> int:
    """Return (bid - ask) / (bid + ask) lots of the best levels in ppm, towards zero; 0 for an empty book."""
    return imbalance_of(book, depth)


def imbalance_of(book: Book, depth: cython.longlong) -> cython.int:
    """Return the same for other kernels."""
    bid_lots: cython.longlong = 0
    ask_lots: cython.longlong = 0
    index: cython.longlong
    check_depth(depth)
    for index in range(book._top(0, depth)):
        bid_lots += book._top_lots[index]
    for index in range(book._top(1, depth)):
        ask_lots += book._top_lots[64 + index]
    return ratio_ppm(bid_lots - ask_lots, bid_lots + ask_lots)


@cython.ccall
def weighted_imbalance_ppm(book: Book, depth: cython.longlong = 10) -> int:
    """Return the imbalance with level i weighted 0.9^i, in ppm, towards zero; 0 for an empty book."""
    return weighted_imbalance_of(book, depth)


def weighted_imbalance_of(book: Book, depth: cython.longlong) -> cython.int:
    """Return the same for other kernels."""
    bids: cython.longlong
    asks: cython.longlong
    index: cython.longlong
    lots: cython.longlong = 0
    bid_weighted: cython.longlong = 0
    ask_weighted: cython.longlong = 0
    check_depth(depth)
    bids = book._top(0, depth)
    asks = book._top(1, depth)
    for index in range(bids):
        lots += book._top_lots[index]
        bid_weighted += book._top_lots[index] * DECAY[index]
    for index in range(asks):
        lots += book._top_lots[64 + index]
        ask_weighted += book._top_lots[64 + index] * DECAY[index]
    if lots > DECAY_SAFE_LOTS:
        return wide_weighted_imbalance(book, bids, asks)
    return ratio_ppm(bid_weighted - ask_weighted, bid_weighted + ask_weighted)


@cython.cfunc
def wide_weighted_imbalance(book: Book, bids: cython.longlong, asks: cython.longlong) -> int:
    """Return the same imbalance with integers of any size."""
    difference: int = 0
    total: int = 0
    index: cython.longlong
    for index in range(bids):
        bid: int = book._top_lots[index]
        difference += bid * int(DECAY[index])
        total += bid * int(DECAY[index])
    for index in range(asks):
        ask: int = book._top_lots[64 + index]
        difference -= ask * int(DECAY[index])
        total += ask * int(DECAY[index])
    return wide_ratio_ppm(difference, total)


@cython.cfunc
@cython.exceptval(-1, check=True)
def ratio_ppm(part: cython.longlong, total: cython.longlong) -> cython.int:
    """Return part / total in ppm, rounded towards zero; 0 when total is 0."""
    if total == 0:
        return 0
    if total > PPM_SAFE_LOTS:
        return wide_ratio_ppm(part, total)
    if part < 0:
        return -(-part * 1_000_000 // total)
    return part * 1_000_000 // total


@cython.cfunc
def wide_ratio_ppm(part: int, total: int) -> int:
    """Return the same ratio with integers of any size."""
    if not total:
        return 0
    return -(-part * 1_000_000 // total) if part < 0 else part * 1_000_000 // total


def is_trade(side: cython.longlong, price_ticks: cython.longlong, qty_lots: cython.longlong) -> cython.bint:
    """Tell whether a trade can be counted: its side is one, price and lots are in range."""
    return side in {0, 1} and 0 < price_ticks <= PRICE_TICKS_MAX and 0 <= qty_lots <= LOTS_MAX


@cython.final
@cython.cclass
class TradeFlow:
    """The last `window` trades of a market: VPIN-lite, and an EMA of price moves (ST-10)."""

    def __init__(self, window: cython.longlong = 200) -> None:
        if window < 1 or window > 4096:
            raise ValueError(f"trade window {window}: must be 1..4096 trades")
        self._reset(window)
        self._last_ticks = 0
        self._ema_e4 = 0
        self.count = 0

    def _reset(self, window: cython.longlong) -> cython.int:
        """Empty the ring; an allowed size is given."""
        self._window = window
        self._sides = array.array("q", bytes(8 * window))
        self._qty_lots = array.array("q", bytes(8 * window))
        self._head = 0
        self._held = 0
        self._bought_lots = 0
        self._sold_lots = 0
        return 0

    def add(self, side: cython.longlong, price_ticks: cython.longlong, qty_lots: cython.longlong) -> int:
        """Take in one trade by the side of its aggressor (0 buy, 1 sell) and return `vpin_ppm` after it.

        Raises:
            ValueError: a value is out of range; nothing is changed.
        """
        if side not in {0, 1}:
            raise ValueError(f"trade side {side}: must be 0 (buy) or 1 (sell)")
        if not is_trade(side, price_ticks, qty_lots):
            raise ValueError(
                f"trade of {qty_lots} lots at {price_ticks} ticks: prices lie in 1..{PRICE_TICKS_MAX}, "
                f"lots in 0..{LOTS_MAX}"
            )
        self._take(side, price_ticks, qty_lots)
        return self._vpin()

    def _take(
        self, side: cython.longlong, price_ticks: cython.longlong, qty_lots: cython.longlong
    ) -> cython.int:
        """Take in a trade that is one."""
        self._push(side, qty_lots)
        if self._last_ticks:
            move_e4: cython.longlong = abs(price_ticks - self._last_ticks) * 10_000 - self._ema_e4
            self._ema_e4 += move_e4 // 20 if move_e4 >= 0 else -(-move_e4 // 20)
        self._last_ticks = price_ticks
        self.count += 1
        return 0

    def _push(self, side: cython.longlong, qty_lots: cython.longlong) -> cython.int:
        """Put a trade into the ring in place of the oldest."""
        head: cython.longlong = self._head
        if self._held == self._window:
            if self._sides[head]:
                self._sold_lots -= self._qty_lots[head]
            else:
                self._bought_lots -= self._qty_lots[head]
        else:
            self._held += 1
        self._sides[head] = side
        self._qty_lots[head] = qty_lots
        if side:
            self._sold_lots += qty_lots
        else:
            self._bought_lots += qty_lots
        self._head = 0 if head + 1 == self._window else head + 1
        return 0

    @property
    def vpin_ppm(self) -> int:
        """Return |bought - sold| / all lots of the window in ppm, rounded down; 0 without trades."""
        return self._vpin()

    def _vpin(self) -> cython.int:
        """Return the same for other kernels."""
        return ratio_ppm(abs(self._bought_lots - self._sold_lots), self._bought_lots + self._sold_lots)

    def _vpin_with(self, side: cython.longlong, qty_lots: cython.longlong) -> cython.int:
        """Return what it would be with one trade more; nothing is changed."""
        bought: cython.longlong = self._bought_lots
        sold: cython.longlong = self._sold_lots
        if self._held == self._window:
            if self._sides[self._head]:
                sold -= self._qty_lots[self._head]
            else:
                bought -= self._qty_lots[self._head]
        if side:
            sold += qty_lots
        else:
            bought += qty_lots
        return ratio_ppm(abs(bought - sold), bought + sold)

    @property
    def volatility_ema_e4(self) -> int:
        """Return the EMA (alpha 1/20) of |price change| between trades in 1e-4 ticks, steps towards zero."""
        return self._ema_e4

    def dump(self) -> tuple:
        """Return (window, count, last price, EMA, block of (side, lots) int64 pairs, oldest first)."""
        pairs = array.array("q")
        slot: cython.longlong = self._head if self._held == self._window else 0
        for _ in range(self._held):
            pairs.append(self._sides[slot])
            pairs.append(self._qty_lots[slot])
            slot = 0 if slot + 1 == self._window else slot + 1
        return self._window, self.count, self._last_ticks, self._ema_e4, pairs.tobytes()

    def load(self, state: tuple | list) -> None:
        """Replace the state, window included, by one that `dump` returned."""
        window, count, last_ticks, ema_e4, block = state
        pairs = array.array("q", block)
        self._reset(window)
        for index in range(0, len(pairs), 2):
            self._push(pairs[index], pairs[index + 1])
        self.count = count
        self._last_ticks = last_ticks
        self._ema_e4 = ema_e4
