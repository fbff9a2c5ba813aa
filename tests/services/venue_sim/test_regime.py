"""The fair price: it swings in every regime, repeats with its seed, and goes on from its dump."""

from itertools import pairwise

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


def changes_bps(regime, seconds):
    """Return the change of the fair price from second to second."""
    fair = FairPrice(2, 0, regime, START_E8)
    prices = [fair.step().price_e8 for _ in range(20 * seconds)][::20]
    return [(after / before - 1) * 1e4 for before, after in pairwise(prices)]


@pytest.mark.req("BT-7")
def test_regimes_differ_in_what_they_are_named_after():
    quiet, trend, jump = (changes_bps(regime, 449) for regime in ("quiet", "trend", "jump"))

    # A jump moves 10 to 30 bps at once; nothing else moves the price by more than 5 in a second.
    assert max(map(abs, jump)) > 9
    assert max(map(abs, quiet)) < 5
    # Over whole swings a trend goes somewhere in its 90 s, quiet does not.
    assert abs(sum(trend[:90])) > abs(sum(quiet[:112])) + 5


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("seed", range(1, 6))
def test_adverse_takers_know_where_the_price_goes(seed):
    fair = FairPrice(seed, 0, "adverse", START_E8)

    # Each 8 s takers lean for 2 s, and in the second after that the price follows by about 8 bps.
    for _ in range(30):
        moods = [fair.step() for _ in range(160)]
        lean = moods[0].buy_ppm - 500_000
        move_bps = (moods[60].price_e8 / moods[40].price_e8 - 1) * 1e4
        assert lean * move_bps > 0
        assert abs(move_bps) > 4


@pytest.mark.req("BT-7")
def test_books_lean_more_often_than_not_to_where_the_price_goes():
    fair = FairPrice(3, 0, "quiet", START_E8)
    agree = 0

    for _ in range(400):
        moods = [fair.step() for _ in range(80)]
        agree += (moods[0].lean_ppm > 0) == (moods[79].price_e8 > moods[0].price_e8)

    assert 220 < agree < 340
