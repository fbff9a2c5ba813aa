# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Windows of samples of a book for the imbalance strategy, and the gate that fills them (ST-38..ST-43)."""

# ruff: noqa: ARG002  a gate is asked with all there is; what it looks at is its own affair

import array

import cython

if cython.compiled:
    from cython.cimports.libc.math import sqrt
    from cython.cimports.shared.kernels.book import Book
    from cython.cimports.shared.kernels.gates import Gate, trusted_half_ticks
    from cython.cimports.shared.kernels.returns import ReturnWindow, relative_move
    from cython.cimports.shared.kernels.signals import imbalance_of, weighted_imbalance_of
else:
    from math import sqrt

    from shared.kernels.book import Book
    from shared.kernels.gates import Gate, trusted_half_ticks
    from shared.kernels.returns import ReturnWindow, relative_move
    from shared.kernels.signals import imbalance_of, weighted_imbalance_of

VOLATILITY_WINDOW = cython.declare(cython.longlong, 20)
MOMENTUM_WINDOW = cython.declare(cython.longlong, 10)
SLOPE_WINDOW = cython.declare(cython.longlong, 10)
Z_WINDOW = cython.declare(cython.longlong, 100)
ATR_WINDOW = cython.declare(cython.longlong, 14)
# as if a sample were a minute, as in the source
ANNUAL = cython.declare(cython.double, sqrt(252 * 24 * 60))
STREAK_FULL = cython.declare(cython.longlong, 10)
E7 = cython.declare(cython.longlong, 10_000_000)
# spreads of more ticks than this are looked at by the strategy, exactly
SPREAD_SAFE_TICKS = cython.declare(cython.longlong, 100_000_000_000)


@cython.final
@cython.cclass
class Ring:
    """The last `size` whole numbers."""

    def __init__(self, size: cython.longlong) -> None:
        self._values = array.array("q", bytes(8 * size))
        self._size = size
        self._head = 0
        self.held = 0

    def push(self, value: cython.longlong) -> cython.int:
        """Put a number in place of the oldest."""
        self._values[self._head] = value
        self._head = 0 if self._head + 1 == self._size else self._head + 1
        if self.held < self._size:
            self.held += 1
        return 0

    def at(self, age: cython.longlong) -> cython.longlong:
        """Return the number pushed `age` calls before the last one; `age` is below `held`."""
        slot: cython.longlong = self._head - 1 - age
        return self._values[slot if slot >= 0 else slot + self._size]

    def clear(self) -> cython.int:
        """Forget all."""
        self._head = self.held = 0
        return 0

    def values(self) -> list:
        """Return them, oldest first."""
        return [self.at(age) for age in range(self.held - 1, -1, -1)]


@cython.cclass
class FeatureWindows:
    """What samples of a book leave: imbalances in ppm, mids in half ticks, volatilities in float."""

    def __init__(self) -> None:
        self.volatility_window = ReturnWindow(VOLATILITY_WINDOW)
        self.momentum_window = ReturnWindow(MOMENTUM_WINDOW)
        self.mids = Ring(ATR_WINDOW + 1)
        self.imbalances_ppm = Ring(Z_WINDOW)
        self.recent_ppm = Ring(SLOPE_WINDOW)
        self.imbalance_ppm = 0
        self.weighted_ppm = 0
        self.streak = 0
        self._volatilities = array.array("d", bytes(8 * Z_WINDOW))
        self._volatility_head = 0
        self._volatility_held = 0

    def add(self, book: Book) -> None:
        """Take one sample of a book.

        Raises:
            ValueError: the book is not to be trusted; nothing is changed.
        """
        mid_half_ticks: cython.longlong = trusted_half_ticks(book)
        if mid_half_ticks == 0:
            raise ValueError("a sample of a book that is not to be trusted; wait for its next snapshot")
        self._take(mid_half_ticks, imbalance_of(book, 5), weighted_imbalance_of(book, 10))

    def _take(
        self, mid_half_ticks: cython.longlong, imbalance_ppm: cython.longlong, weighted_ppm: cython.longlong
    ) -> cython.int:
        """Take a sample by its numbers."""
        self.volatility_window._take(mid_half_ticks)
        self.momentum_window._take(mid_half_ticks)
        self.mids.push(mid_half_ticks)
        self.streak = self._streak_with(imbalance_ppm)
        self.imbalance_ppm = imbalance_ppm
        self.weighted_ppm = weighted_ppm
        self.imbalances_ppm.push(imbalance_ppm)
        self.recent_ppm.push(imbalance_ppm)
        if self.volatility_window._held > VOLATILITY_WINDOW:
            self.push_volatility(self.volatility_window._volatility() * ANNUAL)
        return 0

    def push_volatility(self, value: cython.double) -> cython.int:
        """Put a volatility in place of the oldest."""
        self._volatilities[self._volatility_head] = value
        self._volatility_head = 0 if self._volatility_head + 1 == Z_WINDOW else self._volatility_head + 1
        if self._volatility_held < Z_WINDOW:
            self._volatility_held += 1
        return 0

    @property
    def volatilities(self) -> list:
        """Return the volatilities of the last 100 samples, oldest first."""
        first: cython.longlong = 0 if self._volatility_held < Z_WINDOW else self._volatility_head
        return [self._volatilities[(first + index) % Z_WINDOW] for index in range(self._volatility_held)]

    def break_off(self) -> cython.int:
        """Take that samples are missing: what follows samples in a row begins anew.

        Streak, momentum, slope and ATR do; what is "usual" for the market (the z-scores) stays.
        """
        self.momentum_window._reset(MOMENTUM_WINDOW)
        self.mids.clear()
        self.recent_ppm.clear()
        self.imbalance_ppm = 0
        self.weighted_ppm = 0
        self.streak = 0
        return 0

    def _streak_with(self, imbalance_ppm: cython.longlong) -> cython.longlong:
        """Return the samples in a row of the same sign, with one more."""
        if imbalance_ppm == 0:
            return 0
        return (
            self.streak + 1 if (self.imbalance_ppm > 0) == (imbalance_ppm > 0) and self.imbalance_ppm else 1
        )

    def _growth_with(self, imbalance_ppm: cython.longlong) -> cython.longlong:
        """Return the slope of 10 imbalances in a row, in 1/165 ppm per sample, with one more; 0 before."""
        above: cython.longlong = (SLOPE_WINDOW - 1) * imbalance_ppm
        age: cython.longlong
        if self.recent_ppm.held < SLOPE_WINDOW - 1:
            return 0
        for age in range(SLOPE_WINDOW - 1):
            above += (SLOPE_WINDOW - 3 - 2 * age) * self.recent_ppm.at(age)
        return above


@cython.final
@cython.cclass
class ImbalanceGate(Gate):  # type: ignore[misc]
    """When the imbalance strategy has to look: a signal may be there, or stop or target are reached.

    A sample is due each `every_ns`; one that brings neither is taken here, unless the last one is older than
    `lost_ns` beyond that: then samples in a row are counted anew. `sampled_ns` is state of the strategy. What
    `watch` and `idle` are told follows from the rest of its state, so it is not saved.
    """

    def __init__(self, features: FeatureWindows, every_ns: cython.longlong, lost_ns: cython.longlong) -> None:
        self.features = features
        self.sampled_ns = 0
        self._every_ns = every_ns
        self._lost_ns = lost_ns
        self._threshold = self._max_spread_bps = self._min_momentum = self._min_confidence = 0.0
        self._persistence = 0
        self._position_lots = 0
        self._is_position_known = False
        self._is_watching = False
        self._entry_half_ticks = self._stop_half_ticks = self._target_half_ticks = 0.0
        self._buy_idle_until_ns = self._sell_idle_until_ns = 0

    def signals_at(
        self,
        imbalance_threshold: cython.double,
        max_spread_bps: cython.double,
        persistence: cython.longlong,
        min_momentum: cython.double,
        min_confidence: cython.double,
    ) -> None:
        """Take the conditions of a signal (ST-39); until then every sample comes through."""
        self._threshold = imbalance_threshold
        self._max_spread_bps = max_spread_bps
        self._persistence = persistence
        self._min_momentum = min_momentum
        self._min_confidence = min_confidence

    def watch(
        self,
        position_lots: cython.longlong,
        entry_half_ticks: cython.double,
        stop_half_ticks: cython.double,
        target_half_ticks: cython.double,
    ) -> None:
        """Watch a position: it is left when the touch is that far beyond its entry, either way."""
        self._position_lots = position_lots
        self._entry_half_ticks = entry_half_ticks
        self._stop_half_ticks = stop_half_ticks
        self._target_half_ticks = target_half_ticks
        self._is_position_known = self._is_watching = True

    def unwatch(self) -> None:
        """Let everything through until the position is known again."""
        self._is_position_known = self._is_watching = False

    def idle(self, sign: cython.longlong, until_ns: cython.longlong) -> None:
        """Take that a signal that way enters nothing before a time."""
        if sign > 0:
            self._buy_idle_until_ns = until_ns
        else:
            self._sell_idle_until_ns = until_ns

    def _is_held(self, book: Book) -> cython.bint:
        """Tell whether the position stays at this touch."""
        gain: cython.double
        if not self._is_watching:
            return False
        if self._position_lots > 0:
            gain = 2 * book._best_price(0) - self._entry_half_ticks
        else:
            gain = self._entry_half_ticks - 2 * book._best_price(1)
        return -self._stop_half_ticks < gain < self._target_half_ticks

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Let through what may be a signal or an exit; take every other sample that is due."""
        since_ns: cython.longlong = now_ns - self.sampled_ns
        if not self._is_position_known or position_lots != self._position_lots:
            self._position_lots = position_lots
            self._is_position_known = True
            self._is_watching = False
        if position_lots and not self._is_held(book):
            return True
        if since_ns < self._every_ns:
            return False
        if since_ns > self._every_ns + self._lost_ns:
            return True
        imbalance_ppm: cython.longlong = imbalance_of(book, 5)
        weighted_ppm: cython.longlong = weighted_imbalance_of(book, 10)
        sign: cython.longlong = self._may_signal(book, imbalance_ppm, weighted_ppm)
        if sign and not self._is_idle(sign, now_ns):
            return True
        self.sampled_ns = now_ns
        self.features._take(trusted_half_ticks(book), imbalance_ppm, weighted_ppm)
        return False

    def _is_idle(self, sign: cython.longlong, now_ns: cython.longlong) -> cython.bint:
        """Tell whether a signal that way would do nothing: it does when it closes the position."""
        until_ns: cython.longlong = self._buy_idle_until_ns if sign > 0 else self._sell_idle_until_ns
        closes: cython.bint = self._position_lots != 0 and (self._position_lots > 0) != (sign > 0)
        return now_ns < until_ns and not closes

    def _may_signal(
        self, book: Book, imbalance_ppm: cython.longlong, weighted_ppm: cython.longlong
    ) -> cython.longlong:
        """Return the direction of the signal that this sample may be, 0 when it is certainly none."""
        features: FeatureWindows = self.features
        sign: cython.longlong = 1 if imbalance_ppm > 0 else -1
        spread: cython.longlong = book._best_price(1) - book._best_price(0)
        mid: cython.longlong = book._best_price(1) + book._best_price(0)
        streak: cython.longlong = features._streak_with(imbalance_ppm)
        share: cython.double = abs(imbalance_ppm)
        if imbalance_ppm == 0 or share / 1_000_000.0 < self._threshold or streak < self._persistence:
            return 0
        width: cython.double = spread * 20_000
        if spread < SPREAD_SAFE_TICKS and width / mid > self._max_spread_bps:
            return 0
        growth: cython.longlong = sign * features._growth_with(imbalance_ppm)
        if growth < 0:
            return 0
        # With this sample the window of the momentum is full.
        if features.momentum_window._held >= MOMENTUM_WINDOW - 1:
            first: cython.longlong = features.momentum_window._mid(MOMENTUM_WINDOW - 2)
            if relative_move(mid, first) * sign < self._min_momentum:
                return 0
        # The most that the confidence can be, whatever the volatility is (ST-40).
        most_e7: cython.longlong = 4 * abs(imbalance_ppm) + 2 * abs(weighted_ppm) + E7 // 10
        most_e7 += min(streak, STREAK_FULL) * (E7 // 50)
        if growth > 0:
            most_e7 += E7 // 10
        sure: cython.double = min(most_e7, E7)
        return sign if sure / 10_000_000.0 >= self._min_confidence else 0

    def on_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Let nothing through: the strategy does not look at trades."""
        return False

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Let through while a position may have to be left."""
        if trusted_half_ticks(book) == 0 or (self._is_position_known and self._position_lots == 0):
            return False
        return not self._is_held(book)
