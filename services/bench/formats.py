"""Generated data and foreign formats: rows per second of the processor, and a replay by hftbacktest itself.

`QUOTEMESH_PEERS` names a Python interpreter with hftbacktest in an environment of its own
(`uv venv peers && uv pip install --python peers/bin/python hftbacktest`); without it the replay is not here.
Compared is the touch, prices and lots, that its local side sees after each second of a file that we wrote.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.backtest.formats_npz import NpzImport, export_npz
from services.backtest.formats_tardis import TardisImport
from services.backtest.formats_tardis_export import export_tardis
from services.backtest.generate import Flow, generate
from services.backtest.import_rules import GivenRules
from services.bench.figures import Figure, median
from shared.columns import CLEAR, KIND_MASK, LEVEL, Columns

PEERS = "QUOTEMESH_PEERS"
EVENTS, CSV_EVENTS, REPLAYED = 4_000_000, 200_000, 300_000
ROUNDS = 3
GENERATED_PER_S_MIN = 1_700_000
"""100 million rows within a minute."""
TIMEOUT_S = 600

Touch = tuple[int, int, int, int]


def measure() -> list[Figure]:
    """Return the figures; the replay only where a peer is named."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as name:
        folder = Path(name)
        figures = _speeds(folder)
        interpreter = os.environ.get(PEERS)
        if interpreter:
            figures.append(_replay(folder, interpreter))
    return figures


def _speeds(folder: Path) -> list[Figure]:
    flow, small = Flow(event_count=EVENTS), Flow(event_count=CSV_EVENTS)
    whole, part = folder / "whole.columns", folder / "part.columns"
    tardis = folder / "book.csv", folder / "trades.csv"
    given = GivenRules(tick_size=flow.tick_size, lot_size=flow.lot_size)

    def from_npz() -> None:
        _imported(NpzImport([folder / "x.npz"], folder / "in", given, (flow.symbol,)))

    def from_tardis() -> None:
        _imported(TardisImport(tardis, folder / "in", given))

    generate(small, part)
    cases: list[tuple[str, int, float | None, Callable[[], object]]] = [
        ("generated data", EVENTS, GENERATED_PER_S_MIN, lambda: generate(flow, whole)),
        ("export to npz", EVENTS, None, lambda: export_npz(whole, folder / "x.npz", is_compressed=False)),
        ("import of npz", EVENTS, None, from_npz),
        ("export to Tardis CSV", CSV_EVENTS, None, lambda: export_tardis(part, *tardis)),
        ("import of Tardis CSV", CSV_EVENTS, None, from_tardis),
    ]
    return [
        Figure(
            name=name,
            unit="rows/s",
            value=round(median(rates)),
            at_least=at_least,
            rounds=[round(rate) for rate in rates],
            note=f"{count} rows, {ROUNDS} rounds, processor time, the file written and hashed",
        )
        for name, count, at_least, run in cases
        for rates in ([_rate(count, run) for _ in range(ROUNDS)],)
    ]


def _rate(count: int, run: Callable[[], object]) -> float:
    started_s = time.process_time()
    run()
    return count / (time.process_time() - started_s)


def _imported(each: NpzImport | TardisImport) -> None:
    try:
        each.read()
        each.finish()
    finally:
        each.abort()


def _replay(folder: Path, interpreter: str) -> Figure:
    flow = Flow(event_count=REPLAYED)
    source, target = folder / "r.columns", folder / "r.npz"
    generate(flow, source)
    export_npz(source, target)
    script = Path(__file__).with_name("formats_peer.py")
    done = subprocess.run(
        [interpreter, str(script), str(target), flow.tick_size, flow.lot_size],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{PEERS}={interpreter}: hftbacktest did not replay our file: {done.stderr[-2000:]}"
        )
    theirs: dict[str, Any] = json.loads(done.stdout)
    seconds = theirs["seconds"]
    ours = _touches(source, [second[0] for second in seconds])
    differing = sum(tuple(second[1:]) != touch for second, touch in zip(seconds, ours, strict=True))
    return Figure(
        name="seconds whose touch differs in hftbacktest's replay of our npz",
        value=differing,
        at_most=0,
        note=f"{len(seconds)} seconds, {theirs['events']} events, {theirs['trades']} trades in its replay",
    )


def _touches(path: Path, times_ns: list[int]) -> list[Touch]:
    """Return the touch after all rows received up to each time."""
    book: tuple[dict[int, int], dict[int, int]] = ({}, {})
    found: list[Touch] = []
    with Columns.open(path) as columns:
        at = 0
        for time_ns in times_ns:
            while at < columns.count and columns.ts_local_ns[at] <= time_ns:
                kind, side, price = columns.kind[at] & KIND_MASK, columns.side[at], columns.price_ticks[at]
                if kind == CLEAR:
                    book = ({}, {})
                elif kind == LEVEL and columns.lots[at]:
                    book[side][price] = columns.lots[at]
                elif kind == LEVEL:
                    book[side].pop(price, None)
                at += 1
            bid, ask = max(book[0]), min(book[1])
            found.append((bid, ask, book[0][bid], book[1][ask]))
    return found
