from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.imbalance_signal import (
    E7,
    ImbalanceSettings,
    atr_held_half_ticks,
    confidence_e7,
    direction,
    entry_notional,
    size_factor,
)
from services.strategy.registry import settings_of


class Features:
    """Features with the values of a good long signal, changed by the test."""

    def __init__(self, **changes):
        values = {
            "imbalance_ppm": 900_000,
            "weighted_ppm": 800_000,
            "streak": 10,
            "momentum": 0.0002,
            "imbalance_momentum": 0.01,
            "volatility_z": 0.0,
        }
        for name, value in {**values, **changes}.items():
            setattr(self, name, value)


SETTINGS = ImbalanceSettings()


@pytest.mark.req("ST-40")
@pytest.mark.parametrize(
    ("imbalance", "weighted", "streak", "z", "agrees", "wanted"),
    [
        # 0.4 * 0.5 + 0.2 * 0.5 + 0.2 * 0.5
        (500_000, 500_000, 5, None, False, 4_000_000),
        (-500_000, -500_000, 5, None, False, 4_000_000),
        (500_000, -500_000, 5, None, False, 4_000_000),
        # each part alone
        (1_000_000, 0, 0, None, False, 4_000_000),
        (0, 1_000_000, 0, None, False, 2_000_000),
        (0, 0, 5, None, False, 1_000_000),
        (0, 0, 0, None, True, 1_000_000),
        (1, 0, 0, None, False, 4),
        (0, 0, 0, None, False, 0),
        # the streak counts up to ten
        (0, 0, 9, None, False, 1_800_000),
        (0, 0, 10, None, False, 2_000_000),
        (0, 0, 11, None, False, 2_000_000),
        (0, 0, 10_000, None, False, 2_000_000),
        # volatility: beyond one deviation, not at it
        (500_000, 500_000, 5, 0.0, False, 4_000_000),
        (500_000, 500_000, 5, -1.0, False, 4_000_000),
        (500_000, 500_000, 5, -1.0000001, False, 5_000_000),
        (500_000, 500_000, 5, 1.0, False, 4_000_000),
        (500_000, 500_000, 5, 1.0000001, False, 3_000_000),
        (500_000, 500_000, 5, -300.0, False, 5_000_000),
        # clipped below at 0, also one step beside it
        (0, 0, 0, 2.0, False, 0),
        (0, 0, 4, 2.0, False, 0),
        (0, 0, 5, 2.0, False, 0),
        (0, 0, 6, 2.0, False, 200_000),
        (0, 0, 0, 2.0, True, 0),
        # at most 0.8 + 0.1 + 0.1, which is the clip above itself
        (1_000_000, 1_000_000, 10, -2.0, True, 10_000_000),
        (1_000_000, 1_000_000, 10, -2.0, False, 9_000_000),
        (1_000_000, 1_000_000, 10, 2.0, True, 8_000_000),
        (1_000_000, 1_000_000, 10, None, False, 8_000_000),
    ],
)
def test_confidence_follows_the_formula_at_each_clipping_point(
    imbalance, weighted, streak, z, agrees, wanted
) -> None:
    assert confidence_e7(imbalance, weighted, streak, z, agrees) == wanted


PPM = st.integers(-1_000_000, 1_000_000)
SCORE = st.none() | st.floats(-1000, 1000)


@pytest.mark.req("ST-40")
@given(imbalance=PPM, weighted=PPM, streak=st.integers(0, 10**6), z=SCORE, agrees=st.booleans())
@settings(max_examples=100, deadline=None)
def test_confidence_is_within_0_and_1_and_grows_with_each_part(imbalance, weighted, streak, z, agrees):
    found = confidence_e7(imbalance, weighted, streak, z, agrees)

    assert 0 <= found <= E7
    assert found == confidence_e7(-imbalance, -weighted, streak, z, agrees)
    assert found <= confidence_e7(1_000_000, weighted, streak, z, agrees)
    assert found <= confidence_e7(imbalance, weighted, streak + 1, z, agrees)
    assert found <= confidence_e7(imbalance, weighted, streak, z, True)


@pytest.mark.req("ST-39")
@pytest.mark.parametrize(
    ("changes", "spread_bps", "wanted"),
    [
        ({}, 1.0, 1),
        # each condition at its limit, and just beside it
        ({}, 10.0, 1),
        ({}, 10.0001, 0),
        ({"imbalance_ppm": 300_000, "volatility_z": -2.0, "weighted_ppm": 1_000_000}, 1.0, 1),
        ({"imbalance_ppm": 299_999, "volatility_z": -2.0, "weighted_ppm": 1_000_000}, 1.0, 0),
        ({"streak": 3}, 1.0, 1),
        ({"streak": 2}, 1.0, 0),
        ({"momentum": 0.0001}, 1.0, 1),
        ({"momentum": 0.00009999}, 1.0, 0),
        ({"momentum": 0.0}, 1.0, 0),
        ({"momentum": -0.0002}, 1.0, 0),
        ({"imbalance_momentum": 0.0}, 1.0, 1),
        ({"imbalance_momentum": -1e-9}, 1.0, 0),
        # 0.4 * 0.5 + 0.2 * 0.5 + 0.2 + 0.1 is 0.6 exactly; an imbalance of a millionth less is not enough
        ({"imbalance_ppm": 500_000, "weighted_ppm": 500_000}, 1.0, 1),
        ({"imbalance_ppm": 499_999, "weighted_ppm": 500_000}, 1.0, 0),
        ({"imbalance_ppm": 500_000, "weighted_ppm": 500_000, "imbalance_momentum": 0.0}, 1.0, 0),
        ({"imbalance_ppm": 500_000, "weighted_ppm": 500_000, "volatility_z": 1.5}, 1.0, 0),
        # a balanced book leans nowhere, whatever the threshold
        ({"imbalance_ppm": 0, "streak": 0}, 1.0, 0),
    ],
)
def test_a_signal_needs_every_condition_and_each_holds_at_its_limit(changes, spread_bps, wanted) -> None:
    assert direction(Features(**changes), spread_bps, SETTINGS)[0] == wanted


@pytest.mark.req("ST-39", "ST-40")
def test_a_balanced_book_gives_no_signal_even_without_a_threshold() -> None:
    loose = ImbalanceSettings(imbalance_threshold=0.0, persistence=1, min_confidence=0.0, min_momentum=0.0)

    assert direction(Features(imbalance_ppm=0), 1.0, loose) == (0, 0.0)
    assert direction(Features(imbalance_ppm=1), 1.0, loose)[0] == 1


@pytest.mark.req("ST-40")
def test_what_is_not_known_yet_forbids_nothing() -> None:
    unknown = Features(momentum=None, imbalance_momentum=None, volatility_z=None)

    assert direction(unknown, 1.0, SETTINGS)[0] == 1


@pytest.mark.req("ST-39")
@given(
    imbalance=PPM,
    weighted=PPM,
    streak=st.integers(0, 20),
    momentum=st.none() | st.floats(-0.01, 0.01),
    growth=st.none() | st.floats(-0.5, 0.5),
    z=SCORE,
    spread=st.floats(0, 20),
)
@settings(max_examples=100, deadline=None)
def test_a_short_signal_mirrors_a_long_one(imbalance, weighted, streak, momentum, growth, z, spread) -> None:
    loose = ImbalanceSettings(min_confidence=0.2, min_momentum=0.0)
    one = Features(
        imbalance_ppm=imbalance,
        weighted_ppm=weighted,
        streak=streak,
        momentum=momentum,
        imbalance_momentum=growth,
        volatility_z=z,
    )
    other = Features(
        imbalance_ppm=-imbalance,
        weighted_ppm=-weighted,
        streak=streak,
        momentum=None if momentum is None else -momentum,
        imbalance_momentum=None if growth is None else -growth,
        volatility_z=z,
    )

    sign, sure = direction(one, spread, loose)
    assert direction(other, spread, loose) == (-sign, sure)
    assert sign * imbalance >= 0
    assert sign == 0 or sure >= loose.min_confidence


@pytest.mark.req("ST-41")
@pytest.mark.parametrize(
    ("z", "factor"),
    [
        (None, "1"),
        (0.0, "1"),
        (-1.0, "1"),
        (1.0, "1"),
        (-1.0000001, "1.5"),
        (1.0000001, "0.5"),
    ],
)
def test_the_size_is_larger_in_calm_and_smaller_in_wild_markets(z, factor) -> None:
    assert size_factor(z) == Decimal(factor)
    # 10 % of 10,000, times the factor; half of that when adding
    assert entry_notional(Decimal(10_000), SETTINGS, z, is_adding=False) == 1000 * Decimal(factor)
    assert entry_notional(Decimal(10_000), SETTINGS, z, is_adding=True) == 500 * Decimal(factor)


@pytest.mark.req("ST-42")
def test_the_range_of_a_position_has_two_floors() -> None:
    # 0.5 bps of 600,000 ticks are 30 ticks, 60 half ticks
    floored = ImbalanceSettings(atr_floor_bps=0.5)

    assert atr_held_half_ticks(59.0, 600_000, floored) == 60.0
    assert atr_held_half_ticks(61.0, 600_000, floored) == 61.0
    assert atr_held_half_ticks(0.0, 600_000, SETTINGS) == 2.0
    assert atr_held_half_ticks(2.5, 600_000, SETTINGS) == 2.5


OUTSIDE = {
    "equity_quote": ["0", "-1", "1e13", "Infinity", "NaN", "much"],
    "position_size": [0, 1.1, "nan", "inf"],
    "max_position": [0, -0.1, 1.1, "nan"],
    "sample_ms": [-1, 60_001, 1.5],
    "max_spread_bps": [0, 10_001, "nan", "inf"],
    "imbalance_threshold": [-0.1, 1.1, "nan"],
    "persistence": [0, 10_001],
    "min_confidence": [-0.1, 1.1, "nan"],
    "min_momentum": [-0.1, 1.1, "nan"],
    "stop_atr": [0, -2, 1001, "inf", "nan"],
    "target_atr": [0, -3, 1001, "inf", "nan"],
    "atr_floor_bps": [-1, 1001, "inf", "nan"],
    "max_daily_trades": [-1, 100_001],
    "entry_gap_s": [-1, 86_401],
}


def test_every_setting_is_tried_outside_its_range() -> None:
    assert set(OUTSIDE) == {field.name for field in fields(ImbalanceSettings)}


@pytest.mark.parametrize(("name", "value"), [(name, v) for name, values in OUTSIDE.items() for v in values])
def test_a_setting_outside_its_range_is_refused_by_name(name, value) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: "):
        settings_of("imbalance", {name: value})


def test_an_entry_larger_than_the_largest_position_is_refused() -> None:
    with pytest.raises(ValueError, match=r"position_size 0\.3 is more than max_position 0\.2"):
        settings_of("imbalance", {"position_size": 0.3})
