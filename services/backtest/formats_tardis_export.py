"""A column file as Tardis CSV: one file of the book, one of trades, in microseconds."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TextIO

import msgspec

from services.backtest.formats_rows import FormatError
from services.backtest.formats_tardis import BOOK_COLUMNS, NS_PER_US, TRADE_COLUMNS, VENUES
from shared.columns import CLEAR, KIND_MASK, LAST, LEVEL, TRADE, Columns
from shared.instrument import venue_of, venue_symbol

EXCHANGES = {ours: theirs for theirs, ours in VENUES.items()}
FLUSH_ROWS = 10_000


class TardisExport(msgspec.Struct):
    """What was written, and what the format cannot say.

    `left_out_count` rows are of funding, marks and broken books. `merged_count` messages share their local
    microsecond with the one before, so that a reader takes both as one; `cut_count` times were not whole
    microseconds and were rounded down.
    """

    book_rows: int = 0
    trade_rows: int = 0
    left_out_count: int = 0
    merged_count: int = 0
    cut_count: int = 0


def export_tardis(source: Path, book: Path, trades: Path) -> TardisExport:
    """Write the book to `book` and the trades to `trades`; a name that ends in `.gz` is compressed.

    A snapshot directly after another is told apart by a deletion between the two, of a level that the first
    one holds: readers begin a new book only after a row that is no part of a snapshot.

    Raises:
        FormatError: a file cannot be written; neither has its name then.
        ColumnsError: the column file cannot be read.
    """
    with Columns.open(source) as columns, _drafts(book, trades) as (book_file, trade_file):
        return _Exporter(columns, book_file, trade_file).run()


class _Exporter:
    """Walks the rows once; prices and quantities are written with the decimals of tick and lot."""

    def __init__(self, columns: Columns, book_file: TextIO, trade_file: TextIO) -> None:
        self._columns = columns
        self._book_file = book_file
        self._trade_file = trade_file
        self._made = TardisExport()
        rules = columns.header.rules
        venue = venue_of(rules.symbol)
        self._market = f"{EXCHANGES.get(venue, venue)},{venue_symbol(rules.symbol)}"
        self._price = _Texts(rules.tick_size)
        self._quantity = _Texts(rules.lot_size)
        self._book: list[str] = [",".join(BOOK_COLUMNS)]
        self._trades: list[str] = [",".join(TRADE_COLUMNS)]

    def run(self) -> TardisExport:
        """Write all rows."""
        rows = self._columns
        made = self._made
        is_snapshot = was_snapshot = is_new = False
        message_us = 0
        for at in range(rows.count):
            kind, exch_ns, local_ns = rows.kind[at], rows.ts_exch_ns[at], rows.ts_local_ns[at]
            what = kind & KIND_MASK
            made.cut_count += (exch_ns or local_ns) % NS_PER_US != 0 or local_ns % NS_PER_US != 0
            local_us = local_ns // NS_PER_US
            times = f"{(exch_ns or local_ns) // NS_PER_US},{local_us}"
            if what == LEVEL:
                level = f"{self._price(rows.price_ticks[at])},{self._quantity(rows.lots[at])}"
                side = "ask" if rows.side[at] else "bid"
                if is_new and was_snapshot:
                    self._put_book(times, "false", side, f"{self._price(rows.price_ticks[at])},0")
                is_new = False
                self._put_book(times, "true" if is_snapshot else "false", side, level)
                was_snapshot = is_snapshot
            elif what == TRADE:
                level = f"{self._price(rows.price_ticks[at])},{self._quantity(rows.lots[at])}"
                self._trades.append(
                    f"{self._market},{times},{at + 1},{'sell' if rows.side[at] else 'buy'},{level}"
                )
                made.trade_rows += 1
            elif what == CLEAR:
                is_snapshot = is_new = True
            else:
                made.left_out_count += 1
            if kind & LAST and what != TRADE:
                made.merged_count += local_us == message_us
                message_us = local_us
                is_snapshot = False
                self._flush(FLUSH_ROWS)
        self._flush(0)
        return made

    def _put_book(self, times: str, is_snapshot: str, side: str, level: str) -> None:
        self._book.append(f"{self._market},{times},{is_snapshot},{side},{level}")
        self._made.book_rows += 1

    def _flush(self, above: int) -> None:
        for file, lines in ((self._book_file, self._book), (self._trade_file, self._trades)):
            if len(lines) > above:
                file.write("\n".join(lines) + "\n")
                lines.clear()


class _Texts:
    """Turns whole steps into plain decimal texts; the last ones are kept, since prices repeat."""

    def __init__(self, step: str) -> None:
        self._step = Decimal(step)
        self._kept: dict[int, str] = {}

    def __call__(self, count: int) -> str:
        text = self._kept.get(count)
        if text is None:
            if len(self._kept) > 100_000:
                self._kept.clear()
            text = self._kept[count] = format(self._step * count, "f")
        return text


@contextmanager
def _drafts(*paths: Path) -> Iterator[tuple[TextIO, ...]]:
    """Open a draft beside each path; all get their names when the body ends well."""
    drafts = [path.with_name(f".{path.name}.part") for path in paths]
    files: list[TextIO] = []
    try:
        for path, draft in zip(paths, drafts, strict=True):
            # Closed below, before the drafts get their names.
            if path.suffix == ".gz":
                files.append(gzip.open(draft, "wt", encoding="ascii", newline="\n", compresslevel=1))  # noqa: SIM115
            else:
                files.append(draft.open("w", encoding="ascii", newline="\n"))
        yield tuple(files)
        for file in files:
            file.close()
        for path, draft in zip(paths, drafts, strict=True):
            draft.replace(path)
    except OSError as error:
        raise FormatError(
            f"{paths[0]} could not be written ({error.strerror or error}); nothing of it is kept: make "
            "space, or name another folder"
        ) from None
    finally:
        for file in files:
            file.close()
        for draft in drafts:
            draft.unlink(missing_ok=True)
