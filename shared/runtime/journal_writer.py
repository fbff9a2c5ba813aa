"""Write the log: one writer (the bus), segments by size and hour, sources known without a scan."""

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from shared.errors import JournalError
from shared.messages import decode_header
from shared.runtime.journal import Row, first_seq_of, segment_path, segments
from shared.runtime.journal_check import refuse_damaged

_TABLES = """
create table events(seq integer primary key, header blob not null, topic blob not null,
                    body blob not null, crc integer not null);
create table sources(source text primary key, service text not null, run integer not null,
                     last_n integer not null) without rowid;
create table services(service text primary key, run integer not null) without rowid;
create table meta(name text primary key, value integer not null) without rowid;
"""
SEGMENT_BYTES_MAX = 100_000_000
SEGMENT_SECONDS_MAX = 3600.0


class SourceRow(NamedTuple):
    """What the log knows of one source: the run of its service and the last n stored."""

    source: str
    service: str
    run: int
    last_n: int


class JournalWriter:
    """The one writer of a log; holds `journal/lock` as long as it lives.

    A commit survives the death of this process, not a power cut: for that the `-wal` file of each
    segment is synced by the bus (`wal_path`). Raises `JournalError` when another bus holds the log, or
    `DamagedLogError` when it must not be written on.
    """

    def __init__(
        self,
        journal_dir: Path,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        segment_seconds_max: float = SEGMENT_SECONDS_MAX,
    ) -> None:
        self._dir = journal_dir
        self._bytes_max, self._seconds_max = segment_bytes_max, segment_seconds_max
        self._lock = _locked(journal_dir / "lock")
        try:
            refuse_damaged(journal_dir)
        except JournalError:
            os.close(self._lock)
            raise
        self.head_seq = 0
        self.last_ts_ns = 0
        self.epoch = 0
        self.sources: dict[str, SourceRow] = {}
        self.services: dict[str, int] = {}
        self._bytes = 0
        self._opened_s = time.monotonic()
        self._db = self._open_last() or self._new_segment(1)

    @property
    def segment(self) -> Path:
        """The segment that is written now."""
        return self._path

    @property
    def wal_path(self) -> Path:
        """The write-ahead file of the segment that is written now: syncing it makes commits durable."""
        return self._path.with_name(self._path.name + "-wal")

    def open_epoch(self, epoch: int) -> None:
        """Store a new epoch and sync it: no later life of the bus may use it again (rule 11)."""
        assert epoch > self.epoch, f"epoch {epoch} must be above the stored {self.epoch}"
        with self._db:
            self._db.execute("replace into meta values('epoch', ?)", (epoch,))
        self.epoch = epoch
        self.sync()

    def sync(self) -> None:
        """Make all that is committed in this segment survive a power cut."""
        fd = os.open(self.wal_path, os.O_RDONLY)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def append(
        self, rows: Sequence[Row], sources: Sequence[SourceRow] = (), services: Sequence[tuple[str, int]] = ()
    ) -> None:
        """Commit `rows` with the sources and services that changed, in one transaction.

        Rows go on from `head_seq` without a hole. Raises `apsw.Error` or `OSError` when the disk says no;
        nothing of the batch is stored then.
        """
        assert not rows or rows[0].seq == self.head_seq + 1, f"{rows[0].seq} after {self.head_seq}"
        if self._bytes > self._bytes_max or time.monotonic() - self._opened_s > self._seconds_max:
            self.roll()
        db = self._db
        db.execute("begin immediate")
        try:
            db.executemany("insert into events values(?,?,?,?,?)", rows)
            if sources:
                db.executemany("replace into sources values(?,?,?,?)", sources)
            if services:
                db.executemany("replace into services values(?,?)", services)
            db.execute("commit")
        except BaseException:
            if not db.get_autocommit():
                db.execute("rollback")
            raise
        for source in sources:
            self.sources[source.source] = source
        self.services.update(services)
        if rows:
            self.head_seq = rows[-1].seq
            self._bytes += sum(len(row.header) + len(row.topic) + len(row.body) + 24 for row in rows)

    def roll(self) -> None:
        """Begin a new segment with the next seq; the former one is synced and closed."""
        if self.head_seq < first_seq_of(self._path):
            self._bytes, self._opened_s = 0, time.monotonic()
            return
        self.sync()
        former = self._db
        self._db = self._new_segment(self.head_seq + 1)
        former.close()

    def close(self) -> None:
        """Sync, close and release the log."""
        self.sync()
        self._db.close()
        os.close(self._lock)

    def _connect(self, path: Path) -> apsw.Connection:
        db = apsw.Connection(str(path))
        db.set_busy_timeout(5000)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.execute("pragma wal_autocheckpoint=0")
        return db

    def _open_last(self) -> apsw.Connection | None:
        """Open the newest segment, forgetting one whose making was interrupted; None when there is none."""
        for path in reversed(segments(self._dir)):
            try:
                db = self._connect(path)
                known: dict[str, Any] = dict(_rows(db, "select name, value from meta"))
            except apsw.SQLError:
                db.close()
                _forget(path)
                continue
            except (apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError) as error:
                raise JournalError(f"{path} is damaged ({error}); restore a backup") from error
            self._path = path
            self.epoch = known["epoch"]
            self.last_ts_ns = known["last_ts_ns"]
            self.head_seq = first_seq_of(path) - 1
            for row in _rows(db, "select source, service, run, last_n from sources"):
                self.sources[row[0]] = SourceRow(*row)
            self.services = {
                str(name): int(run) for name, run in db.execute("select service, run from services")
            }
            newest = _rows(db, "select seq, header from events order by seq desc limit 1")
            if newest:
                self.head_seq = newest[0][0]
                self.last_ts_ns = decode_header(newest[0][1]).ts_ns
            self._bytes = path.stat().st_size
            return db
        return None

    def _new_segment(self, first_seq: int) -> apsw.Connection:
        path = segment_path(self._dir, first_seq)
        db = self._connect(path)
        db.execute("begin immediate")
        db.execute(_TABLES)
        db.executemany("insert into sources values(?,?,?,?)", self.sources.values())
        db.executemany("insert into services values(?,?)", self.services.items())
        db.executemany(
            "insert into meta values(?,?)", [("epoch", self.epoch), ("last_ts_ns", self._newest_ts_ns())]
        )
        db.execute("commit")
        self._path = path
        self._bytes, self._opened_s = 0, time.monotonic()
        self.sync()
        folder = os.open(self._dir, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return db

    def _newest_ts_ns(self) -> int:
        if self.head_seq == 0:
            return 0
        found = _rows(self._db, "select header from events where seq = ?", (self.head_seq,))
        return decode_header(found[0][0]).ts_ns if found else self.last_ts_ns


def _rows(db: apsw.Connection, sql: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
    return db.execute(sql, values).fetchall()


def _locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalError(f"the log {path.parent} is in use by another bus; stop it first") from error
    return fd


def _forget(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
