"""Is the best of many runs good, or only the luckiest? Sharpe ratios with the number of trials taken off.

Moments add up, so runs over parts of a period are pooled without keeping their samples. The ratios here are
per sample (not annualised); `probability` is the probabilistic Sharpe ratio

    PSR(b) = Phi((s - b) * sqrt(n - 1) / sqrt(1 - g3 * s + (g4 - 1) / 4 * s^2))

with skewness g3 and kurtosis g4 (3 for a normal law), and the deflated one is PSR(b) against the best Sharpe
ratio that `trials` runs without any skill would show,

    b = sqrt(V) * ((1 - c) * Phi^-1(1 - 1/trials) + c * Phi^-1(1 - 1/(trials * e)))

with V the variance of the trials' ratios and c = 0.5772 (Euler's constant). Source: D. Bailey and M. Lopez de
Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014), equations 1 and 2. It takes
samples for independent: samples that hang together make it too hopeful.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import msgspec

EULER = 0.577_215_664_901_532_9
SIGNIFICANT = 0.95
"""The deflated probability from which a winner is called one."""
SAMPLES_MIN = 30
"""Fewer samples than this say nothing about a law."""
YEAR_S = 365 * 86_400
"""Crypto venues do not close: a year has 365 trading days."""

_NORMAL = NormalDist()


class Moments(msgspec.Struct, frozen=True, array_like=True):
    """Count and power sums of samples; two of them add up to those of both together."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0
    fourths: float = 0.0

    def __add__(self, other: "Moments") -> "Moments":
        """Return the moments of both."""
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            self.cubes + other.cubes,
            self.fourths + other.fourths,
        )

    @property
    def mean(self) -> float:
        """Return the mean, 0 without samples."""
        return self.total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the samples (n - 1), 0 for fewer than two."""
        if self.count < 2:
            return 0.0
        return math.sqrt(max(self.squares - self.total * self.mean, 0.0) / (self.count - 1))

    @property
    def sharpe(self) -> float:
        """Return mean / deviation per sample, 0 where nothing deviates."""
        deviation = self.deviation
        return self.mean / deviation if deviation > abs(self.mean) * 1e-12 else 0.0

    @property
    def skewness(self) -> float:
        """Return the third standardised moment, 0 where nothing deviates."""
        variance, mean = self._variance, self.mean
        if variance <= 0.0:
            return 0.0
        third = self.cubes / self.count - 3 * mean * self.squares / self.count + 2 * mean**3
        return float(third / variance**1.5)

    @property
    def kurtosis(self) -> float:
        """Return the fourth standardised moment (3 for a normal law), 3 where nothing deviates."""
        variance, mean = self._variance, self.mean
        if variance <= 0.0:
            return 3.0
        fourth = (
            self.fourths - 4 * mean * self.cubes + 6 * mean**2 * self.squares
        ) / self.count - 3 * mean**4
        return fourth / variance**2

    @property
    def _variance(self) -> float:
        if self.count < 2:
            return 0.0
        variance = self.squares / self.count - self.mean**2
        return variance if variance > self.mean**2 * 1e-12 else 0.0

    def annual_sharpe(self, sample_s: float) -> float:
        """Return the ratio for a year of 365 days of samples each `sample_s` long."""
        return self.sharpe * math.sqrt(YEAR_S / sample_s)


def moments_of(samples: Iterable[float]) -> Moments:
    """Return the moments of `samples`; raises `ValueError` for one that is not finite."""
    count, total, squares, cubes, fourths = 0, 0.0, 0.0, 0.0, 0.0
    for sample in samples:
        if not math.isfinite(sample):
            raise ValueError(f"sample {count} is {sample}: a profit must be a finite number")
        count += 1
        total += sample
        squares += sample**2
        cubes += sample**3
        fourths += sample**4
    return Moments(count, total, squares, cubes, fourths)


def pooled(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all parts together."""
    found = Moments()
    for part in parts:
        found += part
    return found


def probability(moments: Moments, benchmark: float = 0.0) -> float:
    """Return PSR: how likely the true ratio is above `benchmark`; 0.5 when the samples cannot tell."""
    if moments.count < 2 or moments.deviation == 0.0:
        return 0.5
    ratio = moments.sharpe
    spread = 1 - moments.skewness * ratio + (moments.kurtosis - 1) / 4 * ratio**2
    if spread <= 0.0:
        return 0.5
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt(moments.count - 1) / math.sqrt(spread))


def luckiest_sharpe(ratios: Sequence[float], trials: int) -> float:
    """Return the best ratio that `trials` runs without skill are expected to show, by the spread of `ratios`.

    `trials` counts every run that was tried on these data, also those of earlier sweeps.
    """
    if trials < 2 or len(ratios) < 2:
        return 0.0
    mean = sum(ratios) / len(ratios)
    deviation = math.sqrt(sum((ratio - mean) ** 2 for ratio in ratios) / (len(ratios) - 1))
    top = _NORMAL.inv_cdf(1 - 1 / trials)
    beyond = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return deviation * ((1 - EULER) * top + EULER * beyond)


class Verdict(msgspec.Struct, frozen=True):
    """What may be said about the best of `trials` runs."""

    trials: int
    luckiest_sharpe: float
    deflated: float
    is_significant: bool
    text: str


def judge(best: Moments, all_ratios: Sequence[float], trials: int) -> Verdict:
    """Return whether the best run is better than luck with so many trials explains."""
    luckiest = luckiest_sharpe(all_ratios, trials)
    # The spread of few trials says little: with no skill a ratio of n samples spreads by 1 / sqrt(n).
    if best.count > 1:
        luckiest = max(luckiest, luckiest_noise(best.count, trials))
    deflated = probability(best, luckiest)
    if best.count < SAMPLES_MIN:
        text = f"too little data: {best.count} samples of profit, at least {SAMPLES_MIN} are needed"
        return Verdict(trials, luckiest, deflated, False, text)
    if best.mean <= 0.0:
        return Verdict(trials, luckiest, deflated, False, "no winner: the best run earns nothing")
    is_significant = deflated >= SIGNIFICANT
    chance = f"deflated Sharpe probability {deflated:.3f}, {SIGNIFICANT} is needed"
    if is_significant:
        text = f"the best run is better than the luckiest of {trials} trials would be ({chance})"
    else:
        text = f"no winner: the luckiest of {trials} trials without skill would look as good ({chance})"
    return Verdict(trials, luckiest, deflated, is_significant, text)


def luckiest_noise(samples: int, trials: int) -> float:
    """Return the best ratio expected of `trials` independent runs of `samples` samples around zero."""
    if trials < 2:
        return 0.0
    top = _NORMAL.inv_cdf(1 - 1 / trials)
    beyond = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return ((1 - EULER) * top + EULER * beyond) / math.sqrt(samples)
