"""Raw recordings made by hand, and what an import made of them, for the tests of imports."""

import gzip
import json
import struct

import msgspec

from services.backtest.coverage import KINDS
from services.backtest.import_raw import RawImport
from services.backtest.import_rules import GivenRules
from shared.columns import CLEAR, INVALID, KIND_MASK, LAST, LEVEL, ColumnsError
from shared.kernels.book import Book

EVERYTHING = frozenset(KINDS)

S = 1_000_000_000

T0 = 1_723_161_255 * S


def events(columns):
    """Yield (ts_exch, ts_local, rows of (price, lots, kind, side)) of each message."""
    rows = []
    views = (
        columns.ts_exch_ns,
        columns.ts_local_ns,
        columns.price_ticks,
        columns.lots,
        columns.kind,
        columns.side,
    )
    for exch, local, price, lots, kind, side in zip(*(view.tolist() for view in views), strict=True):
        rows.append((price, lots, kind & KIND_MASK, side))
        if kind & LAST:
            yield exch, local, rows
            rows = []
    assert not rows


def books(columns):
    """Yield (ts_local, book) after each message that changed it, rebuilt by the book of live trading."""
    book, n = Book(), 0
    for _, local, rows in events(columns):
        levels = [row for row in rows if row[2] == LEVEL]
        block = b"".join(
            struct.pack("<qq", row[0], row[1]) for side in (0, 1) for row in levels if row[3] == side
        )
        bid_count = sum(row[3] == 0 for row in levels)
        if rows[0][2] == CLEAR:
            n = 0
            # Diffs may follow in the same message: their levels stand after the book's.
            book.snapshot(b"", 0, n)
        if rows[0][2] == INVALID:
            book.invalidate()
        elif levels:
            n += 1
            book.update(block, bid_count, n)
        yield local, book


def imported(tmp_path, *files, allow=(), given=None, symbols=()):
    run = RawImport(list(files), tmp_path / "out", given or GivenRules(), symbols)
    run.read()
    return run.finish(allow)


def lines_of(path):
    with gzip.open(path, "rb") as file:
        for line in file:
            recv, _, frame = line.partition(b" ")
            yield int(recv), msgspec.json.decode(frame)


def diff(
    u, bids=(), asks=(), first=None, previous=None, venue="spot", symbol="BTCUSDT", at_ms=1_723_161_255_000
):
    data = {
        "e": "depthUpdate",
        "E": at_ms,
        "s": symbol,
        "U": first or u,
        "u": u,
        "b": list(bids),
        "a": list(asks),
    }
    if venue == "usdm":
        data |= {"T": at_ms, "pu": u - 1 if previous is None else previous}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def trade(n, price="100.01", qty="0.7", symbol="BTCUSDT", **more):
    data = {
        "e": "trade",
        "E": 1_723_161_255_000,
        "s": symbol,
        "t": n,
        "p": price,
        "q": qty,
        "T": 1_723_161_255_000,
        "m": True,
        "M": True,
    } | more
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def book(last_id, bids=(("100.00", "1.0"), ("99.98", "2.0")), asks=(("100.02", "1.5"),)):
    return {"lastUpdateId": last_id, "bids": list(bids), "asks": list(asks)}


def recording(path, frames, step_ns=S):
    """Write frames one second apart; one that is a pair brings its own time."""
    lines = []
    for n, frame in enumerate(frames):
        at, payload = frame if isinstance(frame, tuple) else (T0 + n * step_ns, frame)
        text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
        lines.append(f"{at} {text}\n")
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


SOUND = [
    diff(10, [("99.99", "3.0")]),
    trade(1),
    book(10),
    diff(11, [("100.00", "0.0")], [("100.03", "4.0")]),
    trade(2, m=False),
    diff(12, asks=[("100.02", "0")]),
]


def outcome(tmp_path, path):
    """Return what an import makes of a file: the checksums of its columns, or that it is refused."""
    try:
        made = imported(tmp_path, path, allow=EVERYTHING)
    except ColumnsError:
        return "refused"
    return [(one.header.symbol, one.header.sha256, one.coverage.findings.keys()) for one in made]


def unusual(text):
    """Return the same recording with a space in each frame: no shortcut is taken for any of its lines."""
    return text.replace(b" {", b" { ")
