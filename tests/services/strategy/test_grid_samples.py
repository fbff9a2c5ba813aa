import pytest

from services.strategy.grid_samples import Adaptation, Samples
from services.strategy.grid_settings import GridSettings

S = 10**9
START = 1_000_000 * S


def taken(settings, halves, every_s=60):
    samples = Samples()
    for at, half in enumerate(halves):
        samples.add(settings, half, START + at * every_s * S)
    return samples


@pytest.mark.req("ST-34")
def test_one_sample_is_taken_in_each_interval_of_the_clock_and_only_as_many_kept() -> None:
    settings = GridSettings(trend_length=3, sample_s=60)
    samples = Samples()

    is_new = [
        samples.add(settings, half, 60 * S * 1000 + at * S) for at, half in ((0, 10), (59, 11), (60, 12))
    ]

    assert is_new == [True, False, True]
    assert taken(settings, range(10)).halves == [7, 8, 9]


def test_after_a_long_silence_old_samples_are_dropped() -> None:
    settings = GridSettings(trend_length=3, sample_s=60)
    samples = taken(settings, (10, 11, 12))

    samples.add(settings, 13, START + (2 + 4) * 60 * S)

    assert samples.halves == [13]


@pytest.mark.req("ST-34")
def test_the_trend_is_against_a_buy_below_the_average_and_against_a_short_above_it() -> None:
    settings = GridSettings(trend_length=3)
    samples = taken(settings, (1000, 1010, 1020))

    # the average is 1010
    assert [samples.is_against(settings, 1, half) for half in (1009, 1010, 1011)] == [True, False, False]
    assert [samples.is_against(settings, -1, half) for half in (1009, 1010, 1011)] == [False, False, True]
    # a band of 1 % reaches to 999.9 and 1020.1
    wide = GridSettings(trend_length=3, trend_band_bps=100)
    assert [samples.is_against(wide, 1, half) for half in (999, 1000)] == [True, False]
    assert [samples.is_against(wide, -1, half) for half in (1020, 1021)] == [False, True]


@pytest.mark.req("ST-34")
def test_an_average_that_is_not_known_yet_is_against_every_entry() -> None:
    settings = GridSettings(trend_length=3)
    samples = taken(settings, (1000, 1010))

    assert samples.is_against(settings, 1, 5000)
    assert samples.is_against(settings, -1, 1)
    assert not samples.is_against(GridSettings(), 1, 1)


@pytest.mark.req("ST-37")
def test_volatility_is_the_mean_change_from_sample_to_sample() -> None:
    settings = GridSettings(is_adaptive=True, volatility_length=3)
    samples = taken(settings, (1000, 1010, 1000, 1020))

    # 10 + 10 + 20 over 1010 + 1000 + 1020
    assert samples.volatility_ppm(3) == 40 * 1_000_000 // 3030
    assert taken(settings, (1000, 1010, 1000)).volatility_ppm(3) is None


@pytest.mark.req("ST-37")
def test_the_interval_widens_at_once_and_narrows_one_level_a_sample_within_its_limits() -> None:
    settings = GridSettings(is_adaptive=True, volatility_length=2, volatility_factor=1.0, stride_max=4)
    calm, wild = taken(settings, (10_000,) * 3), taken(settings, (10_000, 10_500, 10_000))
    adaptation = Adaptation(1, 10)
    strides = []

    # 1000 ppm an interval; wild is 48,780 ppm, calm 0
    for samples in (calm, wild, calm, calm, calm, calm):
        adaptation.follow(settings, 1000, samples, 0)
        strides.append(adaptation.stride)

    assert strides == [1, 4, 3, 2, 1, 1]


@pytest.mark.req("ST-37")
def test_the_entry_window_shrinks_while_much_is_used_and_grows_back() -> None:
    settings = GridSettings(is_adaptive=True, max_layers=10, buy_window=10, window_min=5, use_high_pct=80)
    adaptation, samples = Adaptation(1, 10), Samples()
    windows = []

    for used in (7, 8, 9, 10, 7, 0, 0, 0):
        adaptation.follow(settings, 1000, samples, used)
        windows.append(adaptation.window)

    assert windows == [10, 8, 6, 5, 7, 9, 10, 10]
