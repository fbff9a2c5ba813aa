"""ST-16: the formulas of the papers, against figures worked out by hand and their own properties."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.maker_models import Shape, avellaneda_stoikov, glft

GAMMAS = st.floats(1e-6, 100)
SIGMAS = st.floats(0.01, 100)
KAPPAS = st.floats(0.01, 100)
ARRIVALS = st.floats(0.01, 1000)
HORIZONS = st.floats(0.1, 3600)


def quotes(shape, q):
    """Return the distances of bid and ask from the fair value with `q` orders held."""
    return shape.half + q * shape.skew_per_order, shape.half - q * shape.skew_per_order


@pytest.mark.req("ST-16")
def test_the_model_of_2008_at_the_figures_of_its_paper() -> None:
    # gamma 0.1, sigma 2, kappa 1.5, T - t = 1, as in the paper's simulations
    shape = avellaneda_stoikov(0.1, 2.0, 1.5, 1.0)

    # r = s - q * 0.1 * 4 * 1; spread 0.4 + 20 ln(1 + 1 / 15) = 0.4 + 1.2907704227514234
    assert shape.skew_per_order == pytest.approx(0.4)
    assert 2 * shape.half == pytest.approx(1.6907704227514234, rel=1e-12)
    # 3 held: r = s - 1.2, bid and ask 0.8453852 either side of it
    assert quotes(shape, 3) == (pytest.approx(2.0453852113757117), pytest.approx(-0.3546147886242883))


@pytest.mark.req("ST-16")
def test_the_closed_form_of_2013_at_round_figures() -> None:
    # gamma = kappa = 1: ln 2 = 0.693147..., (1 + 1)^(1 + 1) = 4; sigma 1, A = 2: C = sqrt(1 / 4 * 4) = 1
    shape = glft(1.0, 1.0, 1.0, 2.0)

    assert shape == (pytest.approx(math.log(2) + 0.5), pytest.approx(1.0))
    # bid ln 2 + (2q + 1) / 2, ask ln 2 - (2q - 1) / 2
    assert quotes(shape, 2) == (pytest.approx(math.log(2) + 2.5), pytest.approx(math.log(2) - 1.5))


@pytest.mark.req("ST-16")
def test_the_closed_form_of_2013_at_the_figures_of_its_paper() -> None:
    # sigma 0.3 ticks per root s, A 0.9 per s, kappa 0.3 per tick, gamma 0.01
    shape = glft(0.01, 0.3, 0.3, 0.9)

    # 100 ln(31 / 30) = 3.2789822822991; (31 / 30)^31 = exp(31 * 0.032789822822991) = 2.7634627...
    # C = sqrt(0.09 * 0.01 / (2 * 0.3 * 0.9) * 2.7634627) = sqrt(0.00460577) = 0.0678658
    assert shape.skew_per_order == pytest.approx(0.0678658, abs=1e-7)
    assert shape.half == pytest.approx(3.2789822822991 + 0.0678658 / 2, abs=1e-7)


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("gamma", [0.0, 1e-300, 1e-17, 1e-12, 1e-9])
def test_without_aversion_to_risk_both_quote_one_over_kappa_and_do_not_skew(gamma) -> None:
    for shape in (avellaneda_stoikov(gamma, 2.0, 0.5, 60.0), glft(gamma, 2.0, 0.5, 3.0)):
        assert shape.half == pytest.approx(2.0, rel=1e-3)
        assert shape.skew_per_order == pytest.approx(0.0, abs=1e-3)


@pytest.mark.req("ST-16")
def test_with_little_aversion_the_slope_of_2013_goes_as_its_root() -> None:
    # (1 + x)^(1 + 1 / x) goes to e
    assert glft(1e-8, 1.0, 1.0, 1.0).skew_per_order == pytest.approx(math.sqrt(1e-8 * math.e / 2), rel=1e-6)


def models(gamma, sigma, kappa, arrivals, horizon) -> list[Shape]:
    return [avellaneda_stoikov(gamma, sigma, kappa, horizon), glft(gamma, sigma, kappa, arrivals)]


@pytest.mark.req("ST-16")
@given(GAMMAS, SIGMAS, KAPPAS, ARRIVALS, HORIZONS, st.integers(-20, 20))
@settings(max_examples=100, deadline=None)
def test_a_flat_maker_quotes_symmetrically_and_an_inventory_moves_both_quotes_alike(
    gamma, sigma, kappa, arrivals, horizon, q
) -> None:
    for shape in models(gamma, sigma, kappa, arrivals, horizon):
        assert all(math.isfinite(value) and value > 0 for value in shape)
        assert quotes(shape, 0)[0] == quotes(shape, 0)[1]
        bid, ask = quotes(shape, q)
        assert bid + ask == pytest.approx(2 * shape.half, rel=1e-6, abs=1e-9 * abs(q * shape.skew_per_order))
        assert quotes(shape, -q) == (ask, bid)
        assert quotes(shape, q + 1)[0] > bid
        assert quotes(shape, q + 1)[1] < ask


@pytest.mark.req("ST-16")
@given(GAMMAS, SIGMAS, KAPPAS, ARRIVALS, HORIZONS, st.floats(1.01, 10))
@settings(max_examples=100, deadline=None)
def test_spread_and_skew_grow_with_volatility_and_skew_with_aversion(
    gamma, sigma, kappa, arrivals, horizon, factor
) -> None:
    now = models(gamma, sigma, kappa, arrivals, horizon)
    wilder = models(gamma, sigma * factor, kappa, arrivals, horizon)
    for one, other in zip(now, wilder, strict=True):
        assert other.half > one.half
        assert other.skew_per_order > one.skew_per_order
    for one, other in zip(now, models(gamma * factor, sigma, kappa, arrivals, horizon), strict=True):
        assert other.skew_per_order > one.skew_per_order


@pytest.mark.req("ST-16")
@given(GAMMAS, SIGMAS, KAPPAS, ARRIVALS, HORIZONS, st.floats(1.01, 10))
@settings(max_examples=100, deadline=None)
def test_a_denser_or_busier_flow_makes_the_quotes_tighter(
    gamma, sigma, kappa, arrivals, horizon, factor
) -> None:
    sparse, busy = glft(gamma, sigma, kappa, arrivals), glft(gamma, sigma, kappa, arrivals * factor)
    assert busy.half < sparse.half
    assert busy.skew_per_order < sparse.skew_per_order
    dense = models(gamma, sigma, kappa * factor, arrivals, horizon)
    assert dense[0].half < models(gamma, sigma, kappa, arrivals, horizon)[0].half


@pytest.mark.req("ST-16")
@given(GAMMAS, SIGMAS, KAPPAS, ARRIVALS, HORIZONS, st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_a_parameter_that_moves_by_a_millionth_moves_the_quotes_by_little(
    gamma, sigma, kappa, arrivals, horizon, which
) -> None:
    values = [gamma, sigma, kappa, arrivals]
    moved = list(values)
    moved[which] *= 1 + 1e-6
    for one, other in zip(models(*values, horizon), models(*moved, horizon), strict=True):
        assert other.half == pytest.approx(one.half, rel=1e-4)
        assert other.skew_per_order == pytest.approx(one.skew_per_order, rel=1e-4)


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("ratio", [1e-16, 1.0000001e-16, 2e-16])
def test_the_limit_formula_joins_the_exact_one_without_a_step(ratio) -> None:
    below, above = glft(1e-16, 1.0, 1.0, 1.0), glft(ratio, 1.0, 1.0, 1.0)

    assert above.half == pytest.approx(below.half, rel=1e-7)
