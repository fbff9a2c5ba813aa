"""Binance's archive of USD-M depth (`T_DEPTH`): CSV files of snapshots and of updates, to columns.

Each row is a level; rows of one pair of ids are one message. An update must continue the one before (`pu` is
its last id), the first one after a snapshot must hold the snapshot's id. Where it does not, the book is
INVALID until the next snapshot. Times are milliseconds of the venue; nobody received them, so they stand for
both times.
"""

import heapq
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from services.backtest.formats_csv import CsvTable, steps_of
from services.backtest.formats_rows import ForeignImport, FormatError, Rows, bad_row, chosen_rules
from services.backtest.import_output import is_wanted
from shared.columns import CLEAR, INVALID, LEVEL, Gap
from shared.kernels.levels import LevelParser
from shared.units import NS_PER_MS

VENUE = "binance_usdm"
COLUMNS = (
    "symbol",
    "timestamp",
    "first_update_id",
    "last_update_id",
    "side",
    "update_type",
    "price",
    "qty",
    "pu",
)
SIDES = {"b": 0, "a": 1}
TYPES = {"snap": 0, "set": 1}


def is_depth_archive(line: str) -> bool:
    """Return whether a first line is the header of such a file."""
    return set(line.split(",")) >= set(COLUMNS)


class LevelRow(NamedTuple):
    """One row of a file; `rank` puts a snapshot before the updates that follow it."""

    last_id: int
    rank: int
    first_id: int
    previous_id: int
    ts_ns: int
    side: int
    price_ticks: int
    lots: int

    @property
    def message(self) -> tuple[int, int, int]:
        """What the rows of one message have in common."""
        return self.last_id, self.rank, self.first_id


class DepthArchiveImport(ForeignImport):
    """Files of one or more markets; each market's are put in the order of their ids."""

    def fill(self) -> None:
        """Read all files; raises `FormatError` for a file or a row that cannot be."""
        by_name: dict[str, list[Path]] = {}
        for path in self.paths:
            _, fields = next(CsvTable(path, COLUMNS).rows(), (0, [""]))
            if not fields[0]:
                raise FormatError(f"{path}: there is no row below the header; give another file")
            if is_wanted(VENUE, fields[0], self.symbols):
                by_name.setdefault(fields[0], []).append(path)
        for name, paths in by_name.items():
            tables = [CsvTable(path, COLUMNS, self.done) for path in paths]
            rules = chosen_rules(self.given, f"{VENUE}:{name}", partial(steps_of, tables, (6,), 7))
            rows = self.rows(rules, f"depth archive {', '.join(path.name for path in paths)}")
            parser = LevelParser(rules.tick_size, rules.lot_size)
            _Book(rows).run(heapq.merge(*(_levels(table, name, parser, rows) for table in tables)))
        if not by_name:
            raise FormatError(f"{self.paths[0]}: no file is of {', '.join(self.symbols)}; name its market")


def _levels(table: CsvTable, name: str, parser: LevelParser, rows: Rows) -> Iterator[LevelRow]:
    """Yield the rows of a file, whose ids must not fall."""
    before = (0, 0)
    for number, fields in table.rows():
        symbol, time, first, last, side, kind, price, quantity, previous = fields
        if symbol != name:
            raise bad_row(
                table.path,
                number,
                f"this row is of {symbol}, those before of {name}",
                "split the file by market",
            )
        if side not in SIDES or kind not in TYPES:
            raise bad_row(
                table.path,
                number,
                f"side {side!r}, update_type {kind!r}: one is unknown",
                f"must be of {', '.join(SIDES)} and of {', '.join(TYPES)}",
            )
        ids = [text.removeprefix("-") for text in (first, last, previous)]
        if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in ids):
            raise bad_row(table.path, number, f"ids {first}, {last}, {previous} are none", "correct the row")
        if (int(last), TYPES[kind]) < before:
            raise bad_row(
                table.path,
                number,
                f"last_update_id {last} is before that of the row before",
                "sort the file by it",
            )
        before = (int(last), TYPES[kind])
        lots, is_cut = table.lots(number, parser, quantity)
        if is_cut:
            rows.coverage.find("off-lot", f"{table.path.name}, row {number}: {quantity}")
        rows.coverage.lines += 1
        ticks = table.ticks(number, parser, price)
        ts_ns = table.time(number, "timestamp", time, NS_PER_MS)
        yield LevelRow(int(last), TYPES[kind], int(first), int(previous), ts_ns, SIDES[side], ticks, lots)


class _Book:
    """Judges messages by their ids and writes those that belong to a book."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._last_id = -1
        self._is_joined = False
        self._last_ns = 0
        self._gap_ns = 0

    def run(self, levels: Iterator[LevelRow]) -> None:
        """Take all rows."""
        for _, group in groupby(levels, key=lambda row: row.message):
            message = list(group)
            head = message[0]
            # Times of one clock that was set back are raised, so that receipt stays in order.
            ts_ns = max(head.ts_ns, self._last_ns)
            if head.rank == 0:
                self._snapshot(head, ts_ns)
            elif not self._follows(head, ts_ns):
                continue
            self._last_id, self._last_ns = head.last_id, ts_ns
            for row in message:
                self._rows.add(row.ts_ns, ts_ns, row.price_ticks, row.lots, LEVEL, row.side)
            self._rows.end()
        if self._gap_ns:
            self._rows.coverage.add_gap(
                Gap(self._gap_ns, self._last_ns, "updates missing, no snapshot after")
            )

    def _snapshot(self, head: LevelRow, ts_ns: int) -> None:
        if self._gap_ns:
            self._rows.coverage.add_gap(Gap(self._gap_ns, ts_ns, "updates missing"))
        self._gap_ns, self._is_joined = 0, False
        self._rows.add(head.ts_ns, ts_ns, 0, 0, CLEAR, 0)

    def _follows(self, head: LevelRow, ts_ns: int) -> bool:
        """Return whether an update belongs to the book; one that breaks it is written as INVALID."""
        if self._last_id < 0:
            self._rows.coverage.find("no-book", f"update {head.last_id} is before the first snapshot")
            return False
        if self._gap_ns:
            self._last_ns = ts_ns
            return False
        if not self._is_joined and head.last_id < self._last_id:
            return False
        is_next = head.previous_id == self._last_id
        if is_next or (not self._is_joined and head.first_id <= self._last_id <= head.last_id):
            self._is_joined = True
            return True
        self._gap_ns, self._last_ns = max(1, self._last_ns), ts_ns
        self._rows.add(head.ts_ns, ts_ns, 0, 0, INVALID, 0)
        self._rows.end()
        return False
