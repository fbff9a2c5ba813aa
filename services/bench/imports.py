"""Import of a raw capture to columns, against decompression and JSON decoding alone, rounds alternated.

Time is that of the processor (`process_time`): the budget is per core. Each round imports the whole capture
anew, the look at its beginning, the checksum and the writing of the file included. Without recorded captures
there is nothing to measure.
"""

import os
import tempfile
import time
import tracemalloc
from pathlib import Path

import msgspec

from services.backtest.import_lines import pieces
from services.backtest.import_raw import RawImport
from services.bench.figures import Figure, median
from services.bench.machine import ROOT

CAPTURES = {
    "USD-M": "binance_hft/usdm_btcusdt_20240808.raw.gz",
    "spot": "binance_hft/spot_btcusdt_20240808.raw.gz",
}
ROUNDS = 15
LINES_PER_S_MIN = 300_000
RATIO_MAX = 1.3
PEER = "decompression and msgspec JSON alone"


def measure() -> list[Figure]:
    """Return lines/s and microseconds per line of each capture, none where the captures are not here."""
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    figures: list[Figure] = []
    for name, relative in CAPTURES.items():
        path = folder / relative
        if path.is_file():
            figures += _figures(name, path)
    return figures


def _figures(name: str, path: Path) -> list[Figure]:
    ours, theirs, lines = [], [], 0
    for _ in range(ROUNDS):
        started_s = time.process_time()
        lines = _import(path)
        ours.append((time.process_time() - started_s) * 1e6 / lines)
        started_s = time.process_time()
        decoded = _decode(path)
        theirs.append((time.process_time() - started_s) * 1e6 / lines)
        assert decoded == lines, f"{decoded} of {lines} lines decoded"
    note = (
        f"{lines} lines of {name}, {ROUNDS} rounds, processor time; {_peak_mb(path):.0f} MB allocated at most"
    )
    us = median(ours)
    return [
        Figure(
            name=f"import of a raw {name} capture",
            unit="lines/s",
            value=round(1e6 / us),
            at_least=LINES_PER_S_MIN,
            note=note,
        ),
        Figure(
            name=f"import, a line of {name}",
            unit="us",
            value=round(us, 3),
            ratio_max=RATIO_MAX,
            peer_name=PEER,
            peer=round(median(theirs), 3),
            rounds=[[round(one, 3) for one in ours], [round(one, 3) for one in theirs]],
            note=note,
        ),
    ]


def _import(path: Path) -> int:
    """Import a capture and return how many lines it has."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        run = RawImport([path], Path(folder))
        run.read()
        (made,) = run.finish()
        return made.coverage.lines


def _decode(path: Path) -> int:
    """Decompress a capture and decode the JSON of each line, and nothing else; return the lines."""
    decode = msgspec.json.Decoder().decode
    count, rest = 0, b""
    for piece in pieces(path):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            decode(memoryview(line)[line.index(b" ") + 1 :])
        count += len(lines)
    return count


def _peak_mb(path: Path) -> float:
    tracemalloc.start()
    try:
        _import(path)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
