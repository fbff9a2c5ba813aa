import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.imbalance_features import Features, slope, z_score


def taught(stage, mids=(), imbalances=()):
    """Features of books with these mids (in half ticks, even) or these imbalances (in percent)."""
    features = Features()
    for mid in mids:
        features.add(stage.touch(mid // 2 - 1, mid // 2 + 1).ctx.book)
    for percent in imbalances:
        features.add(stage.book([(1000, 100 + percent)], [(1002, 100 - percent)]).ctx.book)
    return features


@pytest.mark.req("ST-38")
def test_a_slope_is_the_least_squares_one() -> None:
    assert slope([1, 2, 3, 4]) == 1.0
    # around the middle (1, 1): (-1)(-1) + 0 + (1)(2) = 3 over 2
    assert slope([0, 0, 3]) == 1.5
    assert slope([9, 7, 5]) == -2.0
    assert slope([5]) == 0.0
    assert slope([]) == 0.0


@pytest.mark.req("ST-38", "ST-40")
@given(value=st.integers(-1_000_000, 1_000_000), count=st.integers(2, 20))
@settings(max_examples=100, deadline=None)
def test_values_that_are_all_alike_have_exactly_no_slope(value, count) -> None:
    assert slope([value] * count) == 0.0


@pytest.mark.req("ST-38")
def test_a_z_score_needs_twenty_values() -> None:
    assert z_score([0.0] * 18 + [1.0], 0.001) is None
    # mean 1/20, variance 19/400: (19/20) / (sqrt(19)/20)
    assert z_score([0.0] * 19 + [1.0], 0.001) == pytest.approx(math.sqrt(19))
    assert z_score([0.0] * 99 + [1.0], 0.001) == pytest.approx(math.sqrt(99))


@pytest.mark.req("ST-38")
def test_the_floor_of_the_deviation_keeps_a_score_small() -> None:
    # the last value lies 0.00019 above the mean; the deviation itself is 0.0000436
    hair = [0.5] * 19 + [0.5002]

    assert z_score(hair, 0.001) == pytest.approx(0.19)
    assert z_score(hair, 0.0001) == pytest.approx(1.9)
    assert z_score(hair, 0.0) == pytest.approx(math.sqrt(19))
    assert z_score([0.5] * 20, 0.0001) == 0.0


@pytest.mark.req("ST-38")
def test_the_volatility_is_that_of_twenty_log_returns_of_the_mid_annualised(make_stage) -> None:
    # ten returns of +r and ten of -r: the mean is 0 and the deviation r
    mids = [2000, 2020] * 10 + [2000]

    assert taught(make_stage(), mids[:20]).volatility is None
    found = taught(make_stage(), mids).volatility
    assert found == pytest.approx(math.log(1.01) * math.sqrt(252 * 24 * 60))


@pytest.mark.req("ST-38")
def test_the_volatility_score_is_in_one_unit(make_stage) -> None:
    # 100 volatilities of the same size: the source would have said a score in the hundreds
    features = taught(make_stage(), [2000, 2020] * 60)

    assert features.volatility_z == pytest.approx(0.0, abs=1e-6)


@pytest.mark.req("ST-38")
def test_the_volatility_score_by_hand(make_stage) -> None:
    # 38 equal moves give 19 volatilities r; the one of a mid that stays is r sqrt(0.95)
    # (19 returns of size r with one more plus than minus, or the other way, and one of 0)
    features = taught(make_stage(), [2000, 2020] * 19 + [2000, 2000])
    r = math.log(1.01)
    before, after = r, math.sqrt((19 * r * r) / 20 - (r / 20) ** 2)

    mean = (19 * before + after) / 20
    deviation = math.sqrt((19 * (before - mean) ** 2 + (after - mean) ** 2) / 20)
    assert features.volatility_z == pytest.approx((after - mean) / deviation)
    assert features.volatility_z == pytest.approx(-math.sqrt(19))


@pytest.mark.req("ST-38")
def test_the_momentum_is_of_ten_mids(make_stage) -> None:
    mids = [500, *range(1000, 1020, 2)]

    assert taught(make_stage(), mids[1:10]).momentum is None
    assert taught(make_stage(), mids).momentum == 0.018


@pytest.mark.req("ST-38")
def test_the_imbalance_momentum_is_the_slope_of_ten(make_stage) -> None:
    stage = make_stage()

    assert taught(stage, imbalances=range(9)).imbalance_momentum is None
    # one percent more with each sample; the value of 50 % has left the window
    assert taught(stage, imbalances=[50, *range(10)]).imbalance_momentum == 0.01
    assert taught(stage, imbalances=[0] * 10).imbalance_momentum == 0.0
    assert taught(stage, imbalances=[33] * 10).imbalance_momentum == 0.0


@pytest.mark.req("ST-38")
def test_the_imbalance_score_is_over_the_last_hundred(make_stage) -> None:
    stage = make_stage()

    assert taught(stage, imbalances=[0] * 18 + [40]).imbalance_z is None
    assert taught(stage, imbalances=[0] * 19 + [40]).imbalance_z == pytest.approx(math.sqrt(19))
    assert taught(stage, imbalances=[90] * 50 + [0] * 99 + [40]).imbalance_z == pytest.approx(math.sqrt(99))


@pytest.mark.req("ST-38")
def test_the_range_is_the_mean_move_of_the_mid_over_fourteen(make_stage) -> None:
    # moves of 2, 4 .. 28 half ticks, up and down
    mids = [2000]
    for step in range(1, 15):
        mids.append(mids[-1] + 2 * step * (-1) ** step)

    assert taught(make_stage(), mids[:14]).atr_half_ticks is None
    assert taught(make_stage(), mids).atr_half_ticks == 15.0
    assert taught(make_stage(), [2000] * 15).atr_half_ticks == 0.0


@pytest.mark.req("ST-40")
def test_a_balanced_book_is_a_value_and_ends_a_streak(make_stage) -> None:
    stage, features = make_stage(), Features()
    streaks = []
    for lots in (200, 300, 100, 100, 50, 20, 400):
        features.add(stage.book([(100, lots)], [(101, 100)]).ctx.book)
        streaks.append(features.streak)

    assert streaks == [1, 2, 0, 0, 1, 2, 1]
    # a zero counts in slope and score like any other value
    assert len(features.dump()[3]) == 7


@pytest.mark.req("ST-38")
def test_a_calm_market_after_a_wild_one_has_a_low_volatility_score(make_stage) -> None:
    mids = [200_000 + (80 if step < 90 and step % 2 else 0) + 2 * (step % 2) for step in range(120)]

    features = taught(make_stage(), mids)

    assert features.volatility_z < -1
    assert features.imbalance_z == 0.0


@pytest.mark.req("ST-38")
def test_after_missing_samples_what_counts_in_a_row_begins_anew(make_stage) -> None:
    stage = make_stage()
    features = taught(stage, [2000, 2020] * 30, imbalances=[50] * 15)
    score = features.volatility_z
    assert features.streak == 15

    features.break_off()

    assert (features.streak, features.momentum, features.imbalance_momentum) == (0, None, None)
    assert features.atr_half_ticks is None
    assert features.volatility_z == score


def test_loaded_features_go_on_as_the_saved_ones(make_stage) -> None:
    stage, features, other = make_stage(), Features(), Features()
    for step in range(150):
        features.add(stage.book([(1000 + step % 7, 100 + step)], [(1010, 150)]).ctx.book)

    other.load(features.dump())
    for one in (features, other):
        one.add(stage.touch(1003, 1009).ctx.book)

    assert other.dump() == features.dump()


def test_a_snapshot_of_the_first_builds_is_read(make_stage) -> None:
    features, other = taught(make_stage(), imbalances=[33, -20, 7]), Features()
    dumped = features.dump()
    old = [*dumped[:3], [0.33, -0.2, 0.07], [0.33, -0.2, 0.07], dumped[5], 0.07, 0.07, dumped[8]]

    other.load(old)

    assert other.dump() == dumped


@given(
    lots=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=130),
)
@settings(max_examples=50, deadline=None)
@pytest.mark.req("ST-38")
def test_every_feature_of_a_mirrored_book_is_mirrored(lots) -> None:
    from shared.kernels.book import Book

    def levels(bid, ask):
        return b"".join(n.to_bytes(8, "little") for n in (1000, bid, 1002, ask))

    one, other, book = Features(), Features(), Book()
    for bid, ask in lots:
        book.snapshot(levels(bid, ask), 1, 1)
        one.add(book)
        book.snapshot(levels(ask, bid), 1, 1)
        other.add(book)
    found = SimpleNamespace(one=one, other=other)

    assert found.one.imbalance_ppm == -found.other.imbalance_ppm
    assert found.one.weighted_ppm == -found.other.weighted_ppm
    assert found.one.streak == found.other.streak
    assert (found.one.imbalance_momentum or 0.0) == -(found.other.imbalance_momentum or 0.0)
    assert abs(found.one.imbalance_ppm) <= 1_000_000
