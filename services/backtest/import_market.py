"""One market of raw recordings: its lines to rows, by the venue's rules of sequence.

The kernel takes the lines that simply continue; every other one comes here, where the state machine of the
live feed (`BookSync`, `TradeTape`) judges it.
"""

from collections.abc import Callable
from decimal import Decimal

from services.backtest.coverage import Coverage, when
from services.backtest.import_lines import Line, bad_line, parsed
from services.backtest.import_rows import ROWS_KEPT, TAIL_ROWS, FinerStepError, MarketRows
from services.market_data.sync import BookSync, Phase, Verdict
from services.market_data.trades import TradeTape
from services.venue_sim.capture_scan import StepFinder
from services.venue_sim.streams import AGG_TRADE, DEPTH, MARK_PRICE, TRADE
from services.venue_sim.venue import USDM
from shared import columns
from shared.columns import ColumnsError, ColumnsWriter, Gap
from shared.instrument import venue_of, venue_symbol
from shared.kernels.capture_lines import DONE, FULL, CaptureLines
from shared.kernels.levels import step_of
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_S
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, DepthBook, DepthDiff, MarkPrint

CLEAR_ROW = (0, 0, columns.CLEAR, 0)
INVALID_ROW = (0, 0, columns.INVALID, 0)
NO_BOOK = "no book before the first snapshot"
BUFFERED_DIFFS_MAX = 5_000
START_NS = 10 * NS_PER_S
"""A book that begins later after the first line than this is listed as a gap."""
DIFFS_KEPT, DIFF_FIELDS = 1024, 5
SKIPPED = (b"bookTicker", b"kline", b"ticker", b"miniTicker", b"avgPrice", b"forceOrder")


class MarketImport(MarketRows):
    """The sequence of one market: books, diffs, trades and marks as its rows; `end` completes them.

    `is_book_ours` tells of a REST book, which names no market, whether it is this one's.
    """

    def __init__(
        self,
        rules: InstrumentRules,
        writer: ColumnsWriter,
        coverage: Coverage,
        trade_channel: str,
        finders: tuple[StepFinder, StepFinder] | None,
        is_book_ours: Callable[[DepthBook], bool],
    ) -> None:
        self.name = venue_symbol(rules.symbol)
        self.adapter = VENUES[venue_of(rules.symbol)]
        unused = (channel for channel in (TRADE, AGG_TRADE) if channel != trade_channel)
        lines = CaptureLines(
            f'{{"stream":"{self.name.lower()}@'.encode(),
            [trade_channel.encode(), *SKIPPED, *(channel.encode() for channel in unused)],
            self.adapter.name == USDM,
            step_of(rules.tick_size, "tick size"),
            step_of(rules.lot_size, "lot size"),
            ROWS_KEPT,
        )
        super().__init__(rules, writer, coverage, lines, finders)
        self._sync = BookSync(self.adapter.sequence, BUFFERED_DIFFS_MAX)
        self._sync.begin()
        self._tape = TradeTape()
        self._trade_channel = trade_channel
        self._is_book_ours = is_book_ours
        self._held: DepthBook | None = None
        self._newer: DepthBook | None = None
        self._first_ns = 0
        self._closed_ns = 0
        self._closed_why = NO_BOOK
        self._overlap_until_ns = 0
        self._before_ns = 0
        self.rest_count = 0
        self._mark: MarkPrint | None = None
        self._mark_ticks = 0
        self._venue_ns = 0

    # ---- the files

    def begin_file(self, path: str) -> None:
        """Go on with the next file."""
        self.path = path
        self._lines_before = self.lines.line_count
        self._overlap_until_ns = self.lines.last_local_ns

    def take_block(self, data: bytearray, end: int) -> None:
        """Take whole lines; raises `ColumnsError` with file and line, and `FinerStepError`."""
        lines, at = self.lines, 0
        while at < end:
            at = lines.walk(data, at, end)
            if lines.stop == DONE:
                continue
            if lines.stop == FULL and lines.count > TAIL_ROWS:
                self.write(TAIL_ROWS)
                continue
            behind = data.index(b"\n", at) + 1
            try:
                self._take(bytes(data[at : behind - 1]))
            except (FinerStepError, ColumnsError):
                raise
            except UNREADABLE as error:
                raise bad_line(self.path, self.line_n, error) from None
            at = behind
            lines.line_count += 1

    def _take(self, raw: bytes) -> None:
        line = parsed(raw)
        if line is None:
            self.rest_count += 1
            return
        lines = self.lines
        if line.recv_ns < lines.last_local_ns:
            if line.recv_ns < self._overlap_until_ns:
                self._count_frame(line)
                self.coverage.find(
                    "duplicates",
                    f"{self.path} begins before the end of the file before it, {when(line.recv_ns)}",
                )
                return
            self.coverage.find("unordered", self.where)
            line = line._replace(recv_ns=lines.last_local_ns)
        self._before_ns, lines.last_local_ns = lines.last_local_ns, line.recv_ns
        self._first_ns = self._first_ns or line.recv_ns
        if not line.stream:
            self.rest_count += 1
            self._take_book(self.adapter.parse_depth(line.data), line.recv_ns)
            return
        name, _, channel = line.stream.partition("@")
        if name != self.name.lower():
            lines.other_count += 1
        elif line.kind == DEPTH:
            self._take_diff(line)
        elif channel == self._trade_channel:
            self._take_trade(line)
        elif line.kind == MARK_PRICE:
            self._take_mark(line)

    def _count_frame(self, line: Line) -> None:
        """Keep the counts that tell whether every frame is some market's, for a line that is left out."""
        self.rest_count += not line.stream
        if line.stream and line.stream.partition("@")[0] != self.name.lower():
            self.lines.other_count += 1

    # ---- the book

    def _take_diff(self, line: Line) -> None:
        diff = self.adapter.parse_diff(line.data)
        if diff.venue_symbol != self.name:
            raise ValueError(f"mixes markets: a diff of {diff.venue_symbol[:40]!r} came on {line.stream!r}")
        self._venue_ns = diff.ts_venue_ns
        sync, lines = self._sync, self.lines
        if sync.phase is Phase.LIVE:
            sync.last_id = lines.last_id
        was_live, last_id = sync.phase is Phase.LIVE, sync.last_id
        verdict = sync.take_diff(diff)
        if verdict is Verdict.APPLY:
            self._apply(diff, line.recv_ns)
        elif verdict is Verdict.BRIDGED:
            assert self._held is not None, f"{self.name} bridged without a book"
            self._open(self._held, [diff], line.recv_ns)
        elif verdict is Verdict.OLD and was_live:
            self.coverage.find("duplicates", f"diff {diff.last_id} at {self.where}")
        elif verdict is Verdict.GAP:
            got = diff.previous_id if diff.previous_id >= 0 else diff.first_id
            self._close(f"diffs: expected {sync.rules.expected_id(last_id)}, got {got}", diff, line.recv_ns)
        elif verdict is Verdict.TOO_OLD_SNAPSHOT:
            self._held = None

    def _apply(self, diff: DepthDiff, recv_ns: int) -> None:
        newer, rules = self._newer, self._sync.rules
        if newer is not None and not rules.is_old(diff, newer.last_id):
            self._newer = None
            self.lines.is_live = True
            if rules.bridges(diff, newer.last_id):
                self._open(newer, [diff], recv_ns)
                return
        rows = self.level_rows(diff.bids, diff.asks)
        self.put(diff.ts_venue_ns, recv_ns, rows)
        self.lines.note_diff(diff.first_id, diff.last_id, diff.previous_id, self.lines.count - len(rows))

    def _open(self, book: DepthBook, diffs: list[DepthDiff], recv_ns: int) -> None:
        """Put a whole book and the diffs after it as one message: from here on the book is known."""
        lines = self.lines
        exch_ns = diffs[-1].ts_venue_ns if diffs else book.ts_venue_ns or self._venue_ns or recv_ns
        rows = [CLEAR_ROW, *self.level_rows(book.bids, book.asks)]
        for diff in diffs:
            rows += self.level_rows(diff.bids, diff.asks)
        self.put(exch_ns, recv_ns, rows)
        for diff in diffs:
            # Their rows are not apart from those of the book.
            lines.note_diff(diff.first_id, diff.last_id, diff.previous_id, -1 - lines.rows_before)
        lines.last_id = diffs[-1].last_id if diffs else book.last_id
        self._held = self._newer = None
        lines.is_live = True
        if self._closed_why:
            from_ns = self._closed_ns or self._first_ns
            if self._closed_why != NO_BOOK or recv_ns - from_ns > START_NS:
                self.coverage.add_gap(Gap(from_ns, recv_ns, self._closed_why))
            self._closed_why = ""

    def _close(self, why: str, diff: DepthDiff, recv_ns: int) -> None:
        self.lines.is_live = False
        self._newer = self._held = None
        self.put(diff.ts_venue_ns, recv_ns, [INVALID_ROW])
        self._closed_ns, self._closed_why = recv_ns, why

    def _take_book(self, book: DepthBook, recv_ns: int) -> None:
        if not self._is_book_ours(book):
            return
        sync, lines = self._sync, self.lines
        if sync.phase is Phase.LIVE:
            self._take_newer(book, recv_ns)
        elif sync.phase is Phase.WAITING:
            diffs = sync.take_snapshot(book.last_id)
            if diffs:
                self._open(book, diffs, recv_ns)
            elif diffs is not None:
                self._held = book
            lines.last_id = sync.last_id

    def _take_newer(self, book: DepthBook, recv_ns: int) -> None:
        """Put a newer REST book in the place of the one in use: levels that it never knew come in.

        The diffs that it does not hold are applied to it again, as far as they are still at hand.
        """
        lines, rules = self.lines, self._sync.rules
        if book.last_id > lines.last_id:
            self._newer = book
            lines.is_live = False
            return
        after: list[tuple[int, int]] = []
        is_joined = book.last_id == lines.last_id
        for n in range(lines.diff_count - 1, max(-1, lines.diff_count - DIFFS_KEPT - 1), -1):
            at = n % DIFFS_KEPT * DIFF_FIELDS
            first_id, last_id, previous_id, first_row, end_row = lines.diffs[at : at + DIFF_FIELDS]
            diff = DepthDiff("", first_id, last_id, previous_id, 0, [], [])
            if rules.is_old(diff, book.last_id):
                break
            if first_row < lines.rows_before:
                return
            after.append((first_row - lines.rows_before, end_row - lines.rows_before))
            is_joined = is_joined or rules.bridges(diff, book.last_id)
        if not is_joined:
            return
        again = [
            (lines.price_ticks[row], lines.lots[row], columns.LEVEL, lines.side[row])
            for first_row, end_row in reversed(after)
            for row in range(first_row, end_row)
        ]
        rows = [CLEAR_ROW, *self.level_rows(book.bids, book.asks), *again]
        self.put(book.ts_venue_ns or self._venue_ns or recv_ns, recv_ns, rows)

    # ---- trades and marks

    def _take_trade(self, line: Line) -> None:
        trade = self.adapter.parse_trade(line.data)
        if trade.venue_symbol != self.name:
            raise ValueError(f"mixes markets: a trade of {trade.venue_symbol[:40]!r} came on {line.stream!r}")
        lines, tape = self.lines, self._tape
        tape.last_id = lines.last_trade_id
        missing = tape.missing_count
        is_new = tape.take(trade.trade_id)
        if tape.missing_count > missing:
            why = f"{tape.missing_count - missing} trades before {trade.trade_id}"
            self.coverage.add_gap(Gap(self._before_ns, line.recv_ns, why))
        lines.last_trade_id = tape.last_id
        if not is_new:
            self.coverage.find("duplicates", f"trade {trade.trade_id} at {self.where}")
            return
        if not trade.is_market:
            return
        try:
            qty_lots, is_floored = self.parser.texts.lots_floored(trade.qty)
            price_ticks = self.parser.texts.ticks(trade.price)
        except ValueError as error:
            self.refine([(trade.price, trade.qty)])
            if "whole number of ticks" not in str(error):
                raise
            self.coverage.find("off-tick", self.where)
            return
        if is_floored:
            self.refine([(trade.price, trade.qty)])
            self.coverage.find("off-lot", self.where)
        if qty_lots:
            row = (price_ticks, qty_lots, columns.TRADE, int(trade.side))
            self.put(trade.ts_venue_ns, line.recv_ns, [row])
            lines.trade_count += 1

    def _take_mark(self, line: Line) -> None:
        """Put the mark where it changed, and the funding when the time that the last mark named has come."""
        new, last = self.adapter.parse_mark(line.data), self._mark
        if last is not None and last.next_funding_ns <= new.ts_venue_ns and last.next_funding_ns > 0:
            rate_e8 = int(Decimal(last.rate or "0").scaleb(8))
            row = (self._mark_ticks, rate_e8, columns.FUNDING, 0)
            self.put(last.next_funding_ns, line.recv_ns, [row])
        self._mark = new
        ticks = int(Decimal(new.mark_price) / Decimal(self.rules.tick_size))
        if ticks != self._mark_ticks:
            self._mark_ticks = ticks
            self.put(new.ts_venue_ns, line.recv_ns, [(ticks, 0, columns.MARK, 0)])

    # ---- the end

    def end(self) -> None:
        """Write the last rows and complete the coverage."""
        found, lines = self.coverage, self.lines
        if self._held is not None and self._sync.phase is Phase.BRIDGING:
            # A quiet market: no diff came to confirm its book, and none to contradict it.
            self._open(self._held, [], lines.last_local_ns)
        elif self._closed_why == NO_BOOK:
            found.find("no-book", f"{self.path} holds no REST book that its diffs continue")
        elif self._closed_why:
            found.add_gap(Gap(self._closed_ns, lines.last_local_ns, self._closed_why))
        self.write(0)
        found.rows = self.writer.count
        found.first_ns, found.last_ns = self._first_ns, lines.last_local_ns
        found.diffs, found.trades = lines.diff_count, lines.trade_count
        found.lines = lines.line_count
        if lines.latency_min_ns < 0:
            found.notes.append(
                f"the recorder's clock was at least {-lines.latency_min_ns / 1e6:.1f} ms behind the venue's: "
                "latencies are true only up to a constant (--shift-local-ns auto adds as much to its times)"
            )
