"""The parameters of a full model: what is set counts, the rest is learnt, and without both it says why."""

import math

import pytest

from services.strategy.maker_calibration import ModelCalibration, Parameters
from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.units import NS_PER_S, Side

FIXED = {"sigma_bps": 1.0, "kappa_per_bps": 2.0, "arrivals_per_s": 5.0, "risk_aversion": 0.1}


def calibration(model="avellaneda_stoikov", **changes):
    return ModelCalibration(AvellanedaStoikovSettings(**{"model": model, **changes}))


@pytest.mark.req("ST-16")
def test_what_is_set_needs_no_market_and_gives_the_answer_of_the_paper() -> None:
    one = calibration(**FIXED, horizon_s=10.0)

    shape, why = one.shape(60.0)

    # skew = gamma sigma^2 T = 1 bp; half = 1 / 2 + ln(1 + 0.1 / 2) / 0.1 bps
    assert (one.missing(), why) == ("", "")
    assert shape.skew_per_order == pytest.approx(60.0)
    assert shape.half == pytest.approx(60 * (0.5 + math.log(1.05) / 0.1))


@pytest.mark.req("ST-16")
def test_without_a_market_it_says_what_is_missing() -> None:
    one = calibration("glft", **{**FIXED, "sigma_bps": 0.0, "arrivals_per_s": 0.0})

    shape, why = one.shape(60.0)

    assert shape is None
    assert why.startswith("calibrating: 0 of 60 s of moves, 0 of 50 orders")


@pytest.mark.req("ST-16")
def test_an_answer_beyond_the_limit_is_none_and_names_it() -> None:
    shape, why = calibration(**FIXED, horizon_s=10.0, max_half_spread_bps=0.5).shape(60.0)

    assert shape is None
    assert "more than max_half_spread_bps 0.5" in why


@pytest.mark.req("ST-16")
def test_it_learns_only_while_its_instance_is_shown_trades(make_stage) -> None:
    heard, deaf = calibration(), calibration()
    stage = make_stage()
    heard.on_state("warming_up")
    deaf.on_state("paused")

    for second in range(30):
        stage.at((1_700_000_000 + second) * NS_PER_S).touch(599_999 + second % 3, 600_001 + second % 3)
        for one in (heard, deaf):
            one.on_trade(stage.ctx, stage.trade(Side.BUY, 600_010, 1))
            one.on_time(stage.ctx)

    assert heard.parameters(60.0).sigma_bps > 0
    assert deaf.parameters(60.0) == Parameters(0.0, 0.0, 0.0)


@pytest.mark.req("ST-16")
def test_a_state_comes_back_as_it_was() -> None:
    one, other = calibration(), calibration()
    one.on_state("quoting")

    other.load(one.dump())

    assert other.is_heard
    assert other.dump() == one.dump()
