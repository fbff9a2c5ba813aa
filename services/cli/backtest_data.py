"""Market data that a person names, as opened column files by market: imported once, checked, told."""

import fcntl
import hashlib
import importlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from services.backtest import coverage
from shared.columns import SUFFIX, Columns, ColumnsError
from shared.runtime.paths import DataDir

READ_BYTES = 2**20
CACHE = "cache"
RECORDING = ".raw.gz"
"""How captures and our own recordings end: what is taken of a folder without column files."""


class DataSet(NamedTuple):
    """Column files by market in the order of time, and what to tell of them."""

    columns: dict[str, list[Columns]]
    files: dict[str, tuple[Path, ...]]
    lines: list[str]
    first_ns: int
    last_ns: int
    data_hash: str

    @property
    def paths(self) -> list[Path]:
        """Return all files."""
        return [path for paths in self.files.values() for path in paths]


def data_set(files: Sequence[str], data: DataDir, allow: Sequence[str] = ()) -> DataSet:
    """Open what `files` name; what is no column file is imported into the cache of the data directory.

    Raises `ColumnsError` for what cannot be read or taken, and for gaps and the like that are not allowed.
    """
    allowed = coverage.allowances(",".join(allow))
    paths = column_files([Path(name) for name in files], data, allowed)
    found: dict[str, list[tuple[Path, Columns]]] = {}
    for path in paths:
        columns = Columns.open(path)
        if columns.count:
            found.setdefault(columns.header.symbol, []).append((path, columns))
    if not found:
        raise ColumnsError(f"{', '.join(files)}: there is not one row of market data in it")
    for pairs in found.values():
        pairs.sort(key=lambda pair: pair[1].header.first_local_ns)
    for pairs in found.values():
        _refuse_overlap(pairs)
    opened = {symbol: [columns for _, columns in pairs] for symbol, pairs in found.items()}
    headers = [columns.header for each in opened.values() for columns in each]
    covered = coverage.of_headers(headers)
    coverage.refuse(covered, allowed)
    return DataSet(
        columns=opened,
        files={symbol: tuple(path for path, _ in pairs) for symbol, pairs in found.items()},
        lines=coverage.table(covered).splitlines(),
        first_ns=min(header.first_local_ns for header in headers),
        last_ns=max(header.last_local_ns for header in headers),
        data_hash=hashlib.sha256("".join(header.sha256 for header in headers).encode()).hexdigest()[:16],
    )


def _refuse_overlap(pairs: Sequence[tuple[Path, Columns]]) -> None:
    """Raise `ColumnsError` when files of one market tell the same time twice: no order of them is right."""
    for (before, earlier), (after, later) in pairwise(pairs):
        if later.header.first_local_ns < earlier.header.last_local_ns:
            raise ColumnsError(
                f"{after} begins before {before} ends: both are {later.header.symbol}, and the same time "
                "twice are duplicates; name files that follow each other, each once"
            )


def column_files(paths: Sequence[Path], data: DataDir, allowed: frozenset[str]) -> list[Path]:
    """Return the column files behind paths: themselves, those in a folder, and what the rest is imported to.

    All that has to be imported is imported together: a capture may go on in the next file.
    """
    found: list[Path] = []
    others: list[Path] = []
    for path in paths:
        inside = []
        if path.is_dir():
            inside = sorted(path.glob(f"*{SUFFIX}")) or sorted(path.glob(f"*{RECORDING}"))
        if not path.exists():
            raise ColumnsError(f"{path}: there are no such market data; name a file or a folder that exists")
        for file in inside or [path]:
            (found if file.suffix == SUFFIX else others).append(file)
    return found + (_imported(others, data, allowed) if others else [])


def _imported(paths: list[Path], data: DataDir, allowed: frozenset[str]) -> list[Path]:
    """Return the import of files out of the cache, made now when it is not there.

    The cache is keyed by content, so a file that was moved is known and one that changed is not. An import
    that is killed leaves a folder of another name.
    """
    # A run over column files starts without it.
    importing = importlib.import_module("services.backtest.importing")
    words = [*map(content_hash, paths), str(importing.VERSION), *sorted(allowed)]
    key = hashlib.sha256("\n".join(words).encode())
    cache = data.root / CACHE / "columns"
    folder = cache / key.hexdigest()[:32]
    draft = folder.with_name(folder.name + ".part")
    with _one_at_a_time(cache):
        if not folder.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            importing.import_files(paths, draft, allowed)
            draft.rename(folder)
    return sorted(folder.glob(f"*{SUFFIX}"))


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    """Wait until no other process imports into the cache; raises `ColumnsError` when it cannot be written."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise ColumnsError(
            f"{cache} cannot be written ({error.strerror}): name another data directory with QUOTEMESH_DATA, "
            "or import the data yourself (`quotemesh import`)"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def content_hash(path: Path) -> str:
    """Return a hash of the bytes of a file, or of the names and bytes of all files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        digest.update(f"{file.relative_to(path)}\0".encode())
        with file.open("rb") as opened:
            while chunk := opened.read(READ_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:32]
