"""Ratios of a series of profits. Each is None where it is not defined, and never infinite.

Profits are money per interval on constant capital, so ratios need no balance. A year has 365 days: these
markets never close. What is estimated comes with its error.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

YEAR_S = 365 * 86_400
BATCHES = 30
BATCH_FILLS_MIN = 5
NORMAL_95 = 1.959964


class Estimate(NamedTuple):
    """A mean with the half-width of its 95 % interval, None when there is too little to tell."""

    value: float
    error: float | None


class Share(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def mean_of(values: Sequence[float]) -> float:
    """Return the mean, 0 of nothing."""
    return math.fsum(values) / len(values) if values else 0.0


def deviation_of(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample (n - 1), None of fewer than two."""
    if len(values) < 2:
        return None
    mean = mean_of(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def sharpe(profits: Sequence[float], interval_s: float) -> Estimate | None:
    """Return mean / deviation, annualised by the square root of time, with its 95 % error (Lo 2002).

    The error assumes independent intervals: sqrt((1 + S^2 / 2) / n), S per interval. None when all are equal.
    """
    deviation = deviation_of(profits)
    if deviation is None or deviation <= _noise(profits):
        return None
    ratio = mean_of(profits) / deviation
    yearly = math.sqrt(YEAR_S / interval_s)
    error = NORMAL_95 * math.sqrt((1 + ratio * ratio / 2) / len(profits))
    return Estimate(ratio * yearly, error * yearly)


def sortino(profits: Sequence[float], interval_s: float) -> float | None:
    """Return mean / sqrt(mean of squared losses), annualised; target 0. None when no interval lost."""
    if len(profits) < 2:
        return None
    downside = math.sqrt(math.fsum(min(0.0, value) ** 2 for value in profits) / len(profits))
    if not downside:
        return None
    return mean_of(profits) / downside * math.sqrt(YEAR_S / interval_s)


def calmar(net: float, span_s: float, drawdown: float) -> float | None:
    """Return the profit of a year at this pace over the deepest drawdown, None when there was none."""
    if drawdown <= 0 or span_s <= 0:
        return None
    return net * YEAR_S / span_s / drawdown


def value_at_risk(profits: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Return (VaR, CVaR) of an interval as losses (negative: a profit), None of no intervals.

    Historical: of n profits the k = ceil(n (1 - confidence)) worst, at least one; VaR is the best of these,
    CVaR their mean.
    """
    if not profits:
        return None
    # 1 - 0.95 is a little more than 0.05 in floats, which must not take one more interval.
    count = max(1, math.ceil(len(profits) * (1 - confidence) - 1e-9))
    worst = sorted(profits)[:count]
    # Adding 0 makes a zero loss plain 0, not -0.
    return -worst[-1] + 0.0, -mean_of(worst) + 0.0


def win_rate(wins: int, count: int) -> Share | None:
    """Return wins / count with its 95 % interval by Wilson, None of nothing."""
    if not count:
        return None
    share, z2 = wins / count, NORMAL_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = NORMAL_95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return Share(share, max(0.0, middle - half), min(1.0, middle + half))


def mean_with_error(values: Sequence[float]) -> Estimate | None:
    """Return the mean of a series with its 95 % error, None of nothing.

    Neighbours hang together, so the error is that of up to 30 batches of neighbours (batch means); of fewer
    than ten values that of the values themselves.
    """
    return ratio_with_error(values, [1.0] * len(values))


def ratio_with_error(values: Sequence[float], weights: Sequence[float]) -> Estimate | None:
    """Return sum(values) / sum(weights) with its 95 % error from batches of neighbours, None of no weight."""
    total = math.fsum(weights)
    if not total:
        return None
    ratio = math.fsum(values) / total
    size = max(BATCH_FILLS_MIN, -(-len(values) // BATCHES)) if len(values) >= 2 * BATCH_FILLS_MIN else 1
    residues = [
        math.fsum(values[at : at + size]) - ratio * math.fsum(weights[at : at + size])
        for at in range(0, len(values), size)
    ]
    count = len(residues)
    if count < 2:
        return Estimate(ratio, None)
    spread = math.sqrt(math.fsum(value * value for value in residues) * count / (count - 1))
    return Estimate(ratio, NORMAL_95 * spread / total)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of a sorted series does not exceed (nearest rank), None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _noise(values: Sequence[float]) -> float:
    """Return what rounding alone may make of equal values."""
    return 1e-12 * max(abs(value) for value in values)
