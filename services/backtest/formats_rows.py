"""What imports of foreign formats share: rows that become columns, the rules of a market, clear errors."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.backtest import coverage
from services.backtest.coverage import Coverage
from services.backtest.import_output import Imported, column_path
from services.backtest.import_rules import DEFAULT_FEES, GivenRules, derived_rules
from shared.columns import FIELDS, KIND_MASK, LAST, LEVEL, TRADE, ColumnsHeader, ColumnsWriter
from shared.errors import QuotemeshError
from shared.instrument import quote_exponent, tick_lot_atoms, venue_of
from shared.kernels.levels import step_of
from shared.messages.market import InstrumentRules
from shared.venues import VENUES
from shared.venues.base import Fees
from shared.venues.remote import REMOTE

QUOTE_ASSETS = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD1", "USD", "BTC", "ETH", "BNB", "EUR")
PRICE_TICKS_MAX = 2**31 - 1
BLOCK_ROWS = 65_536
SPOT = "binance"

Progress = Callable[[int], None]
Steps = Callable[[], tuple[str, str]]
"""Tells tick and lot of a market from its data."""


class FormatError(QuotemeshError):
    """Market data of another program that cannot be used: which file, row and value, and what to do."""


def bad_row(path: Path | str, row: int, what: str, todo: str) -> FormatError:
    """Return the error of one row, 1 being the first of the file: what is wrong, and what to do."""
    return FormatError(f"{path}, row {row}: {what}; {todo}")


def market_rules(symbol: str, tick_size: str, lot_size: str, fees: Fees | None = None) -> InstrumentRules:
    """Return the rules of a market at any venue: no limits, a contract of one.

    Raises:
        FormatError: a tick or lot size is no decimal, or the symbol is no `venue:NAME`.
    """
    venue, _, name = symbol.partition(":")
    if not venue or not name:
        raise FormatError(f"{symbol!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT")
    try:
        step_of(tick_size, "tick size")
        step_of(lot_size, "lot size")
    except ValueError as error:
        raise FormatError(f"{symbol}: {error}") from None
    quote = next((asset for asset in QUOTE_ASSETS if name.endswith(asset) and name != asset), "USD")
    exponent = quote_exponent(tick_size, lot_size)
    fees = fees or DEFAULT_FEES.get(venue, Fees(0, 0))
    return InstrumentRules(
        symbol=symbol,
        base_asset=name.removesuffix(quote).rstrip("-_") or name,
        quote_asset=quote,
        tick_size=tick_size,
        lot_size=lot_size,
        quote_exponent=exponent,
        tick_lot_atoms=tick_lot_atoms(tick_size, lot_size, exponent),
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=fees.maker_ppm,
        taker_fee_ppm=fees.taker_ppm,
        is_derivative=venue != SPOT,
    )


def chosen_rules(given: GivenRules, symbol: str, steps: Steps | None) -> InstrumentRules:
    """Return the rules of a market: as given, else with the steps that its data tell.

    Raises:
        FormatError: nothing tells the steps.
        ColumnsError: what is given does not hold the market.
    """
    is_known = venue_of(symbol) in VENUES and venue_of(symbol) not in REMOTE
    if given.exchange_info and is_known:
        rules = given.rules_of(symbol)
        assert rules is not None, "an exchangeInfo answer gives rules or raises"
        return rules
    tick_size, lot_size = given.tick_size, given.lot_size
    if not tick_size or not lot_size:
        if steps is None:
            raise FormatError(
                f"{symbol}: these data do not tell tick and lot size; give them: --rules tick=0.1,lot=0.001"
            )
        tick_size, lot_size = steps()
    fees = given.fees(venue_of(symbol))
    if is_known:
        return derived_rules(symbol, tick_size, lot_size, fees)
    return market_rules(symbol, tick_size, lot_size, fees)


class Rows:
    """Collects rows of one market, message by message, and gives them to a column file in blocks."""

    def __init__(self, out: Path, rules: InstrumentRules, source: str) -> None:
        self.count = 0
        self.first_ns = 0
        self.last_ns = 0
        self.coverage = Coverage(rules.symbol, [source], gaps=[], findings={}, notes=[])
        self.writer = ColumnsWriter(out, rules.symbol, rules, source)
        self._source = source
        self._columns = [array(code) for _, code, _ in FIELDS]

    def add(
        self, ts_exch_ns: int, ts_local_ns: int, price_ticks: int, lots: int, kind: int, side: int
    ) -> None:
        """Append one row; the message goes on until `end`."""
        ts_exch, ts_local, price, quantity, kinds, sides = self._columns
        ts_exch.append(ts_exch_ns)
        ts_local.append(ts_local_ns)
        price.append(price_ticks)
        quantity.append(lots)
        kinds.append(kind)
        sides.append(side)

    def end(self) -> None:
        """End the message: its last row says so."""
        kinds = self._columns[4]
        if not kinds or kinds[-1] & LAST:
            return
        kinds[-1] |= LAST
        what = kinds[-1] & KIND_MASK
        self.coverage.trades += what == TRADE
        self.coverage.diffs += what == LEVEL
        if len(kinds) >= BLOCK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Give the collected rows to the file."""
        columns, self._columns = self._columns, [array(code) for _, code, _ in FIELDS]
        self.append(columns)

    def append(self, columns: "list[array[int]]", latency_min_ns: int | None = None) -> None:
        """Append a block of finished rows."""
        ts_exch, ts_local, price, lots, kinds, sides = columns
        if not ts_local:
            return
        self.writer.append_rows(ts_exch, ts_local, price, lots, kinds, sides, latency_min_ns)
        self.first_ns = self.first_ns or ts_local[0]
        self.last_ns = ts_local[-1]
        self.count += len(ts_local)

    def finish(self) -> ColumnsHeader:
        """Put the file in place."""
        self.flush()
        return self.writer.finish(self.coverage.gaps)

    def covered(self) -> Coverage:
        """Return what was read; raises `FormatError` when it is nothing."""
        self.flush()
        if self.count == 0:
            raise FormatError(f"{self._source}: there is no row of market data in it; give another file")
        found = self.coverage
        found.first_ns, found.last_ns, found.rows = self.first_ns, self.last_ns, self.count
        return found


@contextmanager
def rows_of(out: Path, rules: InstrumentRules, source: str) -> Iterator[Rows]:
    """Give `Rows` whose file the caller finishes; after an error nothing bears its name.

    Raises:
        ColumnsError: the rows cannot be written, or their local times fall.
    """
    rows = Rows(out, rules, source)
    try:
        yield rows
    finally:
        rows.writer.abort()


class ForeignImport:
    """One import under way; a format says in `fill` how its files become rows."""

    def __init__(
        self,
        paths: Sequence[Path],
        out: Path,
        given: GivenRules,
        symbols: tuple[str, ...] = (),
        progress: Progress | None = None,
    ) -> None:
        self.paths = list(paths)
        self.given = given
        self.symbols = symbols
        self._out = out
        self._progress = progress
        self._markets: list[Rows] = []

    def fill(self) -> None:
        """Read all files into rows; raises `FormatError` for a row that cannot be."""
        raise NotImplementedError

    def rows(self, rules: InstrumentRules, source: str) -> Rows:
        """Return the rows of one more market."""
        made = Rows(self._out / "foreign.columns", rules, source)
        self._markets.append(made)
        return made

    def done(self, byte_count: int) -> None:
        """Say that so many more bytes were read."""
        if self._progress is not None:
            self._progress(byte_count)

    def only_symbol(self) -> str:
        """Return the market that the person names; raises `FormatError` unless it is one."""
        if len(self.symbols) != 1 or not all(self.symbols[0].partition(":")):
            raise FormatError(
                f"{self.paths[0]}: the file does not say of which market it is; "
                "name one: --symbol binance_usdm:BTCUSDT"
            )
        return self.symbols[0]

    def read(self) -> list[Coverage]:
        """Read all of the data and return what they cover, one per market."""
        self.fill()
        return [rows.covered() for rows in self._markets]

    def finish(self, allowed: Collection[str] = ()) -> list[Imported]:
        """Write the column files unless something found is not allowed."""
        coverage.refuse([rows.coverage for rows in self._markets], allowed)
        made = []
        for rows in self._markets:
            path = column_path(self._out, rows.coverage.symbol, rows.first_ns)
            rows.writer.path = path
            made.append(Imported(path, rows.finish(), rows.coverage))
        return made

    def abort(self) -> None:
        """Drop everything."""
        for rows in self._markets:
            rows.writer.abort()
