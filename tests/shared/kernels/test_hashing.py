"""Seeded draws repeat, and equal the published generator."""

import pytest

from shared.kernels.hashing import draw, draw_below, splitmix64


def test_the_hash_equals_the_published_splitmix64_sequence():
    state, values = 1234567, []

    for _ in range(5):
        values.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) % 2**64

    # the sequence for seed 1234567 that test suites of splitmix64 share
    assert values == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_draws_differ_by_seed_and_counter_and_repeat():
    draws = {(seed, counter): draw(seed, counter) for seed in range(20) for counter in range(20)}

    assert len(set(draws.values())) == 400
    assert draw(2**64 - 1, 2**64 - 1) == draw(2**64 - 1, 2**64 - 1)


def test_bounded_draws_cover_their_range_and_nothing_else():
    draws = [draw_below(9, counter, 7) for counter in range(700)]

    assert set(draws) == set(range(7))
    assert max(draws.count(value) for value in range(7)) < 150


def test_a_bound_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="draw below 0"):
        draw_below(1, 1, 0)
