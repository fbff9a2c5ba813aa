"""Tardis CSV: `incremental_book_L2` and `trades` files, plain or gzip, to columns.

Times are microseconds. Rows of the book with one `local_timestamp` are one message of the venue; a row with
`is_snapshot` true after one without begins a new book. Book and trades of a market are put together by local
time, trades first where it is equal: a venue sends the trade before the change it causes.
"""

import heapq
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from services.backtest.formats_csv import CsvTable, head_of, steps_of
from services.backtest.formats_rows import ForeignImport, FormatError, Rows, bad_row, chosen_rules
from services.backtest.import_output import is_wanted
from shared.columns import CLEAR, LEVEL, TRADE
from shared.kernels.levels import LevelParser
from shared.messages.market import InstrumentRules

BOOK_COLUMNS = (
    "exchange",
    "symbol",
    "timestamp",
    "local_timestamp",
    "is_snapshot",
    "side",
    "price",
    "amount",
)
TRADE_COLUMNS = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
NS_PER_US = 1000
BOOLEANS = {"true": True, "false": False}
BOOK_SIDES = {"bid": 0, "ask": 1}
TRADE_SIDES = {"buy": 0, "sell": 1}
VENUES = {"binance-futures": "binance_usdm", "binance": "binance"}
"""Names of exchanges there and here; any other keeps its own, with underscores."""


def is_tardis(line: str) -> bool:
    """Return whether a first line is the header of one of the two kinds of files."""
    fields = line.split(",")
    return set(fields) >= set(BOOK_COLUMNS) or set(fields) >= set(TRADE_COLUMNS)


class Change(NamedTuple):
    """One row of a file as the columns hold it; trades have the lower `rank`."""

    local_ns: int
    rank: int
    exch_ns: int
    is_snapshot: bool
    side: int
    price_ticks: int
    lots: int


class _File(NamedTuple):
    path: Path
    is_book: bool
    exchange: str
    name: str


class TardisImport(ForeignImport):
    """Files of any number of markets; each market's are put together."""

    def fill(self) -> None:
        """Read all files; raises `FormatError` for a file or a row that cannot be."""
        by_market: dict[str, list[_File]] = {}
        for path in self.paths:
            file = _kind_of(path)
            venue = VENUES.get(file.exchange, file.exchange.replace("-", "_"))
            if is_wanted(venue, file.name, self.symbols):
                by_market.setdefault(f"{venue}:{file.name}", []).append(file)
        for symbol, files in by_market.items():
            tables = [_table(file) for file in files]
            # Price and amount stand last in both kinds of files.
            rules = chosen_rules(self.given, symbol, partial(steps_of, tables, (-2,), -1))
            rows = self.rows(rules, f"Tardis {', '.join(file.path.name for file in files)}")
            self._fill_market(rows, rules, files)
        if not by_market:
            raise FormatError(
                f"{self.paths[0]}: no file is of {', '.join(self.symbols)}; name a market of theirs"
            )

    def _fill_market(self, rows: Rows, rules: InstrumentRules, files: list[_File]) -> None:
        parser = LevelParser(rules.tick_size, rules.lot_size)
        streams = []
        for is_book in (False, True):
            kind = sorted(
                (file for file in files if file.is_book == is_book), key=lambda file: file.path.name
            )
            streams.append(self._changes(kind, parser, rows))
        has_book = was_snapshot = False
        message: tuple[int, int] = (0, 0)
        for change in heapq.merge(*streams, key=lambda change: change[:2]):
            if change.rank == 0:
                rows.end()
                message = (0, 0)
                rows.add(change.exch_ns, change.local_ns, change.price_ticks, change.lots, TRADE, change.side)
                rows.end()
                continue
            if message != change[:2]:
                rows.end()
                message = change[:2]
            if change.is_snapshot and not was_snapshot:
                rows.end()
                rows.add(change.exch_ns, change.local_ns, 0, 0, CLEAR, 0)
                has_book = True
            was_snapshot = change.is_snapshot
            if not has_book:
                rows.coverage.find("no-book", f"{change.local_ns // NS_PER_US} is before the first snapshot")
                continue
            rows.add(change.exch_ns, change.local_ns, change.price_ticks, change.lots, LEVEL, change.side)
        rows.end()

    def _changes(self, files: list[_File], parser: LevelParser, rows: Rows) -> Iterator[Change]:
        """Yield the rows of files that follow each other."""
        before_ns = 0
        for file in files:
            table = _table(file)
            sides = BOOK_SIDES if file.is_book else TRADE_SIDES
            for number, fields in CsvTable(
                file.path, BOOK_COLUMNS if file.is_book else TRADE_COLUMNS, self.done
            ).rows():
                exchange, name, exch, local, flag, side, price, amount = fields
                if name != file.name or exchange != file.exchange:
                    raise bad_row(
                        file.path,
                        number,
                        f"this row is of {exchange} {name}, those before of {file.exchange} {file.name}",
                        "split the file by market",
                    )
                local_ns = table.time(number, "local_timestamp", local, NS_PER_US)
                if local_ns < before_ns:
                    raise bad_row(
                        file.path,
                        number,
                        f"local_timestamp {local} is before {before_ns // NS_PER_US}, that of the row before",
                        "sort the rows by local_timestamp, and name the files of days in their order",
                    )
                before_ns = local_ns
                if side not in sides or (file.is_book and flag not in BOOLEANS):
                    what = f"side {side!r}" if side not in sides else f"is_snapshot {flag!r}"
                    raise bad_row(
                        file.path,
                        number,
                        f"{what} is unknown",
                        f"must be of {', '.join([*sides, *BOOLEANS])}",
                    )
                lots, is_cut = table.lots(number, parser, amount)
                if is_cut:
                    rows.coverage.find("off-lot", f"{file.path.name}, row {number}: {amount}")
                rows.coverage.lines += 1
                yield Change(
                    local_ns,
                    int(file.is_book),
                    table.time(number, "timestamp", exch, NS_PER_US),
                    file.is_book and BOOLEANS[flag],
                    sides[side],
                    table.ticks(number, parser, price),
                    lots,
                )


def _table(file: _File) -> CsvTable:
    return CsvTable(file.path, BOOK_COLUMNS if file.is_book else TRADE_COLUMNS)


def _kind_of(path: Path) -> _File:
    """Return what a file holds, by its header and first row; raises `FormatError`."""
    head = head_of(path)
    for is_book, columns in ((True, BOOK_COLUMNS), (False, TRADE_COLUMNS)):
        if set(head) >= set(columns):
            for _, fields in CsvTable(path, columns).rows():
                return _File(path, is_book, fields[0], fields[1])
            raise FormatError(f"{path}: there is no row below the header; give another file")
    raise FormatError(
        f"{path}: its header {','.join(head)[:200]!r} is neither of incremental_book_L2 nor of trades; "
        f"the first has {','.join(BOOK_COLUMNS)}"
    )
