"""Import of the market data on a log: the segments of a data directory to one column file per market.

Rows carry the time of receipt, so they stand where the feed said them. A whole book of the feed (at start,
after a gap, each minute) is a CLEAR with its levels, as the cores of the live mesh take it.
"""

import struct
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from services.backtest.coverage import Coverage, refuse
from services.backtest.import_market import CLEAR_ROW, INVALID_ROW, NO_BOOK, START_NS
from services.backtest.import_output import Imported, column_path, is_wanted
from services.backtest.import_rows import ROWS_KEPT, MarketRows, Row
from services.market_data.trades import TradeTape
from shared import columns
from shared.columns import ColumnsError, ColumnsWriter, Gap
from shared.errors import QuotemeshError
from shared.instrument import venue_of, venue_symbol
from shared.kernels.capture_lines import CaptureLines
from shared.kernels.levels import step_of
from shared.messages import Event, decode_header, message_of
from shared.messages.market import (
    BookInvalid,
    BookSnapshot,
    BookUpdate,
    FundingRate,
    InstrumentRules,
    Trade,
)
from shared.runtime.journal import SEGMENT_PATTERN, JournalReader

TOPICS = (b".instrument.", b".book.", b".trade.", b".funding.")
PROGRESS_ROWS = 4096


def journal_of(path: Path) -> Path | None:
    """Return the folder of segments that `path` names: itself, or `journal/` of a data directory."""
    for folder in (path, path / "journal"):
        if folder.is_dir() and any(folder.glob(SEGMENT_PATTERN)):
            return folder
    return None


class LoggedMarket(MarketRows):
    """Rows of one market out of what its feed said on the log."""

    def __init__(self, rules: InstrumentRules, writer: ColumnsWriter, coverage: Coverage) -> None:
        steps = (step_of(rules.tick_size, "tick size"), step_of(rules.lot_size, "lot size"))
        lines = CaptureLines(b"", [b"trade"], False, *steps, ROWS_KEPT)
        super().__init__(rules, writer, coverage, lines, None)
        self._tape = TradeTape()
        self._update_n = -1
        self._is_open = False
        self._closed_ns = 0
        self._closed_why = NO_BOOK
        self._first_ns = 0
        self._funding: FundingRate | None = None
        self._mark_ticks = 0

    @property
    def where(self) -> str:
        """Return the place in the log, for people."""
        return f"{self.path} seq {self.lines.line_count}"

    def take(self, event: Event) -> None:
        """Take one message of the feed."""
        message, at_ns = event.message, event.header.origin_ns or event.header.ts_ns
        self.lines.line_count = event.header.seq
        if at_ns < self.lines.last_local_ns:
            self.coverage.find("unordered", self.where)
            at_ns = self.lines.last_local_ns
        self._first_ns = self._first_ns or at_ns
        if isinstance(message, BookUpdate):
            self._take_update(message, at_ns)
        elif isinstance(message, Trade):
            self._take_trade(message, at_ns)
        elif isinstance(message, BookSnapshot):
            self._take_snapshot(message, at_ns)
        elif isinstance(message, BookInvalid):
            self._close(f"{message.reason}: {message.detail}".rstrip(": "), at_ns)
        elif isinstance(message, FundingRate):
            self._take_funding(message, at_ns)
        self.lines.last_local_ns = at_ns

    def _take_update(self, message: BookUpdate, at_ns: int) -> None:
        if not self._is_open:
            return
        if message.update_n != self._update_n + 1:
            self._close(
                f"book updates {self._update_n + 1}..{message.update_n - 1} are not on the log", at_ns
            )
            return
        self._update_n = message.update_n
        self.put(message.ts_venue_ns or at_ns, at_ns, _rows(message))
        self.lines.diff_count += 1

    def _take_snapshot(self, message: BookSnapshot, at_ns: int) -> None:
        if self._is_open and message.reason == "start":
            # The feed was killed: nothing was said when its book ended.
            self._close("market data stopped", self.lines.last_local_ns)
        self._update_n = message.update_n
        self.put(message.ts_venue_ns or at_ns, at_ns, [CLEAR_ROW, *_rows(message)])
        if not self._is_open:
            from_ns = self._closed_ns or self._first_ns
            if self._closed_why != NO_BOOK or at_ns - from_ns > START_NS:
                self.coverage.add_gap(Gap(from_ns, at_ns, self._closed_why))
        self._is_open, self._closed_why = True, ""

    def _close(self, why: str, at_ns: int) -> None:
        if self._is_open:
            self.put(at_ns, at_ns, [INVALID_ROW])
            self._closed_ns, self._closed_why = at_ns, why
        self._is_open = False

    def _take_trade(self, message: Trade, at_ns: int) -> None:
        missing = self._tape.missing_count
        if not self._tape.take(message.trade_id):
            self.coverage.find("duplicates", f"trade {message.trade_id} at {self.where}")
            return
        if self._tape.missing_count > missing:
            why = f"{self._tape.missing_count - missing} trades before {message.trade_id}"
            self.coverage.add_gap(Gap(self.lines.last_local_ns, at_ns, why))
        row = (message.price_ticks, message.qty_lots, columns.TRADE, int(message.side))
        self.put(message.ts_venue_ns, at_ns, [row])
        self.lines.trade_count += 1

    def _take_funding(self, message: FundingRate, at_ns: int) -> None:
        last, self._funding = self._funding, message
        if last is not None and 0 < last.next_funding_ns <= message.ts_venue_ns:
            self.put(last.next_funding_ns, at_ns, [(self._mark_ticks, last.rate_e8, columns.FUNDING, 0)])
        mark_ticks = message.mark_centiticks // 100
        if mark_ticks != self._mark_ticks:
            self._mark_ticks = mark_ticks
            self.put(message.ts_venue_ns, at_ns, [(mark_ticks, 0, columns.MARK, 0)])

    def end(self) -> None:
        """Write the last rows and complete the coverage."""
        found, lines = self.coverage, self.lines
        if self._closed_why == NO_BOOK:
            found.find("no-book", f"{self.path} holds no book of {self.rules.symbol}")
        elif not self._is_open:
            found.add_gap(Gap(self._closed_ns, lines.last_local_ns, self._closed_why))
        self.write(0)
        found.first_ns, found.last_ns = self._first_ns, lines.last_local_ns
        found.rows, found.diffs, found.trades = self.writer.count, lines.diff_count, lines.trade_count


def _rows(message: BookSnapshot | BookUpdate) -> list[Row]:
    return [
        (ticks, lots, columns.LEVEL, int(n >= message.bid_count))
        for n, (ticks, lots) in enumerate(struct.iter_unpack("<qq", message.levels))
    ]


class JournalImport:
    """Reads logs once; `read` finds out what they hold, `finish` gives the files their names."""

    def __init__(
        self,
        paths: Collection[Path],
        out: Path,
        symbols: Collection[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._paths = list(paths)
        self._out = out
        self._symbols = symbols
        self._progress = progress
        self._open: dict[str, LoggedMarket] = {}
        self._all: list[LoggedMarket] = []

    def read(self) -> list[Coverage]:
        """Read everything and return what was found of each market; raises `ColumnsError`."""
        try:
            for path in self._paths:
                self._open = {}
                for event in self._events(path):
                    self._take(path, event)
            for market in self._all:
                market.end()
        except BaseException:
            self.abort()
            raise
        if not self._all:
            raise ColumnsError(
                f"{', '.join(map(str, self._paths))}: the log holds no market data of "
                f"{', '.join(self._symbols) or 'any market'}; name another data directory"
            )
        return [market.coverage for market in self._all]

    def finish(self, allowed: Collection[str] = ()) -> list[Imported]:
        """Write the column files, or raise `ColumnsError` when something found is not allowed."""
        try:
            refuse((market.coverage for market in self._all), allowed)
            return [
                Imported(market.writer.path, market.writer.finish(market.coverage.gaps), market.coverage)
                for market in self._all
            ]
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what was not finished."""
        for market in self._all:
            market.writer.abort()

    def _events(self, path: Path) -> Iterator[Event]:
        journal = journal_of(path)
        if journal is None:
            raise ColumnsError(f"{path} holds no log (segment-*.sqlite); name a data directory of a mesh")
        reader, size = JournalReader(journal), 0
        try:
            for n, row in enumerate(reader.rows(reader.first_seq() - 1, prefixes=TOPICS)):
                yield Event(decode_header(row.header), message_of(row.body))
                size += len(row.body)
                if self._progress is not None and n % PROGRESS_ROWS == 0:
                    self._progress(size)
                    size = 0
        except QuotemeshError as error:
            raise ColumnsError(str(error)) from error
        finally:
            reader.close()

    def _take(self, path: Path, event: Event) -> None:
        symbol = str(getattr(event.message, "symbol", ""))
        if not is_wanted(venue_of(symbol), venue_symbol(symbol), self._symbols):
            return
        market = self._open.get(symbol)
        if isinstance(event.message, InstrumentRules):
            rules = event.message
            steps = (rules.tick_size, rules.lot_size)
            # With other steps the integers mean something else: they go to a file of their own.
            if market is None or (market.rules.tick_size, market.rules.lot_size) != steps:
                self._begin(path, event, rules)
        elif market is not None:
            market.take(event)

    def _begin(self, path: Path, event: Event, rules: InstrumentRules) -> None:
        at_ns = event.header.origin_ns or event.header.ts_ns
        writer = ColumnsWriter(
            column_path(self._out, rules.symbol, at_ns), rules.symbol, rules, f"log {path.name}"
        )
        market = LoggedMarket(rules, writer, Coverage(rules.symbol, [str(path)]))
        market.path = str(path)
        self._open[rules.symbol] = market
        self._all.append(market)
