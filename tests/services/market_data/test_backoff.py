"""Delays between attempts (MD-2)."""

import pytest

from services.market_data.backoff import UPTIME_RESET_NS, Backoff, mix


@pytest.mark.req("MD-2")
def test_delays_double_from_half_a_second_to_a_minute_and_half_of_each_is_jitter():
    backoff = Backoff("binance")

    delays_ms = [backoff.next_ms() for _ in range(12)]

    full_ms = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, *[60_000] * 5]
    assert all(full // 2 <= delay <= full for delay, full in zip(delays_ms, full_ms, strict=True))
    assert delays_ms == [307, 647, 1735, 2346, 6359, 15303, 21712, 33962, 37671, 52565, 40156, 49944]


@pytest.mark.req("MD-2")
def test_a_long_life_makes_the_next_delay_the_shortest_again():
    backoff = Backoff("binance")
    for _ in range(6):
        backoff.next_ms()

    backoff.up(1)
    backoff.down(1 + UPTIME_RESET_NS - 1)
    short_life_ms = backoff.next_ms()
    backoff.up(1)
    backoff.down(1 + UPTIME_RESET_NS)

    assert short_life_ms > 16_000
    assert backoff.next_ms() <= 500


@pytest.mark.req("MD-2")
def test_two_clients_do_not_come_back_together():
    one, other = Backoff("binance"), Backoff("binance_usdm/public")

    assert [one.next_ms() for _ in range(5)] != [other.next_ms() for _ in range(5)]
    assert len({mix(1, i) % 1000 for i in range(200)}) > 150
