"""Series to draw of a run, thinned honestly: a line keeps first, lowest, highest and last of each part.

So a spike is never lost, whatever the number of points: only what no screen could show is left out.
"""

import math
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from services.backtest.equity import Curve
from services.backtest.record import Run
from shared.units import NS_PER_S

BUCKETS = 1200
"""Parts of the time of a chart: more than a screen has columns for it."""
BINS = 50
HOUR_S = 3600
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Line(NamedTuple):
    """Points of a line; `total` is how many there were before it was thinned."""

    ts_ns: list[int]
    values: list[float]
    total: int


class Histogram(NamedTuple):
    """Counts of equal bins from `low` on; empty without values."""

    low: float
    width: float
    counts: list[int]
    mean: float


def thinned(ts_ns: Sequence[int], values: Sequence[float], buckets: int = BUCKETS) -> Line:
    """Return a line of at most four points per bucket of time, in the order of time."""
    total = len(ts_ns)
    if total <= 4 * buckets:
        return Line(list(ts_ns), list(values), total)
    first_ns = ts_ns[0]
    width = max(1, (ts_ns[-1] - first_ns) // buckets + 1)
    kept: list[int] = []
    begin = low = high = 0
    bucket = 0
    for at in range(total):
        number = (ts_ns[at] - first_ns) // width
        if number != bucket:
            kept += sorted({begin, low, high, at - 1})
            begin = low = high = at
            bucket = number
        elif values[at] < values[low]:
            low = at
        elif values[at] > values[high]:
            high = at
    kept += sorted({begin, low, high, total - 1})
    return Line([ts_ns[at] for at in kept], [values[at] for at in kept], total)


def drawdown(curve: Curve) -> list[float]:
    """Return equity less its highest point so far (from 0 at the beginning): never positive."""
    high, found = 0.0, []
    for value in curve.equity:
        high = max(high, value)
        found.append(value - high)
    return found


def inventory(run: Run, market: int, strategy: int | None = None) -> Line:
    """Return the position in one market after each fill, in lots."""
    fills = run.fills
    lots = sum(
        each.lots for each in run.opening if each.market == market and strategy in (None, each.strategy)
    )
    times, values = array("q"), array("d")
    if lots:
        times.append(run.meta.from_ns)
        values.append(lots)
    for row, of_market in enumerate(fills.market):
        if of_market == market and strategy in (None, fills.strategy[row]):
            lots += -fills.lots[row] if fills.side[row] else fills.lots[row]
            times.append(fills.ts_ns[row])
            values.append(lots)
    return thinned(times, values)


def price(run: Run, market: int) -> Line:
    """Return the mid of one market in ticks, at its marks and fills."""
    points = [
        (ts, mid / 2)
        for table in (run.marks, run.fills)
        for ts, at, mid in zip(table.ts_ns, table.market, table.mid_half_ticks, strict=True)
        if at == market and mid
    ]
    points.sort()
    return thinned([ts for ts, _ in points], [value for _, value in points])


class FillPoints(NamedTuple):
    """Fills of one side as points: times, prices in ticks, texts to show, and how many there were."""

    ts_ns: list[int]
    price_ticks: list[int]
    lots: list[int]
    total: int


def fill_points(run: Run, market: int, side: int, strategy: int | None = None) -> FillPoints:
    """Return the fills of one side; of too many the highest and lowest price of each part of time."""
    fills = run.fills
    rows = [
        row
        for row in range(len(fills))
        if fills.market[row] == market and fills.side[row] == side and strategy in (None, fills.strategy[row])
    ]
    total = len(rows)
    if total > 2 * BUCKETS:
        first_ns = fills.ts_ns[rows[0]]
        width = max(1, (fills.ts_ns[rows[-1]] - first_ns) // BUCKETS + 1)
        extremes: dict[int, tuple[int, int]] = {}
        for row in rows:
            number, value = (fills.ts_ns[row] - first_ns) // width, fills.price_ticks[row]
            low, high = extremes.get(number, (row, row))
            extremes[number] = (
                row if value < fills.price_ticks[low] else low,
                row if value > fills.price_ticks[high] else high,
            )
        rows = sorted({row for pair in extremes.values() for row in pair})
    return FillPoints(
        [fills.ts_ns[row] for row in rows],
        [fills.price_ticks[row] for row in rows],
        [fills.lots[row] for row in rows],
        total,
    )


def histogram(values: Sequence[float], bins: int = BINS) -> Histogram:
    """Return `values` counted in equal bins between the lowest and the highest; equal ones fill one bin."""
    if not values:
        return Histogram(0.0, 0.0, [], 0.0)
    low, high = min(values), max(values)
    width = (high - low) / bins
    counts = [0] * bins
    if width:
        for value in values:
            counts[min(bins - 1, int((value - low) / width))] += 1
    else:
        width = abs(low) / bins or 1.0
        low -= width / 2
        counts[0] = len(values)
    return Histogram(low, width, counts, math.fsum(values) / len(values))


def by_hour(curve: Curve) -> list[list[float | None]]:
    """Return the change of equity of each hour (UTC) of each weekday; None where no step fell into it."""
    sums: dict[int, float] = {}
    former = 0.0
    for ts_ns, value in zip(curve.ts_ns, curve.equity, strict=True):
        hour = ts_ns // (HOUR_S * NS_PER_S)
        sums[hour] = sums.get(hour, 0.0) + value - former
        former = value
    cells: list[list[float | None]] = [[None] * 24 for _ in WEEKDAYS]
    for hour, change in sums.items():
        at = datetime.fromtimestamp(hour * HOUR_S, tz=UTC)
        cells[at.weekday()][at.hour] = (cells[at.weekday()][at.hour] or 0.0) + change
    return cells
