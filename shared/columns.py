r"""Market data as six columns in one mapped file per market: what a backtest walks, and how it is written.

A file is `QMCOLS1\n`, a uint32 header length, the header in MessagePack, zeros to a page, then the columns,
each beginning at a page: `ts_exch_ns int64, ts_local_ns int64, price_ticks int32, lots int64, kind uint8,
side uint8`, little-endian, 30 bytes a row. Rows are in the order of receipt: `ts_local_ns` never falls. One
message of the venue is one or more rows; its last one carries `LAST`, and only after it may anything be
decided.

| kind | meaning of a row |
|---|---|
| LEVEL | `lots` (absolute, 0 deletes) now rest at `price_ticks` of `side` (0 bids, 1 asks) |
| TRADE | `lots` were traded at `price_ticks`; `side` is the aggressor's (0 bought, 1 sold) |
| CLEAR | a whole book follows in the same message: everything known of the book is forgotten |
| INVALID | the book is untrusted from here to the next CLEAR |
| FUNDING | funding is paid now at the mark `price_ticks`; `lots` is the rate in 1e-8, positive: longs pay |
| MARK | the mark price is `price_ticks` |
"""

import hashlib
import mmap
import os
import sys
import tempfile
from array import array
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec

from shared.errors import QuotemeshError
from shared.messages.market import InstrumentRules

SUFFIX = ".columns"
MAGIC = b"QMCOLS1\n"
PAGE_BYTES = 4096
VERSION = 1

LEVEL, TRADE, CLEAR, INVALID, FUNDING, MARK = range(6)
KIND_MASK = 0x0F
LAST = 0x80
"""Set in `kind`: the message of the venue ends with this row."""

FIELDS = (
    ("ts_exch_ns", "q", 8),
    ("ts_local_ns", "q", 8),
    ("price_ticks", "i", 4),
    ("lots", "q", 8),
    ("kind", "B", 1),
    ("side", "B", 1),
)
"""Name, `array` type code and bytes of each column, in the order of the file."""
ROW_BYTES = sum(size for _, _, size in FIELDS)
HEADER_BYTES_MAX = 64 * 2**20
_COPY_BYTES = 4 * 2**20

assert sys.byteorder == "little", "column files are mapped as they are, so they need a little-endian machine"


class ColumnsError(QuotemeshError):
    """A column file that cannot be read, or market data that cannot be one."""


class Gap(msgspec.Struct, array_like=True, frozen=True):
    """A part of the time that the data do not tell: `[from_ns, to_ns, why]` in local time."""

    from_ns: int
    to_ns: int
    why: str


class ColumnsHeader(msgspec.Struct, frozen=True):
    """What a column file says of itself; `sha256` is over the bytes of the columns, one after the other.

    `offsets` are the positions of the columns in the file. Times are those of the first and last row and 0
    without rows. `latency_min_ns` is the least `ts_local_ns - ts_exch_ns` of all rows whose venue time is
    known: a negative one means that the recorder's clock was behind the venue's. `depth_count` messages
    changed levels.
    """

    version: int
    symbol: str
    rules: InstrumentRules
    count: int
    first_local_ns: int
    last_local_ns: int
    first_exch_ns: int
    last_exch_ns: int
    source: str
    gaps: list[Gap]
    sha256: str
    offsets: list[int]
    latency_min_ns: int = 0
    depth_count: int = 0
    trade_count: int = 0


class _Versioned(msgspec.Struct):
    version: int


class Columns:
    """One mapped column file; the columns are memoryviews of the formats q, q, i, q, B, B, without a copy."""

    def __init__(self, header: ColumnsHeader, mapped: mmap.mmap) -> None:
        self.header = header
        self._mapped = mapped
        self._whole = memoryview(mapped)
        self._views: list[memoryview] = []
        for (_, code, size), offset in zip(FIELDS, header.offsets, strict=True):
            view = self._whole[offset : offset + size * header.count]
            self._views.append(view.cast(code))  # type: ignore[call-overload]
        (self.ts_exch_ns, self.ts_local_ns, self.price_ticks, self.lots, self.kind, self.side) = self._views

    @classmethod
    def open(cls, path: Path | str, verify: bool = False) -> "Columns":
        """Map a file; with `verify` its checksum is compared, which reads all of it.

        Raises:
            ColumnsError: there is no such file, it is of another kind, cut off or damaged.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                header = _read_header(path, file)
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ColumnsError(
                f"column file {path} cannot be read ({error.strerror}); give a file that `import` has made"
            ) from error
        try:
            columns = cls(header, mapped)
        except (ValueError, TypeError) as error:
            raise _damaged(path, str(error)) from None
        if verify:
            columns.verify(path)
        return columns

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return self.header.count

    @property
    def data_hash(self) -> str:
        """Return the checksum of the columns."""
        return self.header.sha256

    def verify(self, path: Path | str = "") -> None:
        """Compare the checksum of the columns with the header's; raises `ColumnsError`."""
        digest = hashlib.sha256()
        for view in self._views:
            digest.update(view)
        if digest.hexdigest() != self.header.sha256:
            raise _damaged(path, "its checksum is wrong")

    def close(self) -> None:
        """Unmap the file; views that others still hold keep it mapped until they are gone."""
        for view in (*self._views, self._whole):
            view.release()
        self._mapped.close()

    def __enter__(self) -> "Columns":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _damaged(path: Path | str, what: str) -> ColumnsError:
    return ColumnsError(f"column file {path} is damaged or cut off: {what}; import the data again")


def _read_header(path: Path, file: BinaryIO) -> ColumnsHeader:
    start = file.read(len(MAGIC) + 4)
    if start[: len(MAGIC)] != MAGIC:
        raise ColumnsError(f"{path} is no column file; make one of market data with `quotemesh import`")
    length = int.from_bytes(start[len(MAGIC) :], "little")
    packed = file.read(length) if length <= HEADER_BYTES_MAX else b""
    if len(start) < len(MAGIC) + 4 or len(packed) != length:
        raise _damaged(path, "its header is not whole")
    try:
        version = msgspec.msgpack.decode(packed, type=dict[str, msgspec.Raw]).get(
            "version", msgspec.Raw(b"\xc0")
        )
        if bytes(version) != msgspec.msgpack.encode(VERSION):
            raise ColumnsError(
                f"column file {path} is of another version than {VERSION}; import the data again"
            )
        header = msgspec.msgpack.decode(packed, type=ColumnsHeader)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    size = os.fstat(file.fileno()).st_size
    for (name, _, width), offset in zip(FIELDS, header.offsets, strict=False):
        if offset % PAGE_BYTES or offset + width * header.count > size or header.count < 0:
            raise _damaged(path, f"{name} reaches beyond the {size} bytes of the file")
    return header


class ColumnsWriter:
    """Writes one column file; nothing bears its name before `finish`, whatever happens.

    Rows go to unnamed temporary files in the folder of `path`, so that they vanish with the process. Memory
    does not grow with the rows.
    """

    def __init__(self, path: Path | str, symbol: str, rules: InstrumentRules, source: str) -> None:
        self.path = Path(path)
        self.count = 0
        self._symbol = symbol
        self._rules = rules
        self._source = source
        self._last_local_ns = 0
        self._depth_count = self._trade_count = 0
        self._first_ns = (0, 0)
        self._last_ns = (0, 0)
        self._latency_min_ns: int | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._files = [tempfile.TemporaryFile(dir=self.path.parent) for _ in FIELDS]  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def append_rows(
        self,
        ts_exch_ns: "array[int]",
        ts_local_ns: "array[int]",
        price_ticks: "array[int]",
        lots: "array[int]",
        kind: "array[int]",
        side: "array[int]",
        latency_min_ns: int | None = None,
    ) -> None:
        """Append rows given as arrays of the type codes q, q, i, q, B, B and of one length.

        Who knows the least latency of these rows, and that their local times do not fall, says it; else the
        rows are searched.

        Raises:
            ColumnsError: the local times fall, or the rows cannot be written (a full disk).
        """
        count = len(ts_local_ns)
        columns = (ts_exch_ns, ts_local_ns, price_ticks, lots, kind, side)
        for (name, code, _), column in zip(FIELDS, columns, strict=True):
            assert column.typecode == code, f"column {name} is of type {column.typecode!r}, must be {code!r}"
            assert len(column) == count, f"column {name} has {len(column)} rows, ts_local_ns {count}"
        if not count:
            return
        if ts_local_ns[0] < self._last_local_ns:
            raise self._unordered(0, self._last_local_ns, ts_local_ns[0])
        if latency_min_ns is None:
            for i, (before, after) in enumerate(pairwise(ts_local_ns)):
                if after < before:
                    raise self._unordered(i + 1, before, after)
            latency_min_ns = _least_latency_ns(ts_exch_ns, ts_local_ns)
        if latency_min_ns is not None:
            known = self._latency_min_ns
            self._latency_min_ns = latency_min_ns if known is None else min(known, latency_min_ns)
        if self.count == 0:
            self._first_ns = (ts_exch_ns[0], ts_local_ns[0])
        self._last_ns = (ts_exch_ns[-1], ts_local_ns[-1])
        self._last_local_ns = ts_local_ns[-1]
        self.count += count
        kinds = kind.tobytes()
        self._depth_count += kinds.count(LEVEL | LAST)
        self._trade_count += kinds.count(TRADE) + kinds.count(TRADE | LAST)
        try:
            for file, column in zip(self._files, columns, strict=True):
                file.write(column)
        except OSError as error:
            self.abort()
            raise self._failed(error) from error

    def finish(self, gaps: list[Gap] | None = None, local_shift_ns: int = 0) -> ColumnsHeader:
        """Put the columns together under the final name, synced; raises `ColumnsError` (a full disk).

        A file that had this name is replaced. `local_shift_ns` is added to every local time.
        """
        if local_shift_ns:
            self._shift(local_shift_ns)
            gaps = [
                Gap(gap.from_ns + local_shift_ns, gap.to_ns + local_shift_ns, gap.why) for gap in gaps or []
            ]
        offsets, digest = [], hashlib.sha256()
        header = self._header(gaps or [], [0] * len(FIELDS), "0" * 64)
        # An offset has at most 9 bytes where the empty header has 1.
        offset = _page_up(len(MAGIC) + 4 + len(msgspec.msgpack.encode(header)) + 9 * len(FIELDS))
        for _, _, size in FIELDS:
            offsets.append(offset)
            offset = _page_up(offset + size * self.count)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self._remove_old_drafts()
            with draft.open("wb") as out:
                for (name, _, _), file, at in zip(FIELDS, self._files, offsets, strict=True):
                    shift_ns = local_shift_ns if name == "ts_local_ns" else 0
                    out.seek(at)
                    file.seek(0)
                    while chunk := file.read(_COPY_BYTES):
                        chunk = _shifted(chunk, shift_ns) if shift_ns else chunk
                        digest.update(chunk)
                        out.write(chunk)
                out.truncate(offset)
                header = self._header(gaps or [], offsets, digest.hexdigest())
                packed = msgspec.msgpack.encode(header)
                out.seek(0)
                out.write(MAGIC + len(packed).to_bytes(4, "little") + packed)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            draft.unlink(missing_ok=True)
            self.abort()
        return header

    def _remove_old_drafts(self) -> None:
        """Remove what a process that was killed while it put this very file together has left."""
        for old in self.path.parent.glob(f".{self.path.name}.*"):
            if old.suffix[1:].isdigit() and not Path("/proc", old.suffix[1:]).exists():
                old.unlink(missing_ok=True)

    def _shift(self, shift_ns: int) -> None:
        self._first_ns = (self._first_ns[0], self._first_ns[1] + shift_ns)
        self._last_ns = (self._last_ns[0], self._last_ns[1] + shift_ns)
        if self._latency_min_ns is not None:
            self._latency_min_ns += shift_ns

    def abort(self) -> None:
        """Drop everything that was written."""
        for file in self._files:
            try:
                file.close()
            except OSError:
                # What a full disk did not take is not wanted any more.
                continue

    def _header(self, gaps: list[Gap], offsets: list[int], sha256: str) -> ColumnsHeader:
        return ColumnsHeader(
            version=VERSION,
            symbol=self._symbol,
            rules=self._rules,
            count=self.count,
            first_local_ns=self._first_ns[1],
            last_local_ns=self._last_ns[1],
            first_exch_ns=self._first_ns[0],
            last_exch_ns=self._last_ns[0],
            source=self._source,
            gaps=gaps,
            sha256=sha256,
            offsets=offsets,
            latency_min_ns=self._latency_min_ns or 0,
            depth_count=self._depth_count,
            trade_count=self._trade_count,
        )

    def _unordered(self, index: int, before_ns: int, after_ns: int) -> ColumnsError:
        return ColumnsError(
            f"{self.path}: row {self.count + index} is of {after_ns} ns, before the {before_ns} ns of the "
            "row before; sort the data by the time of receipt"
        )

    def _failed(self, error: OSError) -> ColumnsError:
        return ColumnsError(
            f"{self.path} could not be written ({error.strerror}) after {self.count} rows of {ROW_BYTES} "
            "bytes; nothing of it is kept: make space, or name another folder"
        )


def _page_up(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


def _shifted(times: bytes, shift_ns: int) -> bytes:
    return array("q", [time_ns + shift_ns for time_ns in memoryview(times).cast("q")]).tobytes()


def _least_latency_ns(ts_exch_ns: "array[int]", ts_local_ns: "array[int]") -> int | None:
    return min((at - of for of, at in zip(ts_exch_ns, ts_local_ns, strict=True) if of), default=None)
