"""What every foreign format shares: the rules of a market by hand, rows that become columns, clear errors."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.columns import CLEAR, FIELDS, LAST, ColumnsHeader, ColumnsWriter, Gap
from shared.errors import QuotemeshError
from shared.instrument import quote_exponent, tick_lot_atoms
from shared.kernels.levels import step_of
from shared.messages.market import InstrumentRules
from shared.units import ATOM_EXPONENT_MIN

QUOTE_ASSETS = (
    "FDUSD",
    "USDT",
    "USDC",
    "BUSD",
    "TUSD",
    "USD1",
    "USD",
    "BTC",
    "ETH",
    "BNB",
    "EUR",
)
PRICE_TICKS_MAX = 2**31 - 1
BLOCK_ROWS = 65_536
DERIVATIVES = ("binance_usdm:", "deribit:")


class FormatError(QuotemeshError):
    """Market data of another program that cannot be used: which file, row and value, and what to do."""


def market_rules(
    symbol: str, tick_size: str, lot_size: str, maker_fee_ppm: int = 200, taker_fee_ppm: int = 500
) -> InstrumentRules:
    """Return the rules of a market that no venue was asked about: no limits, the contract size is one.

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
    exponent = quote_exponent(tick_size, lot_size, ATOM_EXPONENT_MIN)
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
        maker_fee_ppm=maker_fee_ppm,
        taker_fee_ppm=taker_fee_ppm,
        is_derivative=symbol.startswith(DERIVATIVES),
    )


class Rows:
    """Collects rows of one market, message by message, and gives them to a column file in blocks."""

    def __init__(self, writer: ColumnsWriter) -> None:
        self.count = 0
        self.has_book = False
        self.gaps: list[Gap] = []
        self.header: ColumnsHeader | None = None
        self._writer = writer
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
        self.count += 1
        if kind & 0x0F == CLEAR:
            self.has_book = True

    def end(self) -> None:
        """End the message: its last row says so."""
        kinds = self._columns[4]
        if kinds:
            kinds[-1] |= LAST
            if len(kinds) >= BLOCK_ROWS:
                self.flush()

    def flush(self) -> None:
        """Give the collected rows to the file."""
        ts_exch, ts_local, price, lots, kinds, sides = self._columns
        self._writer.append_rows(ts_exch, ts_local, price, lots, kinds, sides)
        self._columns = [array(code) for _, code, _ in FIELDS]

    def append(self, columns: "list[array[int]]", latency_min_ns: int | None = None) -> None:
        """Append a block of finished rows."""
        ts_exch, ts_local, price, lots, kinds, sides = columns
        self._writer.append_rows(ts_exch, ts_local, price, lots, kinds, sides, latency_min_ns)
        self.count += len(columns[0])

    def finish(self) -> ColumnsHeader:
        """Put the file in place."""
        self.flush()
        self.header = self._writer.finish(self.gaps)
        return self.header


@contextmanager
def rows_of(out: Path, rules: InstrumentRules, source: str) -> Iterator[Rows]:
    """Give `Rows` that end in the file `out`; after an error nothing bears its name.

    Raises:
        FormatError: no row was added.
        ColumnsError: the rows cannot be written, or their local times fall.
    """
    writer = ColumnsWriter(out, rules.symbol, rules, source)
    try:
        rows = Rows(writer)
        yield rows
        if rows.count == 0:
            raise FormatError(f"{source}: there is no row of market data in it; give another file")
        rows.finish()
    finally:
        writer.abort()


def bad_row(path: Path, row: int, what: str, todo: str) -> FormatError:
    """Return the error of one row, 1 being the first: what is wrong with which value, and what to do."""
    return FormatError(f"{path}, row {row}: {what}; {todo}")
