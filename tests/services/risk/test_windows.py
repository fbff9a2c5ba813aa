"""Sliding windows count exactly what happened in the last second, minute and hour."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.windows import WINDOWS_S, Windows
from shared.units import NS_PER_S


@pytest.mark.req("RK-8")
def test_a_window_slides_and_does_not_jump():
    windows = Windows()
    for at_ms in (0, 900, 1000):
        windows.add(at_ms * 1_000_000)

    assert windows.count(1, 1_000_000_000) == 2
    assert windows.count(1, 1_899_999_999) == 2
    assert windows.count(1, 1_900_000_000) == 1
    assert windows.count(60, 1_900_000_000) == 3


@pytest.mark.req("RK-8")
@given(gaps=st.lists(st.integers(0, 2_000 * NS_PER_S), max_size=60))
@settings(max_examples=60, deadline=None)
def test_windows_equal_a_count_over_all_times(gaps):
    windows, times, now_ns = Windows(), [], 0
    for gap in gaps:
        now_ns += gap
        times.append(now_ns)
        windows.add(now_ns)
        copy = Windows()
        copy.load(windows.dump(now_ns))
        for seconds in WINDOWS_S:
            expected = sum(t > now_ns - seconds * NS_PER_S for t in times)
            assert windows.count(seconds, now_ns) == expected == copy.count(seconds, now_ns)
