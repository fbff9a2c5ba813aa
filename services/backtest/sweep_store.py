"""Results of a sweep on disk: one JSON line each, so that an interrupted sweep goes on where it was.

A result is keyed by the build (our sources), the data, and every setting of the run: whatever changes makes
another key, so nothing stale is ever taken for an answer. A line that a kill cut in two is dropped when the
file is read; its run is done again.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType

import msgspec

from services.backtest.sweep_stats import Moments
from shared.errors import JournalError


class UnitResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run over one part of the period came to; money in whole units of the quote asset."""

    key: str
    net_pnl: float = 0.0
    fees: float = 0.0
    drawdown: float = 0.0
    orders: int = 0
    fills: int = 0
    events: int = 0
    seconds: float = 0.0
    samples: Moments = Moments()
    digest: str = ""
    path: str = ""
    failure: str = ""
    point: tuple[tuple[str, str], ...] = ()
    data: str = ""

    def because(self, why: str) -> "UnitResult":
        """Return the result of a run that failed."""
        return msgspec.structs.replace(self, failure=why)

    @property
    def is_good(self) -> bool:
        """Return whether the run came to its end."""
        return not self.failure


def key_of(*parts: bytes) -> str:
    """Return the key of a run: a hash over build, data and settings, each kept apart."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


class SweepStore:
    """The results in one file; only one sweep at a time may write it.

    Raises `JournalError` for a file that is no store, or that another sweep writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results: dict[str, UnitResult] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(
                f"{self.path} is being written by another sweep; wait for it, or name another with --out"
            ) from error

    def _read(self) -> None:
        whole = self.path.read_bytes()
        end = whole.rfind(b"\n") + 1
        for number, line in enumerate(whole[:end].splitlines(), 1):
            try:
                result = msgspec.json.decode(line, type=UnitResult)
            except msgspec.DecodeError as error:
                raise JournalError(
                    f"{self.path}, line {number}: not a result of a sweep ({error}); move the file away, or "
                    "name another with --out"
                ) from error
            self.results[result.key] = result
        if end < len(whole):
            # Cut by a kill or a full disk: the next line must begin on its own.
            os.truncate(self.path, end)

    def put(self, result: UnitResult) -> None:
        """Keep a result; raises `OSError` when the disk does not take it, and the sweep must end."""
        self._file.write(msgspec.json.encode(result) + b"\n")
        self._file.flush()
        self.results[result.key] = result

    def trials_on(self, data: str) -> int:
        """Return how many different combinations were ever tried on `data` here."""
        return len({result.point for result in self.results.values() if result.data == data})

    def __enter__(self) -> "SweepStore":
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()
