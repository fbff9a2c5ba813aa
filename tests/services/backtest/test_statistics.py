"""Ratios of profits, worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backtest import statistics

PROFITS = [1.0, -1.0, 2.0, 2.0]
"""Mean 1; deviations 0, -2, 1, 1: squares 6, sample variance 2."""


@pytest.mark.req("BT-2", "BT-12")
def test_sharpe_is_mean_over_sample_deviation_at_365_days_a_year():
    daily = statistics.sharpe(PROFITS, 86_400)

    assert daily.value == pytest.approx(1 / math.sqrt(2) * math.sqrt(365))
    assert daily.error == pytest.approx(1.959964 * math.sqrt((1 + 0.25) / 4) * math.sqrt(365))


@pytest.mark.req("BT-2", "BT-12")
def test_sortino_counts_losses_alone_and_all_intervals():
    # one loss of 1 in four intervals: sqrt(1 / 4) = 0.5, and the mean of 1 is twice that
    assert statistics.sortino(PROFITS, 86_400) == pytest.approx(2 * math.sqrt(365))


@pytest.mark.req("BT-2", "BT-12")
def test_calmar_is_the_profit_of_a_year_over_the_drawdown():
    assert statistics.calmar(10.0, 86_400 * 73, 25.0) == pytest.approx(10 * 5 / 25)


@pytest.mark.req("BT-2", "BT-12")
def test_value_at_risk_is_the_best_of_the_worst_twentieth_and_its_mean():
    profits = [float(value) for value in range(-3, 37)]  # 40 of them: the two worst are -3 and -2

    assert statistics.value_at_risk(profits, 0.95) == (2.0, 2.5)
    assert statistics.value_at_risk(profits, 0.99) == (3.0, 3.0)
    assert statistics.value_at_risk([5.0], 0.99) == (-5.0, -5.0), "a worst interval that still earned"


@pytest.mark.req("BT-12")
def test_nothing_and_one_value_give_no_ratio_and_no_error():
    for profits in ([], [1.0]):
        assert statistics.sharpe(profits, 1) is None
        assert statistics.sortino(profits, 1) is None
    assert statistics.sharpe([0.1, 0.1, 0.1], 1) is None, "no risk is seen, so there is no ratio of it"
    assert statistics.sortino([1.0, 2.0], 1) is None
    assert statistics.value_at_risk([], 0.95) is None
    assert statistics.calmar(1.0, 1.0, 0.0) is None
    assert statistics.win_rate(0, 0) is None
    assert statistics.mean_with_error([]) is None
    assert statistics.mean_with_error([3.0]) == (3.0, None)
    assert statistics.quantile([], 0.5) is None


def test_win_rate_has_the_wilson_interval():
    # 8 of 10: middle (0.8 + 0.19207) / 1.38415 = 0.71674, half 1.96 / 1.38415 * sqrt(0.0256037) = 0.22657
    rate = statistics.win_rate(8, 10)

    assert rate.value == 0.8
    assert (rate.low, rate.high) == pytest.approx((0.49016, 0.94331), abs=1e-4)
    assert statistics.win_rate(5, 5).low < 0.6, "five of five do not prove that none is ever lost"


def test_few_values_have_the_error_of_their_mean():
    found = statistics.mean_with_error(PROFITS)

    assert found.value == 1.0
    assert found.error == pytest.approx(1.959964 * math.sqrt(2 / 4))


def test_neighbours_that_hang_together_widen_the_error():
    alternating = [1.0, -1.0] * 300
    in_blocks = ([1.0] * 20 + [-1.0] * 20) * 15

    assert (
        statistics.mean_with_error(in_blocks).error > 4 * statistics.mean_with_error(alternating).error + 0.05
    )


def test_a_ratio_is_weighted_by_its_denominators():
    # 1 of 10 and 9 of 20: 10 / 30, not the mean of 0.1 and 0.45
    assert statistics.ratio_with_error([1.0, 9.0], [10.0, 20.0]).value == pytest.approx(1 / 3)


def test_a_quantile_is_the_nearest_rank():
    assert statistics.quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert statistics.quantile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_the_mean_beyond_the_value_at_risk_is_never_a_smaller_loss(profits):
    at_risk, beyond = statistics.value_at_risk(profits, 0.95)

    assert beyond >= at_risk - 1e-6
    assert at_risk <= -min(profits)
