"""Look at a log before the bus writes on: whole segments, none missing, nothing lost at its end.

A malformed file is moved to `journal/quarantine/` and the start is refused, now and at each later try, until
a person has restored the log: nothing is skipped silently (DESIGN 2, rule 12).
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import msgspec

from shared.errors import JournalError
from shared.messages import decode_header
from shared.runtime.durable_mark import marked_seq
from shared.runtime.journal import Row, first_seq_of, is_whole, segments
from shared.runtime.retention import ledger_path

QUARANTINE = "quarantine"
NOTE_NAME = "note.json"
TAIL_ROWS = 10_000
"""So many rows at the end of the log are read at each start: a crash can only have touched these."""

_ROWS = "select seq, header, topic, body, crc from events where seq > ? order by seq limit 512"
_ADVICE = (
    "restore a backup with `quotemesh restore` into a new data directory, or put a good copy of the file "
    "back and remove the quarantine folder"
)


class DamagedLogError(JournalError):
    """The log is not what it was: it must not be written on."""


class _Malformed(Exception):  # noqa: N818
    """What is wrong with one segment, and the first seq that cannot be read from it."""

    def __init__(self, why: str, first_bad_seq: int) -> None:
        super().__init__(why)
        self.first_bad_seq = first_bad_seq


def refuse_damaged(journal_dir: Path) -> None:
    """Raise `DamagedLogError` unless the log may be written on; the caller holds its lock.

    A segment that is no log file any more, or whose rows are damaged where we look (its ends, and the last
    `TAIL_ROWS` rows of the log), is moved to the quarantine. Damage elsewhere is found by each reader.
    """
    _refuse_quarantined(journal_dir)
    try:
        marked = marked_seq(journal_dir)
    except JournalError as error:
        raise DamagedLogError(str(error)) from error
    found = segments(journal_dir)
    ends: list[tuple[int, int]] = []
    for segment in found:
        try:
            ends.append((first_seq_of(segment), _last_seq(segment, marked, is_last=segment is found[-1])))
        except _Malformed as malformed:
            _quarantine(journal_dir, segment, malformed)
            _refuse_quarantined(journal_dir)
    _refuse_holes(journal_dir, ends, marked)


def first_bad_seq(segment: Path) -> int:
    """Return the first seq of a segment that cannot be read, the one after its last when all can be."""
    expected = first_seq_of(segment)
    try:
        for row in _rows(segment, expected - 1):
            if row.seq != expected or not is_whole(row):
                break
            expected += 1
    except apsw.Error:
        pass
    return expected


def _last_seq(segment: Path, marked: int, *, is_last: bool) -> int:
    """Return the newest seq of a segment, the one before its first when it is empty; raises `_Malformed`."""
    first = first_seq_of(segment)
    try:
        with closing(_opened(segment)) as db:
            low, high = _values(db, "select min(seq), max(seq) from events")[0]
    except apsw.SQLError as error:
        # The bus was killed while it made this segment: there was nothing in it yet.
        if is_last and marked < first:
            return first - 1
        raise _Malformed(f"it holds no events ({error})", first) from error
    except apsw.Error as error:
        raise _Malformed(str(error), first_bad_seq(segment)) from error
    if low is None:
        return first - 1
    if low != first:
        raise _Malformed(f"its first seq is {low}, its name says {first}", min(first, low))
    if is_last:
        _refuse_bad_tail(segment, max(first, high - TAIL_ROWS + 1))
    return int(high)


def _refuse_bad_tail(segment: Path, from_seq: int) -> None:
    expected = from_seq
    newest: dict[str, tuple[int, int]] = {}
    try:
        for row in _rows(segment, from_seq - 1):
            if row.seq != expected:
                raise _Malformed(f"seq {expected} is missing", expected)
            if not is_whole(row):
                raise _Malformed(f"the row of seq {expected} is damaged (checksum)", expected)
            header = decode_header(row.header)
            newest[header.source] = (header.run, header.n)
            expected += 1
        with closing(_opened(segment)) as db:
            known = {
                source: (run, n) for source, run, n in _values(db, "select source, run, last_n from sources")
            }
    except apsw.Error as error:
        raise _Malformed(str(error), expected) from error
    # This table has no checksum: the rows say what must stand in it.
    for source, said in newest.items():
        if known.get(source, said) != said:
            raise _Malformed(
                f"its table of sources says {known[source]} of {source}, its rows say {said}", expected
            )


def _refuse_holes(journal_dir: Path, ends: list[tuple[int, int]], marked: int) -> None:
    if ends and ends[0][0] > 1 and not ledger_path(journal_dir).exists():
        raise DamagedLogError(
            f"{journal_dir}: seq 1 to {ends[0][0] - 1} is missing, and no segment was pruned; {_ADVICE}"
        )
    for (_, last), (following, _) in pairwise(ends):
        if last + 1 != following:
            raise DamagedLogError(
                f"{journal_dir}: seq {last + 1} to {following - 1} is missing between two segments; {_ADVICE}"
            )
    head = ends[-1][1] if ends else 0
    if head < marked:
        raise DamagedLogError(
            f"{journal_dir}: the log ends at seq {head}, but seq {head + 1} to {marked} was on disk before; "
            f"{_ADVICE}"
        )


def _quarantine(journal_dir: Path, segment: Path, malformed: _Malformed) -> None:
    """Move a segment with its side files out of the log, leaving a note that names the first bad seq."""
    folder = journal_dir / QUARANTINE
    folder.mkdir(exist_ok=True)
    note = {
        "file": segment.name,
        "first_bad_seq": malformed.first_bad_seq,
        "why": str(malformed),
        "wall_ns": time.time_ns(),
    }
    (folder / NOTE_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(note)) + b"\n")
    for suffix in ("-shm", "-wal", ""):
        path = segment.with_name(segment.name + suffix)
        if path.exists():
            path.rename(folder / path.name)
    for changed in (folder, journal_dir):
        fd = os.open(changed, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _refuse_quarantined(journal_dir: Path) -> None:
    folder = journal_dir / QUARANTINE
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not names:
        return
    try:
        note = msgspec.json.decode((folder / NOTE_NAME).read_bytes(), type=dict[str, str | int])
        what = f"{note['file']} is damaged: {note['why']}; the first bad seq is {note['first_bad_seq']}"
    except (OSError, msgspec.MsgspecError, KeyError):
        what = f"it holds {', '.join(names)}"
    raise DamagedLogError(f"{folder}: {what}; {_ADVICE}")


def _rows(segment: Path, after_seq: int) -> Iterator[Row]:
    with closing(_opened(segment)) as db:
        while rows := [Row(*values) for values in _values(db, _ROWS, (after_seq,))]:
            yield from rows
            after_seq = rows[-1].seq


def _values(db: apsw.Connection, sql: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
    return db.execute(sql, values).fetchall()


def _opened(segment: Path) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db = apsw.Connection(f"file:{segment}?mode=ro", flags=flags)
    db.set_busy_timeout(5000)
    return db
