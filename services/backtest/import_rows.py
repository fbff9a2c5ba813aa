"""Rows of one imported market: levels to ticks and lots, and the way from the kernel's arrays to the file."""

import struct

from services.backtest.coverage import Coverage
from services.market_data.levels import MarketParser, ParsedLevels
from services.venue_sim.capture_scan import StepFinder
from shared import columns
from shared.columns import LAST, ColumnsWriter
from shared.kernels.capture_lines import CaptureLines
from shared.messages.market import InstrumentRules
from shared.venues.base import Levels

ROWS_KEPT = 131_072
"""Rows in memory; a third of them stays for a newer REST book to be joined with the last diffs."""
TAIL_ROWS = ROWS_KEPT // 3
TICKS_MAX = 2**31 - 1

Row = tuple[int, int, int, int]
"""Price in ticks, lots, kind and side."""


class FinerStepError(Exception):
    """The data hold a finer tick or lot than those seen before: the import begins again with it."""


class MarketRows:
    """Takes the rows of one market.

    With `finders` the steps are those that the data told so far, and a finer one raises `FinerStepError`;
    without, the rules are given and what lies off them is a finding.
    """

    def __init__(
        self,
        rules: InstrumentRules,
        writer: ColumnsWriter,
        coverage: Coverage,
        lines: CaptureLines,
        finders: tuple[StepFinder, StepFinder] | None,
    ) -> None:
        self.coverage = coverage
        self.lines = lines
        self.rules = rules
        self.path = ""
        self.parser = MarketParser(rules.tick_size, rules.lot_size)
        self.writer = writer
        self._finders = finders
        self._lines_before = 0

    @property
    def line_n(self) -> int:
        """Return the number of the next line in the file."""
        return int(self.lines.line_count) - self._lines_before + 1

    @property
    def where(self) -> str:
        """Return file and line, for people."""
        return f"{self.path}, line {self.line_n}"

    def write(self, tail: int) -> None:
        """Give all but the last `tail` rows to the file."""
        lines = self.lines
        first = lines.count - tail
        if first <= 0:
            return
        has_time = lines.latency_min_ns < 2**63 - 1
        self.writer.append_rows(
            lines.ts_exch_ns[:first],
            lines.ts_local_ns[:first],
            lines.price_ticks[:first],
            lines.lots[:first],
            lines.kind[:first],
            lines.side[:first],
            lines.latency_min_ns if has_time else 0,
        )
        arrays = (lines.ts_exch_ns, lines.ts_local_ns, lines.price_ticks, lines.lots, lines.kind, lines.side)
        for each in arrays if tail else ():
            memoryview(each)[:tail] = each[first : first + tail]
        lines.rows_before += first
        lines.count = tail

    def _make_room(self, rows: int) -> None:
        if self.lines.count + rows > ROWS_KEPT:
            self.write(min(TAIL_ROWS, max(0, ROWS_KEPT - rows)))
        if rows > ROWS_KEPT:
            raise ValueError(f"has {rows} levels, a line may have at most {ROWS_KEPT}")

    def put(self, exch_ns: int, recv_ns: int, rows: list[Row]) -> None:
        """Append the rows (price, lots, kind, side) of one message."""
        self._make_room(len(rows))
        for n, (price_ticks, lots, kind, side) in enumerate(rows, 1):
            if price_ticks > TICKS_MAX:
                raise ValueError(
                    f"a price of {price_ticks} ticks of {self.rules.tick_size} is over {TICKS_MAX}; "
                    "give a coarser tick with --rules"
                )
            self.lines.add_row(exch_ns, recv_ns, price_ticks, lots, kind | LAST * (n == len(rows)), side)

    def levels(self, bids: Levels, asks: Levels) -> ParsedLevels:
        """Return levels as the live feed reads them; what is off the steps is a finding, or a finer step."""
        try:
            found = self.parser.block(bids, asks)
        except ValueError:
            # Data that tell their own steps may begin with a coarser price than the tick.
            self.refine([*bids, *asks])
            raise
        if found.floored_count or found.stray_count:
            self.refine([*bids, *asks])
        if found.floored_count:
            self.coverage.find("off-lot", self.where, found.floored_count)
        if found.stray_count:
            self.coverage.find("off-tick", self.where, found.stray_count)
        return found

    def refine(self, pairs: Levels) -> None:
        """Raise `FinerStepError` when these prices and quantities lie off the steps told so far."""
        if self._finders is None:
            return
        prices, quantities = self._finders
        before = prices.step, quantities.step
        for price, quantity in pairs:
            prices.add(price)
            quantities.add(quantity)
        if (prices.step, quantities.step) != before:
            raise FinerStepError

    def level_rows(self, bids: Levels, asks: Levels) -> list[Row]:
        """Return levels as rows."""
        found = self.levels(bids, asks)
        return [
            (ticks, lots, columns.LEVEL, int(n >= found.bid_count))
            for n, (ticks, lots) in enumerate(struct.iter_unpack("<qq", found.levels))
        ]
