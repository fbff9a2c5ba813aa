"""Import of any market data: the format of each file is told by its content; one line registers a format."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from services.backtest.coverage import Coverage
from services.backtest.formats_candles import CandleImport, is_candles
from services.backtest.formats_csv import first_line
from services.backtest.formats_depth import DepthArchiveImport, is_depth_archive
from services.backtest.formats_npz import NpzImport
from services.backtest.formats_rows import ForeignImport
from services.backtest.formats_tardis import TardisImport, is_tardis
from services.backtest.import_journal import JournalImport, journal_of
from services.backtest.import_output import Imported
from services.backtest.import_raw import Progress, RawImport
from services.backtest.import_rules import GivenRules
from shared.columns import ColumnsError

VERSION = 1
"""Changes whenever the result of an import of the same bytes does: caches are keyed by it."""
START_BYTES = 4096


class Import(Protocol):
    """One import under way: nothing bears a final name before `finish`."""

    def read(self) -> list[Coverage]:
        """Read all of the data and return what they cover, one per market; raises `QuotemeshError`."""

    def finish(self, allowed: Collection[str] = ()) -> list[Imported]:
        """Write the column files unless something found is not allowed; raises `QuotemeshError`."""

    def abort(self) -> None:
        """Drop everything."""


class Wishes(NamedTuple):
    """What a person asks of an import."""

    out: Path
    given: GivenRules = GivenRules()
    symbols: tuple[str, ...] = ()
    progress: Progress | None = None
    local_shift_ns: int | None = 0


class Format(NamedTuple):
    """A format: its name, whether a path with these first bytes is of it, and how it is read."""

    name: str
    recognises: Callable[[Path, bytes], bool]
    begin: Callable[[Sequence[Path], Wishes], Import]


def _is_raw(_: Path, start: bytes) -> bool:
    """Return whether a file may be a raw recording: gzip without another format's name, or lines of times."""
    return start.startswith(b"\x1f\x8b") or (start[:19].isdigit() and start[19:20] == b" ")


def _foreign(name: str, kind: type[ForeignImport], recognises: Callable[[Path, bytes], bool]) -> Format:
    """Return a format of another program."""
    return Format(
        name,
        recognises,
        lambda paths, wishes: kind(paths, wishes.out, wishes.given, wishes.symbols, wishes.progress),
    )


FORMATS: tuple[Format, ...] = (
    Format(
        "journal",
        lambda path, _: journal_of(path) is not None,
        lambda paths, wishes: JournalImport(paths, wishes.out, wishes.symbols, wishes.progress),
    ),
    _foreign("npz", NpzImport, lambda _, start: start.startswith(b"PK")),
    _foreign("tardis", TardisImport, lambda _, start: is_tardis(first_line(start))),
    _foreign("depth-archive", DepthArchiveImport, lambda _, start: is_depth_archive(first_line(start))),
    _foreign("candles", CandleImport, lambda _, start: is_candles(first_line(start))),
    Format(
        "raw",
        _is_raw,
        lambda paths, wishes: RawImport(paths, *wishes),
    ),
)
"""Asked in this order; the last one takes any gzip file, so it stays last."""


def format_of(path: Path, name: str = "") -> Format:
    """Return the format of a file, by its `name` or else by its content; raises `ColumnsError`."""
    names = ", ".join(each.name for each in FORMATS)
    if name:
        chosen = next((each for each in FORMATS if each.name == name), None)
        if chosen is None:
            raise ColumnsError(f"--format {name!r}: must be of {names}")
        return chosen
    start = b""
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                start = file.read(START_BYTES)
    except OSError as error:
        raise ColumnsError(f"{path} cannot be read ({error.strerror}); give a readable file") from None
    found = next((each for each in FORMATS if each.recognises(path, start)), None)
    if found is None:
        raise ColumnsError(
            f"{path}: these are market data of no known format (it begins with {start[:16]!r}); known are "
            f"{names}; name one with --format"
        )
    return found


def imports_of(paths: Sequence[Path], wishes: Wishes, format_name: str = "") -> list[Import]:
    """Return the imports of the files, those of one format together; raises `ColumnsError`."""
    by_format: dict[str, tuple[Format, list[Path]]] = {}
    for path in paths:
        found = format_of(path, format_name)
        by_format.setdefault(found.name, (found, []))[1].append(path)
    return [found.begin(files, wishes) for found, files in by_format.values()]


def import_files(
    paths: Sequence[Path],
    out: Path,
    allowed: Collection[str] = (),
    symbols: tuple[str, ...] = (),
    given: GivenRules | None = None,
) -> list[Imported]:
    """Import files into the folder `out`; raises `QuotemeshError`, and of what failed nothing is left."""
    made: list[Imported] = []
    for each in imports_of(paths, Wishes(out, given or GivenRules(), symbols)):
        each.read()
        made += each.finish(allowed)
    return made
