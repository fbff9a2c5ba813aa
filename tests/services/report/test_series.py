"""What is drawn: nothing that a screen could show is lost, and nothing is shown that was not there."""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.equity import Curve
from services.report import series

HOUR = 3600 * 10**9


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-1000, 1000)), min_size=1, max_size=400))
@settings(max_examples=100, deadline=None)
def test_a_thinned_line_keeps_ends_and_extremes_of_the_whole(drawn):
    times, values, now = [], [], 0
    for later, value in drawn:
        now += later
        times.append(now)
        values.append(float(value))

    line = series.thinned(times, values, buckets=10)

    points = list(zip(times, values, strict=True))
    assert set(zip(line.ts_ns, line.values, strict=True)) <= set(points)
    assert line.ts_ns == sorted(line.ts_ns)
    assert (min(line.values), max(line.values)) == (min(values), max(values))
    assert (line.values[0], line.values[-1], line.total) == (values[0], values[-1], len(values))
    assert len(line.values) <= 40


def test_a_spike_among_a_million_points_is_drawn():
    values = array("d", bytes(8 * 1_000_000))
    values[765_432] = -7.0

    line = series.thinned(range(1_000_000), values)

    assert len(line.values) <= 4 * series.BUCKETS
    assert min(line.values) == -7.0


@pytest.mark.req("BT-10")
def test_a_histogram_has_fifty_bins_that_hold_every_value_and_their_mean():
    found = series.histogram([float(value) for value in range(101)])

    assert (len(found.counts), sum(found.counts), found.mean) == (50, 101, 50.0)
    assert (found.low, found.width, found.counts[0], found.counts[-1]) == (0.0, 2.0, 2, 3)
    assert series.histogram([]).counts == []
    assert series.histogram([2.0, 2.0]).counts[0] == 2


def test_drawdown_is_measured_from_zero_at_the_beginning():
    curve = Curve(array("q", [1, 2, 3, 4]), array("d", [-2.0, 3.0, 1.0, 4.0]))

    assert series.drawdown(curve) == [-2.0, 0.0, -2.0, 0.0]


@pytest.mark.req("BT-10")
def test_profit_is_put_into_its_hour_and_weekday_and_other_cells_stay_empty():
    # 1970-01-01 was a Thursday; the 5th a Monday
    curve = Curve(array("q", [HOUR, HOUR + 5, 4 * 24 * HOUR + 23 * HOUR]), array("d", [1.0, 3.0, 2.5]))

    cells = series.by_hour(curve)

    assert (cells[3][1], cells[0][23]) == (3.0, -0.5)
    assert sum(cell is not None for row in cells for cell in row) == 2


def test_of_too_many_fills_the_extremes_are_drawn_and_the_rest_counted(traded_run):
    fills = traded_run.fills
    for at in range(5000):
        price = 600_000 if at != 2500 else 1
        fills.add(ts_ns=fills.ts_ns[-1] + 1000, order=-1, price_ticks=price, lots=1)

    found = series.fill_points(traded_run, 0, 0)

    assert found.total == 5020
    assert len(found.ts_ns) <= 2 * series.BUCKETS
    assert min(found.price_ticks) == 1
