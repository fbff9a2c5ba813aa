import math
from collections import deque

import pytest

from services.strategy.imbalance_features import Features, slope, z_score


@pytest.mark.req("ST-38")
def test_a_slope_is_the_least_squares_one() -> None:
    assert slope(deque([1.0, 2.0, 3.0, 4.0])) == 1.0
    assert slope(deque([0.0, 0.0, 3.0])) == 1.5
    assert slope(deque([5.0])) == 0.0


@pytest.mark.req("ST-38")
def test_a_z_score_needs_twenty_values_and_has_a_floor() -> None:
    assert z_score(deque([0.0] * 19), 0.001) is None
    assert z_score(deque([0.0] * 19 + [1.0]), 0.001) == pytest.approx(0.95 / math.sqrt(0.0475))
    # all alike but for a hair: the floor keeps the score small
    assert abs(z_score(deque([0.5] * 19 + [0.50001]), 0.001)) < 0.01


@pytest.mark.req("ST-38", "ST-40")
def test_features_are_unknown_until_their_windows_are_full(make_stage) -> None:
    stage, features = make_stage(), Features()
    for step in range(9):
        features.add(stage.touch(1000 + step, 1002 + step).ctx.book)
        assert features.momentum is None
        assert features.imbalance_momentum is None
        assert features.atr_half_ticks is None
    for step in range(9, 15):
        features.add(stage.touch(1000 + step, 1002 + step).ctx.book)

    # mids 1006 .. 1015 in the last ten; each step moves the mid by 2 half ticks
    assert features.momentum == pytest.approx(9 / 1006)
    assert features.imbalance_momentum == 0.0
    assert features.atr_half_ticks == 2.0
    assert features.volatility_z is None


@pytest.mark.req("ST-40")
def test_a_balanced_book_is_a_value_and_ends_a_streak(make_stage) -> None:
    stage, features = make_stage(), Features()
    streaks = []
    for lots in (200, 300, 100, 100, 50, 20, 400):
        features.add(stage.book([(100, lots)], [(101, 100)]).ctx.book)
        streaks.append(features.streak)

    assert streaks == [1, 2, 0, 0, 1, 2, 1]


@pytest.mark.req("ST-38")
def test_a_calm_market_after_a_wild_one_has_a_low_volatility_score(make_stage) -> None:
    stage, features = make_stage(), Features()
    for step in range(120):
        swing = 40 if step < 90 and step % 2 else 0
        features.add(stage.touch(100_000 + swing + step % 2, 100_002 + swing + step % 2).ctx.book)

    assert features.volatility_z < -1
    assert features.imbalance_z == 0.0


def test_loaded_features_go_on_as_the_saved_ones(make_stage) -> None:
    stage, features, other = make_stage(), Features(), Features()
    for step in range(150):
        features.add(stage.book([(1000 + step % 7, 100 + step)], [(1010, 150)]).ctx.book)

    other.load(features.dump())
    for one in (features, other):
        one.add(stage.touch(1003, 1009).ctx.book)

    assert other.dump() == features.dump()
