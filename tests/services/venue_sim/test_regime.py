"""The fair price: it swings in every regime, repeats with its seed, and goes on from its dump."""

import pytest

from services.venue_sim.regime import FairPrice

START_E8 = 60_000 * 10**8
MINUTE = 60 * 20
REGIMES = ["mixed", "trend", "jump", "adverse", "quiet"]


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_price_travels_at_least_20_bps_in_each_minute(regime, seed):
    fair = FairPrice(seed, 0, regime, START_E8)

    for _ in range(5):
        prices = [fair.step().price_e8 for _ in range(MINUTE)]
        assert (max(prices) / min(prices) - 1) * 1e4 > (35 if regime == "quiet" else 20)


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("regime", REGIMES)
def test_a_price_repeats_with_its_seed_and_goes_on_from_its_dump(regime):
    one, other, third = (FairPrice(seed, 0, regime, START_E8) for seed in (1, 1, 2))
    assert [one.step() for _ in range(2 * MINUTE)] == [other.step() for _ in range(2 * MINUTE)]

    third.load(one.dump())

    assert third.dump() == other.dump()


@pytest.mark.req("BT-7")
def test_over_a_day_the_price_stays_near_where_it_started():
    fair = FairPrice(7, 0, "mixed", START_E8)

    prices = [fair.step().price_e8 for _ in range(6 * 60 * MINUTE)]

    assert min(prices) > 0.9 * START_E8
    assert max(prices) < 1.1 * START_E8
