"""Latencies of the backtest engine: constant, recorded, drawn."""

import statistics
from array import array

import pytest

from shared.kernels.backtest_latency import Latency

MS = 1_000_000


def test_a_constant_latency_is_what_it_is_said_to_be():
    latency = Latency(3, 4)

    assert (latency.entry(10), latency.response(99)) == (3, 4)


def test_a_recorded_latency_is_that_of_the_last_record():
    latency = Latency()
    latency.set_recorded(array("q", [10, 20, 30]), array("q", [1, 2, 3]), array("q", [4, 5, 6]))

    assert [latency.entry(at) for at in (5, 10, 19, 20, 99, 12)] == [1, 1, 1, 2, 3, 1]
    assert [latency.response(at) for at in (30, 29)] == [6, 5]
    assert (latency.least_in_ns, latency.least_out_ns) == (1, 4)


def test_drawn_latencies_are_seeded_and_follow_the_law_of_the_paper_venue():
    latency, again, other = Latency(), Latency(), Latency()
    for each, seed in ((latency, 7), (again, 7), (other, 8)):
        each.set_sampled(seed, 50 * MS, 10 * MS, 5 * MS, 0, 3, 2 * MS)

    draws = [latency.entry(0) for _ in range(4000)]

    assert draws[:50] == [again.entry(0) for _ in range(50)]
    assert draws[:50] != [other.entry(0) for _ in range(50)]
    assert abs(statistics.mean(draws) - 50 * MS) < MS
    assert abs(statistics.stdev(draws) - 10 * MS) < MS
    assert min(draws) >= 5 * MS
    assert latency.response(1) == 2 * MS


def test_spikes_multiply():
    latency = Latency()
    latency.set_sampled(1, 10, 0, 0, 250_000, 5, 0)

    draws = [latency.entry(0) for _ in range(2000)]

    assert set(draws) == {10, 50}
    assert 400 < draws.count(50) < 600


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (([], [], []), "not empty"),
        (([1, 2], [1], [1, 1]), "one length"),
        (([2, 1], [1, 1], [1, 1]), "row 1"),
        (([1, 2], [1, -1], [1, 1]), "row 1"),
    ],
)
def test_records_that_make_no_sense_are_refused(columns, problem):
    with pytest.raises(ValueError, match=problem):
        Latency().set_recorded(*(array("q", column) for column in columns))


def test_a_law_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Latency().set_sampled(1, -1, 0, 0, 0, 1, 0)
