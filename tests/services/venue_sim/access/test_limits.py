"""Request limits: windows on the clock, headers, refusals, bans that grow, orders given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue_sim.access.limits import (
    FIRST_BAN_MS,
    IGNORED_MAX,
    LONGEST_BAN_MS,
    ORDERS,
    RAW,
    WEIGHT,
    Charge,
    Limits,
    Rule,
)
from services.venue_sim.venue import SPOT, USDM

MINUTE_MS = 60_000
# 2024-01-01 00:00 UTC: the start of a minute, of 10 seconds, and of a day.
DAY_MS = 1_704_067_200_000
SMALL = (
    Rule(WEIGHT, "MINUTE", 1, 10),
    Rule(ORDERS, "SECOND", 10, 3),
    Rule(ORDERS, "DAY", 1, 5),
    Rule(RAW, "MINUTE", 5, 100),
)


def spot() -> Limits:
    return Limits(SPOT, SMALL)


def headers(charge: Charge) -> dict[str, str]:
    return dict(charge.headers)


def test_weight_is_counted_per_ip_and_starts_anew_with_the_minute() -> None:
    limits = spot()
    assert headers(limits.charge("a", "", 4, 0, DAY_MS + 59_000)) == {
        "X-MBX-USED-WEIGHT": "4",
        "X-MBX-USED-WEIGHT-1M": "4",
    }
    assert headers(limits.charge("a", "", 6, 0, DAY_MS + 59_999))["X-MBX-USED-WEIGHT-1M"] == "10"
    assert headers(limits.charge("b", "", 1, 0, DAY_MS + 59_999))["X-MBX-USED-WEIGHT-1M"] == "1"
    assert headers(limits.charge("a", "", 2, 0, DAY_MS + MINUTE_MS))["X-MBX-USED-WEIGHT-1M"] == "2"


def test_over_the_weight_the_answer_is_429_until_the_minute_ends() -> None:
    limits = spot()
    limits.charge("a", "", 10, 0, DAY_MS + 1_500)
    refused = limits.charge("a", "", 1, 0, DAY_MS + 1_500)

    assert (refused.status, refused.code, refused.is_refused) == (429, -1003, True)
    assert "current limit is 10 request weight per 1 MINUTE" in refused.msg
    assert headers(refused)["Retry-After"] == "59"
    assert headers(refused)["X-MBX-USED-WEIGHT-1M"] == "11"
    assert refused.retry_at_ms == DAY_MS + MINUTE_MS
    assert not limits.charge("a", "", 1, 0, refused.retry_at_ms).is_refused


def test_raw_requests_are_a_limit_of_their_own() -> None:
    limits = Limits(SPOT, (Rule(RAW, "MINUTE", 5, 2),))
    assert [limits.charge("a", "", 50, 0, DAY_MS).status for _ in range(3)] == [200, 200, 429]
    assert limits.charge("a", "", 0, 0, DAY_MS + 299_999).status == 429
    assert limits.charge("a", "", 0, 0, DAY_MS + 300_000).status == 200


def test_who_goes_on_after_429_is_banned_and_longer_each_time_up_to_three_days() -> None:
    limits, now_ms, lengths = spot(), DAY_MS, []
    for _ in range(14):
        limits.charge("a", "", 10, 0, now_ms)
        statuses = [limits.charge("a", "", 1, 0, now_ms).status for _ in range(IGNORED_MAX + 1)]
        assert statuses == [429] * IGNORED_MAX + [418]
        until_ms = limits.banned_until_ms("a", now_ms)
        lengths.append(until_ms - now_ms)

        # While the ban lasts nothing passes and nothing makes it longer; other IPs are not touched.
        during = limits.charge("a", "", 0, 0, until_ms - 1)
        assert (during.status, headers(during)["Retry-After"], during.retry_at_ms) == (418, "1", until_ms)
        assert f"IP banned until {until_ms}" in during.msg
        assert limits.charge("b", "", 1, 0, now_ms).status == 200
        now_ms = until_ms + MINUTE_MS
    assert lengths[:4] == [FIRST_BAN_MS, 2 * FIRST_BAN_MS, 4 * FIRST_BAN_MS, 8 * FIRST_BAN_MS]
    assert lengths[-1] == LONGEST_BAN_MS
    assert max(lengths) == LONGEST_BAN_MS


def test_waiting_after_429_until_the_next_window_forgives() -> None:
    limits, now_ms = spot(), DAY_MS
    for _ in range(5):
        limits.charge("a", "", 10, 0, now_ms)
        assert {limits.charge("a", "", 1, 0, now_ms).status for _ in range(IGNORED_MAX)} == {429}
        now_ms += MINUTE_MS
    assert limits.charge("a", "", 1, 0, now_ms).status == 200


def test_orders_are_counted_per_account_over_all_ips() -> None:
    limits = spot()
    first = limits.charge("a", "sim", 1, 1, DAY_MS)
    assert headers(first)["X-MBX-ORDER-COUNT-10S"] == "1"
    assert headers(first)["X-MBX-ORDER-COUNT-1D"] == "1"
    limits.charge("b", "sim", 1, 2, DAY_MS)

    refused = limits.charge("c", "sim", 1, 1, DAY_MS + 4_000)
    assert (refused.status, refused.code) == (429, -1015)
    assert refused.msg == "Too many new orders; current limit is 3 orders per 10 SECOND."
    assert headers(refused)["Retry-After"] == "6"
    # Cancels and queries still pass, other accounts still trade, and ten seconds later so does this one.
    assert limits.charge("c", "", 1, 0, DAY_MS + 4_000).status == 200
    assert limits.charge("c", "other", 1, 1, DAY_MS + 4_000).status == 200
    assert limits.charge("c", "sim", 1, 1, DAY_MS + 10_000).status == 200


def test_the_day_limit_ends_at_midnight_utc() -> None:
    limits = spot()
    for n in range(5):
        assert limits.charge("a", "sim", 0, 1, DAY_MS + n * 10_000).status == 200
    assert "5 orders per 1 DAY" in limits.charge("a", "sim", 0, 1, DAY_MS + 90_000).msg
    assert limits.charge("a", "sim", 0, 1, DAY_MS + 86_400_000).status == 200


def test_a_refused_order_is_not_counted_and_one_the_venue_rejects_is_given_back() -> None:
    limits = spot()
    limits.charge("a", "sim", 0, 3, DAY_MS)
    limits.charge("a", "sim", 0, 1, DAY_MS)
    assert dict(limits.headers("a", "sim", DAY_MS))["X-MBX-ORDER-COUNT-10S"] == "3"
    limits.return_order("sim", 1, DAY_MS)
    assert limits.charge("a", "sim", 0, 1, DAY_MS).status == 200


def test_spot_gives_orders_back_at_their_first_fill_more_to_makers_never_below_zero() -> None:
    limits = Limits(SPOT, (Rule(ORDERS, "SECOND", 10, 100),))
    limits.charge("a", "sim", 0, 8, DAY_MS)
    limits.first_fill("sim", is_maker=False, now_ms=DAY_MS)
    assert limits.counts("", "sim", DAY_MS)[0]["count"] == 7
    limits.first_fill("sim", is_maker=True, now_ms=DAY_MS)
    assert limits.counts("", "sim", DAY_MS)[0]["count"] == 2
    limits.first_fill("sim", is_maker=True, now_ms=DAY_MS)
    assert limits.counts("", "sim", DAY_MS)[0]["count"] == 0
    # A fill in a later window gives back in that window.
    limits.charge("a", "sim", 0, 2, DAY_MS + 10_000)
    limits.first_fill("sim", is_maker=False, now_ms=DAY_MS + 10_001)
    assert limits.counts("", "sim", DAY_MS + 10_001)[0]["count"] == 1


def test_usdm_never_gives_orders_back_for_fills() -> None:
    limits = Limits(USDM)
    limits.charge("a", "sim", 1, 2, DAY_MS)
    limits.first_fill("sim", is_maker=True, now_ms=DAY_MS)
    assert [count["count"] for count in limits.counts("", "sim", DAY_MS)] == [2, 2]


def test_weight_given_back_is_not_used() -> None:
    limits = spot()
    limits.charge("a", "sim", 4, 1, DAY_MS)
    limits.return_weight("a", 4, DAY_MS)
    assert dict(limits.headers("a", "", DAY_MS))["X-MBX-USED-WEIGHT-1M"] == "0"


def test_counts_are_told_as_the_websocket_api_does() -> None:
    limits = spot()
    limits.charge("a", "sim", 4, 1, DAY_MS)
    described = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 10}
    assert limits.counts("a", "", DAY_MS) == [described | {"count": 4}]
    assert [count["rateLimitType"] for count in limits.counts("a", "sim", DAY_MS)] == [WEIGHT, ORDERS, ORDERS]
    assert limits.exchange_info()[0] == described
    assert len(limits.exchange_info()) == 4


def test_a_commanded_ban_and_used_up_weight_act_at_once_and_bans_can_be_lifted() -> None:
    limits = spot()
    limits.exhaust("a", DAY_MS)
    assert limits.charge("a", "", 1, 0, DAY_MS).status == 429
    assert limits.ban("", 5_000, DAY_MS) == DAY_MS + 5_000
    assert limits.charge("b", "", 1, 0, DAY_MS + 4_999).status == 418
    assert limits.charge("b", "", 1, 0, DAY_MS + 5_000).status == 200
    limits.ban("b", 0, DAY_MS + 5_000)
    limits.lift_bans()
    assert limits.charge("b", "", 1, 0, DAY_MS + 5_000).status == 200


def test_limits_can_shrink_while_running() -> None:
    limits = spot()
    limits.charge("a", "", 6, 0, DAY_MS)
    limits.change((SMALL[0]._replace(limit=5), *SMALL[1:]))
    assert limits.charge("a", "", 1, 0, DAY_MS).status == 429
    assert limits.exchange_info()[0]["limit"] == 5


def test_a_restart_keeps_counts_and_bans() -> None:
    limits, restarted = spot(), spot()
    limits.charge("a", "sim", 7, 2, DAY_MS)
    limits.ban("b", 0, DAY_MS)
    restarted.load(limits.dump())
    assert restarted.headers("a", "sim", DAY_MS) == limits.headers("a", "sim", DAY_MS)
    assert restarted.charge("b", "", 1, 0, DAY_MS).status == 418
    assert restarted.ban("b", 0, DAY_MS) == DAY_MS + 2 * FIRST_BAN_MS


def test_many_ips_do_not_fill_the_memory() -> None:
    limits = spot()
    for n in range(30_000):
        limits.charge(f"10.0.{n}", "", 1, 0, DAY_MS + n * 100)
    assert len(limits.dump()) < 1_000_000


@pytest.mark.parametrize("venue", [SPOT, USDM])
@given(steps=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 400), st.integers(0, 3)), max_size=60))
def test_in_no_window_does_more_than_the_limit_pass(venue: str, steps: list[tuple[int, int, int]]) -> None:
    limits, now_ms = Limits(venue), DAY_MS
    weight_of: dict[int, int] = {}
    for wait_ms, weight, orders in steps:
        now_ms += wait_ms
        if not limits.charge("a", "sim", weight, orders, now_ms).is_refused:
            minute = now_ms // MINUTE_MS
            weight_of[minute] = weight_of.get(minute, 0) + weight
    assert max(weight_of.values(), default=0) <= limits.rules[0].limit
