"""Latency draws are seeded, bounded and have the shape that is asked for."""

from dataclasses import dataclass
from statistics import mean, pstdev

import pytest

from shared.paper.latency import latency_ns

MS = 1_000_000


@dataclass(frozen=True)
class Model:
    """The defaults of the broker."""

    seed: int = 1
    latency_ms: int = 50
    latency_std_ms: int = 20
    latency_min_ms: int = 10
    latency_spike_ppm: int = 10_000
    latency_spike_factor: int = 10
    latency_recorded_us: tuple[int, ...] = ()


def draws(settings, count=4000):
    return [latency_ns(settings, f"order:{n}") / MS for n in range(count)]


@pytest.mark.req("BR-17")
def test_draws_are_normal_with_a_least_value():
    values = draws(Model(latency_spike_ppm=0))

    assert 48 < mean(values) < 52
    assert 18 < pstdev(values) < 22
    assert min(values) == 10


@pytest.mark.req("BR-17")
def test_one_in_a_hundred_takes_ten_times_as_long():
    plain = draws(Model(latency_spike_ppm=0))
    spiked = draws(Model())

    spikes = [(a, b) for a, b in zip(plain, spiked, strict=True) if a != b]
    assert 20 <= len(spikes) <= 60
    assert all(b == pytest.approx(10 * a) for a, b in spikes)


def test_a_draw_is_the_same_everywhere_and_differs_by_seed_and_key():
    assert latency_ns(Model(), "order:1") == 83_290_100
    assert latency_ns(Model(seed=2), "order:1") != latency_ns(Model(), "order:1")
    assert latency_ns(Model(), "cancel:1") != latency_ns(Model(), "order:1")


def test_without_deviation_it_is_constant():
    settings = Model(latency_ms=1, latency_std_ms=0, latency_min_ms=0, latency_spike_ppm=0)

    assert set(draws(settings, 20)) == {1}


@pytest.mark.req("BR-17")
def test_recorded_latencies_are_drawn_evenly_and_as_they_are():
    recorded = (48_200, 51_000, 250_000)

    values = draws(Model(latency_recorded_us=recorded))

    shares = [values.count(us / 1000) / len(values) for us in recorded]
    assert sum(shares) == 1
    assert all(0.3 < share < 0.37 for share in shares)
    assert values == draws(Model(latency_recorded_us=recorded))
