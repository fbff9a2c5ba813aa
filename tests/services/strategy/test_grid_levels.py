import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.grid_levels import Ladder, direction_of, entry_levels, ladder_at
from shared.units import PPM


@pytest.mark.req("ST-25")
def test_steps_count_the_same_ticks_from_the_anchor() -> None:
    ladder = ladder_at(600_000, 1000, "steps")

    assert (ladder.interval_ticks, ladder.ratio_ppm) == (600, 0)
    assert [ladder.price_of(level) for level in (-2, 0, 3)] == [598_800, 600_000, 601_800]
    assert [ladder.level_at(price) for price in (598_799, 598_800, 600_599, 600_600)] == [-3, -2, 0, 1]


@pytest.mark.req("ST-24")
def test_percent_levels_are_a_part_of_each_price_rounded_down() -> None:
    # 1 % of 10,000: 10,100, 10,201, 10,303.01; downwards 9,900.99, 9,802.96
    ladder = ladder_at(10_000, 10_000, "percent")

    assert [ladder.price_of(level) for level in range(-2, 4)] == [9802, 9900, 10_000, 10_100, 10_201, 10_303]
    assert [ladder.gap_at(level) for level in (-1, 0, 1)] == [100, 100, 101]
    assert [ladder.level_at(price) for price in (9899, 9900, 10_100, 10_302)] == [-2, -1, 1, 2]


@given(
    anchor=st.integers(100, 10**9),
    ppm=st.integers(100, 500_000),
    spacing=st.sampled_from(["steps", "percent"]),
    part=st.integers(200_000, 5 * PPM),
)
@settings(max_examples=100, deadline=None)
def test_the_level_of_a_price_is_the_highest_one_not_above_it(anchor, ppm, spacing, part) -> None:
    if anchor * ppm < PPM:
        return
    ladder, price = ladder_at(anchor, ppm, spacing), max(anchor * part // PPM, 1)

    level = ladder.level_at(price)

    assert ladder.price_of(level) <= price < ladder.price_of(level + 1)


def test_an_interval_under_a_tick_is_refused_with_the_least_that_works() -> None:
    with pytest.raises(ValueError, match=r"5 is denser than the tick: at 1500 ticks one tick is 6\.67"):
        ladder_at(1500, 500, "steps")

    assert ladder_at(1500, 667, "steps").interval_ticks == 2


@pytest.mark.req("ST-36")
def test_who_buys_first_depends_on_the_direction_and_for_neutral_on_the_side_of_the_anchor() -> None:
    levels = (-2, 0, 3)

    assert [direction_of("long", level) for level in levels] == [1, 1, 1]
    assert [direction_of("short", level) for level in levels] == [-1, -1, -1]
    assert [direction_of("neutral", level) for level in levels] == [1, 0, -1]


@pytest.mark.req("ST-22", "ST-36", "ST-37")
def test_the_entry_window_begins_at_the_price_and_a_stride_uses_every_so_many_levels() -> None:
    ladder = Ladder(1000, 10)

    assert entry_levels(ladder, 1024, 1, 3, 1) == [2, 1, 0]
    assert entry_levels(ladder, 1024, -1, 3, 1) == [3, 4, 5]
    # at a level itself both windows begin with it
    assert entry_levels(ladder, 1020, 1, 2, 1)[0] == entry_levels(ladder, 1020, -1, 2, 1)[0] == 2
    assert entry_levels(ladder, 1024, 1, 3, 4) == [0, -4, -8]
    assert entry_levels(ladder, 976, -1, 3, 4) == [0, 4, 8]
