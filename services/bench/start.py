"""How long `quotemesh backtest` takes from its command to its first event, for both paths.

The strategy is a plain file that ends its process at the first book it is told of.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

from services.bench.figures import Figure, median
from services.bench.levels import rules
from services.bench.machine import ROOT
from services.strategy.shell_own import FOLDER
from shared.columns import CLEAR, LAST, LEVEL, ColumnsWriter
from shared.runtime.paths import DataDir
from shared.units import NS_PER_S

ROUNDS = 9
START_NS = 1_700_000_000 * NS_PER_S
CONFIG = """
symbols: [binance_usdm:BTCUSDT]
strategies:
  one: {kind: "ends_at_once:EndsAtOnce", symbol: binance_usdm:BTCUSDT}
"""
STRATEGY = '''"""Ends its process at the first book."""

import os
from dataclasses import dataclass

from services.strategy.base import Strategy


@dataclass(frozen=True)
class Settings:
    """None."""


class EndsAtOnce(Strategy):
    """See the module."""

    Settings = Settings

    def on_book(self, ctx):
        """End."""
        os._exit(0)
'''


def two_messages(path: Path) -> Path:
    """Write a column file of a whole book and one change of it."""
    market = rules()
    rows = [(CLEAR, 0, 0, 0), (LEVEL, 600_000, 10, 0), (LEVEL | LAST, 600_010, 10, 1)]
    rows.append((LEVEL | LAST, 600_000, 9, 0))
    times = array("q", [START_NS] * 3 + [START_NS + NS_PER_S])
    kinds, prices, lots, sides = zip(*rows, strict=True)
    writer = ColumnsWriter(path, market.symbol, market, "two messages")
    book = (array("i", prices), array("q", lots), array("B", kinds), array("B", sides))
    writer.append_rows(times, times, *book, latency_min_ns=0)
    writer.finish()
    return path


def measure() -> list[Figure]:
    """Return the median time to the first event, for each path."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        file = two_messages(Path(folder) / "two.columns")
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG, encoding="utf-8")
        own = DataDir(folder).config / FOLDER
        own.mkdir(parents=True)
        (own / "ends_at_once.py").write_text(STRATEGY, encoding="utf-8")
        for path in ("array", "exact"):
            words = ["backtest", str(config), "--data", str(file), "--path", path]
            used_s = _processor_s()
            taken = [_run_s(words, folder) for _ in range(ROUNDS)]
            cpu_s = (_processor_s() - used_s) / ROUNDS
            figures.append(
                Figure(
                    name=f"backtest, start to first event, {path} path",
                    value=round(median(taken), 3),
                    unit="s",
                    at_most=0.5,
                    rounds=[round(seconds, 3) for seconds in taken],
                    note=f"{ROUNDS} processes one after another, {cpu_s:.2f} s of processor time each",
                )
            )
    return figures


def _processor_s() -> float:
    """Return the processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run_s(words: list[str], folder: str) -> float:
    started_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "services.cli.main", *words],
        cwd=ROOT,
        env={**os.environ, "QUOTEMESH_DATA": folder},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started_s
