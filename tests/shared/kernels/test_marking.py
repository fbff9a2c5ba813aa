"""Mids at times and over steps, from rows of columns: by hand, and against a naive walk."""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import columns
from shared.kernels import marking
from shared.kernels.marking import MidWalk

LEVEL, TRADE, CLEAR, INVALID = columns.LEVEL, columns.TRADE, columns.CLEAR, columns.INVALID
LAST = columns.LAST


def walked(rows, times, after=(0,), step=1000):
    """Walk rows of (ts, kind, side, price, lots)."""
    walk = MidWalk(array("q", times), array("q", after), step)
    feed(walk, rows)
    walk.finish()
    return walk


def feed(walk, rows):
    columns_of = list(zip(*rows, strict=True)) if rows else [()] * 5
    ts, kind, side, price, lots = columns_of
    walk.walk(array("q", ts), array("B", kind), array("B", side), array("i", price), array("q", lots))


def quote(ts, bid, ask, former=None):
    """Return rows that set a book of one level a side; `former` is the (bid, ask) to delete."""
    rows = []
    if former is None:
        rows.append((ts, CLEAR, 0, 0, 0))
    else:
        rows += [(ts, LEVEL, 0, former[0], 0), (ts, LEVEL, 1, former[1], 0)]
    return [*rows, (ts, LEVEL, 0, bid, 5), (ts, LEVEL | LAST, 1, ask, 5)]


def test_a_time_is_answered_with_the_mid_of_every_row_at_or_before_it():
    rows = quote(100, 10, 12) + quote(200, 11, 13, (10, 12)) + quote(300, 12, 14, (11, 13))

    walk = walked(rows, [50, 99, 100, 199, 200, 250, 300, 301])

    assert list(walk.mids[0]) == [0, 0, 22, 22, 24, 24, 26, 0]


@pytest.mark.req("BT-2")
def test_each_fill_is_answered_after_each_delay_and_not_beyond_the_end_of_the_data():
    rows = quote(100, 10, 12) + quote(200, 11, 13, (10, 12)) + quote(300, 12, 14, (11, 13))

    walk = walked(rows, [100, 150, 250], after=(0, 50, 100))

    assert [list(mids) for mids in walk.mids] == [[22, 22, 24], [22, 24, 26], [24, 24, 0]]


def test_a_message_counts_when_it_is_whole():
    rows = [*quote(100, 10, 12), (200, LEVEL, 0, 11, 5), (300, LEVEL | LAST, 1, 12, 0)]
    rows.append((400, LEVEL | LAST, 1, 14, 1))

    walk = walked(rows, [200, 300, 400])

    assert list(walk.mids[0]) == [22, 22, 25], "at 300 the ask is empty: the last trusted mid stays"


def test_an_untrusted_book_moves_no_mid_until_its_next_whole_book():
    rows = [*quote(100, 10, 12), (150, INVALID | LAST, 0, 0, 0), *quote(200, 20, 22, (10, 12))]
    rows += [(300, CLEAR, 0, 0, 0), (300, LEVEL, 0, 30, 5), (300, LEVEL | LAST, 1, 33, 5)]

    walk = walked(rows, [150, 200, 300])

    assert list(walk.mids[0]) == [22, 22, 63]


def test_a_crossed_book_and_one_without_a_first_snapshot_have_no_mid():
    crossed = [*quote(100, 10, 12), (200, LEVEL | LAST, 0, 12, 1)]
    headless = [(100, LEVEL, 0, 10, 5), (100, LEVEL | LAST, 1, 12, 5)]

    assert list(walked(crossed, [200]).mids[0]) == [22]
    assert list(walked(headless, [100]).mids[0]) == [0]


@pytest.mark.req("BT-4")
def test_a_step_keeps_its_extremes_in_the_order_of_time_and_its_last_mid():
    rows = quote(1000, 10, 12)
    former = (10, 12)
    for ts, bid in ((1100, 20), (1200, 4), (1300, 9), (2500, 8), (4000, 8)):
        rows += quote(ts, bid, bid + 2, former)
        former = (bid, bid + 2)

    walk = walked(rows, [])

    assert list(walk.mark_ns) == [1100, 1200, 1300, 2500]
    assert list(walk.mark_mids) == [42, 10, 20, 18]


def test_rows_of_two_files_go_on_where_the_first_ended():
    walk = MidWalk(array("q", [150, 250]), array("q", [0]), 1000)
    feed(walk, quote(100, 10, 12))
    feed(walk, [*quote(200, 11, 13, (10, 12)), (300, TRADE | LAST, 0, 12, 1)])
    walk.finish()

    assert list(walk.mids[0]) == [22, 24]


def test_damaged_rows_are_refused_with_their_number():
    with pytest.raises(ValueError, match="row 1 at 50 ns is before 100 ns"):
        walked([(100, TRADE, 0, 1, 1), (50, TRADE, 0, 1, 1)], [])
    with pytest.raises(ValueError, match="row 0: a level of -1 lots at 5 ticks"):
        walked([(100, LEVEL, 0, 5, -1)], [])
    with pytest.raises(ValueError, match="row 0: a level of 1 lots at 0 ticks"):
        walked([(100, LEVEL, 0, 0, 1)], [])
    with pytest.raises(ValueError, match="step of 0 ns"):
        MidWalk(array("q"), array("q"), 0)


def test_no_rows_and_no_times_have_no_answers():
    walk = walked([], [5])

    assert list(walk.mids[0]) == [0]
    assert len(walk.mark_ns) == 0


def test_kinds_are_those_of_column_files():
    if hasattr(marking, "LEVEL"):  # compiled, they are constants of C
        assert (marking.LEVEL, marking.CLEAR, marking.INVALID) == (LEVEL, CLEAR, INVALID)
        assert (marking.LAST, marking.KIND_MASK) == (LAST, columns.KIND_MASK)


a_row = st.tuples(
    st.integers(0, 40),
    st.sampled_from([LEVEL, LEVEL, LEVEL, LEVEL, TRADE, CLEAR, INVALID]),
    st.booleans(),
    st.integers(0, 1),
    st.integers(1, 12),
    st.integers(0, 2),
)


@given(st.lists(a_row, max_size=60), st.lists(st.integers(0, 900), max_size=10).map(sorted))
@settings(max_examples=100, deadline=None)
def test_any_rows_give_the_mids_of_a_naive_book(drawn, times):
    ts, rows = 0, []
    for delay, kind, is_last, side, price, lots in drawn:
        ts += delay
        rows.append((ts, kind | (LAST if is_last else 0), side, price, lots))

    walk = walked(rows, times, after=(0, 7), step=50)

    known = naive_mids(rows)
    end = rows[-1][0] if rows else -1
    for after, found in zip((0, 7), walk.mids, strict=True):
        for time, mid in zip(times, found, strict=True):
            seen = [value for at, value in known if at <= time + after]
            assert mid == (seen[-1] if seen and time + after <= end else 0)
    for lowest in range(0, ts + 50, 50):
        inside = [value for at, value in known if lowest <= at < lowest + 50]
        marks = [m for at, m in zip(walk.mark_ns, walk.mark_mids, strict=True) if lowest <= at < lowest + 50]
        assert set(marks) <= set(inside)
        assert bool(marks) == bool(inside)
        if inside:
            assert (max(marks), min(marks), marks[-1]) == (max(inside), min(inside), inside[-1])
    assert list(walk.mark_ns) == sorted(walk.mark_ns)


def naive_mids(rows):
    """Return (time, mid) at each change of the mid."""
    sides, is_valid, is_changed, known = ({}, {}), False, False, []
    for ts, kind, side, price, lots in rows:
        what = kind & columns.KIND_MASK
        if what == LEVEL:
            sides[side][price] = lots
            if not lots:
                del sides[side][price]
            is_changed = True
        elif what == CLEAR:
            sides, is_valid, is_changed = ({}, {}), True, True
        elif what == INVALID:
            is_valid = False
        if is_changed and kind & LAST:
            is_changed = False
            if is_valid and sides[0] and sides[1] and max(sides[0]) < min(sides[1]):
                mid = max(sides[0]) + min(sides[1])
                if not known or known[-1][1] != mid:
                    known.append((ts, mid))
    return known
