"""Sharpe ratios with the number of trials taken off: fixtures worked out by hand, and pure noise."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.sweep_stats import (
    Moments,
    judge,
    luckiest_noise,
    luckiest_sharpe,
    moments_of,
    pooled,
    probability,
)


@pytest.mark.req("BT-12")
def test_moments_of_four_samples_are_those_worked_out_by_hand():
    # Given 1, 2, 3, 6: mean 3, deviations -2 -1 0 3, squares 4 1 0 9, cubes -8 -1 0 27, fourths 16 1 0 81.
    moments = moments_of([1, 2, 3, 6])

    assert moments.mean == 3
    assert moments.deviation == pytest.approx(math.sqrt(14 / 3))
    assert moments.sharpe == pytest.approx(3 / math.sqrt(14 / 3))
    assert moments.skewness == pytest.approx((18 / 4) / (14 / 4) ** 1.5)
    assert moments.kurtosis == pytest.approx((98 / 4) / (14 / 4) ** 2)


@pytest.mark.req("BT-12")
@pytest.mark.parametrize("samples", [[], [5.0], [2.0, 2.0, 2.0], [0.0, 0.0]])
def test_samples_that_do_not_deviate_have_defined_values(samples):
    moments = moments_of(samples)

    assert (moments.sharpe, moments.skewness, moments.kurtosis) == (0.0, 0.0, 3.0)
    assert probability(moments) == 0.5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_profit_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="sample 1 is"):
        moments_of([1.0, bad])


@given(st.lists(st.floats(-1e3, 1e3), max_size=40), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_moments_of_parts_add_up_to_those_of_the_whole(samples, cut):
    whole = moments_of(samples)
    parts = pooled([moments_of(samples[:cut]), moments_of(samples[cut:])])

    assert parts.count == whole.count
    for name in ("total", "squares", "cubes", "fourths"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-3)


@pytest.mark.req("BT-9")
def test_the_probability_is_the_published_formula():
    # Given s = 0.1 over 100 normal samples: the root is sqrt(1 + 0.1^2 / 2), z = 0.1 * sqrt(99) / it.
    moments = _normal_like(100, 0.1)

    z = 0.1 * math.sqrt(99) / math.sqrt(1 + (3 - 1) / 4 * 0.01)

    assert probability(moments) == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=1e-9)


@pytest.mark.req("BT-9")
def test_the_luckiest_of_ten_trials_is_the_published_formula():
    # Given a spread of 1: (1 - c) * 1.2815516 + c * Phi^-1(1 - 1/(10 e)) = 0.4227843 * 1.2815516
    # + 0.5772157 * 1.7895478 = 1.5747757.
    ratios = [-1.0, 1.0]

    found = luckiest_sharpe(ratios, 10) / math.sqrt(2)

    assert found == pytest.approx(1.574_6, abs=5e-4)


def test_one_trial_has_no_luck_to_take_off():
    assert luckiest_sharpe([0.3], 1) == luckiest_noise(100, 1) == 0.0


@pytest.mark.req("BT-9")
def test_pure_noise_yields_no_winner():
    # Given 40 sweeps of 50 strategies whose minute profits are coin tosses.
    dice = random.Random(7)
    winners = 0
    for _ in range(40):
        trials = [moments_of(dice.gauss(0.0, 1.0) for _ in range(240)) for _ in range(50)]
        best = max(trials, key=lambda one: one.sharpe)

        winners += judge(best, [one.sharpe for one in trials], len(trials)).is_significant

    # At the 95 % level two of forty could pass; undeflated nearly all would.
    assert winners <= 2


@pytest.mark.req("BT-9")
def test_a_run_that_is_really_good_is_called_a_winner():
    dice = random.Random(3)
    trials = [moments_of(dice.gauss(0.0, 1.0) for _ in range(500)) for _ in range(20)]
    good = moments_of(dice.gauss(0.4, 1.0) for _ in range(500))

    verdict = judge(good, [one.sharpe for one in [*trials, good]], 21)

    assert verdict.is_significant, verdict.text


def test_a_best_run_that_loses_is_no_winner():
    losing = [moments_of([-1.0, -2.0, -1.5] * 20), moments_of([-3.0, -2.0] * 30)]

    verdict = judge(losing[0], [one.sharpe for one in losing], 2)

    assert not verdict.is_significant
    assert verdict.text == "no winner: the best run earns nothing"


def test_too_few_samples_are_said_to_be_too_few():
    verdict = judge(moments_of([1.0, 2.0] * 5), [0.5, 0.1], 2)

    assert not verdict.is_significant
    assert "10 samples of profit, at least 30" in verdict.text


def test_a_year_has_365_days():
    moments = moments_of([1.0, 3.0])

    assert moments.annual_sharpe(86_400) == pytest.approx(moments.sharpe * math.sqrt(365))


def _normal_like(count, ratio):
    """Return moments with mean `ratio`, deviation 1 (n - 1), no skew and a kurtosis of 3."""
    variance = (count - 1) / count
    squares = count * (variance + ratio**2)
    cubes = count * (ratio**3 + 3 * ratio * variance)
    fourths = count * (ratio**4 + 6 * ratio**2 * variance + 3 * variance**2)
    return Moments(count, count * ratio, squares, cubes, fourths)
