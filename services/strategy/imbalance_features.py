"""Features of the imbalance strategy, each over its own window of samples (ST-38). Estimates in float.

The volatility is annualised as if a sample were a minute, as in the source; its mean and deviation are of the
same annualised values, so the z-score is in one unit (the source mixed raw and annualised).
"""

import math
from collections import deque
from itertools import pairwise
from typing import Any

from shared.kernels.book import Book
from shared.kernels.signals import ReturnWindow, imbalance_ppm, mid_half_ticks, weighted_imbalance_ppm
from shared.units import PPM

VOLATILITY_WINDOW = 20
MOMENTUM_WINDOW = 10
SLOPE_WINDOW = 10
Z_WINDOW = 100
Z_LEAST = 20
ATR_WINDOW = 14
ANNUAL = math.sqrt(252 * 24 * 60)
IMBALANCE_FLOOR = 0.001
VOLATILITY_FLOOR = 0.0001


def z_score(values: "deque[float]", floor: float) -> float | None:
    """Return how far the last value lies from the mean in deviations (at least `floor`); None under 20."""
    if len(values) < Z_LEAST:
        return None
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return (values[-1] - mean) / max(deviation, floor)


def slope(values: "deque[float]") -> float:
    """Return the least-squares slope of the values per sample; 0.0 with less than two."""
    count = len(values)
    if count < 2:
        return 0.0
    middle = (count - 1) / 2
    mean = math.fsum(values) / count
    above = math.fsum((index - middle) * (value - mean) for index, value in enumerate(values))
    return above / math.fsum((index - middle) ** 2 for index in range(count))


class Features:
    """Windows of samples; `None` stands for "not known yet", never for zero (ST-40)."""

    def __init__(self) -> None:
        self._volatility = ReturnWindow(VOLATILITY_WINDOW)
        self._momentum = ReturnWindow(MOMENTUM_WINDOW)
        self._mids: deque[int] = deque(maxlen=ATR_WINDOW + 1)
        self._imbalances: deque[float] = deque(maxlen=Z_WINDOW)
        self._recent: deque[float] = deque(maxlen=SLOPE_WINDOW)
        self._volatilities: deque[float] = deque(maxlen=Z_WINDOW)
        self.imbalance = 0.0
        self.weighted = 0.0
        self.streak = 0

    def add(self, book: Book) -> None:
        """Take one sample of a trusted book."""
        mid_half = mid_half_ticks(book)
        self._volatility.add(mid_half)
        self._momentum.add(mid_half)
        self._mids.append(mid_half)
        before = self.imbalance
        self.imbalance = imbalance_ppm(book, 5) / PPM
        self.weighted = weighted_imbalance_ppm(book, 10) / PPM
        self._imbalances.append(self.imbalance)
        self._recent.append(self.imbalance)
        if self._volatility.count >= VOLATILITY_WINDOW:
            self._volatilities.append(self._volatility.volatility * ANNUAL)
        if self.imbalance == 0.0:
            self.streak = 0
        else:
            self.streak = self.streak + 1 if before * self.imbalance > 0 else 1

    @property
    def momentum(self) -> float | None:
        """Return (last - first) / first over 10 mids."""
        return self._momentum.momentum if self._momentum.count >= MOMENTUM_WINDOW - 1 else None

    @property
    def imbalance_momentum(self) -> float | None:
        """Return the slope of the imbalance over 10 samples."""
        return slope(self._recent) if len(self._recent) == SLOPE_WINDOW else None

    @property
    def volatility_z(self) -> float | None:
        """Return the z-score of the volatility over at most 100 samples."""
        return z_score(self._volatilities, VOLATILITY_FLOOR)

    @property
    def imbalance_z(self) -> float | None:
        """Return the z-score of the imbalance over at most 100 samples."""
        return z_score(self._imbalances, IMBALANCE_FLOOR)

    @property
    def atr_half_ticks(self) -> float | None:
        """Return the mean absolute change of the mid over 14 samples, in half ticks."""
        if len(self._mids) <= ATR_WINDOW:
            return None
        return sum(abs(after - before) for before, after in pairwise(self._mids)) / ATR_WINDOW

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [
            self._volatility.dump(),
            self._momentum.dump(),
            list(self._mids),
            list(self._imbalances),
            list(self._recent),
            list(self._volatilities),
            self.imbalance,
            self.weighted,
            self.streak,
        ]

    def load(self, state: list[Any]) -> None:
        """Replace everything by the result of `dump`."""
        self.__init__()  # type: ignore[misc]
        volatility, momentum, mids, imbalances, recent, volatilities, *last = state
        self._volatility.load(volatility)
        self._momentum.load(momentum)
        self._mids.extend(mids)
        self._imbalances.extend(imbalances)
        self._recent.extend(recent)
        self._volatilities.extend(volatilities)
        self.imbalance, self.weighted, self.streak = last
