# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Returns of a mid over a window: volatility and momentum, estimates in float (ST-38)."""

import array

import cython

if cython.compiled:
    from cython.cimports.libc.math import log, sqrt
else:
    from math import log, sqrt

PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)


@cython.cfunc
@cython.exceptval(check=False)
def relative_move(last: cython.longlong, first: cython.longlong) -> cython.double:
    """Return (last - first) / first of two mids."""
    return cython.cast(cython.double, last - first) / cython.cast(cython.double, first)


@cython.final
@cython.cclass
class ReturnWindow:
    """The last mids of a market: volatility over `size` log returns, momentum over `size` mids (ST-38).

    Estimates in float, not annualised; computed from the mids in order, so a loaded window repeats them.
    """

    def __init__(self, size: cython.longlong) -> None:
        if size < 2 or size > 4096:
            raise ValueError(f"return window {size}: must be 2..4096")
        self._reset(size)

    def _reset(self, size: cython.longlong) -> cython.int:
        """Empty the ring; an allowed size is given."""
        self._size = size
        self._mids = array.array("q", bytes(8 * (size + 1)))
        self._returns = array.array("d", bytes(8 * (size + 1)))
        self._head = 0
        self._held = 0
        return 0

    def add(self, mid_half_ticks: cython.longlong) -> None:
        """Take in one mid.

        Raises:
            ValueError: the mid is not positive or too large; nothing is changed.
        """
        if mid_half_ticks <= 0 or mid_half_ticks > 2 * PRICE_TICKS_MAX:
            raise ValueError(f"mid of {mid_half_ticks} half ticks: must be 1..{2 * PRICE_TICKS_MAX}")
        self._take(mid_half_ticks)

    def _take(self, mid_half_ticks: cython.longlong) -> cython.int:
        """Take in a mid that is in range, and its log return: each is computed once."""
        if self._held:
            self._returns[self._head] = log(mid_half_ticks / self._mid(0))
        self._mids[self._head] = mid_half_ticks
        self._head = 0 if self._head == self._size else self._head + 1
        if self._held <= self._size:
            self._held += 1
        return 0

    def _slot(self, age: cython.longlong) -> cython.longlong:
        """Return where the mid is that was added `age` calls before the last one."""
        slot: cython.longlong = self._head - 1 - age
        return slot if slot >= 0 else slot + self._size + 1

    def _mid(self, age: cython.longlong) -> cython.longlong:
        """Return the mid added `age` calls before the last one."""
        return self._mids[self._slot(age)]

    @property
    def count(self) -> int:
        """Return the number of returns held, at most `size`."""
        return self._held - 1 if self._held else 0

    @property
    def volatility(self) -> float:
        """Return the population standard deviation of the log returns held; 0.0 with less than two."""
        return self._volatility()

    def _volatility(self) -> cython.double:
        """Return the same for other kernels; summed in order: a loaded window repeats it to the last bit."""
        returns: cython.longlong = self._held - 1
        total: cython.double = 0.0
        squares: cython.double = 0.0
        mean: cython.double
        age: cython.longlong
        if returns < 2:
            return 0.0
        for age in range(returns - 1, -1, -1):
            total += self._returns[self._slot(age)]
        mean = total / returns
        for age in range(returns - 1, -1, -1):
            value: cython.double = self._returns[self._slot(age)]
            squares += (value - mean) * (value - mean)
        return sqrt(squares / returns)

    @property
    def momentum(self) -> float:
        """Return (last - first) / first over the last `size` mids; 0.0 with less than two."""
        held: cython.longlong = self._held if self._held < self._size else self._size
        if held < 2:
            return 0.0
        return relative_move(self._mid(0), self._mid(held - 1))

    def dump(self) -> tuple:
        """Return (size, mids, oldest first)."""
        return self._size, [self._mid(age) for age in range(self._held - 1, -1, -1)]

    def load(self, state: tuple | list) -> None:
        """Replace the state, size included, by one that `dump` returned."""
        size, mids = state
        self._reset(size)
        for mid in mids:
            self.add(mid)
