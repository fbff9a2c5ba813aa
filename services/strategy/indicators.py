"""Indicators over closed candles: averages, RSI, bands, range. Pure arithmetic; estimates in float.

Each takes one number (or one candle) at a time and has `value`, None until its window is full: an average
of too few values is none. `dump` is the whole state and `load` takes it, so that a restart goes on with the
very same numbers.

Sources: RSI and ATR as in J. Welles Wilder, *New Concepts in Technical Trading Systems* (1978); bands as in
J. Bollinger, *Bollinger on Bollinger Bands* (2001), with the population deviation.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple


class Bands(NamedTuple):
    """Bollinger bands: the average, and so many deviations below and above it."""

    lower: float
    middle: float
    upper: float


def _checked(window: int, least: int = 1) -> int:
    if window < least:
        raise ValueError(f"window {window}: must be at least {least}")
    return window


class Sma:
    """Simple average of the last `window` values."""

    def __init__(self, window: int) -> None:
        self._values: deque[float] = deque(maxlen=_checked(window))

    def add(self, value: float) -> None:
        """Take the next value."""
        self._values.append(value)

    @property
    def value(self) -> float | None:
        """Return the average, None until the window is full."""
        if len(self._values) != self._values.maxlen:
            return None
        return math.fsum(self._values) / len(self._values)

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return list(self._values)

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self._values.clear()
        self._values.extend(state)


class _Smoothed:
    """A running average that begins with the simple average of its first `window` values.

    Then: value += (next - value) * weight, which is 2 / (window + 1) for an EMA and 1 / window for Wilder's.
    """

    def __init__(self, window: int, weight: float) -> None:
        self._window = _checked(window)
        self._weight = weight
        self._first: list[float] = []
        self.value: float | None = None

    def add(self, value: float) -> None:
        """Take the next value."""
        if self.value is not None:
            self.value += (value - self.value) * self._weight
            return
        self._first.append(value)
        if len(self._first) == self._window:
            self.value = math.fsum(self._first) / self._window
            self._first = []

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self.value, self._first]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self.value, first = state
        self._first = list(first)


class Ema(_Smoothed):
    """Exponential average: weight 2 / (window + 1), begun with the simple average of the first window."""

    def __init__(self, window: int) -> None:
        super().__init__(window, 2 / (_checked(window) + 1))


class WilderAverage(_Smoothed):
    """Wilder's average: weight 1 / window, begun with the simple average of the first window."""

    def __init__(self, window: int) -> None:
        super().__init__(window, 1 / _checked(window))


class Rsi:
    """Relative strength: 100 - 100 / (1 + mean gain / mean loss) of the changes, by Wilder's average.

    100 when nothing was lost, 0 when nothing was gained, 50 when nothing moved.
    """

    def __init__(self, window: int = 14) -> None:
        self._gains = WilderAverage(window)
        self._losses = WilderAverage(window)
        self._last: float | None = None

    def add(self, value: float) -> None:
        """Take the next close."""
        if self._last is not None:
            change = value - self._last
            self._gains.add(max(change, 0.0))
            self._losses.add(max(-change, 0.0))
        self._last = value

    @property
    def value(self) -> float | None:
        """Return the RSI within 0..100, None until `window` changes are known."""
        gain, loss = self._gains.value, self._losses.value
        if gain is None or loss is None:
            return None
        # The same as 100 - 100 / (1 + gain / loss), without a division by zero.
        return 100 * gain / (gain + loss) if gain + loss > 0 else 50.0

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self._last, self._gains.dump(), self._losses.dump()]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self._last, gains, losses = state
        self._gains.load(gains)
        self._losses.load(losses)


class Bollinger:
    """Bands of so many deviations around the simple average."""

    def __init__(self, window: int = 20, deviations: float = 2.0) -> None:
        self._values: deque[float] = deque(maxlen=_checked(window, 2))
        self._deviations = deviations

    def add(self, value: float) -> None:
        """Take the next close."""
        self._values.append(value)

    @property
    def value(self) -> Bands | None:
        """Return the bands, None until the window is full."""
        count = len(self._values)
        if count != self._values.maxlen:
            return None
        middle = math.fsum(self._values) / count
        deviation = math.sqrt(math.fsum((value - middle) ** 2 for value in self._values) / count)
        reach = self._deviations * deviation
        return Bands(middle - reach, middle, middle + reach)

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return list(self._values)

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self._values.clear()
        self._values.extend(state)


class Atr:
    """Average true range, by Wilder's average.

    The true range of a candle is max(high - low, |high - last close|, |low - last close|); that of the first
    one, without a close before it, is high - low.
    """

    def __init__(self, window: int = 14) -> None:
        self._average = WilderAverage(window)
        self._last_close: float | None = None

    def add(self, high: float, low: float, close: float) -> None:
        """Take the next candle."""
        true_range = high - low
        if self._last_close is not None:
            true_range = max(true_range, abs(high - self._last_close), abs(low - self._last_close))
        self._average.add(true_range)
        self._last_close = close

    @property
    def value(self) -> float | None:
        """Return the range in the unit of the prices, None until the window is full."""
        return self._average.value

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self._last_close, self._average.dump()]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self._last_close, average = state
        self._average.load(average)
