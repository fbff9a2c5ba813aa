"""Read the log from its files, live or at rest: short read-only transactions, every row checked.

A log is a folder of segments `segment-<first seq>.sqlite`, each one SQLite file in WAL mode. A row of
`events` is seq, header, topic, body and a crc32 over all of them.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from shared.errors import JournalError
from shared.messages import Event, Header, decode_header, message_of

SEGMENT_PATTERN = "segment-*.sqlite"
ROWS_PER_READ = 512
_NEW_SEGMENT_BYTES_MAX = 8192
"""A segment that the bus is making is not longer: its tables go to its write-ahead file first."""


class Row(NamedTuple):
    """One stored event as it was published."""

    seq: int
    header: bytes
    topic: bytes
    body: bytes
    crc: int


def segment_path(journal_dir: Path, first_seq: int) -> Path:
    """Return the file of the segment that begins with `first_seq`."""
    return journal_dir / f"segment-{first_seq:020d}.sqlite"


def first_seq_of(segment: Path) -> int:
    """Return the first seq of a segment from its name."""
    return int(segment.stem.removeprefix("segment-"))


def segments(journal_dir: Path) -> list[Path]:
    """Return the segments of a log, oldest first."""
    return sorted(journal_dir.glob(SEGMENT_PATTERN))


def row_crc(seq: int, header: bytes, topic: bytes, body: bytes) -> int:
    """Return the checksum stored with a row."""
    return zlib.crc32(body, zlib.crc32(topic, zlib.crc32(header, zlib.crc32(seq.to_bytes(8, "little")))))


def is_whole(row: Row) -> bool:
    """Return whether a row is what was stored, by its checksum."""
    try:
        return row_crc(row.seq, row.header, row.topic, row.body) == row.crc
    except TypeError:
        # A column of another type than we write.
        return False


def _refuse_unless_new(segment: Path, error: apsw.SQLError) -> None:
    """Raise `JournalError` when a segment without tables is damaged, not just being made by the bus."""
    if segment.stat().st_size > _NEW_SEGMENT_BYTES_MAX:
        raise JournalError(f"{segment} is damaged ({error}); restore a backup") from error


class JournalReader:
    """Reads one log; any number of readers may work beside the one writer."""

    def __init__(self, journal_dir: Path) -> None:
        self._dir = journal_dir
        self._path: Path | None = None
        self._connection: apsw.Connection | None = None

    def close(self) -> None:
        """Close the open segment."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._path = None

    def first_seq(self) -> int:
        """Return the oldest seq that is kept (the next one when the log is empty)."""
        found = segments(self._dir)
        return first_seq_of(found[0]) if found else 1

    def head_seq(self) -> int:
        """Return the newest committed seq, 0 when the log is empty."""
        for segment in reversed(segments(self._dir)):
            try:
                rows = self._query(segment, "select max(seq) from events")
            except apsw.SQLError as error:
                _refuse_unless_new(segment, error)
                continue
            if rows and rows[0][0] is not None:
                return int(rows[0][0])
            if first_seq_of(segment) > 1:
                return first_seq_of(segment) - 1
        return 0

    def header_at(self, seq: int) -> Header | None:
        """Return the header stored at `seq`, None when it is not kept."""
        for row in self.rows(seq - 1, seq):
            return decode_header(row.header)
        return None

    def events(self, after_seq: int = 0, until_seq: int | None = None) -> Iterator[Event]:
        """Yield the events with `after_seq` < seq <= `until_seq` (default: the head at the end).

        Raises `JournalError` at a hole, a damaged row, or when the first wanted row is pruned.
        """
        expected = after_seq + 1
        for row in self.rows(after_seq, until_seq):
            if row.seq != expected:
                raise JournalError(
                    f"{self._dir}: seq {expected} is missing, the next one kept is {row.seq}; "
                    "restore a backup, or start from a snapshot that is newer"
                )
            expected += 1
            yield Event(decode_header(row.header), message_of(row.body))

    def rows(
        self, after_seq: int = 0, until_seq: int | None = None, prefixes: tuple[bytes, ...] = ()
    ) -> Iterator[Row]:
        """Yield rows with `after_seq` < seq <= `until_seq`, checked, of topics that begin with a prefix.

        Raises `JournalError` at a row whose checksum is wrong.
        """
        while True:
            batch = self._batch(after_seq, until_seq)
            if not batch:
                return
            for row in batch:
                if not is_whole(row):
                    raise JournalError(
                        f"{self._dir}: the row of seq {row.seq} is damaged (checksum); restore a backup"
                    )
                if not prefixes or row.topic.startswith(prefixes):
                    yield row
            after_seq = batch[-1].seq

    def _batch(self, after_seq: int, until_seq: int | None) -> list[Row]:
        """Return the next rows after `after_seq`, from the segment that holds them."""
        found = segments(self._dir)
        # The last segment that may hold the next row, then the later ones when it is at its end.
        start = 0
        for index, segment in enumerate(found):
            if first_seq_of(segment) <= after_seq + 1:
                start = index
        limit = until_seq if until_seq is not None else 2**62
        for segment in found[start:]:
            if first_seq_of(segment) > limit:
                break
            try:
                rows = self._query(
                    segment,
                    "select seq, header, topic, body, crc from events where seq > ? and seq <= ? "
                    "order by seq limit ?",
                    (after_seq, limit, ROWS_PER_READ),
                )
            except apsw.SQLError as error:
                _refuse_unless_new(segment, error)
                continue
            except apsw.CantOpenError:
                # Pruned between the listing and the opening.
                continue
            if rows:
                return [Row(*row) for row in rows]
        return []

    def _query(self, segment: Path, sql: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None or self._path != segment:
            self.close()
            self._connection = apsw.Connection(
                f"file:{segment}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            )
            self._connection.set_busy_timeout(5000)
            self._path = segment
        try:
            return self._connection.execute(sql, values).fetchall()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise JournalError(f"{segment} is damaged ({error}); restore a backup") from error
