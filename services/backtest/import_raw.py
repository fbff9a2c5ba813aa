"""Import of raw recordings (captures, and what our own recorder wrote) to one column file per market."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from services.backtest.coverage import Coverage, refuse
from services.backtest.import_lines import blocks
from services.backtest.import_market import MarketImport
from services.backtest.import_output import Imported, column_path, is_wanted
from services.backtest.import_rows import FinerStepError
from services.backtest.import_rules import GivenRules, derived_rules
from services.backtest.import_scan import FileSample, MarketSample, is_book_of, scan
from shared.columns import ColumnsError, ColumnsWriter
from shared.venues.base import DepthBook

Progress = Callable[[int], None]
"""Told the bytes of lines that were taken since it was told last."""
RESTARTS_MAX = 100


class MoreMarketsError(Exception):
    """A file holds frames of a market that its beginning did not show."""


class RawImport:
    """Reads raw recordings once; `read` finds out what they hold, `finish` gives the files their names.

    Memory does not grow with the files. `local_shift_ns` is added to the times of receipt; None adds to each
    market's as much as its least latency is below zero.
    """

    def __init__(
        self,
        files: Collection[Path],
        out: Path,
        given: GivenRules | None = None,
        symbols: Collection[str] = (),
        progress: Progress | None = None,
        local_shift_ns: int | None = 0,
    ) -> None:
        self._local_shift_ns = local_shift_ns
        self._paths = list(files)
        self._out = out
        self._given = given or GivenRules()
        self._symbols = symbols
        self._progress = progress
        self._markets: dict[str, MarketImport] = {}
        self._samples: dict[tuple[str, str], MarketSample] = {}

    def read(self) -> list[Coverage]:
        """Read everything and return what was found of each market; raises `ColumnsError`."""
        files = scan(self._paths, self._samples)
        is_whole = False
        try:
            for _ in range(RESTARTS_MAX):
                try:
                    self._pass(files, is_whole)
                except FinerStepError:
                    continue
                except MoreMarketsError:
                    files, is_whole = scan(self._paths, self._samples, is_whole=True), True
                    continue
                return [market.coverage for market in self._markets.values()]
            raise ColumnsError("tick and lot are finer each time; state them with --rules tick=...,lot=...")
        except BaseException:
            self.abort()
            raise

    def finish(self, allowed: Collection[str] = ()) -> list[Imported]:
        """Write the column files, or raise `ColumnsError` when something found is not allowed."""
        try:
            refuse((market.coverage for market in self._markets.values()), allowed)
            return [self._finished(market) for market in self._markets.values()]
        finally:
            self.abort()

    def _finished(self, market: MarketImport) -> Imported:
        shift_ns = self._local_shift_ns
        if shift_ns is None:
            shift_ns = max(0, -market.lines.latency_min_ns)
        header = market.writer.finish(market.coverage.gaps, shift_ns)
        return Imported(market.writer.path, header, market.coverage)

    def abort(self) -> None:
        """Drop what was not finished."""
        for market in self._markets.values():
            market.writer.abort()

    def _pass(self, files: list[FileSample], is_whole: bool) -> None:
        self.abort()
        self._markets = {}
        known = [(file.venue, name) for file in files for name in file.names]
        if not is_whole and not all(
            any(is_wanted(*each, (wish,)) for each in known) for wish in self._symbols
        ):
            raise MoreMarketsError
        for file in files:
            markets = [
                self._market(file, name) for name in file.names if is_wanted(file.venue, name, self._symbols)
            ]
            if markets:
                self._read_file(file, markets, is_whole)
        if not self._markets:
            names = sorted(f"{file.venue}:{name}" for file in files for name in file.names)
            raise ColumnsError(
                f"no market of the files was imported: they hold {', '.join(names) or 'none'}, "
                f"--symbol asks for {', '.join(self._symbols)}"
            )
        for market in self._markets.values():
            market.end()

    def _market(self, file: FileSample, name: str) -> MarketImport:
        symbol = f"{file.venue}:{name}"
        known = self._markets.get(symbol)
        if known is not None:
            known.coverage.sources.append(file.path.name)
            return known
        sample = self._samples[file.venue, name]
        rules = self._given.rules_of(symbol)
        is_told = rules is None
        if rules is None:
            if not sample.prices.step or not sample.quantities.step:
                raise ColumnsError(
                    f"{file.path} holds no price and quantity of {symbol} at its beginning; state the steps "
                    "with --rules tick=...,lot=..., or leave the market out with --symbol"
                )
            fees = self._given.fees(file.venue)
            rules = derived_rules(symbol, sample.prices.text(), sample.quantities.text(), fees)

        def is_ours(book: DepthBook) -> bool:
            return is_book_of(book, file.venue, name, self._samples)

        coverage = Coverage(symbol, [file.path.name])
        source = f"raw recording {file.path.name}"
        writer = ColumnsWriter(column_path(self._out, symbol, file.first_ns), symbol, rules, source)
        finders = (sample.prices, sample.quantities) if is_told else None
        made = MarketImport(rules, writer, coverage, sample.trade_channel, finders, is_ours)
        self._markets[symbol] = made
        return made

    def _read_file(self, file: FileSample, markets: list[MarketImport], is_whole: bool) -> None:
        before = [(market.lines.line_count, market.lines.other_count) for market in markets]
        rests = [market.rest_count for market in markets]
        for market in markets:
            market.begin_file(str(file.path))
        try:
            for block in blocks(file.path):
                for market in markets:
                    market.take_block(block.data, block.end)
                if self._progress is not None:
                    self._progress(block.end)
        except EOFError:
            for market in markets:
                market.coverage.find("truncated", f"{file.path}, after line {market.line_n - 1}")
        if not self._symbols and not is_whole:
            counts = [
                _Counts(
                    market.lines.line_count - lines - (market.rest_count - rest),
                    market.lines.other_count - other,
                )
                for market, (lines, other), rest in zip(markets, before, rests, strict=True)
            ]
            if sum(count.frames - count.others for count in counts) < counts[0].frames:
                raise MoreMarketsError


class _Counts(NamedTuple):
    frames: int
    others: int
