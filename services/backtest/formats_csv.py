"""CSV files of market data, plain or gzip: lines with their numbers, whole or a clear error."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from services.backtest.formats_rows import PRICE_TICKS_MAX, FormatError, bad_row
from services.venue_sim.capture_scan import StepFinder
from shared.kernels.levels import LevelParser

GZIP = b"\x1f\x8b"
LINE_BYTES_MAX = 65_536
TIME_DIGITS_MAX = 19

Line = tuple[int, list[str]]
"""Number of a line in its file (the first is 1) and its fields."""


def first_line(start: bytes) -> str:
    """Return the first line of the first bytes of a file, unpacked; empty when it is no text."""
    if start[:2] == GZIP:
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, LINE_BYTES_MAX)
        except zlib.error:
            return ""
    try:
        return start.partition(b"\n")[0].rstrip(b"\r").decode("ascii")
    except UnicodeDecodeError:
        return ""


def head_of(path: Path) -> list[str]:
    """Return the fields of the first line; raises `FormatError` when the file cannot be read."""
    return next((fields for _, fields in lines_of(path)), [])


def lines_of(path: Path, done: Callable[[int], None] | None = None) -> Iterator[Line]:
    """Yield the lines of a file; quotes are not unpacked, since no format of numbers has any.

    Raises:
        FormatError: the file is cut off, no text, or has a line of other bytes.
    """
    number = 0
    try:
        with path.open("rb") as probe:
            is_packed = probe.read(2) == GZIP
        with gzip.open(path, "rb") if is_packed else path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                if done is not None and number % 10_000 == 0:
                    done(10_000 * len(line))
                text = line.decode("ascii").rstrip("\r\n")
                if text:
                    yield number, text.split(",")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(
            f"{path} is cut off or damaged after line {number} ({error}); get it again"
        ) from None
    except UnicodeDecodeError:
        raise bad_row(path, number, "there are bytes that are no text", "get the file again") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror}); give a readable file") from None


class CsvTable:
    """The rows of one CSV file below its header; raises `FormatError` where a row has other fields."""

    def __init__(
        self, path: Path, columns: tuple[str, ...], done: Callable[[int], None] | None = None
    ) -> None:
        self.path = path
        self._columns = columns
        self._done = done

    def rows(self) -> Iterator[Line]:
        """Yield (line number, the fields of `columns` in their order)."""
        at: list[int] = []
        width = 0
        for number, fields in lines_of(self.path, self._done):
            if not width:
                missing = [name for name in self._columns if name not in fields]
                if missing:
                    raise bad_row(
                        self.path,
                        number,
                        f"the header {','.join(fields)[:200]!r} has no column {', '.join(missing)}",
                        f"give a file with {','.join(self._columns)}",
                    )
                at, width = [fields.index(name) for name in self._columns], len(fields)
                continue
            if len(fields) != width:
                raise bad_row(
                    self.path,
                    number,
                    f"{len(fields)} fields instead of {width}",
                    "the file is cut off or damaged there; get it again",
                )
            yield number, [fields[index] for index in at]

    def bad(self, number: int, error: object) -> FormatError:
        """Return the error of one row."""
        return bad_row(self.path, number, str(error), "correct or drop the row")

    def time(self, number: int, name: str, text: str, unit_ns: int) -> int:
        """Return a time in ns; raises `FormatError` for what is no whole positive number."""
        if not (text.isascii() and text.isdigit() and len(text) <= TIME_DIGITS_MAX):
            raise bad_row(self.path, number, f"{name} {text!r} is no time", "correct the row")
        ns = int(text) * unit_ns
        if not 0 < ns < 2**63:
            raise bad_row(self.path, number, f"{name} {text!r} is out of range", "correct the row")
        return ns

    def ticks(self, number: int, parser: LevelParser, text: str) -> int:
        """Return a price in ticks; raises `FormatError` when it is off the tick, too large or no number."""
        try:
            ticks = int(parser.ticks(text))
        except ValueError as error:
            raise bad_row(
                self.path, number, str(error), "correct the row, or give the tick size with --rules"
            ) from None
        if ticks > PRICE_TICKS_MAX:
            raise bad_row(
                self.path,
                number,
                f"price {text!r} is {ticks} ticks, at most {PRICE_TICKS_MAX} are possible",
                "give a larger tick size with --rules",
            )
        return ticks

    def lots(self, number: int, parser: LevelParser, text: str) -> tuple[int, bool]:
        """Return (lots rounded down, whether something was cut off); raises `FormatError` for no quantity."""
        if text.startswith("-"):
            raise bad_row(self.path, number, f"quantity {text!r} is negative", "correct or drop the row")
        try:
            lots, is_cut = parser.lots_floored(text)
        except ValueError as error:
            raise self.bad(number, error) from None
        return lots, is_cut


def steps_of(tables: Sequence[CsvTable], prices_at: Sequence[int], quantity_at: int) -> tuple[str, str]:
    """Return tick and lot that all rows of the files lie on; raises `FormatError` when none can be told."""
    prices, quantities = StepFinder(), StepFinder()
    for table in tables:
        for number, fields in table.rows():
            try:
                for at in prices_at:
                    prices.add(fields[at])
                quantities.add(fields[quantity_at])
            except (ValueError, ArithmeticError) as error:
                raise table.bad(number, error) from None
    if not prices.step or not quantities.step:
        raise FormatError(
            f"{tables[0].path}: no row tells tick and lot; give them: --rules tick=0.1,lot=0.001"
        )
    return prices.text(), quantities.text()
