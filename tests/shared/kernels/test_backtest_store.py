"""Stores of the backtest engine: order of what is under way, rows, slots, and the rounding of shares."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels.backtest_store import Orders, Rows, Timeline, share_up

NEVER_NS = 2**63 - 1


@settings(max_examples=50, deadline=None)
@given(due=st.lists(st.integers(0, 40), max_size=700), drops=st.integers(0, 5))
def test_a_timeline_gives_back_what_is_due_first_and_of_that_what_came_first(due, drops):
    line, wanted = Timeline(), []
    for n, due_ns in enumerate(due):
        at = line.place(due_ns)
        line.data[at + 1] = n
        wanted.append((due_ns, n))
        wanted.sort()
        if n % 7 < drops:
            assert (line.due_ns, line.data[line.head() + 1]) == wanted.pop(0)
            line.drop()

    left = []
    while len(line):
        left.append((line.due_ns, line.data[line.head() + 1]))
        line.drop()

    assert left == wanted
    assert line.due_ns == NEVER_NS


def test_rows_grow_and_are_taken_once():
    rows = Rows(3)
    for n in range(200):
        at = rows.place()
        for field in range(3):
            rows.data[at + field] = n * field

    assert rows.column(2).tolist() == [2 * n for n in range(200)]
    assert rows.take()[199] == (0, 199, 398)
    assert rows.take() == []


def test_a_slot_is_used_again_and_a_serial_is_not():
    orders = Orders()
    slots = [orders.take() for _ in range(300)]
    assert len(set(slots)) == 300
    assert [orders.serial[slot] for slot in slots] == list(range(1, 301))

    orders.give_back(slots[7])

    assert orders.serial[slots[7]] == 0
    assert orders.take() == slots[7]
    assert orders.serial[slots[7]] == 301


@pytest.mark.req("BT-12")
@settings(max_examples=100, deadline=None)
@given(value=st.integers(-(2**61), 2**61), ppm=st.integers(-999_999, 999_999))
def test_a_share_is_exact_and_rounded_up(value, ppm):
    assert share_up(value, ppm) == -(-value * ppm // 1_000_000)
