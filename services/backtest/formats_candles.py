"""Candles as CSV to columns: each is walked O-H-L-C when it closed up, O-L-H-C when it closed down (BT-5).

A candle says neither book nor order of trades, so both are made, and declared: at each of the four points a
quarter of the volume trades at that price, and then the book stands around it with a spread of `spread_ticks`
and `depth_lots` on one level of each side. The trade is at the touch, and the touch is the one that lies
inside the candle: at the high the ask is the high, at the low the bid is the low. So a resting order at any
price from the low to the high can be filled, none beyond them, and no more than a quarter of the volume at a
point. What a taker pays beyond the candle's range is at most the spread of a candle narrower than it.

What misleads: within a candle the price moves at once from point to point, so stops and cancels between are
not tried; a real book has more levels; nobody knows the queue.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from services.backtest.formats_csv import CsvTable, head_of, lines_of, steps_of
from services.backtest.formats_rows import ForeignImport, FormatError, Rows, bad_row, chosen_rules
from shared.columns import CLEAR, INVALID, LEVEL, TRADE, Gap
from shared.kernels.levels import LevelParser
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_MS, NS_PER_S

TIME_NAMES = ("open_time", "timestamp", "time", "date")
PRICE_NAMES = ("open", "high", "low", "close", "volume")
BARE = 6
"""Fields of a file without a header, in the order of Binance: time, open, high, low, close, volume, ..."""
SPREAD_TICKS = 2
DEPTH_VOLUMES = 1
POINTS = 4
CANDLES_JUDGED = 1_000


class CandleRow(NamedTuple):
    """One candle in ticks and lots; `open_ns` is its start."""

    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int

    def walk(self) -> tuple[int, int, int, int]:
        """Return the four prices in the order in which they are assumed to have come."""
        if self.close_ticks >= self.open_ticks:
            return self.open_ticks, self.high_ticks, self.low_ticks, self.close_ticks
        return self.open_ticks, self.low_ticks, self.high_ticks, self.close_ticks


def is_candles(line: str) -> bool:
    """Return whether a first line is a header of candles, or a candle as Binance's files begin with."""
    fields = [field.strip().lower() for field in line.split(",")]
    if set(PRICE_NAMES) <= set(fields):
        return any(name in fields for name in TIME_NAMES)
    return len(fields) == 12 and fields[0].isdigit() and len(fields[0]) in {13, 16}


class CandleImport(ForeignImport):
    """Files of candles of one market and one interval."""

    def fill(self) -> None:
        """Read the candles; raises `FormatError` for a file or a row that cannot be."""
        symbol = self.only_symbol()
        tables = [_CandleTable(path, self.done) for path in sorted(self.paths, key=lambda path: path.name)]
        rules = chosen_rules(self.given, symbol, lambda: _steps(tables))
        rows = self.rows(rules, f"candles {', '.join(table.path.name for table in tables)}")
        candles = list(_candles(tables, rules))
        if candles:
            _walk(rows, candles)


def _walk(rows: Rows, candles: list[CandleRow]) -> None:
    """Write the rows of all candles; a missing one is a gap, in which the book is not trusted."""
    steps = (after.open_ns - before.open_ns for before, after in pairwise(candles))
    interval_ns = min(steps, default=60 * NS_PER_S)
    volumes = sorted(candle.volume_lots for candle in candles[:CANDLES_JUDGED])
    depth_lots = max(1, volumes[len(volumes) // 2] * DEPTH_VOLUMES // POINTS)
    rows.coverage.notes.append(
        f"book made from candles of {interval_ns // NS_PER_S} s: spread {SPREAD_TICKS} ticks, {depth_lots} "
        "lots on each side"
    )
    book: tuple[int, int] | None = None
    expected_ns = candles[0].open_ns
    for candle in candles:
        if candle.open_ns != expected_ns:
            count = (candle.open_ns - expected_ns) // interval_ns
            rows.add(expected_ns, expected_ns, 0, 0, INVALID, 0)
            rows.end()
            rows.coverage.add_gap(Gap(expected_ns, candle.open_ns, f"{count} candles missing"))
            book = None
        expected_ns = candle.open_ns + interval_ns
        rows.coverage.lines += 1
        quarter = candle.volume_lots // POINTS
        for point, price in enumerate(candle.walk()):
            # The last point lies just inside the candle, so that the next one's open is later.
            at_ns = candle.open_ns + (interval_ns - NS_PER_MS) * point // (POINTS - 1)
            is_ask = price - candle.low_ticks >= candle.high_ticks - price
            lots = quarter if point < POINTS - 1 else candle.volume_lots - quarter * (POINTS - 1)
            if lots and book is not None:
                rows.add(at_ns, at_ns, price, lots, TRADE, 0 if is_ask else 1)
                rows.end()
            book = _stand(rows, at_ns, price, is_ask, depth_lots, book)


def _stand(
    rows: Rows, at_ns: int, price: int, is_ask: bool, depth_lots: int, before: tuple[int, int] | None
) -> tuple[int, int]:
    """Write the change to the book whose ask (or bid) is `price`; return its bid and ask."""
    bid = max(1, price - SPREAD_TICKS) if is_ask else price
    ask = max(price, bid + 1) if is_ask else price + SPREAD_TICKS
    if before == (bid, ask):
        return before
    if before is None:
        rows.add(at_ns, at_ns, 0, 0, CLEAR, 0)
    for side, now in enumerate((bid, ask)):
        if before is not None and before[side] != now:
            rows.add(at_ns, at_ns, before[side], 0, LEVEL, side)
        if before is None or before[side] != now:
            rows.add(at_ns, at_ns, now, depth_lots, LEVEL, side)
    rows.end()
    return bid, ask


class _CandleTable(CsvTable):
    """A file of candles with or without a header; rows are (time, open, high, low, close, volume)."""

    def __init__(self, path: Path, done: object = None) -> None:  # noqa: ARG002
        head = [field.strip().lower() for field in head_of(path)]
        self._is_bare = bool(head) and head[0].isdigit()
        if not self._is_bare:
            named = next((name for name in TIME_NAMES if name in head), "")
            if not named or not set(PRICE_NAMES) <= set(head):
                raise FormatError(
                    f"{path}: its header {','.join(head)[:200]!r} is none of candles; it must name one of "
                    f"{', '.join(TIME_NAMES)} and {', '.join(PRICE_NAMES)}"
                )
            self._at = [head.index(name) for name in (named, *PRICE_NAMES)]
        self._width = len(head)
        super().__init__(path, ())

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number, the six fields of a candle)."""
        for number, fields in lines_of(self.path):
            if number == 1 and not self._is_bare:
                continue
            if len(fields) != self._width or len(fields) < BARE:
                raise bad_row(
                    self.path,
                    number,
                    f"{len(fields)} fields instead of {self._width}",
                    "the file is cut off or damaged there; get it again",
                )
            yield number, fields[:BARE] if self._is_bare else [fields[index].strip() for index in self._at]


def _steps(tables: list["_CandleTable"]) -> tuple[str, str]:
    """Return the steps that prices and volumes lie on."""
    return steps_of(tables, (1, 2, 3, 4), 5)


def _candles(tables: list["_CandleTable"], rules: InstrumentRules) -> Iterator[CandleRow]:
    """Yield the candles in the order of time; raises `FormatError` for one that cannot be."""
    parser = LevelParser(rules.tick_size, rules.lot_size)
    before_ns = 0
    for table in tables:
        for number, fields in table.rows():
            open_ns = table.time(number, "time", fields[0], _unit_ns(fields[0]))
            if open_ns <= before_ns:
                raise bad_row(
                    table.path,
                    number,
                    f"the candle of {fields[0]} is not after the one before",
                    "sort the candles by time and drop double ones",
                )
            before_ns = open_ns
            prices = [table.ticks(number, parser, text) for text in fields[1:5]]
            first, high, low, last = prices
            if not (low <= min(first, last) and max(first, last) <= high):
                raise bad_row(
                    table.path,
                    number,
                    f"open {fields[1]}, high {fields[2]}, low {fields[3]}, close {fields[4]} are no candle",
                    "correct or drop the row",
                )
            lots, _ = table.lots(number, parser, fields[5])
            yield CandleRow(open_ns, first, high, low, last, lots)


def _unit_ns(text: str) -> int:
    """Return the unit of a time by its length: seconds, milliseconds, microseconds or nanoseconds."""
    length = len(text)
    if length <= 10:
        return NS_PER_S
    return NS_PER_MS if length <= 13 else 1000 if length <= 16 else 1
