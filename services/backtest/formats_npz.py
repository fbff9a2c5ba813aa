"""hftbacktest's `.npz`: its event array is read to a column file, and a column file written as one.

The array lies in a zip archive as `data.npy`. Read are the rows that its local side sees, in their order:
depth, snapshot, clear and trade events (level 3 has no aggregated book and is refused; best-price events are
passed over and counted). Clears of both sides around a snapshot become one CLEAR. Consecutive depth rows of
one pair of times are one message; a trade is one of its own. In files that we wrote the ends of messages and
the broken book are kept in the unused field `ival`, so that they come back as they were.
"""

import ast
import zipfile
import zlib
from array import array
from pathlib import Path
from typing import IO, Any

import msgspec

from services.backtest.formats_order import ordered_events
from services.backtest.formats_rows import ForeignImport, FormatError, Rows, bad_row, chosen_rules
from shared.columns import FIELDS, Columns
from shared.kernels import event_rows
from shared.kernels.event_rows import EventReader
from shared.kernels.event_writer import EventWriter
from shared.kernels.levels import step_of
from shared.messages.market import InstrumentRules

MEMBER = "data.npy"
MAGIC = b"\x93NUMPY"
EVENT_BYTES = 64
BLOCK_EVENTS = 65_536
HEADER_ALIGNMENT = 64
DESCR = [
    ("ev", "<u8"),
    ("exch_ts", "<i8"),
    ("local_ts", "<i8"),
    ("px", "<f8"),
    ("qty", "<f8"),
    ("order_id", "<u8"),
    ("ival", "<i8"),
    ("fval", "<f8"),
]
TYPES = [kind for _, kind in DESCR]

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, NotImplementedError)


class NpzExport(msgspec.Struct):
    """What became of the rows of a column file.

    `left_out_count` rows of funding and marks have no place in the format, `timeless_count` rows without a
    venue time got the local one, `split_count` rows stand twice since the venue's times fall there.
    """

    event_count: int
    left_out_count: int
    timeless_count: int
    split_count: int


class NpzImport(ForeignImport):
    """Event arrays of one market, in the order given; each event's local time is the time of receipt."""

    def fill(self) -> None:
        """Read the arrays; raises `FormatError` for a file or a row that cannot be."""
        symbol = self.only_symbol()
        rules = chosen_rules(self.given, symbol, None)
        rows = self.rows(rules, f"hftbacktest npz {', '.join(path.name for path in self.paths)}")
        reader = EventReader(step_of(rules.tick_size, ""), step_of(rules.lot_size, ""))
        for path in self.paths:
            rows.coverage.lines += self._read(path, reader, rows, rules)
        held = _columns(1)
        used = reader.finish(*held)
        rows.append([column[:used] for column in held])
        found = rows.coverage
        found.trades = reader.trade_count
        found.diffs = rows.count - reader.trade_count
        if reader.floored_count:
            found.find("off-lot", f"event {reader.floored_row}", reader.floored_count)
        if reader.bookless_count:
            found.find("no-book", "depth events before the first snapshot", reader.bookless_count)
        if reader.skipped_count:
            found.notes.append(f"{reader.skipped_count} best-price events were passed over")

    def _read(self, path: Path, reader: EventReader, rows: Rows, rules: InstrumentRules) -> int:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as data:
                count = _read_head(path, data)
                for done in range(0, count, BLOCK_EVENTS):
                    size = min(BLOCK_EVENTS, count - done)
                    block = data.read(size * EVENT_BYTES)
                    if len(block) != size * EVENT_BYTES:
                        raise FormatError(
                            f"{path} ends in event {done + len(block) // EVENT_BYTES + 1} of {count}: "
                            "it is cut off; get the file again"
                        )
                    _take_block(path, reader, rows, rules, block, done)
                    self.done(len(block))
                if data.read(1):
                    raise FormatError(f"{path} goes on after its {count} events; get the file again")
                return count
        except UNREADABLE as error:
            raise FormatError(
                f"{path} is no whole .npz file with the array {MEMBER} ({error}); get the file again"
            ) from None


def _columns(count: int) -> "list[array[int]]":
    return [array(code, bytes(count * width)) for _, code, width in FIELDS]


def _take_block(
    source: Path, reader: EventReader, rows: Rows, rules: InstrumentRules, block: bytes, done: int
) -> None:
    ints, floats = memoryview(block).cast("q"), memoryview(block).cast("d")
    columns = _columns(2 * (len(block) // EVENT_BYTES) + 1)
    used = reader.read(ints, floats, *columns)
    if reader.bad_code != event_rows.OK:
        raise _bad_event(source, reader, rules, ints, floats, done)
    rows.append([column[:used] for column in columns])


def _bad_event(
    source: Path,
    reader: EventReader,
    rules: InstrumentRules,
    ints: memoryview,
    floats: "memoryview[float]",
    done: int,
) -> FormatError:
    base = len(TYPES) * reader.bad_row
    kind, exch_ns, local_ns = ints[base] & 0xFF, ints[base + 1], ints[base + 2]
    price, quantity = floats[base + 3], floats[base + 4]
    what, todo = {
        event_rows.UNORDERED: (
            f"local_ts {local_ns} is before that of the event before",
            "sort the data by local_ts, or mark rows that only the exchange sees",
        ),
        event_rows.BAD_TIME: (
            f"exch_ts {exch_ns}, local_ts {local_ns}: must be nanoseconds since 1970",
            "correct the times",
        ),
        event_rows.BAD_PRICE: (f"px {price!r}: must lie in 1..2^31 - 1 ticks", "correct or drop the row"),
        event_rows.OFF_TICK: (
            f"px {price!r} is no whole number of ticks of {rules.tick_size}",
            "give the tick size of these data: --rules tick=...,lot=...",
        ),
        event_rows.NEGATIVE_QTY: (f"qty {quantity!r} is negative", "correct or drop the row"),
        event_rows.BAD_QTY: (
            f"qty {quantity!r}: must be a number below 10^15 lots",
            "correct or drop the row",
        ),
        event_rows.BAD_KIND: (
            f"ev {ints[base]:#x} is of kind {kind}",
            "only depth (1), trade (2), clear (3), snapshot (4) and best price (5) can be used",
        ),
        event_rows.BAD_SIDE: (
            f"ev {ints[base]:#x} is neither a buy nor a sell",
            "set BUY_EVENT or SELL_EVENT",
        ),
    }[reader.bad_code]
    return bad_row(source, done + reader.bad_row + 1, what, todo)


def _read_head(source: Path, data: IO[bytes]) -> int:
    """Read the header of the array and return its count; raises `FormatError` when it is another one."""
    start = data.read(8)
    if start[:6] != MAGIC or start[6:7] not in {b"\x01", b"\x02", b"\x03"}:
        raise FormatError(f"{source}: {MEMBER} is no numpy array; export the events again")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(data.read(width), "little")
    try:
        head: dict[str, Any] = ast.literal_eval(data.read(min(length, 65_536)).decode("latin-1"))
        names, shape = head["descr"], head["shape"]
        if not isinstance(names, list) or [field[1] for field in names] != TYPES:
            raise FormatError(
                f"{source}: the array is of {str(names)[:200]}, must be of {DESCR} (hftbacktest 2); "
                "convert the data with that version"
            )
        if head["fortran_order"] or len(shape) != 1 or not 0 <= int(shape[0]) < 2**48:
            raise FormatError(f"{source}: the array is of shape {shape}, must have one dimension")
        return int(shape[0])
    except (ValueError, SyntaxError, KeyError, TypeError, IndexError, RecursionError, MemoryError) as error:
        raise FormatError(f"{source}: the header of {MEMBER} cannot be read ({error})") from None


def npy_head(count: int) -> bytes:
    """Return the header of an event array; the data begin at a multiple of 64 bytes."""
    text = repr({"descr": DESCR, "fortran_order": False, "shape": (count,)})
    length = -(-(10 + len(text) + 1) // HEADER_ALIGNMENT) * HEADER_ALIGNMENT - 10
    return MAGIC + b"\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"


def export_npz(source: Path, out: Path, local_shift_ns: int = 0, is_compressed: bool = True) -> NpzExport:
    """Write a column file as an event array that hftbacktest replays.

    A row that its exchange sees at another place than the local side (venue times that fall) stands twice,
    once for each, as that program wants it.

    Raises:
        FormatError: a local time is before the venue's (say by how much to shift), or a value is too large.
        ColumnsError: the column file cannot be read.
    """
    with Columns.open(source) as columns:
        rules = columns.header.rules
        early_ns = -(columns.header.latency_min_ns + local_shift_ns)
        if early_ns > 0:
            raise FormatError(
                f"{source}: the recorder's clock was behind the venue's, so rows are seen up to {early_ns} "
                f"ns before they happen; shift local times: --shift-local-ns {early_ns + local_shift_ns}"
            )
        writer = EventWriter(step_of(rules.tick_size, ""), step_of(rules.lot_size, ""), local_shift_ns)
        order = ordered_events(columns, local_shift_ns)
        draft = out.with_name(f".{out.name}.part")
        member = zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0))
        member.compress_type = zipfile.ZIP_DEFLATED if is_compressed else zipfile.ZIP_STORED
        try:
            with (
                zipfile.ZipFile(draft, "w", compresslevel=1) as archive,
                archive.open(member, "w", force_zip64=True) as data,
            ):
                data.write(npy_head(order.event_count))
                for block in order.blocks(writer, source):
                    data.write(block)
            draft.replace(out)
        except OSError as error:
            raise FormatError(
                f"{out} could not be written ({error.strerror or error}); nothing of it is kept: make space, "
                "or name another folder"
            ) from None
        finally:
            draft.unlink(missing_ok=True)
        return NpzExport(order.event_count, writer.left_out_count, writer.timeless_count, order.split_count)
