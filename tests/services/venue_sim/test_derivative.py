"""Mark, funding, open interest and liquidations of generated perpetuals."""

import pytest

from services.venue_sim.derivative import RATE_LIMIT_E8, Derivative
from services.venue_sim.matching import BUY, SELL

T0 = 1_700_000_000_000
HOUR = 3600
PRICE_E8 = 60_000 * 10**8


def make(seed=1):
    return Derivative(seed, 5, 400, 10_000_000, PRICE_E8)


def play(facts, regime, seconds, price_e8=lambda _: PRICE_E8):
    """Return (rates, open interests, liquidations with their second)."""
    rates, interests, forced = [], [], []
    for second in range(seconds):
        mark_e8 = price_e8(second)
        found = facts.second(T0 + second * 1000, regime, mark_e8, mark_e8 + 7)
        rates.append(facts.rate_e8)
        interests.append(facts.open_interest_lots)
        if found is not None:
            forced.append((second, found))
    return rates, interests, forced


@pytest.mark.req("MD-17", "BT-7")
def test_the_same_seed_gives_the_same_facts_and_a_restart_goes_on():
    whole, first, other = make(), make(), make(seed=2)
    wanted = play(whole, "jump", 600)
    assert play(first, "jump", 600) == wanted
    assert play(other, "jump", 600) != wanted

    second = make()
    second.load(first.dump())

    assert play(second, "jump", 100) == play(whole, "jump", 100)
    assert second.dump() == whole.dump()


@pytest.mark.req("MD-17")
def test_a_day_of_funding_stays_in_its_limits_and_is_extreme_now_and_then():
    moving, _, _ = play(make(seed=3), "trend", 24 * HOUR)
    quiet, _, _ = play(make(seed=3), "quiet", 24 * HOUR)

    assert all(abs(rate) <= RATE_LIMIT_E8 for rate in moving)
    assert max(map(abs, moving)) > 100_000
    assert 0 < sum(abs(rate) > 50_000 for rate in moving) < len(moving) // 2
    assert max(map(abs, quiet)) < max(map(abs, moving))


@pytest.mark.req("MD-17")
def test_open_interest_stays_near_where_it_began_and_changes_by_two_percent_an_hour_at_times():
    _, interests, _ = play(make(seed=3), "trend", 24 * HOUR)
    hours = [later / before - 1 for before, later in zip(interests, interests[HOUR:], strict=False)]

    assert all(400 < lots < 3 * interests[0] for lots in interests)
    assert 0.01 < sum(abs(change) >= 0.02 for change in hours) / len(hours) < 0.9


@pytest.mark.req("MD-17")
def test_liquidations_are_more_in_jumps_and_hit_those_on_the_wrong_side():
    _, _, quiet = play(make(), "quiet", 3 * HOUR)
    _, _, jumping = play(make(), "jump", 3 * HOUR)
    _, _, falling = play(make(), "jump", HOUR, lambda second: PRICE_E8 - second * 10**7)
    _, _, rising = play(make(), "jump", HOUR, lambda second: PRICE_E8 + second * 10**7)

    assert 0 < len(quiet) * 10 < len(jumping)
    assert sum(item.side == SELL for _, item in falling) > 0.7 * len(falling)
    assert sum(item.side == BUY for _, item in rising) > 0.7 * len(rising)
    for _, item in jumping:
        assert item.lots > 0
        assert (item.price_ticks <= 600_000) if item.side == SELL else (item.price_ticks >= 600_000)
    values = [item.price_ticks * item.lots // 10_000 for _, item in jumping]
    assert max(values) > 1_000_000, "a cascade makes a medium window by itself"
