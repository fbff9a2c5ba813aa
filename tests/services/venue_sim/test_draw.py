"""Draws repeat and are spread evenly."""

from services.venue_sim.draw import Draw, mix


def test_the_hash_is_splitmix64():
    # The first outputs of the published generator for the state 0 and 1234567.
    assert mix(0) == 0xE220A8397B1DCDAF
    assert mix(1234567) == 6457827717110365317


def test_a_counter_is_the_whole_state_of_a_stream_of_draws():
    draw = Draw(seed=5, stream=2)
    first = [draw.below(1000) for _ in range(10)]

    again = Draw(seed=5, stream=2, counter=4)

    assert [again.below(1000) for _ in range(6)] == first[4:]
    assert [Draw(5, 3).below(1000), Draw(6, 2).below(1000)] != [first[0], first[0]]


def test_draws_are_within_their_bounds_and_spread_as_named():
    draw = Draw(1, 1)
    below = [draw.below(10) for _ in range(5000)]
    between = {draw.between(-1, 1) for _ in range(100)}
    bells = [draw.bell(1000) for _ in range(5000)]

    assert set(below) == set(range(10))
    assert all(400 < below.count(n) < 600 for n in range(10))
    assert between == {-1, 0, 1}
    assert 1400 < sum(draw.chance(300_000) for _ in range(5000)) < 1600
    assert abs(sum(bells) / 5000) < 50
    assert 930 < (sum(b * b for b in bells) / 5000) ** 0.5 < 1070
