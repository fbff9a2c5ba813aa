# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Estimates for quoting models: volatility of the mid, how often and how deep orders trade (ST-16).

    sigma: the mid is sampled each period; sigma^2 = (sum d_i^2 + 2 sum d_i d_(i-1)) / sum dt. The second
           term takes out what bounces back in the next sample (Roll 1984, Zhou 1996): bounce and rounding.
    kappa, A: an order reaches a depth of at least d ticks from the mid, on one side, at the rate
           A exp(-kappa d). Depth beyond the touch is then geometric in whole ticks, so with its mean m the
           maximum likelihood estimates are kappa = ln(1 + 1 / m) and
           A = orders / (2 * sum over time of exp(-kappa * half spread)).

Everything is a sum that loses half of its weight in a half-life, so each event costs the same. Floats: these
are estimates, and equal compiled and uncompiled.
"""

import array
import math

import cython

NS_PER_S = cython.declare(cython.double, 1_000_000_000.0)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
# spreads of this many ticks and more share a class of exposure
SPREADS = cython.declare(cython.longlong, 64)


@cython.final
@cython.cclass
class Calibration:
    """sigma, kappa and A of one market; 0.0 stands for not known.

    Times are mesh times in ns that never fall. `hold` tells that what follows is not connected with what was:
    a book lost, a pause. Time that is not watched forgets and teaches nothing.
    """

    _tau_s: cython.double
    _period_ns: cython.longlong
    _watched_ns: cython.longlong
    _sampled_ns: cython.longlong
    _forgot_ns: cython.longlong
    _mid_half_ticks: cython.longlong
    _move_ticks: cython.double
    _has_move: cython.bint
    _order_side: cython.longlong
    _order_ns: cython.longlong
    _order_touch_ticks: cython.longlong
    _order_excess: cython.double
    _squares: cython.double
    _crosses: cython.double
    _moving_s: cython.double
    _orders: cython.double
    _excess: cython.double
    _exposed_s: cython.double[::1]

    def __init__(self, half_life_s: cython.double, period_ms: cython.longlong) -> None:
        if not 1.0 <= half_life_s <= 10_000_000.0:
            raise ValueError(f"half-life of {half_life_s} s: must be 1..10000000")
        if period_ms < 1 or period_ms > 3_600_000:
            raise ValueError(f"sampling period of {period_ms} ms: must be 1..3600000")
        self._tau_s = half_life_s / math.log(2.0)
        self._period_ns = period_ms * 1_000_000
        self._forgot_ns = 0
        self._squares = 0.0
        self._crosses = 0.0
        self._moving_s = 0.0
        self._orders = 0.0
        self._excess = 0.0
        self._exposed_s = array.array("d", bytes(8 * 65))
        self.hold()

    @cython.ccall
    def hold(self) -> None:
        """Break the chain: neither time nor moves count until the market is watched again."""
        self._watched_ns = 0
        self._sampled_ns = 0
        self._mid_half_ticks = 0
        self._move_ticks = 0.0
        self._has_move = False
        self._order_side = -1
        self._order_ns = 0
        self._order_touch_ticks = 0
        self._order_excess = 0.0

    @cython.ccall
    def watch(self, now_ns: cython.longlong, bid_ticks: cython.longlong, ask_ticks: cython.longlong) -> bool:
        """Take the touch at a moment, several times a period; tell whether a period ended with it.

        Time between two calls counts with the spread of the second. More than two periods without a call,
        a touch that is none, and time that falls, break the chain.
        """
        gap_ns: cython.longlong
        spread: cython.longlong
        if bid_ticks <= 0 or ask_ticks <= bid_ticks or ask_ticks > PRICE_TICKS_MAX or now_ns <= 0:
            self.hold()
            return False
        gap_ns = now_ns - self._watched_ns
        if self._watched_ns == 0 or gap_ns < 0 or gap_ns > 2 * self._period_ns:
            self.hold()
            self._forget(now_ns)
            self._watched_ns = now_ns
            self._sampled_ns = now_ns
            self._mid_half_ticks = bid_ticks + ask_ticks
            return False
        spread = min(ask_ticks - bid_ticks, SPREADS)
        self._exposed_s[spread] += gap_ns / NS_PER_S
        self._watched_ns = now_ns
        if now_ns - self._sampled_ns < self._period_ns:
            return False
        self._sample(now_ns, bid_ticks + ask_ticks)
        return True

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _sample(self, now_ns: cython.longlong, mid_half_ticks: cython.longlong) -> cython.int:
        """Take the move of the mid over the period that ended."""
        move: cython.double = (mid_half_ticks - self._mid_half_ticks) / 2.0
        elapsed_s: cython.double = (now_ns - self._sampled_ns) / NS_PER_S
        self._forget(now_ns)
        # The first move has none before it: without its cross term the sums would not agree.
        if self._has_move:
            self._squares += move * move
            self._crosses += move * self._move_ticks
            self._moving_s += elapsed_s
        self._move_ticks = move
        self._has_move = True
        self._mid_half_ticks = mid_half_ticks
        self._sampled_ns = now_ns
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _forget(self, now_ns: cython.longlong) -> cython.int:
        """Let all sums lose the weight of the time since the last call."""
        index: cython.longlong
        keep: cython.double
        if self._forgot_ns != 0 and now_ns > self._forgot_ns:
            keep = math.exp(-(now_ns - self._forgot_ns) / NS_PER_S / self._tau_s)
            self._squares *= keep
            self._crosses *= keep
            self._moving_s *= keep
            self._orders *= keep
            self._excess *= keep
            for index in range(65):
                self._exposed_s[index] *= keep
        self._forgot_ns = now_ns
        return 0

    @cython.ccall
    def add_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        order_ns: cython.longlong,
        bid_ticks: cython.longlong,
        ask_ticks: cython.longlong,
    ) -> None:
        """Take a trade by its aggressor's side (0 buy, 1 sell), with the touch of the book before it.

        Trades in a row of one side and one venue time `order_ns` (0: unknown) are one order that swept
        several levels: its deepest one counts. Nothing counts before the market is watched. A price better
        than the touch (the book is a little late) counts as at the touch.

        Raises:
            ValueError: side or price is out of range; nothing is changed.
        """
        excess: cython.double
        if side not in {0, 1}:
            raise ValueError(f"trade side {side}: must be 0 (buy) or 1 (sell)")
        if price_ticks <= 0 or price_ticks > PRICE_TICKS_MAX:
            raise ValueError(f"trade at {price_ticks} ticks: must be 1..{PRICE_TICKS_MAX}")
        if self._watched_ns == 0 or bid_ticks <= 0 or ask_ticks <= bid_ticks:
            return
        if order_ns == 0 or order_ns != self._order_ns or side != self._order_side:
            self._order_side = side
            self._order_ns = order_ns
            self._order_touch_ticks = bid_ticks if side else ask_ticks
            self._order_excess = 0.0
            self._orders += 1.0
        excess = self._order_touch_ticks - price_ticks if side else price_ticks - self._order_touch_ticks
        if excess > self._order_excess:
            self._excess += excess - self._order_excess
            self._order_excess = excess

    @property
    def orders(self) -> float:
        """Return how many orders the estimates of kappa and A rest on, forgotten ones less."""
        return self._orders

    @property
    def moving_s(self) -> float:
        """Return over how many seconds the estimate of sigma goes, forgotten ones less."""
        return self._moving_s

    @property
    def sigma_ticks(self) -> float:
        """Return the volatility of the mid in ticks per square root of a second; 0.0 when not known."""
        variance: cython.double
        if self._moving_s <= 0.0:
            return 0.0
        variance = (self._squares + 2.0 * self._crosses) / self._moving_s
        return math.sqrt(variance) if variance > 0.0 else 0.0

    @property
    def kappa_per_tick(self) -> float:
        """Return how fast orders thin out with depth, per tick; 0.0 when none went beyond the touch."""
        if self._orders <= 0.0 or self._excess <= 0.0:
            return 0.0
        return math.log1p(self._orders / self._excess)

    @property
    def arrivals_per_s(self) -> float:
        """Return A, the orders per second and side that would reach the mid; 0.0 when not known."""
        kappa: cython.double = self.kappa_per_tick
        exposure: cython.double = 0.0
        index: cython.longlong
        if kappa <= 0.0:
            return 0.0
        for index in range(1, 65):
            if self._exposed_s[index] > 0.0:
                exposure += self._exposed_s[index] * math.exp(-kappa * index / 2.0)
        return self._orders / (2.0 * exposure) if exposure > 0.0 else 0.0

    def dump(self) -> tuple:
        """Return the whole state; half-life and period are settings and not part of it."""
        return (
            self._watched_ns,
            self._sampled_ns,
            self._forgot_ns,
            self._mid_half_ticks,
            self._move_ticks,
            self._has_move,
            self._order_side,
            self._order_ns,
            self._order_touch_ticks,
            self._order_excess,
            self._squares,
            self._crosses,
            self._moving_s,
            self._orders,
            self._excess,
            array.array("d", self._exposed_s).tobytes(),
        )

    def load(self, state: tuple | list) -> None:
        """Replace the state by one that `dump` returned.

        Raises:
            ValueError: it is none; nothing is changed.
        """
        if len(state) != 16 or len(state[15]) != 8 * 65:
            raise ValueError(f"calibration state of {len(state)} fields: must be 16, as `dump` returns them")
        exposed = array.array("d", state[15])
        if not all(math.isfinite(value) for value in (*state[:15], *exposed)):
            raise ValueError("calibration state holds a value that is not finite; begin anew without it")
        self._watched_ns = state[0]
        self._sampled_ns = state[1]
        self._forgot_ns = state[2]
        self._mid_half_ticks = state[3]
        self._move_ticks = state[4]
        self._has_move = state[5]
        self._order_side = state[6]
        self._order_ns = state[7]
        self._order_touch_ticks = state[8]
        self._order_excess = state[9]
        self._squares = state[10]
        self._crosses = state[11]
        self._moving_s = state[12]
        self._orders = state[13]
        self._excess = state[14]
        self._exposed_s = exposed
