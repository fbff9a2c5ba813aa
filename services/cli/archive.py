"""What a backup is: one tar.gz of the log, snapshots, latch and configuration, with a manifest of hashes.

The manifest is the last member: an archive that was cut off has none.
"""

import gzip
import hashlib
import io
import os
import re
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import apsw
import msgspec

from shared.errors import JournalError, QuotemeshError
from shared.messages import decode_header
from shared.runtime.durable_mark import DurableMark
from shared.runtime.journal import JournalReader, Row, segments
from shared.runtime.journal_check import refuse_damaged
from shared.runtime.paths import DataDir
from shared.runtime.retention import ledger_path, ledger_rows

FORMAT = 1
MANIFEST = "manifest.json"
COMPRESS_LEVEL = 1
CHUNK_BYTES = 1 << 20
SEQ_MAX = 2**62
VENUE_STATE = "market/venue_sim.state"
_NAMES = re.compile(
    r"journal/segment-\d{20}\.sqlite|journal/ledger\.sqlite|snapshots/[a-z_]{1,32}/[0-9-]{1,64}\.snap"
    r"|config/[A-Za-z0-9_.-]{1,128}|latch/kill|market/venue_sim\.state"
)
"""The only files that a backup may hold: a forged one writes nowhere else."""


class ArchiveError(QuotemeshError):
    """A backup that cannot be made or cannot be trusted."""


class Stored(msgspec.Struct, frozen=True):
    """Size and hash of one file."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What the archive holds: the log from `first_seq` to `head_seq`, and each file."""

    format: int
    made_wall_ns: int
    first_seq: int
    head_seq: int
    epoch: int
    files: dict[str, Stored]


def write_archive(data: DataDir, out: Path) -> Manifest:
    """Write a backup of `data` to the new file `out`, while the mesh runs or not.

    The log is copied segment by segment through SQLite, so that each is what one moment saw; each row is
    checked on the way. Raises `ArchiveError` when the log is damaged, `OSError` when it cannot be written.
    """
    files: dict[str, Stored] = {}
    with tempfile.TemporaryDirectory(prefix=".quotemesh-backup-", dir=out.parent) as staging:
        draft = Path(staging) / "draft"
        with (
            draft.open("xb") as raw,
            gzip.GzipFile("", "wb", COMPRESS_LEVEL, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|") as tar,
        ):
            # Snapshots before the log that they stand on; the latch last: whatever comes between, it holds.
            for name in (*_below(data, "config/*"), *_below(data, "snapshots/*/*.snap")):
                _add(tar, files, name, data.root / name)
            first_seq, head_seq, epoch = _add_log(tar, files, data, Path(staging))
            for name in (VENUE_STATE, "latch/kill"):
                _add(tar, files, name, data.root / name)
            manifest = Manifest(FORMAT, time.time_ns(), first_seq, head_seq, epoch, files)
            _add_bytes(tar, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        _sync(draft)
        draft.rename(out)
    _sync(out.parent)
    return manifest


def read_archive(source: Path, data: DataDir) -> Manifest:
    """Make the empty directory `data` what it was when the archive `source` was written.

    Everything is unpacked beside it, checked (hashes, rows, no hole), and only then moved into place. Raises
    `ArchiveError` naming what is wrong; `data` is as it was then.
    """
    refuse_used(data)
    data.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=data.root) as staging:
        there = DataDir(Path(staging))
        manifest = _unpack(source, there.root)
        there.journal.mkdir(exist_ok=True)
        head_seq = _checked_head(there.journal, manifest.first_seq)
        if head_seq != manifest.head_seq:
            raise ArchiveError(
                f"{source}: its log ends at seq {head_seq}, the manifest says {manifest.head_seq}; "
                "use another backup"
            )
        with closing(DurableMark(there.journal)) as mark:
            mark.write(head_seq)
        # The log last: killed in between, no log stands there without its latch.
        folders = [path for path in there.root.iterdir() if path.is_dir()]
        for folder in sorted(folders, key=lambda path: path.name == "journal"):
            target = data.root / folder.name
            for made in sorted(target.glob("**"), reverse=True):
                made.rmdir()
            folder.rename(target)
        _sync(data.root)
    return manifest


def refuse_used(data: DataDir) -> None:
    """Raise `ArchiveError` when `data` holds any file."""
    if not data.root.exists():
        return
    for path in data.root.rglob("*"):
        if not path.is_dir() and "lost+found" not in path.parts:
            raise ArchiveError(
                f"{data.root} is not empty (it holds {path.relative_to(data.root)}): a backup is restored "
                "into a new data directory; name one with --data"
            )


def _below(data: DataDir, pattern: str) -> Iterator[str]:
    for path in sorted(data.root.glob(pattern)):
        name = str(path.relative_to(data.root))
        if path.is_file() and _NAMES.fullmatch(name):
            yield name


def _add_log(
    tar: tarfile.TarFile, files: dict[str, Stored], data: DataDir, staging: Path
) -> tuple[int, int, int]:
    """Add every segment and then the ledger; return the first and last seq and the epoch of the last row."""
    first_seq = epoch = 0
    expected: int | None = None
    for segment in segments(data.journal):
        copy = staging / segment.name
        try:
            _copy_database(segment, copy)
        except apsw.CantOpenError as error:
            raise ArchiveError(f"{segment} was pruned meanwhile ({error}); run the backup again") from error
        except apsw.Error as error:
            raise ArchiveError(f"{segment} is damaged ({error}); nothing was backed up") from error
        with closing(JournalReader(staging)) as reader:
            first = reader.first_seq()
            first_seq = first_seq or first
            if expected is not None and first != expected:
                raise ArchiveError(f"{data.journal}: seq {expected} to {first - 1} is missing")
            try:
                last = _read_through(reader, first)
            except JournalError as error:
                text = str(error).replace(str(staging), str(data.journal))
                raise ArchiveError(f"{text}; nothing was backed up") from error
        expected = first if last is None else last.seq + 1
        epoch = epoch if last is None else decode_header(last.header).epoch
        _add(tar, files, f"journal/{segment.name}", copy)
        copy.unlink()
    # After the segments: what is pruned meanwhile is in here too.
    ledger = ledger_path(data.journal)
    if ledger.exists():
        try:
            _copy_database(ledger, staging / ledger.name)
            _read_ledger(staging)
        except (apsw.Error, JournalError) as error:
            raise ArchiveError(f"{ledger} is damaged ({error}); nothing was backed up") from error
        _add(tar, files, f"journal/{ledger.name}", staging / ledger.name)
    return first_seq, (expected or 1) - 1, epoch


def _copy_database(source: Path, target: Path) -> None:
    """Copy what one moment sees of a database that may be written meanwhile."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with (
        closing(apsw.Connection(f"file:{source}?mode=ro", flags=flags)) as reading,
        closing(apsw.Connection(str(target))) as writing,
    ):
        reading.set_busy_timeout(5000)
        with writing.backup("main", reading, "main") as backup:
            backup.step(-1)
        # One file, without side files: the bus makes it a write-ahead one again.
        writing.execute("pragma journal_mode=delete").fetchall()


def _add(tar: tarfile.TarFile, files: dict[str, Stored], name: str, path: Path) -> None:
    """Add a file; one that is gone meanwhile (an old snapshot, a cleared latch) is left out."""
    try:
        content = path.open("rb")
    except FileNotFoundError:
        return
    with content:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(content.fileno()).st_size
        member.mode = 0o600
        hashed = _Hashing(content)
        tar.addfile(member, hashed)
    files[name] = Stored(member.size, hashed.sha256.hexdigest())


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


class _Hashing(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self.sha256.update(found)
        return found


def _unpack(source: Path, folder: Path) -> Manifest:
    """Unpack into `folder` and return the manifest, once every file is what it says."""
    found: dict[str, Stored] = {}
    manifest: Manifest | None = None
    try:
        with (
            source.open("rb") as raw,
            gzip.open(raw) as packed,
            tarfile.open(fileobj=packed, mode="r|") as tar,
        ):
            for member in tar:
                content = tar.extractfile(member)
                if content is None or manifest is not None:
                    raise ArchiveError(f"{source} holds {member.name[:200]!r}, which no backup does")
                if member.name == MANIFEST:
                    manifest = msgspec.json.decode(content.read(), type=Manifest)
                elif _NAMES.fullmatch(member.name) and member.name not in found:
                    found[member.name] = _write(folder / member.name, content)
                else:
                    raise ArchiveError(f"{source} holds {member.name[:200]!r}, which no backup does")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, msgspec.MsgspecError) as error:
        raise ArchiveError(f"{source} is damaged or no backup ({error}); use another one") from error
    if manifest is None:
        raise ArchiveError(f"{source} was cut off: its manifest is missing; use another backup")
    if manifest.format != FORMAT:
        raise ArchiveError(f"{source} has format {manifest.format}, this version reads {FORMAT}")
    for name in sorted(manifest.files.keys() | found.keys()):
        if manifest.files.get(name) != found.get(name):
            raise ArchiveError(f"{source}: {name} is not what was backed up (hash); use another backup")
    return manifest


def _write(path: Path, content: IO[bytes]) -> Stored:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        path.chmod(0o600)
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Stored(size, digest.hexdigest())


def _checked_head(journal_dir: Path, first_seq: int) -> int:
    """Return the newest seq of a log after every row was read and checked."""
    refuse_damaged(journal_dir)
    _read_ledger(journal_dir)
    with closing(JournalReader(journal_dir)) as reader:
        last = _read_through(reader, max(1, first_seq))
    return max(0, first_seq - 1) if last is None else last.seq


def _read_ledger(journal_dir: Path) -> None:
    """Read what was kept of pruned segments; raises `JournalError` or `apsw.Error` when it is damaged."""
    for _ in ledger_rows(journal_dir, SEQ_MAX):
        continue


def _read_through(reader: JournalReader, first_seq: int) -> Row | None:
    """Return the last row after all from `first_seq` on were read; raises `JournalError` at a bad one."""
    last = None
    for expected, row in enumerate(reader.rows(first_seq - 1), first_seq):
        if row.seq != expected:
            raise JournalError(f"seq {expected} is missing, the next one kept is {row.seq}")
        last = row
    return last


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
