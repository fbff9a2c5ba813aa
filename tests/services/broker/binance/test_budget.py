"""The request budget: shares of published limits, the reserve of cancels, bans, the token bucket."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from services.broker.binance.budget import (
    ORDERS,
    RAW,
    WEIGHT,
    Budget,
    Cost,
    Count,
    Purpose,
    counts_of_headers,
)
from services.broker.binance.settings import SPOT, BinanceSettings, endpoints_at
from shared.units import NS_PER_S

START_NS = 1_800_000_000 * NS_PER_S  # the start of a minute


def make(*counts, **changes):
    budget = Budget(BinanceSettings(venue=SPOT, endpoints=endpoints_at(SPOT, "http://x"), **changes))
    budget.learn(counts, START_NS)
    return budget


def fill(budget, purpose, cost, now_ns=START_NS):
    """Send until held back; return how often, and why."""
    for count in range(100_000):
        held = budget.held(purpose, cost, now_ns)
        if held is not None:
            return count, held
        budget.charge(purpose, cost, now_ns)
    raise AssertionError("never held back")


@pytest.mark.req("BR-6")
def test_queries_stop_at_64_percent_and_cancels_at_80_percent_of_the_limit():
    budget = make(Count(WEIGHT, 60, limit=6000))

    queries, held = fill(budget, Purpose.QUERY, Cost(4))
    assert queries * 4 == 3840
    assert "3840 + 4 would pass 3840 of the venue's 6000" in held.reason
    assert held.retry_ns == START_NS + 60 * NS_PER_S

    cancels, _ = fill(budget, Purpose.CANCEL, Cost(1))
    assert queries * 4 + cancels == 4800


@pytest.mark.req("BR-6")
def test_at_least_ten_requests_are_kept_for_cancels():
    budget = make(Count(RAW, 300, limit=40), Count(WEIGHT, 60, limit=6000))
    assert fill(budget, Purpose.QUERY, Cost(1))[0] == 22
    assert fill(budget, Purpose.CANCEL, Cost(1))[0] == 10


@pytest.mark.req("BR-6")
def test_new_orders_stay_under_the_order_limit_and_cancels_count_none():
    budget = make(
        Count(ORDERS, 10, limit=50), Count(WEIGHT, 60, limit=6000), creates_per_s=1000, creates_burst=1000
    )
    assert fill(budget, Purpose.CREATE, Cost(1, 1))[0] == 40
    assert budget.held(Purpose.CANCEL, Cost(1), START_NS) is None
    assert fill(budget, Purpose.CREATE, Cost(1, 1), START_NS + 10 * NS_PER_S)[0] == 40


@pytest.mark.req("BR-6")
def test_thirty_new_orders_at_once_then_twenty_five_a_second():
    budget = make(Count(WEIGHT, 60, limit=6000))
    count, held = fill(budget, Purpose.CREATE, Cost(1, 1))
    assert count == 30
    assert held.retry_ns == START_NS + NS_PER_S // 25
    assert fill(budget, Purpose.CREATE, Cost(1, 1), START_NS + NS_PER_S)[0] == 25
    assert fill(budget, Purpose.CREATE, Cost(1, 1), START_NS + 3 * NS_PER_S)[0] == 30
    assert budget.held(Purpose.CANCEL, Cost(1), START_NS + 3 * NS_PER_S) is None


@pytest.mark.req("BR-6")
def test_what_others_use_of_the_address_is_learned_from_one_answer():
    budget = make(Count(WEIGHT, 60, limit=6000))
    budget.charge(Purpose.QUERY, Cost(10), START_NS)
    budget.learn(counts_of_headers([("x-mbx-used-weight-1m", "3838"), ("x-mbx-used-weight", "1")]), START_NS)
    # 10 of ours may not be in that count yet.
    assert budget.held(Purpose.QUERY, Cost(1), START_NS) is not None
    assert budget.held(Purpose.CANCEL, Cost(1), START_NS) is None
    assert budget.held(Purpose.QUERY, Cost(1), START_NS + 60 * NS_PER_S) is None


@pytest.mark.req("BR-6")
def test_a_limit_that_shrinks_holds_from_that_answer_on():
    budget = make(Count(WEIGHT, 60, limit=6000))
    budget.charge(Purpose.QUERY, Cost(500), START_NS)
    budget.learn([Count(WEIGHT, 60, 500, 600)], START_NS)
    assert budget.held(Purpose.QUERY, Cost(1), START_NS) is not None


@pytest.mark.req("BR-6", "BR-7")
def test_nothing_leaves_inside_a_ban_and_cancels_go_first_afterwards():
    budget = make(Count(WEIGHT, 60, limit=6000))
    until_ns = START_NS + 120 * NS_PER_S
    assert budget.ban(until_ns, "banned")
    assert not budget.ban(until_ns - 1, "shorter")
    for purpose in Purpose:
        held = budget.held(purpose, Cost(1, 1), until_ns - 1)
        assert held == ("banned", until_ns)
    assert budget.held(Purpose.CANCEL, Cost(1), until_ns) is None
    assert budget.held(Purpose.CREATE, Cost(1, 1), until_ns) is not None
    assert budget.held(Purpose.CREATE, Cost(1, 1), until_ns + NS_PER_S) is None


def test_after_too_many_orders_only_creates_wait_for_the_window():
    budget = make(Count(ORDERS, 10, limit=50), Count(ORDERS, 86_400, limit=160_000))
    until_ns = budget.stop_creates(0, START_NS + NS_PER_S)
    assert until_ns == START_NS + 10 * NS_PER_S
    assert budget.held(Purpose.CREATE, Cost(1, 1), until_ns - 1) is not None
    assert budget.held(Purpose.CANCEL, Cost(1), START_NS + NS_PER_S) is None
    assert budget.held(Purpose.CREATE, Cost(1, 1), until_ns) is None


@pytest.mark.parametrize(
    "name", ["x-mbx-used-weight-m", "x-mbx-used-weight-1x", "x-mbx-order-count-", "other"]
)
def test_headers_that_are_none_are_left_out(name):
    assert counts_of_headers(
        [(name, "5"), ("x-mbx-order-count-10s", "nan"), ("x-mbx-order-count-1d", "7")]
    ) == [Count(ORDERS, 86_400, 7)]


@pytest.mark.req("BR-6")
@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(list(Purpose)), st.integers(1, 40), st.integers(0, 3 * NS_PER_S)),
        max_size=400,
    ),
    offset_ms=st.integers(-400, 400),
)
def test_whatever_is_asked_no_window_of_the_venue_passes_80_percent(steps, offset_ms):
    """The venue counts in its own windows, on its own clock."""
    budget = make(Count(WEIGHT, 60, limit=300), Count(ORDERS, 10, limit=20), creates_per_s=100)
    budget.offset_ns = offset_ms * 1_000_000
    now_ns = START_NS
    venue = {}
    for purpose, weight, wait_ns in steps:
        now_ns += wait_ns
        cost = Cost(weight, 1 if purpose is Purpose.CREATE else 0)
        if budget.held(purpose, cost, now_ns) is not None:
            continue
        budget.charge(purpose, cost, now_ns)
        at_ns = now_ns + budget.offset_ns
        for key, amount, limit in (
            (("w", at_ns // (60 * NS_PER_S)), cost.weight, 300),
            (("o", at_ns // (10 * NS_PER_S)), cost.orders, 20),
        ):
            venue[key] = venue.get(key, 0) + amount
            assert venue[key] * 10 <= limit * 8
