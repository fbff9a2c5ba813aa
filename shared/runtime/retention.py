"""Prune old segments of the log; what money and people did is copied to `ledger.sqlite` first."""

import time
from collections.abc import Generator, Iterator
from itertools import pairwise
from pathlib import Path

import apsw

from shared.errors import JournalError
from shared.messages import Event, decode_header, message_of
from shared.runtime.journal import JournalReader, Row, first_seq_of, row_crc, segments

KEPT_FOR_EVER = (
    b".order",
    b".fill",
    b".control",
    b".verdict",
    b".intent",
    b".instrument",
    b".position",
    b".service",
    b".bus",
    b".reconciled",
    b".shadow",
)
"""Topics whose events survive the pruning of their segment, with their seq."""

_TABLE = """
create table if not exists events(seq integer primary key, header blob not null, topic blob not null,
                                  body blob not null, crc integer not null)
"""
_ROWS_PER_COMMIT = 2000


def ledger_path(journal_dir: Path) -> Path:
    """Return the file that keeps what was pruned and must not be lost."""
    return journal_dir / "ledger.sqlite"


def snapshot_floor(snapshots_dir: Path) -> int:
    """Return the seq of the oldest kept snapshot of all services, 0 when one of them has none.

    Nothing above it may be pruned: a damaged snapshot falls back to an older one.
    """
    floors = [
        min((int(path.stem.split("-")[1]) for path in folder.glob("*.snap")), default=0)
        for folder in snapshots_dir.iterdir()
        if folder.is_dir()
    ]
    return min(floors, default=0)


def prune(
    journal_dir: Path, snapshots_dir: Path, keep_bytes: int, keep_seconds: float, now_s: float | None = None
) -> list[Path]:
    """Remove the oldest segments above either limit and return them; the newest one always stays.

    Killed anywhere in between, the next call does the rest. Raises `OSError`, `apsw.Error` or
    `JournalError` when the copy cannot be made: nothing is removed then.
    """
    found = segments(journal_dir)
    floor = snapshot_floor(snapshots_dir)
    total = sum(_bytes_of(path) for path in found)
    now_s = time.time() if now_s is None else now_s
    pruned: list[Path] = []
    for segment, following in pairwise(found):
        is_old = now_s - segment.stat().st_mtime > keep_seconds
        if not (is_old or total > keep_bytes) or first_seq_of(following) - 1 > floor:
            break
        total -= _bytes_of(segment)
        _copy(journal_dir, first_seq_of(segment), first_seq_of(following) - 1)
        # The main file last: a segment is listed as long as anything of it may be read.
        for suffix in ("-wal", "-shm", ""):
            segment.with_name(segment.name + suffix).unlink(missing_ok=True)
        pruned.append(segment)
    return pruned


def history(journal_dir: Path, until_seq: int | None = None) -> Generator[Event, None, None]:
    """Yield all that is kept up to `until_seq`: what the ledger has of pruned segments, then the log."""
    reader = JournalReader(journal_dir)
    first_seq, last_seq = reader.first_seq(), reader.head_seq()
    if until_seq is not None:
        last_seq = min(last_seq, until_seq)
    try:
        for row in ledger_rows(journal_dir, min(first_seq, last_seq + 1)):
            yield Event(decode_header(row.header), message_of(row.body))
        if last_seq >= first_seq:
            yield from reader.events(first_seq - 1, last_seq)
    finally:
        reader.close()


def ledger_rows(journal_dir: Path, before_seq: int) -> Iterator[Row]:
    """Yield the rows of the ledger below `before_seq`, checked; none when nothing was pruned yet."""
    path = ledger_path(journal_dir)
    if not path.exists():
        return
    db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        sql = "select seq, header, topic, body, crc from events where seq < ? order by seq"
        for values in db.execute(sql, (before_seq,)):
            row = Row(*values)
            if row_crc(row.seq, row.header, row.topic, row.body) != row.crc:
                raise JournalError(
                    f"{path}: the row of seq {row.seq} is damaged (checksum); restore a backup"
                )
            yield row
    finally:
        db.close()


def _copy(journal_dir: Path, first_seq: int, last_seq: int) -> None:
    """Copy what must stay of a range to the ledger and sync it."""
    reader = JournalReader(journal_dir)
    db = apsw.Connection(str(ledger_path(journal_dir)))
    try:
        db.execute("pragma journal_mode=delete")
        db.execute("pragma synchronous=full")
        db.execute(_TABLE)
        batch: list[Row] = []
        for row in reader.rows(first_seq - 1, last_seq, KEPT_FOR_EVER):
            batch.append(row)
            if len(batch) >= _ROWS_PER_COMMIT:
                _insert(db, batch)
                batch = []
        _insert(db, batch)
    finally:
        reader.close()
        db.close()


def _insert(db: apsw.Connection, rows: list[Row]) -> None:
    # A row that is there already was copied by a life that was killed before it removed the segment.
    with db:
        db.executemany("insert or ignore into events values(?,?,?,?,?)", rows)


def _bytes_of(segment: Path) -> int:
    wal = segment.with_name(segment.name + "-wal")
    return segment.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
