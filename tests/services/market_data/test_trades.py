"""Each public trade once, holes counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.trades import MISSING_MAX, TradeTape


@pytest.mark.req("MD-22")
def test_a_trade_that_comes_twice_is_taken_once_and_one_that_comes_late_is_taken():
    tape = TradeTape()

    assert [tape.take(i) for i in (10, 11, 11, 14, 13, 13, 10)] == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert tape.missing_count == 1


@pytest.mark.req("MD-28")
def test_a_huge_hole_costs_no_memory():
    tape = TradeTape()
    tape.take(1)

    assert tape.take(10**15)
    assert tape.missing_count == 10**15 - 2
    assert not tape.take(5)
    assert tape.take(10**15 - MISSING_MAX)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=80))
def test_no_trade_is_ever_taken_twice(ids):
    tape = TradeTape()

    taken = [i for i in ids if tape.take(i)]

    assert len(taken) == len(set(taken))
    assert tape.missing_count == (
        max(ids) - ids[0] + 1 - len([i for i in taken if i >= ids[0]]) if ids else 0
    )
