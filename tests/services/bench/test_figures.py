"""A figure is judged by its bounds alone."""

import pytest

from services.bench.figures import Figure, median, percentile


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        (50, {"at_most": 50}, True),
        (50.1, {"at_most": 50}, False),
        (50_000, {"at_least": 50_000}, True),
        (49_999, {"at_least": 50_000}, False),
        (130, {"ratio_max": 1.3, "peer": 100}, True),
        (131, {"ratio_max": 1.3, "peer": 100}, False),
        (900, {"at_most": 950, "ratio_max": 1.3, "peer": 600}, False),
    ],
)
def test_a_figure_meets_its_budget_when_every_bound_holds(value, bounds, expected):
    figure = Figure(name="n", unit="us", value=value, **bounds)

    assert figure.is_met is expected


@pytest.mark.parametrize("bounds", [{}, {"ratio_max": 1.3}])
def test_a_figure_without_a_bound_or_without_its_peer_is_not_judged(bounds):
    assert Figure(name="n", unit="us", value=1, **bounds).is_met is None


def test_the_row_of_a_figure_shows_value_budget_ratio_and_verdict():
    figure = Figure(
        name="update", unit="ns", value=150, peer=100, peer_name="prototype", ratio_max=1.3, at_most=200
    )

    assert figure.line() == "| update | 150 ns | <= 200, <= 1.3 x prototype (is 1.50) | 100 | MISSED |"


def test_a_ratio_without_its_peer_says_that_the_peer_is_not_here():
    figure = Figure(name="update", unit="ns", value=150, peer_name="prototype", ratio_max=1.3)

    assert "peer not here" in figure.line()


def test_percentiles_are_values_that_were_measured():
    values = [float(i) for i in range(1, 101)]

    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile([7.0], 0.99) == 7
    assert median([3.0, 1.0, 2.0]) == 2
