"""Every mistake in the settings of the market maker is refused with what is wrong and what to do."""

import dataclasses
from decimal import Decimal

import pytest

from services.strategy.maker_settings import AvellanedaStoikovSettings
from services.strategy.registry import settings_of

KIND = "avellaneda_stoikov"
OUTSIDE = [
    ("order_notional", "0", "not more than 0"),
    ("order_notional", "-5", "not more than 0"),
    ("order_notional", "1e13", "more than 1000000000000"),
    ("order_notional", "NaN", "NaN is no number"),
    ("max_inventory_notional", "sNaN", "sNaN is no number"),
    ("max_inventory_notional", "0", "not more than 0"),
    ("max_inventory_notional", "Infinity", "more than 1000000000000"),
    ("model", "glf", "Invalid enum value"),
    ("half_spread_bps", "0", "not more than 0"),
    ("half_spread_bps", "1001", "more than 1000"),
    ("half_spread_bps", "nan", "not more than 0"),
    ("gamma_e4", "-1", "less than 0"),
    ("gamma_e4", "100001", "more than 100000"),
    ("gamma_e4", "0.5", "Expected `int`"),
    ("depth", "0", "less than 1"),
    ("depth", "21", "more than 20"),
    ("vpin_enabled", "sometimes", "Invalid enum value"),
    ("vpin_window", "9", "less than 10"),
    ("vpin_window", "4097", "more than 4096"),
    ("vpin_auto_trades_per_s", "0", "not more than 0"),
    ("vpin_auto_trades_per_s", "inf", "more than 10000"),
    ("toxic_ppm", "0", "not more than 0"),
    ("toxic_ppm", "1000001", "more than 1000000"),
    ("release_ppm", "0", "not more than 0"),
    ("volatility_weight_e4", "-1", "less than 0"),
    ("volatility_weight_e4", "10001", "more than 10000"),
    ("warmup_books", "-1", "less than 0"),
    ("warmup_books", "10001", "more than 10000"),
    ("cooldown_books", "-1", "less than 0"),
    ("cooldown_books", "10001", "more than 10000"),
    ("requote_threshold_bps", "-0.1", "less than 0"),
    ("requote_threshold_bps", "nan", "less than 0"),
    ("requote_threshold_ticks", "0", "less than 1"),
    ("requote_threshold_ticks", "1000001", "more than 1000000"),
    ("gate_by_position", "perhaps", "Expected `bool`"),
    ("risk_aversion", "-0.1", "less than 0"),
    ("risk_aversion", "1001", "more than 1000"),
    ("horizon_s", "0", "not more than 0"),
    ("horizon_s", "86401", "more than 86400"),
    ("sigma_bps", "-1", "less than 0"),
    ("sigma_bps", "nan", "less than 0"),
    ("kappa_per_bps", "-1", "less than 0"),
    ("kappa_per_bps", "inf", "more than 100000"),
    ("arrivals_per_s", "-1", "less than 0"),
    ("arrivals_per_s", "1000001", "more than 1000000"),
    ("calibration_half_life_s", "9", "less than 10"),
    ("calibration_half_life_s", "inf", "more than 1000000"),
    ("calibration_orders", "9", "less than 10"),
    ("calibration_s", "9", "less than 10"),
    ("sample_ms", "199", "less than 200"),
    ("sample_ms", "60001", "more than 60000"),
    ("min_half_spread_bps", "-1", "less than 0"),
    ("max_half_spread_bps", "0", "not more than 0"),
    ("max_half_spread_bps", "1001", "more than 1000"),
]


@pytest.mark.parametrize(("name", "value", "text"), OUTSIDE)
def test_a_value_outside_its_range_is_named_with_the_range(name, value, text) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        settings_of(KIND, {name: value})

    assert str(caught.value).startswith(f"{name}: ")


def test_every_setting_is_tried_outside_its_range() -> None:
    tried = {name for name, _, _ in OUTSIDE}

    assert tried == {field.name for field in dataclasses.fields(AvellanedaStoikovSettings)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"release_ppm": 700_000}, "release_ppm 700000 must be below toxic_ppm 600000"),
        ({"release_ppm": 600_000}, "release_ppm 600000 must be below toxic_ppm 600000"),
        ({"order_notional": Decimal(2000)}, "order_notional 2000 is more than max_inventory_notional 1000"),
        ({"min_half_spread_bps": 101.0}, "min_half_spread_bps 101.0 is more than max_half_spread_bps 100.0"),
        (
            {"calibration_half_life_s": 40.0},
            "calibration_s 60 cannot be reached.* at most 58 s are remembered",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused(changes, text) -> None:
    with pytest.raises(ValueError, match=text):
        AvellanedaStoikovSettings(**changes)
