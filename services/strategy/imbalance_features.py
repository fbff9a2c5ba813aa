"""Features of the imbalance strategy, each over its own window of samples (ST-38).

Imbalances are in parts per million, mids in half ticks: their slopes and ranges are exact. Volatility and the
z-scores are estimates in float. The volatility is annualised as if a sample were a minute, as in the source;
its mean and deviation are of the same annualised values, so the z-score is in one unit (the source mixed raw
and annualised).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from shared.kernels.features import FeatureWindows
from shared.units import PPM

VOLATILITY_WINDOW = 20
MOMENTUM_WINDOW = 10
SLOPE_WINDOW = 10
Z_LEAST = 20
ATR_WINDOW = 14
ANNUAL = math.sqrt(252 * 24 * 60)
IMBALANCE_FLOOR = 0.001
VOLATILITY_FLOOR = 0.0001


def z_score(values: Sequence[float], floor: float) -> float | None:
    """Return how far the last value lies from the mean in deviations (at least `floor`); None under 20.

    The deviation is that of the values themselves (population), the last one included.
    """
    if len(values) < Z_LEAST:
        return None
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return (values[-1] - mean) / max(deviation, floor)


def slope(values: Sequence[int]) -> float:
    """Return the least-squares slope of whole numbers per sample; 0.0 with less than two.

    6 sum((2 i - (n - 1)) value_i) / (n (n^2 - 1)): the sum is exact, so values that are all alike have the
    slope 0 and not a rounding above or below it.
    """
    count = len(values)
    if count < 2:
        return 0.0
    above = sum((2 * index - count + 1) * value for index, value in enumerate(values))
    return 6 * above / (count * (count * count - 1))


class Features(FeatureWindows):
    """Windows of samples; `None` stands for "not known yet", never for zero (ST-40)."""

    @property
    def momentum(self) -> float | None:
        """Return (last - first) / first over 10 mids."""
        window = self.momentum_window
        return float(window.momentum) if window.count >= MOMENTUM_WINDOW - 1 else None

    @property
    def imbalance_momentum(self) -> float | None:
        """Return the slope of the imbalance over 10 samples, as a fraction of 1 per sample."""
        recent = self.recent_ppm
        return slope(recent.values()) / PPM if recent.held == SLOPE_WINDOW else None

    @property
    def volatility(self) -> float | None:
        """Return the annualised volatility of 20 log returns of the mid."""
        window = self.volatility_window
        return float(window.volatility) * ANNUAL if window.count >= VOLATILITY_WINDOW else None

    @property
    def volatility_z(self) -> float | None:
        """Return the z-score of the volatility over at most 100 samples."""
        return z_score(self.volatilities, VOLATILITY_FLOOR)

    @property
    def imbalance_z(self) -> float | None:
        """Return the z-score of the imbalance over at most 100 samples."""
        return z_score([value / PPM for value in self.imbalances_ppm.values()], IMBALANCE_FLOOR)

    @property
    def atr_half_ticks(self) -> float | None:
        """Return the mean absolute change of the mid over 14 samples, in half ticks."""
        if self.mids.held <= ATR_WINDOW:
            return None
        moved: int = sum(abs(after - before) for before, after in pairwise(self.mids.values()))
        return moved / ATR_WINDOW

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [
            self.volatility_window.dump(),
            self.momentum_window.dump(),
            self.mids.values(),
            self.imbalances_ppm.values(),
            self.recent_ppm.values(),
            self.volatilities,
            self.imbalance_ppm,
            self.weighted_ppm,
            self.streak,
        ]

    def load(self, state: list[Any]) -> None:
        """Replace everything by the result of `dump`."""
        self.__init__()  # type: ignore[misc]
        volatility, momentum, mids, imbalances, recent, volatilities, imbalance, weighted, streak = state
        self.volatility_window.load(volatility)
        self.momentum_window.load(momentum)
        for mid in mids:
            self.mids.push(mid)
        for value in imbalances:
            self.imbalances_ppm.push(_ppm(value))
        for value in recent:
            self.recent_ppm.push(_ppm(value))
        for value in volatilities:
            self.push_volatility(value)
        self.imbalance_ppm = _ppm(imbalance)
        self.weighted_ppm = _ppm(weighted)
        self.streak = streak


def _ppm(value: Any) -> int:
    """Return a saved imbalance in ppm; snapshots of the first builds hold fractions of 1, as floats."""
    return round(value * PPM) if isinstance(value, float) else int(value)
